"""What Edge relies on in a source of features: one suite for every source, doubles included.

A `Desk` is a source together with the hands that change what it shows: events for a cache, assignments for
the double.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest

from common.caching.app import OpenCache
from common.contracts.environments import AccountRecord, EnvironmentSnapshot, hash_key
from common.errors import Unavailable
from common.messaging.bus import Bus
from common.messaging.local import LocalBus
from common.messaging.polled import PolledBus
from dacha.lookups import Lookups
from edge.near import open_near_cache
from edge.settings import EdgeSettings
from edge.source import FeatureSource
from edge_rest.database import DatabaseSource
from edge_rest.replica import FollowingReader
from tests.support.change_log import ChangeLog
from tests.support.origins import ModelOrigin, running_dacha
from tests.support.sources import (
    CLIENT_KEY,
    ENVIRONMENT,
    SERVER_KEY,
    MemorySource,
    account,
    environment,
    feature,
)
from tests.support.waiting import eventually

KEY = hash_key(CLIENT_KEY)


class Desk(Protocol):
    """A source under test, and what may happen to it."""

    source: FeatureSource

    async def commit(self, *items: EnvironmentSnapshot | AccountRecord) -> None:
        """These are now what MR delivers."""

    async def remove(self, environment_id: str) -> None:
        """The environment is gone for good."""

    async def cut_off(self) -> None:
        """From now on nothing can be loaded."""


class MemoryDesk:
    """The double that Edge's own tests use."""

    def __init__(self) -> None:
        self.memory = MemorySource()
        self.source: FeatureSource = self.memory

    async def commit(self, *items: EnvironmentSnapshot | AccountRecord) -> None:
        self.memory.put(*items)

    async def remove(self, environment_id: str) -> None:
        self.memory.remove_environment(environment_id)

    async def cut_off(self) -> None:
        self.memory.cut_off = True


@asynccontextmanager
async def memory_desk() -> AsyncIterator[Desk]:
    yield MemoryDesk()


class ModelDesk:
    """A source over a model of MR's log: Dacha2 itself, or one that reads anew."""

    def __init__(self, origin: ModelOrigin, source: FeatureSource) -> None:
        self.origin = origin
        self.source = source

    async def commit(self, *items: EnvironmentSnapshot | AccountRecord) -> None:
        for item in items:
            if isinstance(item, EnvironmentSnapshot):
                self.origin.log.put_environment(item)
            else:
                self.origin.log.put_account(item)

    async def remove(self, environment_id: str) -> None:
        self.origin.log.delete_environment(environment_id)

    async def cut_off(self) -> None:
        self.origin.cut_off = self.origin.log_cut_off = True


@asynccontextmanager
async def dacha_desk() -> AsyncIterator[Desk]:
    origin = ModelOrigin(ChangeLog())
    async with running_dacha(origin) as dacha:
        yield ModelDesk(origin, dacha.cache)


@asynccontextmanager
async def near_desk() -> AsyncIterator[Desk]:
    """Edge's near-cache over a Dacha; both hear the log."""
    origin = ModelOrigin(ChangeLog())
    bus = LocalBus(origin.tail, poll_seconds=0.01)
    async with near_cache_on(bus, origin) as near:
        yield ModelDesk(origin, near.cache)


@asynccontextmanager
async def near_desk_without_a_bus() -> AsyncIterator[Desk]:
    """Edge's near-cache over a Dacha; Edge hears only where MR stands."""
    origin = ModelOrigin(ChangeLog())
    bus = PolledBus(origin.state, poll_seconds=0.01)
    async with near_cache_on(bus, origin) as near:
        yield ModelDesk(origin, near.cache)


@asynccontextmanager
async def near_cache_on(bus: Bus, origin: ModelOrigin) -> AsyncIterator[OpenCache]:
    async with (
        running_dacha(origin) as dacha,
        open_near_cache(EdgeSettings(), bus=bus, origin=Lookups(dacha)) as near,
    ):
        await eventually(lambda: near.holdings.replica.live)
        yield near


@asynccontextmanager
async def database_desk() -> AsyncIterator[Desk]:
    """Edge-REST's source: it holds nothing at hand and watches nothing."""
    origin = ModelOrigin(ChangeLog())
    yield ModelDesk(origin, DatabaseSource(origin))


@asynccontextmanager
async def replica_desk() -> AsyncIterator[Desk]:
    """Edge-REST's source over a replica that never hears of anything."""
    origin, behind = ModelOrigin(ChangeLog()), ModelOrigin(ChangeLog())
    yield ModelDesk(origin, DatabaseSource(FollowingReader(behind, origin)))


DESKS: list[Callable[[], AbstractAsyncContextManager[Desk]]] = [
    memory_desk,
    dacha_desk,
    near_desk,
    near_desk_without_a_bus,
]
READERS: list[Callable[[], AbstractAsyncContextManager[Desk]]] = [database_desk, replica_desk]


