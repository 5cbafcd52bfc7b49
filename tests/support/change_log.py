"""A model of MR's log: small, in memory, and right by being simple.

It keeps what each counter held at each revision, so a test can say what any copy should be. It answers
every question of `common.caching.loader.Origin` and is a tail for `LocalBus`, so caches run on it unchanged.
"""

from __future__ import annotations

import copy
import itertools
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import NAMESPACE_OID, uuid5

import msgspec

from common.contracts.codec import canonical
from common.contracts.environments import AccountRecord, EnvironmentSnapshot, states_digest
from common.contracts.events import (
    AccountChanged,
    CounterId,
    EnvironmentChanged,
    Event,
    EventData,
    FeaturesChanged,
    Heartbeat,
)
from common.contracts.features import FeatureState, Tombstone
from common.contracts.lookups import AccountAnswer, Changes, CounterState, EnvironmentAnswer, Listing, State
from common.messaging.local import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RAISED_BY_A_RESTORE = 1_000
"""What a new epoch adds to every revision and version."""


def environment_id(name: str) -> str:
    """An id that is the same in every run."""
    return str(uuid5(NAMESPACE_OID, f"environment {name}"))


def account_id(name: str) -> str:
    """An id that is the same in every run."""
    return str(uuid5(NAMESPACE_OID, f"account {name}"))


def key_hash(name: str) -> str:
    """The hash of a made-up key."""
    return sha256(name.encode()).hexdigest()


