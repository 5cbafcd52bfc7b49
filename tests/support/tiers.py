"""What state machines of the apply rule have in common: MR's side as rules, and copies under observation.

`MrMachine` is everything that may happen at MR. A `Tier` is one process's copies with their own way to it
(a channel that a test may let lose, repeat, reorder and delay), and knows what must always hold of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from common.contracts.events import CounterId, Event, Heartbeat
from common.contracts.lookups import AccountAnswer, EnvironmentAnswer
from common.revisions.environments import fresh_digest
from common.revisions.replica import Comparison, Replica
from common.revisions.targets import Loaded, Target, Ticket
from tests.support.change_log import ChangeLog, account_content, account_id, environment_id, key_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from common.contracts.environments import AccountRecord, EnvironmentSnapshot
    from common.contracts.lookups import Changes, State
    from common.revisions.saved import Saved

ENVIRONMENTS = st.integers(0, 2)
ACCOUNTS = st.integers(0, 1)
FEATURES = st.sampled_from(["a", "b", "c"])
ANY = st.integers(0, 1_000)
PLENTY = 100
"""Counters remembered where forgetting is not what is looked at."""

Message = Event | Heartbeat
Answer = EnvironmentAnswer | AccountAnswer


class Witness:
    """A listener that refuses to see anything step backwards within an epoch."""

    def __init__(self) -> None:
        self.replica: Replica
        self.mismatches: list[CounterId] = []
        self.revisions: dict[tuple[str, CounterId], int] = {}
        self.gone: set[tuple[str, CounterId]] = set()
        #: With a tiny memory, what MR had not even sent when it was loaded may come again, in order.
        self.forgetful = False

    def environment_changed(self, environment_id: str, snapshot: EnvironmentSnapshot | None) -> None:
        counter = CounterId("environment", environment_id)
        if snapshot is None:
            # Not when it never was in a history that a restore made: there it may come to be yet.
            if self.replica.gone(counter):
                self.gone.add((self.replica.epoch, counter))
            return
        assert self.forgetful or (self.replica.epoch, counter) not in self.gone, (
            "a deleted environment came back"
        )
        self._forwards(counter, snapshot.revision)

    def account_changed(self, record: AccountRecord) -> None:
        # One whose keys were all refused ends as it was last known, perhaps in another epoch.
        if not record.removed:
            self._forwards(CounterId("account", record.id), record.revision)

    def wants_changed(self) -> None:
        """The machine looks at the wants whenever it likes."""

    def digest_mismatched(self, counter: CounterId) -> None:
        self.mismatches.append(counter)

    def _forwards(self, counter: CounterId, revision: int) -> None:
        place = (self.replica.epoch, counter)
        copies = self.replica.environments if counter.kind == "environment" else self.replica.accounts
        held = copies.get(counter.id)
        if self.forgetful or (held is not None and not held.current):
            return
        assert revision >= self.revisions.get(place, 0), f"{counter} stepped backwards"
        self.revisions[place] = revision


@dataclass
class Load:
    """A load under way; the answer is read at one moment and arrives at another."""

    ticket: Ticket
    answer: Answer | None = None


class Tier:
    """One process's copies, its own way to MR, and what it waits for."""

    def __init__(self, log: ChangeLog, clock: Callable[[], float], remembered: int = PLENTY) -> None:
        self.log = log
        self.clock = clock
        self.remembered = remembered
        self.channel: list[Message] = []
        self.connected = True
        self.corrupted: set[str] = set()
        self.corrupted_once = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.witness = Witness()
        # Small bounds, so that forgetting happens too.
        self.replica = Replica(
            self.witness,
            clock=self.clock,
            miss_seconds=lambda: 50.0,
            miss_limit=3,
            seen_limit=self.remembered,
        )
        self.witness.replica = self.replica
        self.witness.forgetful = self.remembered < PLENTY
        self.loads: list[Load] = []
        self.state: State | None = None
        self.changes: Changes | None = None
        self.comparison: tuple[Comparison, list[CounterId]] | None = None
        self.delivered: set[int] = set()
        self.dead_keys: set[str] = set()

    def restart(self, saved: Saved | None) -> None:
        """Become another process that goes on from what was saved, if anything was."""
        self._begin_anew()
        self.channel.clear()
        if saved is not None:
            self.replica.resume(saved)

    # The channel

    def send(self, messages: Iterable[Message]) -> None:
        if self.connected:
            self.channel += messages

    def deliver(self, index: int, *, again: bool) -> None:
        if self.channel:
            index %= len(self.channel)
            message = self.channel[index]
            if not again:
                del self.channel[index]
            self.hand_over(message)

    def deliver_everything(self) -> None:
        messages, self.channel = self.channel, []
        for message in messages:
            self.hand_over(message)

    def hand_over(self, message: Message) -> None:
        if isinstance(message, Heartbeat):
            self.replica.on_heartbeat(message)
            return
        positions = self.replica._positions
        new = message.position > positions.last and message.position not in positions._ahead
        accepted = message.epoch == self.replica.epoch and message.term >= self.replica._term
        self.replica.on_event(message)
        if new and accepted and message.epoch == self.log.epoch:
            self.delivered.add(message.position)
            self.dead_keys |= set(getattr(getattr(message.data, "record", None), "former_key_hashes", ()))

    def lose(self, index: int) -> None:
        if self.channel:
            del self.channel[index % len(self.channel)]

    def disconnect(self) -> None:
        self.connected = False
        self.channel.clear()
        self.replica.on_disconnected()

    # Loads and questions

    def begin(self, target: Target) -> Load | None:
        """Begin a load, unless one of the same is under way or there is nothing to ask by."""
        if target in self.replica._tickets:
            return None
        if target.kind == "account" and target.id not in self.replica.accounts:
            return None
        load = Load(self.replica.begin(target))
        self.loads.append(load)
        return load

    def finish(self, load: Load) -> Loaded | None:
        """Take over an answer; None = there was none."""
        if load.answer is None:
            self.replica.abandon(load.ticket)
            return None
        if isinstance(load.answer, EnvironmentAnswer):
            return self.replica.finish_environment(load.ticket, load.answer)
        return self.replica.finish_account(load.ticket, load.answer)

    def ask_state(self) -> None:
        self.state = self.log.where()

    def hear_state(self) -> None:
        # One question at a time, and an answer past its deadline is dropped: it is never of an epoch
        # that ended before it was asked for.
        state, self.state = self.state, None
        if state is not None and state.epoch == self.log.epoch and state.epoch != self.replica.epoch:
            self.replica.adopt(state)

    def ask_changes(self) -> None:
        if self.replica.hole is not None:
            self.changes = self.log.changes_after(self.replica.hole)

    def hear_changes(self) -> None:
        changes, self.changes = self.changes, None
        if changes is not None:
            self.replica.fill(changes)

    def begin_to_compare(self) -> None:
        if self.replica.comparison is not None:
            self.comparison = (self.replica.comparison, self.replica.held())

    def end_to_compare(self) -> None:
        if self.comparison is None:
            return
        (comparison, counters), self.comparison = self.comparison, None
        if comparison == self.replica.comparison:
            self.replica.compare(counters, self.log.counter_states(counters), reached=False)
            self.replica.compared(comparison)

    def evict(self, index: int) -> None:
        held = self.replica.held()
        if held:
            self.replica.evict(held[index % len(held)])

    def wants_anything(self) -> bool:
        replica = self.replica
        return bool(replica.wants_state or replica.hole is not None or replica.comparison or replica.suspects)

    def forget_questions(self) -> None:
        """Nothing that is on its way arrives any more."""
        self.channel.clear()
        for load in self.loads:
            self.replica.abandon(load.ticket)
        self.loads.clear()
        self.state = self.changes = self.comparison = None

    def settle_log(self) -> None:
        """Let everything be heard and answered that is about the log."""
        self.replica.adopt(self.log.where())
        self.replica.on_heartbeat(self.log.heartbeat())
        self.ask_changes()
        self.hear_changes()
        self.begin_to_compare()
        self.end_to_compare()

    # What must always hold

    def check(self) -> None:
        self._check_values()
        if self.replica.epoch == self.log.epoch:
            self._check_positions()
            self._check_misses()
            # A removed key is never valid again.
            assert not self.dead_keys & self.replica.keys.keys()
        assert self.corrupted_once or not self.witness.mismatches
        self._check_indexes()

    def _check_values(self) -> None:
        """What is held is what MR had at that revision."""
        for identity, held in self.replica.environments.items():
            if held.current and identity not in self.corrupted:
                counter = CounterId("environment", identity)
                truth = self.log.contents[self.replica.epoch, counter, held.value.revision]
                assert fresh_digest(held.value) == truth
        for identity, account in self.replica.accounts.items():
            if account.current:
                counter = CounterId("account", identity)
                truth = self.log.contents[self.replica.epoch, counter, account.value.revision]
                assert account_content(account.value) == truth

    def _check_positions(self) -> None:
        """Everything up to the position that is claimed for a value is in it."""
        for counter in self.replica.held():
            held = self.replica._values.find(counter)
            assert held is not None
            if held.current:
                wanted = self.log.positioned_revision(counter, max(0, self.replica.known(held)))
                assert held.value.revision >= wanted
            assert held.suspect or self.replica.known(held) >= self.replica.position

    def _check_misses(self) -> None:
        """A miss does not outlive the creation."""
        for target in existing(self.log):
            if self.replica.missed(target):
                created = creation(self.log, target)
                assert created is None or (
                    created > self.replica.position and created not in self.delivered
                ), f"{target} is missed and exists since {created}"

    def _check_indexes(self) -> None:
        replica = self.replica
        assert replica.suspects.keys() <= set(replica.held())
        assert all(replica.accounts.get(each.value.id) is each for each in replica.keys.values())
        for held in replica.accounts.values():
            assert all(replica.keys[each] is held for each in held.value.key_hashes)
        assert len(replica._misses) <= 3
        assert len(replica._seen) <= replica._seen._limit

    def check_equality(self) -> None:
        """Nothing is on its way: what is held is what MR has now."""
        assert self.replica.live
        assert self.replica.epoch == self.log.epoch
        assert self.replica.position == self.log.position
        for identity, held in self.replica.environments.items():
            truth = self.log.environments[identity]
            assert held.value.revision == truth.revision
            assert fresh_digest(held.value) == truth.digest
            assert {each.key for each in held.value.tombstones} == {each.key for each in truth.tombstones}
        for identity, account in self.replica.accounts.items():
            assert account.value == self.log.accounts[identity]
        for key in self.replica.keys:
            assert self.log.account_answer(key).record is not None, "a dead key is still believed"
        if self.replica.complete:
            assert self.replica.environments.keys() == self.log.environments.keys()
            assert self.replica.accounts.keys() == self.log.accounts.keys()


