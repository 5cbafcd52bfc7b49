"""Look-ups for waiting streams: one for each key, given up when nobody waits."""

import asyncio

from common.contracts.environments import SdkKey
from edge.access import Access
from edge.limits import ColdLookups
from edge.lookups import Lookups, Outcome
from tests.support.sources import CLIENT_KEY, ENVIRONMENT, MemorySource, account, environment
from tests.support.waiting import eventually

KEY = SdkKey.parse(f"{ENVIRONMENT}/{CLIENT_KEY}")
assert KEY is not None
NOBODY = SdkKey.parse(f"{ENVIRONMENT}/nobodynobodynobody*nobody")
assert NOBODY is not None


class Waiter:
    """Notes that it was woken."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def cold(**members: float) -> MemorySource:
    source = MemorySource()
    source.put(environment(), account())
    source.forget()
    for name, value in members.items():
        setattr(source, name, value)
    return source


async def test_all_who_wait_for_a_key_share_one_look_up() -> None:
    source = cold(delay_seconds=0.05)
    async with asyncio.TaskGroup() as tasks:
        lookups = Lookups(Access(source, ColdLookups()), tasks)
        waiters = [Waiter() for _ in range(100)]
        found = {lookups.ask(KEY, waiter) for waiter in waiters}
        assert len(found) == 1
        await eventually(lambda: all(waiter.woken == 1 for waiter in waiters))
    assert {each.outcome for each in found} == {Outcome.FOUND}
    assert set(source.lookups.values()) == {1}
    assert len(lookups) == 0


async def test_absent_and_unknown_are_kept_apart() -> None:
    source = cold()
    waiter = Waiter()
    async with asyncio.TaskGroup() as tasks:
        lookups = Lookups(Access(source, ColdLookups()), tasks)
        absent = lookups.ask(NOBODY, waiter)
        await eventually(lambda: waiter.woken == 1)
        source.cut_off = True
        unknown = lookups.ask(KEY, waiter)
        await eventually(lambda: waiter.woken == 2)
    assert (absent.outcome, unknown.outcome) == (Outcome.ABSENT, Outcome.UNKNOWN)


async def test_a_look_up_ends_when_the_last_who_waits_has_left() -> None:
    source = cold(delay_seconds=60)
    first, second = Waiter(), Waiter()
    async with asyncio.TaskGroup() as tasks:
        lookups = Lookups(Access(source, ColdLookups()), tasks)
        lookup = lookups.ask(KEY, first)
        lookups.ask(KEY, second)
        await eventually(lambda: source.lookups.total() == 1)
        lookups.leave(lookup, first)
        assert len(lookups) == 1
        lookups.leave(lookup, second)
        assert len(lookups) == 0
    # The group has ended: so has the task.
    assert first.woken == second.woken == 0


async def test_a_bug_in_a_look_up_leaves_the_key_unknown_and_the_others_alone() -> None:
    class Broken(MemorySource):
        async def find_account(self, key_hash: str) -> None:
            raise ZeroDivisionError

    waiter = Waiter()
    async with asyncio.TaskGroup() as tasks:
        lookups = Lookups(Access(Broken(), ColdLookups()), tasks)
        lookup = lookups.ask(KEY, waiter)
        await eventually(lambda: waiter.woken == 1)
    assert lookup.outcome is Outcome.UNKNOWN
