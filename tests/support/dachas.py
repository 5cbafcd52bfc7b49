"""Dachas on a bus that is no more than a table of words: a double at `common.messaging.bus.Requests`.

Each Dacha answers from an origin with the real dispatcher and codec. It can be frozen (it takes
questions and answers none, as a stopped process does) and slow; the word that all share goes round.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from common.contracts.reports import Report
from common.errors import Unavailable
from common.origins.remote import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from common.caching.loader import Origin
    from common.messaging.bus import Handler


class ScriptedDacha:
    """One member: what it answers from, and what is wrong with it."""

    def __init__(self, instance: str, origin: Origin) -> None:
        self.instance = instance
        self.origin = origin
        self.frozen = False
        self.delay_seconds = 0.0
        self.asked = 0
        self.given_up = 0

    async def answer(self, question: bytes) -> bytes:
        self.asked += 1
        try:
            if self.frozen:
                await asyncio.Event().wait()
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            return await answer(self.origin, question)
        except asyncio.CancelledError:
            self.given_up += 1
            raise

    def report(self, *, epoch: str = "epoch-0", position: int = 0, live: bool = True) -> Report:
        return Report(instance=self.instance, role="dacha", epoch=epoch, position=position, live=live)


class ScriptedRequests:
    """Satisfies `Requests` over some Dachas. ``next_for_all`` is whom the shared word goes to next."""

    def __init__(self, *dachas: ScriptedDacha) -> None:
        self.connected = True
        self.dachas = {each.instance: each for each in dachas}
        self.words: Counter[str] = Counter()
        self.reports: list[Report] = []
        self._round = 0
        self._listeners: list[Callable[[Report], None]] = []
        self._handlers: dict[str, Handler] = {}

    async def request(self, word: str, question: bytes, *, seconds: float) -> bytes:
        self.words[word] += 1
        if not self.connected:
            raise Unavailable("Not connected.")
        handler = self._serving(word)
        if handler is None:
            raise Unavailable("Nobody serves this.")
        try:
            async with asyncio.timeout(seconds):
                return await handler(question)
        except TimeoutError:
            raise Unavailable("No answer in time.") from None

    def _serving(self, word: str) -> Handler | None:
        members = [each.answer for each in self.dachas.values()]
        if word == "dacha" and members:
            self._round += 1
            return members[self._round % len(members)]
        dacha = self.dachas.get(word.removeprefix("dacha."))
        return self._handlers.get(word) if dacha is None else dacha.answer

    def next_for_all(self, instance: str) -> None:
        """Let the next question on the shared word go to this one."""
        self._round = list(self.dachas).index(instance) - 1

    async def report(self, report: Report) -> None:
        self.reports.append(report)
        for told in self._listeners:
            told(report)

    def report_all(self, *, position: int = 0) -> None:
        """Let every Dacha that is not frozen report."""
        for dacha in self.dachas.values():
            if not dacha.frozen:
                for told in self._listeners:
                    told(dacha.report(position=position))

    @asynccontextmanager
    async def on_report(self, told: Callable[[Report], None]) -> AsyncIterator[None]:
        self._listeners.append(told)
        try:
            yield
        finally:
            self._listeners.remove(told)

    @asynccontextmanager
    async def serve(self, word: str, handler: Handler, *, at_once: int = 64) -> AsyncIterator[None]:
        self._handlers[word] = handler
        try:
            yield
        finally:
            del self._handlers[word]