class ChangeLog:
    """Commits, positions and answers. A commit gets its position only by `assign`, as at MR."""

    def __init__(self) -> None:
        self.epoch = "epoch-0"
        self.term = 1
        self.environments: dict[str, EnvironmentSnapshot] = {}
        self.accounts: dict[str, AccountRecord] = {}
        self.revisions_by_counter: dict[CounterId, int] = {}
        self.events: list[Event] = []
        self.drafts: list[Event] = []
        self.pruned = 0
        self.contents: dict[tuple[str, CounterId, int], int | None] = {}
        self.on_commit: Callable[[], None] = lambda: None
        self._serial = itertools.count(1)
        self._epochs = itertools.count(1)

    # Commits

    def create_environment(self, environment: str, features: Sequence[FeatureState] = ()) -> None:
        by_id = {each.id: each for each in features}
        snapshot = EnvironmentSnapshot(
            id=environment, revision=1, digest=states_digest(by_id.values(), {}), features=by_id
        )
        self._store_environment(snapshot, EnvironmentChanged(environment_id=environment, snapshot=snapshot))

    def set_feature(self, environment: str, key: str, value: bytes = b"true") -> FeatureState:
        """Create or change the feature with this key."""
        old = self.environments[environment]
        feature_id = str(uuid5(NAMESPACE_OID, f"feature {key}"))
        held = old.features.get(feature_id)
        version = next(self._serial) if held is None else held.version + 1
        state = FeatureState(
            id=feature_id,
            key=key,
            type="BOOLEAN",
            locked=False,
            version=version,
            value=value,
            strategies=b"[]",
        )
        tombstones = tuple(each for each in old.tombstones if each.key != key)
        data = FeaturesChanged(environment_id=environment, states=(state,))
        self._delta(old, {**old.features, feature_id: state}, tombstones, data)
        return state

    def delete_feature(self, environment: str, key: str) -> None:
        old = self.environments[environment]
        gone = next(each for each in old.features.values() if each.key == key)
        tombstone = Tombstone(
            key=key, feature_id=gone.id, type=gone.type, until=1 << 40, version=gone.version
        )
        features = {each.id: each for each in old.features.values() if each is not gone}
        data = FeaturesChanged(environment_id=environment, removed=(gone.id,), tombstones=(tombstone,))
        self._delta(old, features, (*old.tombstones, tombstone), data)

    def delete_environment(self, environment: str) -> None:
        counter = CounterId("environment", environment)
        del self.environments[environment]
        self._commit(counter, 0, EnvironmentChanged(environment_id=environment, snapshot=None), None)

    def save_account(
        self, account: str, client: str, server: str, *, environments: Sequence[str] = ()
    ) -> AccountRecord:
        """Create or change an account; keys that it no longer has are named as former."""
        old = self.accounts.get(account)
        hashes = (client, server)
        former = () if old is None else tuple(each for each in old.key_hashes if each not in hashes)
        record = AccountRecord(
            id=account,
            revision=self._next(CounterId("account", account)),
            client_key_hash=client,
            server_key_hash=server,
            former_key_hashes=former,
            permissions=dict.fromkeys(environments, ("READ",)),
        )
        self.accounts[account] = record
        self._commit(
            CounterId("account", account),
            record.digest,
            AccountChanged(record=record),
            account_content(record),
        )
        return record

    def delete_account(self, account: str) -> None:
        old = self.accounts.pop(account)
        counter = CounterId("account", account)
        record = msgspec.structs.replace(
            old, revision=self._next(counter), removed=True, former_key_hashes=old.key_hashes
        )
        self._commit(counter, record.digest, AccountChanged(record=record), None)

    def put_environment(self, snapshot: EnvironmentSnapshot) -> None:
        """Make an environment this, at the revision that it names."""
        self.revisions_by_counter[CounterId("environment", snapshot.id)] = snapshot.revision - 1
        self._store_environment(snapshot, EnvironmentChanged(environment_id=snapshot.id, snapshot=snapshot))

    def put_account(self, record: AccountRecord) -> None:
        """Make an account this, at the revision that it names."""
        counter = CounterId("account", record.id)
        self.revisions_by_counter[counter] = record.revision - 1
        if record.removed:
            self.accounts.pop(record.id, None)
        else:
            self.accounts[record.id] = record
        content = None if record.removed else account_content(record)
        self._commit(counter, record.digest, AccountChanged(record=record), content)

    # The relay

    @property
    def position(self) -> int:
        return self.events[-1].position if self.events else 0

    def assign(self) -> list[Event]:
        """Give everything committed its position; returns what got one."""
        assigned = [
            msgspec.structs.replace(draft, position=position, term=self.term)
            for position, draft in enumerate(self.drafts, self.position + 1)
        ]
        self.events += assigned
        self.drafts = []
        return assigned

    def heartbeat(self) -> Heartbeat:
        return Heartbeat(term=self.term, epoch=self.epoch, position=self.position)

    def fail_over(self, republished: int) -> list[Event]:
        """Another relay takes the lease and sends again what may not have been sent."""
        self.term += 1
        return [
            msgspec.structs.replace(each, term=self.term)
            for each in self.events[len(self.events) - min(republished, len(self.events)) :]
        ]

    def prune(self, position: int) -> None:
        """Forget the log up to a position."""
        self.pruned = max(self.pruned, min(position, self.position))

    # Backups

    def backup(self) -> ChangeLog:
        """A copy of everything, as of now."""
        twin = copy.copy(self)
        twin.assign_from(self)
        return twin

    def assign_from(self, other: ChangeLog) -> None:
        self.environments = dict(other.environments)
        self.accounts = dict(other.accounts)
        self.revisions_by_counter = dict(other.revisions_by_counter)
        self.events = list(other.events)
        self.drafts = list(other.drafts)
        self.pruned = other.pruned

    def restore(self, backup: ChangeLog) -> None:
        """Become the backup, under a new epoch, with everything raised above what may have been seen."""
        self.assign_from(backup)
        self.assign()
        self.epoch = f"epoch-{next(self._epochs)}"
        self.term += 1
        for counter in self.revisions_by_counter:
            self.revisions_by_counter[counter] += RAISED_BY_A_RESTORE
        for identity, snapshot in self.environments.items():
            features = {
                each.id: msgspec.structs.replace(
                    each, version=each.version + RAISED_BY_A_RESTORE, _plain=None, _extended=None
                )
                for each in snapshot.features.values()
            }
            counter = CounterId("environment", identity)
            digest = states_digest(features.values(), snapshot.info)
            revision = self.revisions_by_counter[counter]
            self.environments[identity] = msgspec.structs.replace(
                snapshot,
                revision=revision,
                features=features,
                digest=digest,
                _ordered=None,
                _text_bytes=None,
                _content=None,
            )
            self.contents[self.epoch, counter, revision] = digest
        for identity, record in self.accounts.items():
            counter = CounterId("account", identity)
            revision = self.revisions_by_counter[counter]
            self.accounts[identity] = msgspec.structs.replace(record, revision=revision)
            self.contents[self.epoch, counter, revision] = account_content(record)

    # Answers (common.caching.loader.Origin, without waiting)

    def environment_answer(self, environment: str) -> EnvironmentAnswer:
        return EnvironmentAnswer(
            snapshot=self.environments.get(environment),
            revision=self.revisions_by_counter.get(CounterId("environment", environment), 0),
            epoch=self.epoch,
            position=self.position,
        )

    def account_answer(self, key_hash: str) -> AccountAnswer:
        record = next((each for each in self.accounts.values() if key_hash in each.key_hashes), None)
        return AccountAnswer(record=record, epoch=self.epoch, position=self.position)

    def changes_after(self, position: int) -> Changes:
        complete = position >= self.pruned
        counters: dict[CounterId, int] = {}
        for event in self.events[position:] if complete else []:
            counters[event.counter] = max(event.revision, counters.get(event.counter, 0))
        return Changes(
            epoch=self.epoch,
            term=self.term,
            position=self.position,
            counters=tuple(counters.items()),
            complete=complete,
        )

    def counter_states(self, counters: Sequence[CounterId]) -> list[CounterState]:
        """Each counter's last positioned revision and the digest then."""
        answers = []
        for counter in counters:
            last = next((each for each in reversed(self.events) if each.counter == counter), None)
            if last is None:
                continue
            revision, digest = last.revision, last.digest
            raised = self.revisions_by_counter[counter]
            if revision < raised and not any(each.counter == counter for each in self.drafts):
                revision, digest = raised, self._digest(counter)
            answers.append(CounterState(counter=counter, revision=revision, digest=digest))
        return answers

    def page(self, after: str | None, limit: int) -> Listing:
        """What there is, by id: environments, then accounts; a page holds ``limit`` of both together."""
        everything = [("e", each, each) for each in sorted(self.environments)]
        everything += [("s", each, self.accounts[each].key_hashes[0]) for each in sorted(self.accounts)]
        rest = [each for each in everything if after is None or f"{each[0]}{each[1]}" > after]
        page = rest[:limit]
        return Listing(
            ids=tuple(shown for kind, _, shown in page if kind == "e"),
            hashes=tuple(shown for kind, _, shown in page if kind == "s"),
            next=f"{page[-1][0]}{page[-1][1]}" if len(rest) > limit else None,
        )

    def where(self) -> State:
        return State(epoch=self.epoch, term=self.term, position=self.position)

    def tail_after(self, position: int, limit: int) -> Tail:
        return Tail(
            events=[] if position < self.pruned else self.events[position : position + limit],
            heartbeat=self.heartbeat(),
            complete=position >= self.pruned,
        )

    def positioned_revision(self, counter: CounterId, position: int) -> int:
        """The revision that a copy has to have which knows everything up to ``position``."""
        return max((each.revision for each in self.events[:position] if each.counter == counter), default=0)

    def _digest(self, counter: CounterId) -> int:
        if counter.kind == "environment":
            snapshot = self.environments.get(counter.id)
            return 0 if snapshot is None else snapshot.digest
        record = self.accounts.get(counter.id)
        return 0 if record is None else record.digest

    def _delta(
        self,
        old: EnvironmentSnapshot,
        features: dict[str, FeatureState],
        tombstones: tuple[Tombstone, ...],
        data: FeaturesChanged,
    ) -> None:
        snapshot = EnvironmentSnapshot(
            id=old.id,
            revision=old.revision + 1,
            digest=states_digest(features.values(), old.info),
            features=features,
            info=old.info,
            tombstones=tombstones,
        )
        self._store_environment(snapshot, data)

    def _store_environment(self, snapshot: EnvironmentSnapshot, data: EventData) -> None:
        self.environments[snapshot.id] = snapshot
        self._commit(CounterId("environment", snapshot.id), snapshot.digest, data, snapshot.digest)

    def _next(self, counter: CounterId) -> int:
        return self.revisions_by_counter.get(counter, 0) + 1

    def _commit(self, counter: CounterId, digest: int, data: EventData, content: int | None) -> None:
        revision = self._next(counter)
        self.revisions_by_counter[counter] = revision
        self.contents[self.epoch, counter, revision] = content
        serial = next(self._serial)
        self.drafts.append(
            Event(
                id=str(uuid5(NAMESPACE_OID, f"event {serial}")),
                counter=counter,
                position=0,
                term=self.term,
                epoch=self.epoch,
                revision=revision,
                previous=revision - 1,
                digest=digest,
                time=float(serial),
                data=data,
            )
        )
        self.on_commit()


def account_content(record: AccountRecord) -> int:
    """What an account says, as a number to compare."""
    return hash(canonical([record.key_hashes, record.permissions, record.removed]))
