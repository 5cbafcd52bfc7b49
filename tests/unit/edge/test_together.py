"""Look-ups that begin together are one question to a Dacha, and nobody is worse off for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from common.contracts.lookups import AtLeast, Many
from common.contracts.questions import AskMany
from common.errors import Unavailable
from dacha.lookups import Lookups
from edge.dachas import DachaPool
from edge.together import Together
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.dachas import ScriptedDacha, ScriptedRequests
from tests.support.origins import ModelOrigin, running_dacha

NAMES = [environment_id(str(number)) for number in range(10)]
CLIENT = key_hash("client")


@dataclass
class Scene:
    log: ChangeLog
    mr: ModelOrigin
    dacha: ScriptedDacha
    requests: ScriptedRequests
    pool: DachaPool

    async def environments(self, *names: str) -> list[str | None]:
        answers = await asyncio.gather(*(self.pool.load_environment(name) for name in names))
        return [None if each.snapshot is None else each.snapshot.id for each in answers]


@asynccontextmanager
async def open_scene() -> AsyncIterator[Scene]:
    log = ChangeLog()
    for name in NAMES:
        log.create_environment(name)
        log.set_feature(name, "a")
    log.save_account(account_id("a"), CLIENT, key_hash("server"), environments=NAMES)
    log.assign()
    mr = ModelOrigin(log)
    async with running_dacha(mr) as dacha:
        scripted = ScriptedDacha("one", Lookups(dacha))
        requests = ScriptedRequests(scripted)
        yield Scene(log, mr, scripted, requests, DachaPool(requests))


async def test_what_dacha_holds_is_one_message_for_all() -> None:
    async with open_scene() as scene:
        await scene.environments(*NAMES)
        await scene.pool.load_account(CLIENT)
        scene.dacha.asked = 0
        names, account = await asyncio.gather(scene.environments(*NAMES), scene.pool.load_account(CLIENT))
        assert names == NAMES
        assert account.record is not None
        assert scene.dacha.asked == 1


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


async def test_a_change_is_in_the_next_answer() -> None:
    async with open_scene() as scene:
        await scene.environments(*NAMES)
        scene.log.set_feature(NAMES[3], "b")
        scene.log.assign()
        newest = AtLeast(scene.log.epoch, 2, scene.log.position)
        answers = await asyncio.gather(
            scene.pool.load_environment(NAMES[2]), scene.pool.load_environment(NAMES[3], newest)
        )
        assert answers[1].snapshot is not None
        assert [each.key for each in answers[1].snapshot.ordered] == ["a", "b"]


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


async def test_whoever_comes_first_and_is_cancelled_leaves_the_others_unharmed() -> None:
    waiting = asyncio.Event()

    async def ask(question: AskMany) -> Many:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    together = Together(ask)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(together.environment(NAMES[0], AtLeast("", 0, 0)))
        second = tasks.create_task(together.environment(NAMES[1], AtLeast("", 0, 0)))
        await waiting.wait()
        first.cancel()
        assert await second is None


async def test_a_failure_that_took_all_the_time_is_everybodys() -> None:
    async def ask(question: AskMany) -> Many:
        await asyncio.sleep(1.05)
        raise Unavailable("No Dacha answered in time.")

    together = Together(ask)
    outcomes = await asyncio.gather(
        *(together.environment(name, AtLeast("", 0, 0)) for name in NAMES), return_exceptions=True
    )
    assert all(isinstance(each, Unavailable) for each in outcomes)


@pytest.mark.parametrize("count", [2, 300, 700])
async def test_a_question_is_bounded(count: int) -> None:
    asked: list[int] = []

    async def ask(question: AskMany) -> Many:
        asked.append(len(question.environments))
        return Many(environments=(None,) * len(question.environments))

    together = Together(ask)
    outcomes = await asyncio.gather(
        *(together.environment(str(number), AtLeast("", 0, 0)) for number in range(count))
    )
    assert outcomes == [None] * count
    assert sum(asked) == count
    assert max(asked) <= 256
