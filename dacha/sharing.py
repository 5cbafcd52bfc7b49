"""Identical questions that are under way at the same time are asked once.

Must not know what is asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from common.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")


class Shared(Generic[T]):
    """Whoever asks first asks for all who ask the same until the answer is there."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Future[T | Unavailable | None]] = {}

    async def ask(self, key: Hashable, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to ``question``; raises `Unavailable`. One who is cancelled harms nobody else."""
        while (running := self._running.get(key)) is not None:
            result = await asyncio.shield(running)
            if isinstance(result, Unavailable):
                raise Unavailable(str(result), retry_after_seconds=result.retry_after_seconds)
            if result is not None:
                return result
        future: asyncio.Future[T | Unavailable | None] = asyncio.get_running_loop().create_future()
        self._running[key] = future
        # None tells the others that whoever asked was cancelled: one of them asks again.
        outcome: T | Unavailable | None = None
        try:
            outcome = await question()
        except Unavailable as error:
            outcome = error
            raise
        finally:
            del self._running[key]
            future.set_result(outcome)
        return outcome
