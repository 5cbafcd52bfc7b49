"""A source of features in memory, and builders of what it holds, for tests of Edge.

`MemorySource` is a double at Edge's `FeatureSource` protocol. It can be cut off (then what it does not
hold is unknown), slow, and forgetful, which is all that the real cache does to Edge.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import NAMESPACE_OID, uuid5

import msgspec

from common.contracts.codec import canonical, json_text
from common.contracts.environments import (
    AccountRecord,
    EnvironmentSnapshot,
    hash_key,
    states_digest,
)
from common.contracts.features import FeatureState, FeatureType, RolloutStrategy, Tombstone, encode_strategies
from common.contracts.lookups import SdkUpdate, SdkUpdateOutcome
from common.errors import Unavailable
from common.messaging.bus import Subscriber
from edge.source import Watcher

ENVIRONMENT = "7d1c0a52-6c0e-4c58-9a11-2f6f0f4b8f10"
CLIENT_KEY = "qwertyuiopasdfghjklzxcvbnmqwer*tyuiopasdfghjklzxcvb"
SERVER_KEY = "qwertyuiopasdfghjklzxcvbnmqwertyuiopasdf"


def identity(name: str) -> str:
    """A UUID that is the same for the same name in every run."""
    return str(uuid5(NAMESPACE_OID, name))


def feature(
    key: str,
    value: object = None,
    *,
    version: int = 1,
    feature_type: FeatureType = "BOOLEAN",
    feature_id: str | None = None,
    locked: bool = False,
    retired: bool = False,
    filters: Iterable[str] = (),
    properties: dict[str, str] | None = None,
    strategies: tuple[RolloutStrategy, ...] | None = (),
) -> FeatureState:
    """One feature as delivered; ``strategies`` None = it has no value in the environment."""
    return FeatureState(
        id=feature_id or identity(key),
        key=key,
        type=feature_type,
        locked=locked,
        version=version,
        value=None if value is None else canonical(value),
        strategies=None if strategies is None else encode_strategies(strategies),
        properties=canonical(properties) if properties else None,
        filters=tuple(sorted(filters)),
        retired=retired,
    )


def environment(
    *states: FeatureState,
    environment_id: str = ENVIRONMENT,
    revision: int = 1,
    info: dict[str, str] | None = None,
    tombstones: Iterable[Tombstone] = (),
) -> EnvironmentSnapshot:
    """One environment as delivered."""
    return EnvironmentSnapshot(
        id=environment_id,
        revision=revision,
        digest=states_digest(states, info or {}),
        features={state.id: state for state in states},
        info=info or {},
        tombstones=tuple(tombstones),
    )


def account(
    *environment_ids: str,
    roles: tuple[str, ...] = ("READ",),
    filters: Iterable[str] = (),
    restricted: bool = False,
    revision: int = 1,
    account_id: str = "a",
    client_key: str = CLIENT_KEY,
    server_key: str = SERVER_KEY,
    removed: bool = False,
) -> AccountRecord:
    """One service account with the same roles in all its environments."""
    return AccountRecord(
        id=identity(account_id),
        revision=revision,
        client_key_hash=hash_key(client_key),
        server_key_hash=hash_key(server_key),
        permissions={each: tuple(sorted(roles)) for each in environment_ids or (ENVIRONMENT,)},
        filters=tuple(sorted(filters)),
        restricted=restricted,
        removed=removed,
    )


def text_value(text: str) -> msgspec.Raw:
    """A strategy's value for a STRING feature."""
    return msgspec.Raw(json_text(text))