@pytest.fixture(params=DESKS, ids=lambda make: make.__name__)
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    async with request.param() as made:
        yield made


@pytest.fixture(params=DESKS + READERS, ids=lambda make: make.__name__)
async def any_desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """Also those sources that read anew for every question."""
    async with request.param() as made:
        yield made


class Notes:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.removed: set[str] = set()

    def environment_changed(self, environment_id: str, snapshot: EnvironmentSnapshot | None) -> None:
        self.heard.append((environment_id, snapshot and snapshot.revision))

    def account_changed(self, record: AccountRecord) -> None:
        self.heard.append((record.id, record.revision))
        if record.removed:
            self.removed.add(record.id)


async def test_what_was_found_is_at_hand_afterwards(desk):
    await desk.commit(environment(feature("A", True)), account())
    record = await desk.source.find_account(KEY)
    snapshot = await desk.source.find_environment(ENVIRONMENT)
    assert record is desk.source.peek_account(KEY)
    assert snapshot is desk.source.peek_environment(ENVIRONMENT)
    assert record.key_hashes == (KEY, hash_key(SERVER_KEY))
    assert [state.key for state in snapshot.ordered] == ["A"]


async def test_what_is_delivered_is_found(any_desk):
    await any_desk.commit(environment(feature("A", True)), account())
    record = await any_desk.source.find_account(KEY)
    snapshot = await any_desk.source.find_environment(ENVIRONMENT)
    assert record.key_hashes == (KEY, hash_key(SERVER_KEY))
    assert [state.key for state in snapshot.ordered] == ["A"]


async def test_what_does_not_exist_is_none_and_never_at_hand(any_desk):
    for _ in range(2):
        assert await any_desk.source.find_account(hash_key("nobody")) is None
        assert await any_desk.source.find_environment(ENVIRONMENT) is None
    assert any_desk.source.peek_account(hash_key("nobody")) is None
    assert any_desk.source.peek_environment(ENVIRONMENT) is None


async def test_what_cannot_be_known_is_unavailable_and_not_absent(any_desk):
    await any_desk.cut_off()
    with pytest.raises(Unavailable):
        await any_desk.source.find_account(KEY)
    with pytest.raises(Unavailable):
        await any_desk.source.find_environment(ENVIRONMENT)


async def test_what_is_held_is_served_while_nothing_can_be_loaded(desk):
    await desk.commit(environment(feature("A", True)), account())
    await desk.source.find_account(KEY)
    await desk.source.find_environment(ENVIRONMENT)
    await desk.cut_off()
    assert await desk.source.find_account(KEY) is not None
    assert await desk.source.find_environment(ENVIRONMENT) is not None


async def test_watchers_hear_every_swap_of_what_is_held_and_then_peek_shows_it(desk):
    await desk.commit(environment(feature("A", True)), account())
    await desk.source.find_account(KEY)
    await desk.source.find_environment(ENVIRONMENT)
    notes = Notes()
    stop = desk.source.watch(notes)
    with desk.source.hold(ENVIRONMENT, account().id):
        await desk.commit(environment(feature("A", False, version=2), revision=2), account(revision=2))
        await eventually(lambda: (ENVIRONMENT, 2) in notes.heard and (account().id, 2) in notes.heard)
        assert desk.source.peek_environment(ENVIRONMENT).revision == 2
        assert desk.source.peek_account(KEY).revision == 2
        stop()
        heard = len(notes.heard)
        await desk.commit(environment(revision=3))
        await eventually(lambda: desk.source.peek_environment(ENVIRONMENT).revision == 3)
        assert len(notes.heard) == heard


async def test_a_key_that_was_reset_and_an_account_that_was_removed_are_absent(desk):
    await desk.commit(environment(), account())
    await desk.source.find_account(KEY)
    notes = Notes()
    desk.source.watch(notes)
    await desk.commit(account(client_key="another*key-than-before", revision=2))
    await eventually(lambda: (account().id, 2) in notes.heard)
    assert desk.source.peek_account(KEY) is None
    assert await desk.source.find_account(KEY) is None
    assert await desk.source.find_account(hash_key(SERVER_KEY)) is not None
    await desk.commit(account(client_key="another*key-than-before", removed=True, revision=3))
    await eventually(lambda: account().id in notes.removed)
    assert await desk.source.find_account(hash_key(SERVER_KEY)) is None


async def test_a_removed_environment_is_told_as_none_and_absent_afterwards(desk):
    await desk.commit(environment(), account())
    await desk.source.find_environment(ENVIRONMENT)
    notes = Notes()
    desk.source.watch(notes)
    await desk.remove(ENVIRONMENT)
    await eventually(lambda: (ENVIRONMENT, None) in notes.heard)
    assert desk.source.peek_environment(ENVIRONMENT) is None
    assert await desk.source.find_environment(ENVIRONMENT) is None
