"""What Edge counts: hits by environment and account, and what operators watch.

Counting never blocks and never grows without bound: it is an addition, in one event loop's thread, and
read when somebody asks for metrics. API keys and contexts are not counted by, ever.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import Counter as Total
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

Kind = Literal["poll", "stream", "update"]

HITS_REMEMBERED: Final = 100_000


class Hit(NamedTuple):
    """What is counted by; environment and account are empty for keys that are not known."""

    environment_id: str
    account_id: str
    kind: Kind
    result: str


class Tally:
    """How often something happened; whoever has it may add to `count`."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class _Hits(Collector):
    """Tallies of hits: by environment and account as long as there is room, else by way and result alone."""

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._tallies: dict[Hit, Tally] = {}
        self._others: dict[tuple[Kind, str], Tally] = {}

    def tally(self, hit: Hit) -> Tally:
        tally = self._tallies.get(hit)
        if tally is None:
            if len(self._tallies) >= self._remembered:
                return self._others.setdefault((hit.kind, hit.result), Tally())
            tally = self._tallies[hit] = Tally()
        return tally

    def counts(self) -> Mapping[Hit, int]:
        return {hit: tally.count for hit, tally in self._tallies.items() if tally.count}

    def describe(self) -> Iterator[Metric]:
        yield from self._families()

    def collect(self) -> Iterator[Metric]:
        totals: Counter[tuple[str, str]] = Counter()
        for hit, tally in self._tallies.items():
            totals[hit.kind, hit.result] += tally.count
        for other, tally in self._others.items():
            totals[other] += tally.count
        total, forgotten = self._families()
        for labels, count in totals.items():
            total.add_metric(labels, count)
        forgotten.add_metric((), sum(tally.count for tally in self._others.values()))
        yield total
        yield forgotten

    @staticmethod
    def _families() -> tuple[CounterMetricFamily, CounterMetricFamily]:
        return (
            CounterMetricFamily(
                "burgee_edge_hits",
                "Keys asked for by SDKs, by way and result.",
                labels=("kind", "result"),
            ),
            CounterMetricFamily(
                "burgee_edge_hits_forgotten",
                "Hits that were not counted by environment because too many were counted already.",
                labels=(),
            ),
        )


class _Events(Collector):
    """A tally as a metric."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "burgee_edge_stream_events", "Feature events sent to streams.", value=self._tally.count
        )


class Usage:
    """Counters of one Edge, since it started."""

    def __init__(self, registry: CollectorRegistry, *, hits_remembered: int = HITS_REMEMBERED) -> None:
        self._hits = _Hits(hits_remembered)
        registry.register(self._hits)
        self.events = Tally()
        """Events handed to streams: `features`, `feature` and `delete_feature`."""
        registry.register(_Events(self.events))
        self._streams = 0
        streams = Gauge("burgee_edge_streams", "Open streams.", registry=registry)
        streams.set_function(lambda: self._streams)
        self._slow = Total(
            "burgee_edge_slow_closes_total",
            "Streams closed because their client took nothing for too long.",
            registry=registry,
        )

    @property
    def hits(self) -> Mapping[Hit, int]:
        """How often, since the start."""
        return self._hits.counts()

    def tally(self, kind: Kind, result: str, *, environment_id: str = "", account_id: str = "") -> Tally:
        """Return what counts such hits, for whoever counts very many; it stays the same."""
        return self._hits.tally(Hit(environment_id, account_id, kind, result))

    def hit(self, kind: Kind, result: str, *, environment_id: str = "", account_id: str = "") -> None:
        """Count one key of one request."""
        self.tally(kind, result, environment_id=environment_id, account_id=account_id).count += 1

    def stream_opened(self) -> None:
        self._streams += 1

    def stream_closed(self) -> None:
        self._streams -= 1

    def slow_closed(self) -> None:
        """Count a stream whose client took nothing for too long."""
        self._slow.inc()
