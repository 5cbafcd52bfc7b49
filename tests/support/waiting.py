"""Wait for conditions, with a deadline and never for a fixed time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 15.0
"""For what happens at once: a machine that has other things to do is given time."""


class DeadlineMissed(AssertionError):
    """The condition did not become true in time."""


async def eventually(
    condition: Callable[[], T | Awaitable[T]],
    *,
    within_seconds: float = PATIENCE_SECONDS,
    every_seconds: float = 0.02,
    what: str = "the condition",
) -> T:
    """Answer the first truthy result of `condition` (plain or async); raise DeadlineMissed when late."""
    deadline = time.monotonic() + within_seconds
    while True:
        found = condition()
        result = await found if inspect.isawaitable(found) else found
        if result:
            return result
        if time.monotonic() > deadline:
            raise DeadlineMissed(f"{what} did not come true within {within_seconds} s; last seen: {result!r}")
        await asyncio.sleep(every_seconds)


def eventually_sync(
    condition: Callable[[], T],
    *,
    within_seconds: float = PATIENCE_SECONDS,
    every_seconds: float = 0.02,
    what: str = "the condition",
) -> T:
    """The same for code without an event loop."""
    deadline = time.monotonic() + within_seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise DeadlineMissed(f"{what} did not come true within {within_seconds} s; last seen: {result!r}")
        time.sleep(every_seconds)
