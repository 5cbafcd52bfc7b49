"""A process's reports on itself: soon after something changed, never too often, never too rarely.

Must not know what is in a report nor who hears it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from common.contracts.reports import Report

REPORT_SECONDS: Final = 2.0
"""The longest time between two reports; three of them without one, and nobody counts on the process."""
CLOSEST_SECONDS: Final = 0.2


class Reporter:
    """Reports while it runs. Call `changed` whenever the next report would differ from the last one."""

    def __init__(
        self,
        collect: Callable[[], Report],
        tell: Callable[[Report], Awaitable[None]],
        *,
        seconds: float,
        closest_seconds: float,
    ) -> None:
        self._collect = collect
        self._tell = tell
        self._seconds = seconds
        self._closest_seconds = closest_seconds
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Report soon. Costs next to nothing; call it on the loop."""
        self._changed.set()

    async def run(self) -> None:
        """Report, for ever."""
        while True:
            self._changed.clear()
            await self._tell(self._collect())
            await asyncio.sleep(self._closest_seconds)
            try:
                async with asyncio.timeout(self._seconds - self._closest_seconds):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def leave(self) -> None:
        """Report once more: that this process is not to be counted on any longer."""
        await self._tell(msgspec.structs.replace(self._collect(), leaving=True))


@asynccontextmanager
async def open_reporter(
    collect: Callable[[], Report],
    tell: Callable[[Report], Awaitable[None]],
    *,
    seconds: float = REPORT_SECONDS,
    closest_seconds: float = CLOSEST_SECONDS,
) -> AsyncIterator[Reporter]:
    """Report at least every ``seconds`` and at most every ``closest_seconds``; at the end, that we leave.

    ``tell`` is `common.messaging.bus.Requests.report`, or whoever hears reports in the same process.
    """
    reporter = Reporter(collect, tell, seconds=seconds, closest_seconds=closest_seconds)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(reporter.run(), name="reporter")
            try:
                yield reporter
            finally:
                running.cancel()
    finally:
        await reporter.leave()
