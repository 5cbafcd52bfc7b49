"""Keys, callers and limits: what is at hand costs nothing, what is uncertain is never "unknown"."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contracts.environments import SdkKey
from common.errors import Unavailable
from edge.access import Access, TooManyLookups
from edge.limits import ColdLookups, Holds, caller_of
from tests.support.sources import (
    CLIENT_KEY,
    ENVIRONMENT,
    MemorySource,
    account,
    environment,
    feature,
    identity,
)

KEY = SdkKey.parse(f"{ENVIRONMENT}/{CLIENT_KEY}")
NOBODY = SdkKey.parse(f"{ENVIRONMENT}/nobody-has-this-key")
assert KEY is not None
assert NOBODY is not None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def source() -> MemorySource:
    made = MemorySource()
    made.put(environment(feature("A", True)), account())
    return made


async def test_what_is_at_hand_is_granted_without_a_look_up_and_without_a_token(source):
    access = Access(source, ColdLookups(per_second=0, at_once=0))
    granted = await access.find_admitted(KEY, "caller")
    assert granted == access.peek(KEY)
    assert not source.lookups


async def test_an_account_that_lacks_the_environment_is_refused_without_a_look_up(source):
    source.put(account(identity("elsewhere"), revision=2))
    access = Access(source, ColdLookups(per_second=0, at_once=0))
    assert await access.find_admitted(KEY, "caller") is None
    assert not source.lookups


async def test_a_caller_pays_for_each_look_up_and_gets_tokens_back_with_time(source):
    clock = Clock()
    access = Access(source, ColdLookups(per_second=1, at_once=2, clock=clock))
    for _ in range(2):
        assert await access.find_admitted(NOBODY, "caller") is None
    with pytest.raises(TooManyLookups):
        await access.find_admitted(NOBODY, "caller")
    assert await access.find_admitted(NOBODY, "another") is None
    clock.now += 1
    assert await access.find_admitted(NOBODY, "caller") is None


async def test_a_source_that_cannot_say_makes_nothing_unknown(source):
    source.forget()
    source.cut_off = True
    for key in (KEY, NOBODY):
        with pytest.raises(Unavailable):
            await Access(source, ColdLookups()).find(key)


@pytest.mark.parametrize(
    "revoked", [account(identity("elsewhere"), revision=2), account(removed=True, revision=2)]
)
async def test_a_key_revoked_while_its_environment_is_loaded_is_not_granted(source, revoked):
    source.forget()
    assert await source.find_account(KEY.key_hash) is not None
    source.delay_seconds = 0.05
    async with asyncio.TaskGroup() as tasks:
        found = tasks.create_task(Access(source, ColdLookups()).find(KEY))
        await asyncio.sleep(0)
        source.put(revoked)
    assert found.result() is None


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (("10.0.0.1", 5), "10.0.0.1"),
        (("::ffff:10.0.0.1", 5), "10.0.0.1"),
        (("2001:db8:1:2:3:4:5:6", 5), "2001:db8:1:2::/64"),
        (("not an address", 5), "unknown"),
        (None, "unknown"),
    ],
)
def test_a_caller_is_an_address_or_a_network(client, expected):
    assert caller_of(client) == expected


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5)), max_size=200))
def test_no_caller_gets_more_than_its_share(requests):
    clock = Clock()
    cold = ColdLookups(per_second=2, at_once=5, clock=clock)
    allowed = dict.fromkeys("abc", 0)
    for caller, later in requests:
        clock.now += later
        allowed[caller] += cold.take(caller)
    assert all(number <= 5 + 2 * clock.now for number in allowed.values())


def test_holds_are_bounded_for_each_caller_and_for_all():
    holds = Holds(per_caller=2, at_all=3)
    assert [holds.begin(caller) for caller in "aaabc"] == [True, True, False, True, False]
    holds.end("a")
    assert holds.begin("a")
    for caller in "aab":
        holds.end(caller)
    assert not holds._held