def existing(log: ChangeLog) -> list[Target]:
    """Everything that can be looked up and exists."""
    environments = [Target("environment", each) for each in log.environments]
    return environments + [
        Target("key", each) for record in log.accounts.values() for each in record.key_hashes
    ]


def creation(log: ChangeLog, target: Target) -> int | None:
    """The position from which on the target exists without a break; None = it does not, or has none yet."""
    if target.kind == "environment":
        counters = {CounterId("environment", target.id)} if target.id in log.environments else set()
    else:
        record = log.account_answer(target.id).record
        counters = set() if record is None else {CounterId("account", record.id)}
    for event in log.events:
        hashes = getattr(getattr(event.data, "record", None), "key_hashes", (target.id,))
        if event.counter in counters and target.id in hashes:
            return event.position
    return None


class MrMachine(RuleBasedStateMachine):
    """Everything that may happen at MR. An id never comes back; the next one can be missed before it is."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.log = ChangeLog()
        self.backup: ChangeLog | None = None
        self.names: dict[tuple[str, int], list[int]] = {}
        self.names_then: dict[tuple[str, int], list[int]] = {}
        self.serial = 0

    def tiers(self) -> Iterable[Tier]:
        """Whoever MR's messages go to."""
        raise NotImplementedError

    def send(self, messages: Iterable[Message]) -> None:
        sent = list(messages)
        for tier in self.tiers():
            tier.send(sent)

    # Names

    def name(self, what: str, slot: int, ahead: int = 0) -> str:
        names = self.names.setdefault((what, slot), [0, 0, self.fresh()])
        return f"{what}.{slot}.{names[1 + ahead]}"

    def fresh(self) -> int:
        self.serial += 1
        return self.serial

    def move_on(self, what: str, slot: int) -> None:
        self.name(what, slot)
        _, current, following = self.names[what, slot]
        self.names[what, slot] = [current, following, self.fresh()]

    def environment(self, slot: int, ahead: int = 0) -> str:
        return environment_id(self.name("environment", slot, ahead))

    def account(self, slot: int, ahead: int = 0) -> str:
        return account_id(self.name("account", slot, ahead))

    def key(self, slot: int, kind: str, ahead: int = 0) -> str:
        return key_hash(kind + self.name("key", slot, ahead))

    def target(self, slot: int, kind: str) -> Target:
        """What may be asked for: capitals are what comes next, ``k`` is a key of before."""
        ahead = 1 if kind in "ECS" else 0
        if kind in "eE":
            return Target("environment", self.environment(slot, ahead))
        if kind == "a":
            return Target("account", self.account(slot))
        if kind == "k":
            return Target("key", self.key(slot, "c", -1))
        return Target("key", self.key(slot, kind.lower(), ahead))

    def read(self, target: Target, hashes: tuple[str, ...] = ()) -> Answer | None:
        """What MR answers now; an account is asked for by the hashes that are known of it."""
        if target.kind == "environment":
            return self.log.environment_answer(target.id)
        keys = hashes if target.kind == "account" else (target.id,)
        answers = [self.log.account_answer(each) for each in keys]
        found = [each for each in answers if each.record is not None] or answers
        return found[0] if found else None

    # What happens

    @rule(slot=ENVIRONMENTS, feature=FEATURES)
    def create_or_edit(self, slot: int, feature: str) -> None:
        environment = self.environment(slot)
        if environment in self.log.environments:
            self.log.set_feature(environment, feature)
        else:
            self.log.create_environment(environment)

    @rule(slot=ENVIRONMENTS, index=ANY)
    def delete_a_feature(self, slot: int, index: int) -> None:
        snapshot = self.log.environments.get(self.environment(slot))
        if snapshot is not None and snapshot.features:
            self.log.delete_feature(snapshot.id, snapshot.ordered[index % len(snapshot.ordered)].key)

    @rule(slot=ENVIRONMENTS)
    def delete_environment(self, slot: int) -> None:
        if self.environment(slot) in self.log.environments:
            self.log.delete_environment(self.environment(slot))
            self.move_on("environment", slot)

    @rule(slot=ACCOUNTS, reset=st.booleans())
    def save_account(self, slot: int, reset: bool) -> None:
        if reset:
            self.move_on("key", slot)
        readable = sorted(self.log.environments)[: len(self.log.events) % 3]
        self.log.save_account(
            self.account(slot), self.key(slot, "c"), self.key(slot, "s"), environments=readable
        )

    @rule(slot=ACCOUNTS)
    def delete_account(self, slot: int) -> None:
        if self.account(slot) in self.log.accounts:
            self.log.delete_account(self.account(slot))
            self.move_on("account", slot)
            self.move_on("key", slot)

    @rule()
    def send_everything(self) -> None:
        self.send(self.log.assign())

    @rule()
    def beat(self) -> None:
        self.send([self.log.heartbeat()])

    @rule(republished=st.integers(0, 4))
    def another_relay_takes_over(self, republished: int) -> None:
        self.send(self.log.fail_over(republished))

    @rule(kept=st.integers(0, 3))
    def prune(self, kept: int) -> None:
        self.log.prune(self.log.position - kept)

    @rule()
    def back_up(self) -> None:
        self.backup = self.log.backup()
        self.names_then = {place: list(names) for place, names in self.names.items()}

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore_the_backup(self) -> None:
        if self.backup is None:
            return
        self.log.restore(self.backup)
        for tier in self.tiers():
            tier.dead_keys.clear()
            tier.delivered.clear()
        # What was given out since the backup is forgotten, and will not be given out again.
        self.names = {
            place: [before, now, self.fresh()] for place, (before, now, _) in self.names_then.items()
        }

    @rule(seconds=st.sampled_from([1.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
