"""A bus made of questions: heartbeats while there are answers, silence while there are none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from common.contracts.events import Event, Heartbeat
from common.contracts.lookups import State
from common.errors import Unavailable
from common.messaging.polled import PolledBus
from tests.support.waiting import eventually


class Listener:
    def __init__(self) -> None:
        self.heard: list[Heartbeat | str] = []

    def on_event(self, event: Event) -> None:
        raise AssertionError("nobody sends events here")

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        self.heard.append(heartbeat)

    def on_disconnected(self) -> None:
        self.heard.append("disconnected")

    @property
    def heartbeats(self) -> int:
        return sum(isinstance(each, Heartbeat) for each in self.heard)


class Mr:
    """Where MR stands, when it says so."""

    def __init__(self) -> None:
        self.position = 7
        self.away = False
        self.hangs = False
        self.asked = 0

    async def state(self) -> State:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.away:
            raise Unavailable("MR is away.")
        return State(epoch="one", term=3, position=self.position)


@asynccontextmanager
async def listening(mr: Mr, **seconds: float) -> AsyncIterator[tuple[PolledBus, Listener]]:
    bus = PolledBus(mr.state, **{"poll_seconds": 0.02, "longest_seconds": 0.1} | seconds)
    listener = Listener()
    async with bus.subscribe(listener):
        yield bus, listener


async def test_every_answer_is_a_heartbeat() -> None:
    mr = Mr()
    async with listening(mr) as (_, listener):
        await eventually(lambda: listener.heartbeats >= 2)
        mr.position = 9
        await eventually(lambda: listener.heard[-1] == Heartbeat(term=3, epoch="one", position=9))
    assert listener.heard[0] == Heartbeat(term=3, epoch="one", position=7)
    assert "disconnected" not in listener.heard


async def test_without_answers_nothing_comes_and_that_is_said_once() -> None:
    mr = Mr()
    async with listening(mr) as (_, listener):
        await eventually(lambda: listener.heartbeats)
        mr.away = True
        await eventually(lambda: listener.heard[-1] == "disconnected")
        asked = mr.asked
        await eventually(lambda: mr.asked > asked + 3)
        assert listener.heard[-1] == "disconnected"
        assert listener.heard.count("disconnected") == 1
        mr.away = False
        await eventually(lambda: isinstance(listener.heard[-1], Heartbeat))


async def test_an_answer_that_does_not_come_is_none() -> None:
    mr = Mr()
    async with listening(mr, answer_seconds=0.05) as (_, listener):
        await eventually(lambda: listener.heartbeats)
        mr.hangs = True
        await eventually(lambda: listener.heard[-1] == "disconnected")
        mr.hangs = False
        await eventually(lambda: isinstance(listener.heard[-1], Heartbeat))


async def test_who_cannot_wait_asks_for_a_heartbeat() -> None:
    mr = Mr()
    async with listening(mr, poll_seconds=600.0, longest_seconds=600.0) as (bus, listener):
        await eventually(lambda: listener.heartbeats == 1)
        bus.sync()
        await eventually(lambda: listener.heartbeats == 2)


async def test_questions_become_rarer_while_there_are_no_answers() -> None:
    bus = PolledBus(Mr().state)
    assert 0.9 <= bus.pause(0) <= 1.1
    assert 1.8 <= bus.pause(1) <= 2.2
    assert 4.5 <= bus.pause(100_000) <= 5.5


async def test_nobody_asks_after_the_last_listener_has_left() -> None:
    mr = Mr()
    async with listening(mr) as (bus, listener):
        await eventually(lambda: listener.heartbeats)
    asked = mr.asked
    bus.sync()
    await asyncio.sleep(0.1)
    assert mr.asked == asked


async def test_what_is_no_answer_at_all_ends_the_listening() -> None:
    async def broken() -> State:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        async with PolledBus(broken).subscribe(Listener()):
            await asyncio.sleep(5)
