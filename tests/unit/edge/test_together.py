"""Look-ups that begin together are one question to a Dacha, and nobody is worse off for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from common.caching.holdings import Holdings, Limits
from common.caching.loader import PATIENCE_SECONDS, TOGETHER_AT_MOST, Landing, Loader, Origin
from common.caching.metrics import CacheMetrics
from common.contracts.lookups import AtLeast, Many
from common.contracts.questions import AskMany
from common.errors import Unavailable
from common.revisions.replica import Replica
from common.revisions.targets import Loaded, Target
from dacha.lookups import Lookups
from edge.dachas import DachaPool
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.dachas import ScriptedDacha, ScriptedRequests
from tests.support.origins import ModelOrigin, running_dacha
from tests.support.waiting import eventually

NAMES = [environment_id(str(number)) for number in range(10)]
CLIENT = key_hash("client")


@dataclass
class Scene:
    """MR, a Dacha, the pool that asks it, and what loads through it."""

    log: ChangeLog
    mr: ModelOrigin
    dacha: ScriptedDacha
    requests: ScriptedRequests
    pool: DachaPool
    loader: Loader
    replica: Replica
    metrics: CacheMetrics

    async def environments(self, *names: str) -> list[str | None]:
        landings = await asyncio.gather(*(self.loader.load(Target("environment", name)) for name in names))
        return [None if each.value is None else each.value.id for each in landings]


@asynccontextmanager
async def open_loader(
    origin: Origin, log: ChangeLog, *, environments: int = 0, seconds: float = 5.0
) -> AsyncIterator[tuple[Loader, Replica, CacheMetrics]]:
    """A loader over an origin, into a replica that keeps nothing unless told otherwise."""
    metrics = CacheMetrics("edge")
    limits = Limits(environments, 1 << 30, 100, 100, 5.0, None, None, 5.0)
    holdings = Holdings(limits, metrics, clock=time.monotonic, jitter=lambda _, high: high)
    holdings.replica.adopt(log.where())
    async with asyncio.TaskGroup() as tasks:
        loader = Loader(origin, holdings.replica, tasks, metrics, seconds=seconds)
        try:
            yield loader, holdings.replica, metrics
        finally:
            loader.close()


def made() -> ChangeLog:
    log = ChangeLog()
    for name in NAMES:
        log.create_environment(name)
        log.set_feature(name, "a")
    log.save_account(account_id("a"), CLIENT, key_hash("server"), environments=NAMES)
    log.assign()
    return log


@asynccontextmanager
async def open_scene() -> AsyncIterator[Scene]:
    log = made()
    mr = ModelOrigin(log)
    async with running_dacha(mr) as dacha:
        scripted = ScriptedDacha("one", Lookups(dacha))
        requests = ScriptedRequests(scripted)
        # It is counted how often it is asked: not once more because nothing ran for a moment.
        pool = DachaPool(requests, hedge_seconds=30)
        async with open_loader(pool, log) as (loader, replica, metrics):
            yield Scene(log, mr, scripted, requests, pool, loader, replica, metrics)


async def test_what_dacha_holds_is_one_message_for_all() -> None:
    async with open_scene() as scene:
        await scene.environments(*NAMES)
        await scene.loader.load(Target("key", CLIENT))
        scene.dacha.asked = 0
        names, account = await asyncio.gather(
            scene.environments(*NAMES), scene.loader.load(Target("key", CLIENT))
        )
        assert names == NAMES
        assert account.outcome is Loaded.FOUND
        assert scene.dacha.asked == 1


async def test_each_look_up_is_counted_once() -> None:
    async with open_scene() as scene:
        await scene.environments(*NAMES)
        await scene.environments(*NAMES)
        assert scene.metrics.questions == {("environment", "answered"): 2 * len(NAMES)}


async def test_what_dacha_does_not_hold_is_asked_for_alone() -> None:
    async with open_scene() as scene:
        unknown = environment_id("unknown")
        assert await scene.environments(NAMES[0], unknown, NAMES[1]) == [NAMES[0], None, NAMES[1]]
        assert scene.dacha.asked == 1 + 3
        assert scene.mr.asked["environment"] == 3


async def test_a_look_up_alone_is_asked_as_it_is() -> None:
    async with open_scene() as scene:
        assert await scene.environments(NAMES[0]) == [NAMES[0]]
        assert scene.dacha.asked == 1


async def test_whoever_asks_for_the_same_joins() -> None:
    async with open_scene() as scene:
        await scene.environments(*NAMES)
        scene.dacha.asked = 0
        assert await scene.environments(*NAMES, *NAMES) == NAMES + NAMES
        assert scene.dacha.asked == 1


async def test_what_is_at_hand_is_as_new_as_it_has_to_be_or_is_not_at_hand() -> None:
    async with open_scene() as scene:
        await scene.environments(*NAMES)
        scene.log.set_feature(NAMES[3], "b")
        scene.log.assign()
        newest = AtLeast(scene.log.epoch, 3, scene.log.position)
        question = AskMany(((NAMES[2], AtLeast("", 0, 0)), (NAMES[3], newest)))
        former, changed = (await scene.pool.load_at_hand(question)).environments
        assert former is not None
        # Has the Dacha heard of the change yet?
        assert changed is None or changed.revision == 3


async def test_an_older_answer_than_asked_for_is_none() -> None:
    async with open_scene() as scene:
        await scene.environments(*NAMES)
        later = AtLeast(scene.log.epoch, 9, 0)
        many = await scene.pool.load_at_hand(AskMany(((NAMES[0], later), (NAMES[1], later))))
        assert many.environments == (None, None)


async def test_what_was_found_to_be_wrong_is_decoded_anew() -> None:
    async with open_scene() as scene:
        await scene.environments(*NAMES)
        first, again = [await scene.pool.load_environment(NAMES[0]) for _ in range(2)]
        assert first.snapshot is again.snapshot
        scene.pool.distrust()
        assert (await scene.pool.load_environment(NAMES[0])).snapshot is not first.snapshot


async def test_a_dacha_that_does_not_understand_is_asked_one_by_one() -> None:
    async with open_scene() as scene:
        scene.dacha.origin = scene.mr
        assert await scene.environments(*NAMES) == NAMES


class ManyOrigin(ModelOrigin):
    """Answers questions for many as a test says."""

    def __init__(self, log: ChangeLog) -> None:
        super().__init__(log)
        self.many: list[int] = []
        self.waits = asyncio.Event()
        self.waits.set()
        self.fails_after: float | None = None
        self.knows_none = False

    async def load_at_hand(self, question: AskMany, /) -> Many:
        self.many.append(len(question.environments) + len(question.accounts))
        answers = [self.log.environment_answer(name) for name, _ in question.environments]
        if self.fails_after is not None:
            await asyncio.sleep(self.fails_after)
            raise Unavailable("No Dacha answered in time.")
        await self.waits.wait()
        return Many(environments=tuple([None if self.knows_none else each for each in answers]))


def targets(count: int = len(NAMES)) -> list[Target]:
    return [Target("environment", name) for name in NAMES[:count]]


async def test_all_who_wait_hear_in_one_step_and_one_that_fails_harms_nobody() -> None:
    log = made()
    heard: list[str] = []

    def told(name: str, result: Landing | Unavailable) -> None:
        heard.append(name)
        if name == NAMES[1]:
            raise ValueError("a defect of one who waits")

    async with open_loader(ManyOrigin(log), log) as (loader, _, _):
        for target in targets(3):
            loader.begin(target, partial(told, target.id))
        await eventually(lambda: len(heard) == 3)
        assert heard == NAMES[:3]
        assert not any(loader.loading(target) for target in targets())


async def test_a_waiter_that_is_cancelled_leaves_the_others_unharmed() -> None:
    log = made()
    origin = ManyOrigin(log)
    origin.waits.clear()
    async with open_loader(origin, log) as (loader, _, _), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(loader.load(target)) for target in targets()]
        await eventually(lambda: origin.many == [len(NAMES)])
        waiting[0].cancel()
        origin.waits.set()
        landings = [await each for each in waiting[1:]]
        assert [each.outcome for each in landings] == [Loaded.FOUND] * (len(NAMES) - 1)


async def test_an_answer_that_was_overtaken_on_its_way_is_asked_for_again() -> None:
    log = made()
    origin = ManyOrigin(log)
    origin.waits.clear()
    async with open_loader(origin, log) as (loader, replica, _), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(loader.load(target)) for target in targets()]
        await eventually(lambda: origin.many == [len(NAMES)])
        log.set_feature(NAMES[4], "b")
        log.assign()
        # A word that something moved, without what it is now.
        replica.fill(log.changes_after(replica.position))
        origin.waits.set()
        landings = [await each for each in waiting]
        revisions = [each.value.revision for each in landings if each.value is not None]
        assert revisions == [3 if name == NAMES[4] else 2 for name in NAMES]
        assert origin.asked["environment"] == 1


async def test_a_failure_at_once_is_nobodys_and_all_ask_alone() -> None:
    log = made()
    origin = ManyOrigin(log)
    origin.fails_after = 0.0
    async with open_loader(origin, log) as (loader, _, metrics):
        landings = await asyncio.gather(*(loader.load(target) for target in targets()))
        assert {each.outcome for each in landings} == {Loaded.FOUND}
        assert origin.asked["environment"] == len(NAMES)
        assert metrics.questions == {("environment", "answered"): len(NAMES)}


async def test_a_failure_that_took_all_the_time_is_everybodys() -> None:
    log = made()
    origin = ManyOrigin(log)
    origin.fails_after = PATIENCE_SECONDS + 0.05
    async with open_loader(origin, log) as (loader, _, metrics):
        outcomes = await asyncio.gather(
            *(loader.load(target) for target in targets()), return_exceptions=True
        )
        assert all(isinstance(each, Unavailable) for each in outcomes)
        assert metrics.questions == {("environment", "unavailable"): len(NAMES)}


async def test_one_deadline_holds_for_all_of_it() -> None:
    log = made()
    origin = ManyOrigin(log)
    origin.waits.clear()
    begun = time.monotonic()
    async with open_loader(origin, log, seconds=2.0) as (loader, _, metrics):
        outcomes = await asyncio.gather(
            *(loader.load(target) for target in targets()), return_exceptions=True
        )
        assert all(isinstance(each, Unavailable) for each in outcomes)
        assert metrics.questions == {("environment", "late"): len(NAMES)}
    assert 1.9 <= time.monotonic() - begun < 2.0 * len(NAMES)


async def test_whoever_waits_at_the_end_hears_so() -> None:
    log = made()
    origin = ManyOrigin(log)
    origin.waits.clear()
    async with open_loader(origin, log) as (loader, _, _):
        heard: list[Landing | Unavailable] = []
        for target in targets(4):
            loader.begin(target, heard.append)
        await eventually(lambda: origin.many == [4])
        # These have only just begun, and nobody was asked for them.
        for target in targets()[4:6]:
            loader.begin(target, heard.append)
        loader.close()
        loader.begin(targets()[7], heard.append)
    assert len(heard) == 7
    assert all(isinstance(each, Unavailable) for each in heard)


@pytest.mark.parametrize("count", [2, 300, 700])
async def test_a_question_is_bounded(count: int) -> None:
    log = ChangeLog()
    names = [environment_id(f"bounded {number}") for number in range(count)]
    for name in names:
        log.create_environment(name)
    log.assign()
    origin = ManyOrigin(log)
    async with open_loader(origin, log) as (loader, _, _):
        landings = await asyncio.gather(*(loader.load(Target("environment", each)) for each in names))
        assert [each.value.id for each in landings if each.value is not None] == names
    assert sum(origin.many) + origin.asked["environment"] == count
    assert max(origin.many) <= TOGETHER_AT_MOST
