"""How late changes come to open streams, as a metric: counted by plain additions, read when somebody asks.

Must not know streams.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, float("inf"),
)  # fmt: skip


class Lateness(Collector):
    """Since the start: how many changes concerned open streams, and how late each stream was sent them."""

    def __init__(self) -> None:
        self.changes = 0
        self._counts = [0] * len(BUCKETS)
        self._seconds = 0.0

    def tell(self, seconds: float, streams: int) -> None:
        """So many streams were sent a change so long after its commit."""
        # Clocks of two machines: a change may seem to come before it was made.
        late = max(0.0, seconds)
        self._counts[bisect_left(BUCKETS, late)] += streams
        self._seconds += late * streams

    def describe(self) -> Iterator[Metric]:
        yield self._changes()
        yield self._sent()

    def collect(self) -> Iterator[Metric]:
        changes = self._changes()
        changes.add_metric((), self.changes)
        yield changes
        sent = self._sent()
        names = ("+Inf" if bound == float("inf") else str(bound) for bound in BUCKETS)
        sent.add_metric((), list(zip(names, accumulate(self._counts), strict=True)), self._seconds)
        yield sent

    @staticmethod
    def _changes() -> CounterMetricFamily:
        return CounterMetricFamily(
            "burgee_edge_changes", "Changes of environments that had open streams.", labels=()
        )

    @staticmethod
    def _sent() -> HistogramMetricFamily:
        return HistogramMetricFamily(
            "burgee_edge_propagation_seconds",
            "From the commit of a change to its being sent, for each stream; by two machines' clocks.",
            labels=(),
        )
