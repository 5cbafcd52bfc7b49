"""Tells a heartbeat that is news from one that was recorded and played again.

A seal says who wrote a message, not when: whoever can send on the bus can repeat what was sent there, and
with heartbeats that would hide silence. Must not know how heartbeats travel.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

SKEW_SECONDS: Final = 300.0
"""Clocks may differ by this much; who has heard nothing of a sender yet has only its clock to judge by."""
SENDERS: Final = 256


class Stamp(NamedTuple):
    """Which heartbeat this is: of whom, its number there, and when it was sent (seconds since the epoch).

    Numbers of one sender rise, over its restarts too.
    """

    source: str
    number: int
    sent_at: float


class Numbers:
    """Numbers that rise, also when the clock does not and when the process is started again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        """The number of the next heartbeat."""
        self._last = max(self._last + 1, int(self._clock() * 1000))
        return self._last


class Freshness:
    """What a listener has heard of each sender; the clock is the world's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard: OrderedDict[str, int] = OrderedDict()

    def is_news(self, stamp: Stamp) -> bool:
        """True when this cannot be a repetition; then the same, and all before it, are one."""
        if abs(self._clock() - stamp.sent_at) > SKEW_SECONDS or stamp.number <= self._heard.get(
            stamp.source, 0
        ):
            return False
        self._heard[stamp.source] = stamp.number
        self._heard.move_to_end(stamp.source)
        if len(self._heard) > SENDERS:
            self._heard.popitem(last=False)
        return True
