"""Which Dachas there are, as their reports tell, and whom to ask next.

Pure bookkeeping: asks nobody. Must not know what is asked.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.contracts.lookups import AtLeast
    from common.contracts.reports import Report

ANYBODY: Final = "dacha"
"""The word that all Dachas share: the bus picks one of them."""
SILENT_SECONDS: Final = 6.0
"""Three reports missing: such a process is not asked any more."""

_LATE_SECONDS: Final = 2.5
"""A report is missing: it may be frozen."""
_WORST: Final = 6.0
_FIRST_SHUN_SECONDS: Final = 0.25
_PROBE_SECONDS: Final = 0.25
_TIMES_THE_USUAL: Final = 3.0
_WEIGHT_OF_ONE: Final = 0.1


class Trust:
    """Whether a word is worth asking first: each silence counts against it, four answers make up for one.

    Who is not trusted is left alone for a while, longer each time; afterwards it is tried with one
    question, not with all of them.
    """

    __slots__ = ("_bad", "_clock", "_shunned_until")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._bad = 0.0
        self._clock = clock
        self._shunned_until = 0.0

    @property
    def shunned(self) -> bool:
        """True while it should not be asked if there is anybody else."""
        return self._clock() < self._shunned_until

    def asked(self) -> None:
        """Note a question: while trust is low, the next one waits for what comes of this."""
        if self._bad >= 1:
            self._shunned_until = max(self._shunned_until, self._clock() + _PROBE_SECONDS)

    def answered(self) -> None:
        self._bad = max(0.0, self._bad - 0.25)

    def was_silent(self) -> None:
        self._bad = min(_WORST, self._bad + 1)
        self._shunned_until = self._clock() + _FIRST_SHUN_SECONDS * 2**self._bad


class Pace:
    """How long to wait for an answer before somebody else is asked: a few times what is usual of late.

    When all are slow because MR is, a second question only makes it slower.
    """

    __slots__ = ("_longest", "_shortest", "_usual")

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest = shortest
        self._longest = max(shortest, longest)
        self._usual = 0.0

    @property
    def patience(self) -> float:
        """Seconds."""
        return min(self._longest, max(self._shortest, _TIMES_THE_USUAL * self._usual))

    def answered(self, seconds: float) -> None:
        """Note how long whoever answered took."""
        self._usual += _WEIGHT_OF_ONE * (seconds - self._usual)

    def refused(self, seconds: float) -> None:
        """Note how long a refusal took: one at once says nothing, for there may have been nobody."""
        if seconds > self._usual:
            self.answered(seconds)


class _Member:
    """One Dacha by its latest report."""

    __slots__ = ("heard_at", "report", "trust")

    def __init__(self, report: Report, heard_at: float, trust: Trust) -> None:
        self.report = report
        self.heard_at = heard_at
        self.trust = trust

    def is_behind(self, at_least: AtLeast) -> bool:
        """True when what it can vouch for is older than what is asked for, or it does not say so."""
        report = self.report
        return not report.live or report.epoch != at_least.epoch or report.position < at_least.position


class Members:
    """The Dachas that report. Silent ones and those that said that they leave are not among them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._members: dict[str, _Member] = {}
        self._anybody = Trust(clock)

    def __len__(self) -> int:
        return len(self._members)

    def told(self, report: Report) -> None:
        """Hear a report, of whichever role."""
        if report.role != "dacha":
            return
        now = self._clock()
        if report.leaving:
            self._members.pop(report.instance, None)
        elif (member := self._members.get(report.instance)) is not None:
            member.report = report
            member.heard_at = now
        else:
            self._members[report.instance] = _Member(report, now, Trust(self._clock))
        self._forget_silent(now)

    def words(self, at_least: AtLeast) -> list[str]:
        """Whom to ask, best first: anybody, then instances by their own words.

        Those that would likely be behind, and those that did not answer or report lately, come last.
        """
        now = self._clock()
        self._forget_silent(now)
        ranked = sorted(
            self._members.items(),
            # Random among equals: Edges must not all choose the same one.
            key=lambda each: (
                each[1].trust.shunned,
                now - each[1].heard_at > _LATE_SECONDS,
                each[1].is_behind(at_least),
                random.random(),  # noqa: S311 - spreads load
            ),
        )
        words = [f"{ANYBODY}.{instance}" for instance, _ in ranked]
        if not self._anybody.shunned or not words:
            return [ANYBODY, *words]
        return [*words, ANYBODY]

    def trust(self, word: str) -> Trust:
        """What is thought of a word that `words` gave; notes on one that has left go nowhere."""
        if word == ANYBODY:
            return self._anybody
        member = self._members.get(word.removeprefix(f"{ANYBODY}."))
        return Trust(self._clock) if member is None else member.trust

    def _forget_silent(self, now: float) -> None:
        silent = [
            instance for instance, member in self._members.items() if now - member.heard_at > SILENT_SECONDS
        ]
        for instance in silent:
            del self._members[instance]
