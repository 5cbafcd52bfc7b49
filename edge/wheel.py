"""A timer for very many: who is due is noted by ticks, and one timer of the loop drives them all.

Moving somebody costs a list's append; nothing is removed early: whoever is called asks itself whether it
is due still. Knows nothing of what is due.
"""

import asyncio
import heapq
import math
import time
from collections.abc import Callable
from typing import Final, Protocol

TICK_SECONDS: Final = 0.01


class Timed(Protocol):
    """Somebody who is due at times."""

    tick: int
    """The tick at which it will be called; 0 = none."""

    def on_due(self) -> None:
        """Hear that the tick has come; must return at once and never raise."""


class Wheel:
    """Calls each of many at its moment, never before, and about a tick late at most."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.monotonic) -> None:
        self._loop = loop
        self._clock = clock
        self._ticks: dict[int, list[Timed]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_tick = 0

    def call(self, timed: Timed, moment: float) -> None:
        """Call it at that monotonic moment, or when it is already to be called, if that is earlier."""
        if moment == math.inf:
            return
        tick = math.ceil(moment / TICK_SECONDS)
        if 0 < timed.tick <= tick:
            return
        timed.tick = tick
        bucket = self._ticks.get(tick)
        if bucket is None:
            self._ticks[tick] = [timed]
            heapq.heappush(self._order, tick)
            if self._timer is None or tick < self._timer_tick:
                self._arm()
        else:
            bucket.append(timed)

    def close(self) -> None:
        """Call nobody any more."""
        self._ticks.clear()
        self._order.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_tick = self._order[0]
        delay = self._timer_tick * TICK_SECONDS - self._clock()
        self._timer = self._loop.call_later(max(0.0, delay), self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._clock()
        while self._order and self._order[0] * TICK_SECONDS <= now:
            tick = heapq.heappop(self._order)
            for timed in self._ticks.pop(tick):
                # Moved to an earlier tick meanwhile: called then.
                if timed.tick == tick:
                    timed.tick = 0
                    timed.on_due()
        if self._order and self._timer is None:
            self._arm()
