"""What other processes reported of themselves, kept in memory and bounded.

A process that was not heard for 6 seconds is not counted any more; what its streams had been sent stays
true, and is kept with the change. Must not know what carries reports, nor the database.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from common.contracts.reports import Reach, Report

SILENT_SECONDS: Final = 6.0
"""Three reports missing: the process is gone, cut off or frozen, and nobody waits for it."""
CHANGES_PER_ENVIRONMENT: Final = 200
ENVIRONMENTS: Final = 2_000
INSTANCES: Final = 2_000


class Process(NamedTuple):
    """A process that is there, and whether one change has reached it."""

    instance: str
    role: str
    position: int
    reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one change has come.

    ``streams_reached`` were sent the change, or a later state that contains it; ``slowest_milliseconds``
    is the longest time from the commit to such a write, None when no stream was open for it.
    """

    processes: tuple[Process, ...]
    streams_reached: int
    streams_total: int
    slowest_milliseconds: float | None

    @property
    def edges_total(self) -> int:
        return sum(each.role == "edge" for each in self.processes)

    @property
    def edges_live(self) -> int:
        return sum(each.role == "edge" and each.reached for each in self.processes)

    @property
    def settled(self) -> bool:
        """True when nobody is behind; never while no Edge is heard, for then nobody knows."""
        return (
            self.edges_total > 0
            and all(each.reached for each in self.processes)
            and self.streams_reached == self.streams_total
        )


class _Heard(NamedTuple):
    report: Report
    at: float


_Facts = dict[str, "Reach"]
"""What each Edge told of one change, by instance."""


class Propagation:
    """Hears reports, and tells of any recent change how far it has come."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, silent_seconds: float = SILENT_SECONDS
    ) -> None:
        self._clock = clock
        self._silent_seconds = silent_seconds
        # By the time at which each was heard last, so the silent ones are in front.
        self._heard: OrderedDict[str, _Heard] = OrderedDict()
        self._facts: OrderedDict[tuple[str, str], OrderedDict[int, _Facts]] = OrderedDict()

    def told(self, report: Report) -> None:
        """Take in one process's word on itself. Returns at once."""
        self._heard.pop(report.instance, None)
        if not report.leaving:
            self._heard[report.instance] = _Heard(report, self._clock())
            if len(self._heard) > INSTANCES:
                self._heard.popitem(last=False)
        for reach in report.reaches:
            self._note(report, reach)
        self._forget_silent()

    def progress(self, epoch: str, environment_id: str, revision: int, position: int | None) -> Progress:
        """Tell how far a change is; ``position`` None = the relay has not come to it."""
        self._forget_silent()
        reports = [heard.report for heard in self._heard.values()]
        processes = tuple(
            Process(each.instance, each.role, each.position, _has_reached(each, epoch, position))
            for each in sorted(reports, key=lambda each: (each.role, each.instance))
        )
        facts = self._facts_of(epoch, environment_id, revision)
        reached = sum(fact.reached for fact in facts.values())
        slowest = [
            fact.slowest_milliseconds for fact in facts.values() if fact.revision == revision and fact.reached
        ]
        return Progress(
            processes=processes,
            streams_reached=reached,
            streams_total=reached + sum(_missing(reports, facts, epoch, environment_id, position)),
            slowest_milliseconds=max(slowest, default=None),
        )

    def streams(self, environment_id: str) -> int:
        """How many streams are open on an environment, at all Edges that are heard."""
        self._forget_silent()
        return sum(heard.report.streams.get(environment_id, 0) for heard in self._heard.values())

    def _note(self, report: Report, reach: Reach) -> None:
        key = (report.epoch, reach.environment_id)
        changes = self._facts.get(key)
        if changes is None:
            changes = self._facts[key] = OrderedDict()
            if len(self._facts) > ENVIRONMENTS:
                self._facts.popitem(last=False)
        facts = changes.get(reach.revision)
        if facts is None:
            if len(changes) >= CHANGES_PER_ENVIRONMENT:
                oldest = min(changes)
                if reach.revision < oldest:
                    # An Edge that is told of less goes on telling what everybody else has forgotten.
                    return
                del changes[oldest]
            facts = changes[reach.revision] = {}
            self._facts.move_to_end(key)
        facts[report.instance] = reach

    def _facts_of(self, epoch: str, environment_id: str, revision: int) -> _Facts:
        """Each Edge's word on the change, or on the next one it told of, which contains this one."""
        changes: Mapping[int, _Facts] = self._facts.get((epoch, environment_id)) or {}
        found: _Facts = {}
        for later in sorted(each for each in changes if each >= revision):
            for instance, reach in changes[later].items():
                found.setdefault(instance, reach)
        return found

    def _forget_silent(self) -> None:
        before = self._clock() - self._silent_seconds
        while self._heard and next(iter(self._heard.values())).at < before:
            self._heard.popitem(last=False)


def _has_reached(report: Report, epoch: str, position: int | None) -> bool:
    return position is not None and report.epoch == epoch and report.position >= position


def _missing(
    reports: list[Report], facts: _Facts, epoch: str, environment_id: str, position: int | None
) -> Iterator[int]:
    """How many open streams of each Edge still wait for the change; streams of Edges that went are closed."""
    for report in reports:
        fact = facts.get(report.instance)
        if fact is not None:
            yield fact.streams - fact.reached
        elif not _has_reached(report, epoch, position):
            yield report.streams.get(environment_id, 0)
