"""Days and instants as rules compare them, and when the present one satisfies something else.

Days are ordinals, instants are nanoseconds since 1970: whole numbers, so equality means equality. The
present is microseconds since 1970 and comes from the caller.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
_NANOSECONDS: Final = 1_000_000_000

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"(?:[Zz]|([+-])([0-9]{2})(?::([0-9]{2})(?::([0-9]{2}))?)?)"
)


def parse_date(text: str) -> int | None:
    """Return the day of ``YYYY-MM-DD``, None when it is not exactly that."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        return None


def parse_datetime(text: str) -> int | None:
    """Return the instant of an ISO date and time with an offset or ``Z``, None when it is not one."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        return None
    day_text, *parts = match.groups()
    fraction, sign = parts[3], parts[4]
    hours, minutes, seconds, away_h, away_m, away_s = (int(parts[i] or 0) for i in (0, 1, 2, 5, 6, 7))
    day = parse_date(day_text)
    if day is None or hours > 23 or minutes > 59 or seconds > 59 or away_m > 59 or away_s > 59:
        return None
    away = away_h * 3600 + away_m * 60 + away_s
    if away > 18 * 3600:
        return None
    local = (day - _EPOCH_DAY) * 86_400 + hours * 3600 + minutes * 60 + seconds
    whole = local + away if sign == "-" else local - away
    return whole * _NANOSECONDS + int((fraction or "").ljust(9, "0"))


def date_text(text: str) -> str | None:
    """Return the text itself when it is a date."""
    return None if parse_date(text) is None else text


def datetime_text(text: str) -> str | None:
    """Return the text itself when it is a date and time."""
    return None if parse_datetime(text) is None else text


def microseconds(moment: datetime) -> int:
    """Return whole microseconds since 1970 of an aware ``moment``."""
    return (moment - _EPOCH) // _MICROSECOND


class Ticks(NamedTuple):
    """How a test sees the present, and when what it sees may start to satisfy something else.

    ``edges`` are the instants (microseconds, sorted) at which the truth can change; None = it can at
    every full ``step``.
    """

    read: Callable[[int], Any]
    edges: tuple[int, ...] | None
    step: int

    def next_change(self, holds: Callable[[Any], bool], now: int) -> int | None:
        """Return the first instant after ``now`` at which ``holds`` may give another answer."""
        if self.edges is None:
            return (now // self.step + 1) * self.step
        truth = holds(self.read(now))
        for edge in self.edges[bisect_right(self.edges, now) :]:
            if holds(self.read(edge)) != truth:
                return edge
        return None


def day_ticks(days: Iterable[int]) -> Ticks:
    """Ticks of a test against ``days``: truth changes when one begins or ends."""
    begins = {(day - _EPOCH_DAY) * DAY_US for day in days}
    return Ticks(_day, tuple(sorted(begins | {each + DAY_US for each in begins})), DAY_US)


def day_text_ticks() -> Ticks:
    """Ticks of a test on the text of the day."""
    return Ticks(_day_text, None, DAY_US)


def instant_ticks(instants: Iterable[int]) -> Ticks:
    """Ticks of a test against ``instants``: truth changes in the microsecond of one or right after."""
    reached = {instant // 1000 for instant in instants}
    return Ticks(_instant, tuple(sorted(reached | {each + 1 for each in reached})), 1)


def instant_text_ticks() -> Ticks:
    """Ticks of a test on the text of the instant, which is shown in whole seconds."""
    return Ticks(_instant_text, None, SECOND_US)


def _day(now: int) -> int:
    return now // DAY_US + _EPOCH_DAY


def _day_text(now: int) -> str:
    return date.fromordinal(_day(now)).isoformat()


def _instant(now: int) -> int:
    return now * 1000


def _instant_text(now: int) -> str:
    shown = _EPOCH + timedelta(seconds=now // SECOND_US)
    return shown.strftime("%Y-%m-%dT%H:%M:%SZ")
