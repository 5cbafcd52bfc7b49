"""Keeps the replica true: satisfies its wants for as long as needed, and looks for what is wrong.

Every loop here goes on for ever and treats `Unavailable` as a pause; anything else is a bug and ends the
process. Must not know who reads the cache.
"""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from common.caching.loader import pause
from common.contracts.events import CounterId
from common.errors import Unavailable
from common.revisions.targets import Loaded, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from common.caching.holdings import Holdings
    from common.caching.loader import Landing, Loader

_log = structlog.get_logger(__name__)

PAGE: Final = 200
RELOADS_AT_ONCE: Final = 4
WORTH_A_WARNING: Final = 4
"""Failures in a row: fewer are what every start in the same process as MR looks like."""
RETRY_SECONDS: Final = 2.0
"""However long whom we ask was away: what is wanted is asked for this soon after its return."""
LOOK_SECONDS: Final = 1.0
"""Wants are looked at this often also without a wake-up: a net, as polling is under every wake-up here."""


class Upkeep:
    """Two wake-ups: `wake` when wants may have changed; time for everything else."""

    def __init__(
        self,
        holdings: Holdings,
        loader: Loader,
        *,
        clock: Callable[[], float],
        audit_seconds: float = 240.0,
        hole_patience_seconds: float = 0.02,
    ) -> None:
        self._holdings = holdings
        self._replica = holdings.replica
        self._loader = loader
        self._clock = clock
        self._audit_seconds = audit_seconds
        self._hole_patience_seconds = hole_patience_seconds
        self._log_woken = asyncio.Event()
        self._reload_woken = asyncio.Event()
        self._reloading: set[Target] = set()
        self._attempts: dict[Target, tuple[int, float]] = {}
        self._failures = 0
        self._paused_until = 0.0

    def wake(self) -> None:
        self._log_woken.set()
        self._reload_woken.set()

    # What the log lacks

    async def follow_log(self) -> None:
        """Ask for epochs, holes and comparisons until nothing is wanted, for ever."""
        failures = 0
        while True:
            self._log_woken.clear()
            try:
                satisfied = await self._satisfy()
            except Unavailable as error:
                failures += 1
                if failures == WORTH_A_WARNING:
                    _log.warning("cache.log_questions_unanswered", detail=str(error))
                await asyncio.sleep(pause(failures, longest=RETRY_SECONDS))
                continue
            if failures >= WORTH_A_WARNING:
                _log.info("cache.log_questions_answered_again", failures=failures)
            failures = 0
            if satisfied:
                await _wait(self._log_woken, LOOK_SECONDS)
            else:
                # What was asked for may not be there yet (a position that MR's answer does not show).
                await asyncio.sleep(pause(1))

    async def _satisfy(self) -> bool:
        """Ask at most one round of questions; True when nothing was wanted."""
        replica = self._replica
        if replica.wants_state:
            await self._loader.ask_state()
            return self._content()
        if replica.hole is not None:
            # A message that overtook another is no loss: give the other a moment.
            await asyncio.sleep(self._hole_patience_seconds)
            after = replica.hole
            if after is not None:
                replica.fill(await self._loader.ask("changes", self._loader.origin.changes(after)))
            return self._content()
        if replica.comparison is not None:
            await self._compare_everything()
            return False
        return True

    def _content(self) -> bool:
        replica = self._replica
        return not replica.wants_state and replica.hole is None and replica.comparison is None

    async def _compare_everything(self) -> None:
        comparison = self._replica.comparison
        if comparison is None:
            return
        counters = self._replica.held()
        for start in range(0, len(counters), PAGE):
            page = counters[start : start + PAGE]
            states = await self._loader.ask("revisions", self._loader.origin.revisions(page))
            if self._replica.comparison != comparison:
                return
            self._replica.compare(page, states, reached=False)
        self._replica.compared(comparison)

    # What may be behind

    async def reload(self) -> None:
        """Load suspects and awaited environments: few at once, each again until it is true."""
        while True:
            self._reload_woken.clear()
            self._holdings.look_at_clock()
            for target in self._due():
                self._reloading.add(target)
                self._loader.begin(target, partial(self._ended, target))
            await _wait(self._reload_woken, self._next_look())

    def _due(self) -> list[Target]:
        free = RELOADS_AT_ONCE - len(self._reloading)
        now = self._clock()
        due: list[Target] = []
        if free <= 0 or now < self._paused_until:
            return due
        for target in self._wanted():
            if target in self._reloading or self._attempts.get(target, (0, 0.0))[1] > now:
                continue
            due.append(target)
            if len(due) == free:
                break
        return due

    def _wanted(self) -> Iterator[Target]:
        for environment_id in self._holdings.awaited:
            yield Target("environment", environment_id)
        for counter in self._replica.suspects:
            yield Target(*counter)

    def _ended(self, target: Target, result: Landing | Unavailable) -> None:
        self._reloading.discard(target)
        self._reload_woken.set()
        if isinstance(result, Unavailable):
            # MR cannot answer: that is about MR, not about this one.
            self._failures += 1
            self._paused_until = self._clock() + pause(self._failures, longest=RETRY_SECONDS)
            return
        self._failures = 0
        if result.outcome is Loaded.ABSENT and target.kind == "environment":
            self._holdings.give_up(target.id)
        if self._still_wanted(target):
            attempts = self._attempts.get(target, (0, 0.0))[0] + 1
            self._attempts[target] = (attempts, self._clock() + pause(attempts, longest=RETRY_SECONDS))
        else:
            self._attempts.pop(target, None)

    def _still_wanted(self, target: Target) -> bool:
        if target.kind == "key":
            return False
        awaited = target.kind == "environment" and target.id in self._holdings.awaited
        return awaited or CounterId(target.kind, target.id) in self._replica.suspects

    def _next_look(self) -> float:
        now = self._clock()
        self._attempts = {
            target: attempts for target, attempts in self._attempts.items() if self._still_wanted(target)
        }
        waiting = [at - now for _, at in self._attempts.values() if at > now]
        if self._paused_until > now:
            waiting.append(self._paused_until - now)
        return max(0.005, min([LOOK_SECONDS, *waiting]))

    # What is wrong without anybody having noticed

    async def audit(self) -> None:
        """Compare what is held with MR every few minutes, for ever. Mismatches have to stay at 0."""
        while True:
            await asyncio.sleep(self._audit_seconds * random.uniform(0.8, 1.2))  # noqa: S311
            try:
                await self.audit_once()
            except Unavailable as error:
                _log.warning("cache.audit_unanswered", detail=str(error))

    async def audit_once(self) -> None:
        """Compare everything held once. Raises `Unavailable`."""
        counters = self._replica.held()
        for start in range(0, len(counters), PAGE):
            await self._audit_page(counters[start : start + PAGE])

    async def _audit_page(self, page: list[CounterId]) -> None:
        states = await self._loader.ask("revisions", self._loader.origin.revisions(page))
        where = await self._loader.ask("state", self._loader.origin.state())
        if where.second_hand or not await self._reach(where.epoch, where.position):
            return
        known = {each.counter: each for each in states}
        for counter in page:
            if self._replica.epoch != where.epoch:
                return
            self._replica.compare([counter], [known[counter]] if counter in known else [], reached=True)
            # Recomputing a large environment takes milliseconds; readers come first.
            await asyncio.sleep(0)

    async def _reach(self, epoch: str, position: int) -> bool:
        """Wait until everything up to MR's position is known here; a difference before that is lag."""
        deadline = self._clock() + 10.0
        while self._replica.epoch != epoch or self._replica.position < position:
            if self._clock() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
