"""Metrics of several processes as if they were one: what counts is added up, what measures is told apart.

Sums never fall when a process ends: what it had counted when it was last asked stays in them. Must not know
where the pages come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MEMBER: Final = "worker"
"""The label by which gauges of several processes are told apart."""

_ADDED: Final = frozenset({"counter", "histogram", "summary"})
_Key = tuple[str, tuple[tuple[str, str], ...]]


class Page:
    """One process's metrics, read from its page."""

    def __init__(self, text: str) -> None:
        self.families: list[Metric] = list(text_string_to_metric_families(text))


class _Family:
    def __init__(self, like: Metric) -> None:
        self.name = like.name
        self.documentation = like.documentation
        self.type = like.type
        self.samples: dict[_Key, float] = {}

    def add(self, name: str, labels: Mapping[str, str], value: float, member: str) -> None:
        if self.type not in _ADDED:
            self.samples[name, tuple(sorted({**labels, MEMBER: member}.items()))] = value
            return
        # Not sorted: a histogram's buckets stay in their order.
        key = name, tuple(labels.items())
        self.samples[key] = self.samples.get(key, 0.0) + value

    def metric(self) -> Metric:
        metric = Metric(self.name, self.documentation, self.type)
        for (name, labels), value in self.samples.items():
            metric.add_sample(name, dict(labels), value)
        return metric


class Totals(Collector):
    """The metrics of all members. Tell it of each page read (`saw`), and of members that ended."""

    def __init__(self) -> None:
        self._pages: dict[str, Page] = {}
        self._ended: list[Metric] = []

    def saw(self, member: str, page: Page) -> None:
        """This is what the member says now."""
        self._pages[member] = page

    def ended(self, member: str) -> None:
        """The member's process is no more: what it counted remains, what it measured does not."""
        page = self._pages.pop(member, None)
        if page is None:
            return
        counted = [family for family in page.families if family.type in _ADDED]
        self._ended = list(_merged([("", self._ended), ("", counted)]))

    def collect(self) -> Iterable[Metric]:
        members = ((member, page.families) for member, page in sorted(self._pages.items()))
        return _merged([("", self._ended), *members])

    def text(self) -> bytes:
        """The page of all."""
        return generate_latest(self)


def _merged(members: Iterable[tuple[str, Iterable[Metric]]]) -> Iterable[Metric]:
    families: dict[tuple[str, str], _Family] = {}
    for member, metrics in members:
        for metric in metrics:
            if metric.name.endswith("_created"):
                # When a process began to count says nothing of a sum.
                continue
            family = families.setdefault((metric.name, metric.type), _Family(metric))
            for sample in metric.samples:
                family.add(sample.name, sample.labels, sample.value, member)
    return [family.metric() for family in families.values()]
