"""Look-ups that begin in one turn of the event loop are one question.

What costs on the bus is the message, not what is in it. Dacha answers such a question only with what it has
at hand, so nobody waits for a slow one; whoever is not answered asks alone. Must not know who answers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from common.contracts.questions import MANY_AT_MOST, AskMany
from common.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from common.contracts.lookups import AccountAnswer, AtLeast, EnvironmentAnswer, Many

PATIENCE_SECONDS: Final = 1.0
"""A question that fails sooner is asked alone; after that there is no time left to."""

Answer = TypeVar("Answer")


class _Asked(Generic[Answer]):
    """One kind of look-ups of one turn: what is asked, and who waits."""

    def __init__(self) -> None:
        self.items: list[tuple[str, AtLeast]] = []
        self._waiting: list[asyncio.Future[Answer | Unavailable | None]] = []

    def add(self, item: tuple[str, AtLeast]) -> asyncio.Future[Answer | Unavailable | None]:
        future: asyncio.Future[Answer | Unavailable | None] = asyncio.get_running_loop().create_future()
        self.items.append(item)
        self._waiting.append(future)
        return future

    def answer(self, answers: tuple[Answer | None, ...]) -> None:
        for future, each in zip(self._waiting, answers, strict=False):
            if not future.done():
                future.set_result(each)

    def end(self, failure: Unavailable | None) -> None:
        """Whoever was not answered hears the failure, or asks alone."""
        for future in self._waiting:
            if not future.done():
                future.set_result(failure)


class _Turn:
    """All look-ups that began in one turn."""

    def __init__(self) -> None:
        self.environments: _Asked[EnvironmentAnswer] = _Asked()
        self.accounts: _Asked[AccountAnswer] = _Asked()

    def __len__(self) -> int:
        return len(self.environments.items) + len(self.accounts.items)

    def question(self) -> AskMany:
        return AskMany(tuple(self.environments.items), tuple(self.accounts.items))

    def end(self, failure: Unavailable | None) -> None:
        self.environments.end(failure)
        self.accounts.end(failure)


class Together:
    """Puts look-ups together; ``ask`` puts the question. Whoever comes first in a turn asks for all."""

    def __init__(self, ask: Callable[[AskMany], Awaitable[Many]]) -> None:
        self._ask = ask
        self._turn: _Turn | None = None

    async def environment(self, identity: str, at_least: AtLeast) -> EnvironmentAnswer | None:
        """The answer, if somebody has it at hand; None = ask alone. Raises `Unavailable`."""
        turn, leads = self._join()
        future = turn.environments.add((identity, at_least))
        return await self._answer(turn, future, leads=leads)

    async def account(self, key_hash: str, at_least: AtLeast) -> AccountAnswer | None:
        """The same for an account."""
        turn, leads = self._join()
        future = turn.accounts.add((key_hash, at_least))
        return await self._answer(turn, future, leads=leads)

    def _join(self) -> tuple[_Turn, bool]:
        turn = self._turn
        if turn is not None and len(turn) < MANY_AT_MOST:
            return turn, False
        self._turn = turn = _Turn()
        return turn, True

    async def _answer(
        self, turn: _Turn, future: asyncio.Future[Answer | Unavailable | None], *, leads: bool
    ) -> Answer | None:
        if leads:
            await self._lead(turn)
        outcome = await future
        if isinstance(outcome, Unavailable):
            raise Unavailable(str(outcome), retry_after_seconds=outcome.retry_after_seconds)
        return outcome

    async def _lead(self, turn: _Turn) -> None:
        failure: Unavailable | None = None
        clock = asyncio.get_running_loop().time
        try:
            await asyncio.sleep(0)
            self._close(turn)
            if len(turn) > 1:
                begun = clock()
                try:
                    many = await self._ask(turn.question())
                    turn.environments.answer(many.environments)
                    turn.accounts.answer(many.accounts)
                except Unavailable as error:
                    failure = error if clock() - begun > PATIENCE_SECONDS else None
        finally:
            # Also when the leader is cancelled: the others then ask alone.
            self._close(turn)
            turn.end(failure)

    def _close(self, turn: _Turn) -> None:
        if self._turn is turn:
            self._turn = None