class MemorySource:
    """What Edge sees, held in memory; tests change it and cut it off."""

    def __init__(self) -> None:
        self.epoch = "one"
        self.ready = True
        self.silent_seconds = 0.0
        self.cut_off = False
        self.delay_seconds = 0.0
        self.gate = asyncio.Event()
        """Look-ups end only while this is set, as it is at first."""
        self.gate.set()
        self.lookups: Counter[str] = Counter()
        self.held: Counter[tuple[str, str]] = Counter()
        self._accounts: dict[str, AccountRecord] = {}
        self._environments: dict[str, EnvironmentSnapshot] = {}
        self._at_hand: set[str] = set()
        self._watchers: list[Watcher] = []

    def put(self, *items: EnvironmentSnapshot | AccountRecord) -> None:
        """Hold these from now on, and tell the watchers."""
        for item in items:
            if isinstance(item, EnvironmentSnapshot):
                self._environments[item.id] = item
                self._at_hand.add(item.id)
                for watcher in tuple(self._watchers):
                    watcher.environment_changed(item.id, item)
            else:
                self._put_account(item)

    def _put_account(self, record: AccountRecord) -> None:
        former = [each for each, held in self._accounts.items() if held.id == record.id]
        for key_hash in former:
            del self._accounts[key_hash]
        for key_hash in record.key_hashes:
            self._accounts[key_hash] = record
            self._at_hand.add(key_hash)
        for watcher in tuple(self._watchers):
            watcher.account_changed(record)

    def remove_environment(self, environment_id: str) -> None:
        """The environment is gone for good."""
        del self._environments[environment_id]
        for watcher in tuple(self._watchers):
            watcher.environment_changed(environment_id, None)

    def forget(self) -> None:
        """Drop everything from what is at hand: the next look-up has to load it."""
        self._at_hand.clear()

    def peek_account(self, key_hash: str) -> AccountRecord | None:
        return self._accounts.get(key_hash) if key_hash in self._at_hand else None

    def peek_environment(self, environment_id: str) -> EnvironmentSnapshot | None:
        return self._environments.get(environment_id) if environment_id in self._at_hand else None

    async def find_account(self, key_hash: str) -> AccountRecord | None:
        await self._load(key_hash)
        return self._accounts.get(key_hash)

    def is_sure_of_account(self, key_hash: str) -> bool:
        return key_hash in self._accounts and not self.silent_seconds

    async def confirm_account(self, key_hash: str) -> AccountRecord | None:
        if not self.is_sure_of_account(key_hash):
            self._at_hand.discard(key_hash)
        return await self.find_account(key_hash)

    async def find_environment(self, environment_id: str) -> EnvironmentSnapshot | None:
        await self._load(environment_id)
        return self._environments.get(environment_id)

    async def _load(self, name: str) -> None:
        if name in self._at_hand:
            return
        self.lookups[name] += 1
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        await self.gate.wait()
        if self.cut_off:
            raise Unavailable("The source is cut off.", retry_after_seconds=1)
        if name in self._accounts or name in self._environments:
            self._at_hand.add(name)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    @contextmanager
    def hold(self, environment_id: str, account_id: str) -> Iterator[None]:
        self.held[environment_id, account_id] += 1
        try:
            yield
        finally:
            self.held[environment_id, account_id] -= 1


class SoughtSource(MemorySource):
    """One that can be asked without a task, too (`edge.source.Seeker`); without a delay it tells at once."""

    def forget_environments(self) -> None:
        """Drop the environments from what is at hand; who has which key is still known."""
        self._at_hand -= self._environments.keys()

    def seek_environment(
        self, environment_id: str, told: Callable[[EnvironmentSnapshot | Unavailable | None], None], /
    ) -> None:
        if self.delay_seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(self.delay_seconds, lambda: told(self._sought(environment_id)))
        else:
            told(self._sought(environment_id))

    def _sought(self, environment_id: str) -> EnvironmentSnapshot | Unavailable | None:
        self.lookups[environment_id] += 1
        if self.cut_off:
            return Unavailable("The source is cut off.", retry_after_seconds=1)
        if environment_id in self._environments:
            self._at_hand.add(environment_id)
        return self._environments.get(environment_id)


class MemorySink:
    """A double at `UpdateSink`: remembers what came, answers what it is told to."""

    def __init__(self, *answers: SdkUpdateOutcome | Exception) -> None:
        self.received: list[SdkUpdate] = []
        self._answers = list(answers) or [SdkUpdateOutcome(status=200)]

    async def update(self, update: SdkUpdate) -> SdkUpdateOutcome:
        self.received.append(update)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class HandBus:
    """A double at `Bus` of which a test is the relay: it calls `subscriber` itself."""

    heartbeat_seconds = 2.0

    def __init__(self) -> None:
        self.subscriber: Subscriber | None = None
        self.synced = 0

    def sync(self) -> None:
        self.synced += 1

    @asynccontextmanager
    async def subscribe(self, subscriber: Subscriber) -> AsyncIterator[None]:
        self.subscriber = subscriber
        try:
            yield
        finally:
            self.subscriber = None
