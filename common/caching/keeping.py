"""Keeps a cache's state file up to date, and goes on from it at the start.

Must not know the file's format nor who reads the cache.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.caching.holdings import Holdings
    from common.caching.state import StateFile

_log = structlog.get_logger(__name__)

SAVE_SECONDS: Final = 3.0
"""What a process learned in its last seconds is lost when it is killed."""
RENEW_SECONDS: Final = 600.0
"""Also what did not change is written again: for how long the log was heard is part of it."""
VERIFY_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.01
WORK_SHARE: Final = 50.0
"""A cache so large that writing it takes long is written less often: half a second every half a minute."""


class Keeper:
    """One cache and its file."""

    def __init__(
        self,
        file: StateFile,
        holdings: Holdings,
        *,
        clock: Callable[[], float],
        save_seconds: float = SAVE_SECONDS,
    ) -> None:
        self._file = file
        self._holdings = holdings
        self._replica = holdings.replica
        self._clock = clock
        self._save_seconds = save_seconds
        self._saved = ("", -1)
        self._saved_at = clock()

    async def resume(self) -> bool:
        """Take over what was kept; True when there was something. Comes before the log is heard."""
        saved = await self._file.read()
        if saved is None:
            return False
        self._replica.resume(saved)
        _log.info(
            "cache.resumed",
            environments=len(saved.environments),
            accounts=len(saved.accounts),
            position=saved.position,
            seconds_old=None if saved.heard_at is None else round(self._clock() - saved.heard_at, 1),
        )
        return True

    async def verified(self, seconds: float = VERIFY_SECONDS) -> bool:
        """Wait until MR was asked what moved since, and that was loaded; False = no answer in time.

        What did not move is true then. Without an answer everything is served as it was kept, and what
        it is worth is for the clock to say.
        """
        until = self._clock() + seconds
        replica = self._replica
        while True:
            wants = replica.wants_state or replica.hole is not None or replica.comparison is not None
            if not wants and not replica.suspects:
                return True
            if self._clock() >= until:
                _log.warning("cache.resumed_unverified", suspects=len(replica.suspects))
                return False
            await asyncio.sleep(LOOK_SECONDS)

    async def keep(self) -> None:
        """Write whenever something changed, not too often, for ever."""
        pause = self._save_seconds
        while True:
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - spreads processes
            began = self._clock()
            if self._stands_at() != self._saved or began - self._saved_at >= RENEW_SECONDS:
                await self.save()
            pause = max(self._save_seconds, WORK_SHARE * (self._clock() - began))

    async def save(self) -> None:
        """Write now."""
        stands_at, now = self._stands_at(), self._clock()
        if await self._file.write(self._replica):
            self._saved, self._saved_at = stands_at, now

    def _stands_at(self) -> tuple[str, int]:
        return self._replica.epoch, self._holdings.swaps
