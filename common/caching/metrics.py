"""What a cache counts: plain numbers on the way, turned into metrics only when they are read.

A look-up that hits is a few hundred nanoseconds of work; a metric's lock would be most of it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.core import Metric


class Gauges(Protocol):
    """Whoever can say how things stand now."""

    def gauges(self) -> Mapping[str, tuple[str, float]]:
        """Names without their prefix, each with its description and value."""


class CacheMetrics:
    """Numbers since the start of the process; their names begin with ``burgee_<owner>_``.

    ``lookups`` by (kind, outcome), those that hit apart; ``questions`` to MR by (question, outcome);
    ``evictions`` and ``mismatches`` by kind.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.lookups: Counter[tuple[str, str]] = Counter()
        self.account_hits = 0
        self.environment_hits = 0
        self.questions: Counter[tuple[str, str]] = Counter()
        self.evictions: Counter[str] = Counter()
        self.mismatches: Counter[str] = Counter()


class CacheCollector(Collector):
    """Shows the numbers to a registry."""

    def __init__(self, metrics: CacheMetrics, gauges: Gauges) -> None:
        self._metrics = metrics
        self._gauges = gauges

    def _lookups(self) -> dict[tuple[str, str], int]:
        counts = Counter(self._metrics.lookups)
        counts["account", "hit"] += self._metrics.account_hits
        counts["environment", "hit"] += self._metrics.environment_hits
        return counts

    def collect(self) -> Iterable[Metric]:
        yield _counters(
            f"burgee_{self._metrics.owner}_lookups",
            "Look-ups by what was asked for and how it ended",
            ["kind", "outcome"],
            self._lookups(),
        )
        yield _counters(
            f"burgee_{self._metrics.owner}_questions",
            "Questions to the owner of the data",
            ["question", "outcome"],
            self._metrics.questions,
        )
        yield _counters(
            f"burgee_{self._metrics.owner}_evictions",
            "Values dropped to save memory",
            ["kind"],
            {(kind,): count for kind, count in self._metrics.evictions.items()},
        )
        yield _counters(
            f"burgee_{self._metrics.owner}_digest_mismatches",
            "Values that were not what MR said they are; loaded again",
            ["kind"],
            {(kind,): count for kind, count in self._metrics.mismatches.items()},
        )
        for name, (text, value) in self._gauges.gauges().items():
            yield GaugeMetricFamily(f"burgee_{self._metrics.owner}_{name}", text, value)


def _counters(
    name: str,
    text: str,
    labels: list[str],
    values: Mapping[tuple[str, str], int] | Mapping[tuple[str], int],
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for label_values, count in values.items():
        family.add_metric(label_values, count)
    return family
