"""A driver that edits at random from a seed, through the management API of one or more MRs.

Lanes (`tests.support.lanes`) work side by side, so servers are edited in parallel, and MRs may die, freeze
and come back under them. `settle` finds out what came of edits without an answer, `check` compares what is
stored with what the edits say (`tests.support.history`). Knows nothing of caches, Edges or SDKs.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from common.contracts.features import FeatureState
from tests.support.admin import ALL_ROLES, Admin, open_admin
from tests.support.history import Book, History, Policy
from tests.support.judge import stored
from tests.support.lanes import ANSWER_SECONDS, Desk, Ground, Lane, Weights
from tests.support.ledger import ledger
from tests.support.waiting import eventually

QUIET_SECONDS = 1.0
"""So long nothing more may come of an edit without an answer before it is settled."""


@dataclass
class Driver:
    """All lanes, and what must come of their work."""

    seed: int
    database_url: str
    desk: Desk
    lanes: tuple[Lane, ...]
    history: History

    @property
    def changes(self) -> int:
        return self.history.changes

    @property
    def unanswered(self) -> int:
        return sum(lane.unanswered for lane in self.lanes)

    @property
    def grounds(self) -> tuple[Ground, ...]:
        return tuple(lane.ground for lane in self.lanes)

    @property
    def environments(self) -> tuple[str, ...]:
        return tuple(each for ground in self.grounds for each in ground.environments)

    @property
    def keys(self) -> tuple[str, ...]:
        """The watchers' client keys, one per environment."""
        return tuple(key for ground in self.grounds for key in ground.keys)

    async def edit(self, changes: int, *, rate: float = 1000.0) -> None:
        """Work until so many more changes are acknowledged."""
        until = self.changes + changes
        await self._work(rate, lambda: self.changes >= until)

    @asynccontextmanager
    async def at_work(self, *, rate: float) -> AsyncIterator[None]:
        """Edit beside the block, so many steps a second together; the last ones end with it."""
        closing = False
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work(rate, lambda: closing))
            try:
                yield
            finally:
                closing = True

    async def _work(self, rate: float, is_done: Callable[[], bool]) -> None:
        async with asyncio.TaskGroup() as lanes:
            for lane in self.lanes:
                lanes.create_task(self._walk(lane, len(self.lanes) / rate, is_done))

    async def _walk(self, lane: Lane, pause_seconds: float, is_done: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not is_done():
            await lane.step()
            # A late step does not hurry the next ones: the rate is a limit.
            due = max(due + pause_seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    async def settle(self, *, within_seconds: float = 60.0) -> None:
        """With every MR answering again: find out what came of edits without an answer."""
        for admin in self.desk.admins:
            await _until_it_answers(admin, within_seconds)
        for lane in self.lanes:
            await lane.settle_accounts(self.desk.admins[0])
            if lane.book.doubts:
                await self._settle_book(lane, within_seconds)

    async def _settle_book(self, lane: Lane, within_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        answers, since = lane.book.settled(await self.stored(lane)), loop.time()
        deadline = since + within_seconds
        # An MR that was frozen may carry out now what it was sent long ago.
        while loop.time() - since < QUIET_SECONDS:
            assert loop.time() < deadline, f"what came of {lane.book.doubts} keeps changing"
            await asyncio.sleep(0.1)
            now = lane.book.settled(await self.stored(lane))
            if now != answers:
                answers, since = now, loop.time()
        lane.book.settle(await self.stored(lane))

    async def stored(self, lane: Lane) -> dict[str, dict[str, FeatureState]]:
        """What the database delivers of a lane's environments."""

        def read() -> dict[str, dict[str, FeatureState]]:
            return {each: stored(self.database_url, each) for each in lane.ground.environments}

        return await asyncio.to_thread(read)

    async def check(self) -> int:
        """With everything settled: what is stored is what the edits say. Answer how much was lost: 0."""
        for lane in self.lanes:
            found = await self.stored(lane)
            wrong = lane.book.wrong(found)
            for environment in lane.ground.environments:
                wrong += self.history.lost(environment, found[environment])
            ledger().missed(len(wrong))
            assert not wrong, "\n".join([f"seed {self.seed}", *lane.said[-15:], *wrong[:20]])
        self.history.check()
        return 0


async def _until_it_answers(admin: Admin, within_seconds: float) -> None:
    async def answers() -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, _ = await admin.try_call("GET", "/initialize")
        except (aiohttp.ClientError, TimeoutError):
            return False
        return status == 200

    answering: bool = await eventually(
        answers, within_seconds=within_seconds, every_seconds=0.1, what=f"{admin.url} to answer"
    )
    assert answering


@asynccontextmanager
async def open_driver(
    mr_urls: Sequence[str],
    database_url: str,
    *,
    token: str = "",
    seed: int,
    lanes: int = 2,
    environments: int = 2,
    features: int = 6,
    accounts: int = 1,
    weights: Weights = Weights(),  # noqa: B008 - immutable
) -> AsyncIterator[Driver]:
    """A driver with applications of its own, each with some features; the seed is printed."""
    print(f"driver seed {seed}")
    dice, history = random.Random(seed), History()
    async with AsyncExitStack() as stack:
        admins = [await stack.enter_async_context(open_admin(mr_urls[0], token))]
        for url in mr_urls[1:]:
            admins.append(await stack.enter_async_context(open_admin(url, admins[0].token)))
        desk = Desk(admins, dice)
        made = []
        for number in range(lanes):
            lane = await _lane(desk, history, weights, random.Random(seed + number), environments, accounts)
            for _ in range(features):
                await lane.create()
            made.append(lane)
        history.changes = 0
        yield Driver(seed, database_url, desk, tuple(made), history)


async def _lane(
    desk: Desk, history: History, weights: Weights, dice: random.Random, environments: int, accounts: int
) -> Lane:
    admin = desk.admins[0]
    application = await admin.create_application()
    portfolio = application.portfolio_id
    there = [application.environment_id]
    while len(there) < environments:
        there.append(await admin.create_environment(application.id))
    everything = dict.fromkeys(there, ALL_ROLES)
    filters = [await admin.create_filter(portfolio) for _ in range(2)] if accounts else []
    watcher = await admin.create_account(portfolio, everything)
    ground = Ground(portfolio, application.id, tuple(there), watcher, tuple(filters))
    lane = Lane(ground, desk, history, dice, weights, Book(tuple(there)))
    for _ in range(accounts):
        account = await admin.create_account(portfolio, everything)
        lane.policies[account.id] = Policy(account, frozenset(there))
    return lane
