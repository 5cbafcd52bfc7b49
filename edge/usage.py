"""What Edge counts: hits by environment and account, and what operators watch.

Counting never blocks and never grows without bound. API keys and contexts are not counted by, ever.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import Counter as Total

Kind = Literal["poll", "stream", "update"]

HITS_REMEMBERED: Final = 100_000


class Hit(NamedTuple):
    """What is counted by; environment and account are empty for keys that are not known."""

    environment_id: str
    account_id: str
    kind: Kind
    result: str


class Usage:
    """Counters of one Edge, since it started."""

    def __init__(self, registry: CollectorRegistry, *, hits_remembered: int = HITS_REMEMBERED) -> None:
        self._hits_remembered = hits_remembered
        self._hits: Counter[Hit] = Counter()
        self._total = Total(
            "burgee_edge_hits_total",
            "Keys asked for by SDKs, by way and result.",
            ("kind", "result"),
            registry=registry,
        )
        self._forgotten = Total(
            "burgee_edge_hits_forgotten_total",
            "Hits that were not counted by environment because too many were counted already.",
            registry=registry,
        )
        self._streams = Gauge("burgee_edge_streams", "Open streams.", registry=registry)
        self._events = Total(
            "burgee_edge_stream_events_total", "Feature events sent to streams.", registry=registry
        )
        self._slow = Total(
            "burgee_edge_slow_closes_total",
            "Streams closed because their client took nothing for too long.",
            registry=registry,
        )

    @property
    def hits(self) -> Mapping[Hit, int]:
        """How often, since the start."""
        return self._hits

    def hit(self, kind: Kind, result: str, *, environment_id: str = "", account_id: str = "") -> None:
        """Count one key of one request."""
        self._total.labels(kind, result).inc()
        hit = Hit(environment_id, account_id, kind, result)
        if hit not in self._hits and len(self._hits) >= self._hits_remembered:
            self._forgotten.inc()
            return
        self._hits[hit] += 1

    def stream_opened(self) -> None:
        self._streams.inc()

    def stream_closed(self) -> None:
        self._streams.dec()

    def events_sent(self, number: int) -> None:
        """Count events handed to streams: `features`, `feature` and `delete_feature`."""
        self._events.inc(number)

    def slow_closed(self) -> None:
        """Count a stream whose client took nothing for too long."""
        self._slow.inc()
