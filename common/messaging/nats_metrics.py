"""What the NATS bus counts: plain numbers on the way, turned into metrics only when they are read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric


class BusMetrics:
    """Numbers since the start of the process.

    ``messages`` by (direction, kind), ``dropped`` by reason: forged, malformed, repeated (a heartbeat that
    was heard before, or is too old), late (an answer nobody waits for any more), overflow (came faster than
    they were taken).
    """

    def __init__(self) -> None:
        self.connected = False
        self.connections = 0
        self.failures = 0
        self.messages: Counter[tuple[str, str]] = Counter()
        self.dropped: Counter[str] = Counter()
        self.pointers = 0
        self.violations = 0

    @property
    def reconnects(self) -> int:
        return max(0, self.connections - 1)


class BusCollector(Collector):
    """Shows the numbers to a registry."""

    def __init__(self, metrics: BusMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "burgee_bus_connected", "1 while connected to a NATS server", float(self._metrics.connected)
        )
        for name, text, value in (
            ("reconnects", "Connections made after the first one", self._metrics.reconnects),
            ("connect_failures", "Attempts to connect that failed", self._metrics.failures),
            ("pointers", "Events too big for the bus, sent without their data", self._metrics.pointers),
            ("permission_violations", "What NATS did not let this process do", self._metrics.violations),
            ("slow_consumer", "Messages that came faster than taken", self._metrics.dropped["overflow"]),
        ):
            yield CounterMetricFamily(f"burgee_bus_{name}", text, value)
        messages = CounterMetricFamily(
            "burgee_bus_messages", "Messages by direction and kind", labels=["direction", "kind"]
        )
        for labels, count in self._metrics.messages.items():
            messages.add_metric(labels, count)
        yield messages
        dropped = CounterMetricFamily("burgee_bus_dropped", "Messages not used, by reason", labels=["reason"])
        for reason, count in self._metrics.dropped.items():
            dropped.add_metric((reason,), count)
        yield dropped
