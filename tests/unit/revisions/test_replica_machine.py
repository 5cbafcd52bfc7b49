"""The apply rule against a channel that loses, repeats, reorders, delays and disconnects.

Everything that happens in the product happens here in any order that Hypothesis can think of: edits,
key resets, removals, restores of a backup, relays that take over, loads answered early and late, a log
that no longer reaches back, eviction. No network code is involved.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from common.contracts.events import CounterId, Event, Heartbeat
from common.contracts.lookups import AccountAnswer, Changes, EnvironmentAnswer, State
from common.revisions.environments import fresh_digest
from common.revisions.replica import Comparison, Replica
from common.revisions.targets import Loaded, Target, Ticket
from tests.support.change_log import ChangeLog, account_content, account_id, environment_id, key_hash

ENVIRONMENTS = st.integers(0, 2)
ACCOUNTS = st.integers(0, 1)
FEATURES = st.sampled_from(["a", "b", "c"])
ANY = st.integers(0, 1_000)


class Witness:
    """A listener that refuses to see anything step backwards within an epoch."""

    def __init__(self) -> None:
        self.replica: Replica
        self.mismatches: list[CounterId] = []
        self.revisions: dict[tuple[str, CounterId], int] = {}
        self.gone: set[tuple[str, CounterId]] = set()
        self.corrupted: set[str] = set()
        #: With a tiny memory, what MR had not even sent when it was loaded may come again, in order.
        self.forgetful = False

    def environment_changed(self, environment_id, snapshot):
        counter = CounterId("environment", environment_id)
        if snapshot is None:
            self.gone.add((self.replica.epoch, counter))
            return
        assert self.forgetful or (self.replica.epoch, counter) not in self.gone, (
            "a deleted environment came back"
        )
        self._forwards(counter, snapshot.revision)

    def account_changed(self, record):
        self._forwards(CounterId("account", record.id), record.revision)

    def wants_changed(self):
        """The machine looks at the wants whenever it likes."""

    def digest_mismatched(self, counter):
        self.mismatches.append(counter)

    def _forwards(self, counter, revision):
        place = (self.replica.epoch, counter)
        held = (
            self.replica.environments.get(counter.id)
            if counter.kind == "environment"
            else self.replica.accounts.get(counter.id)
        )
        if self.forgetful or (held is not None and not held.current):
            return
        assert revision >= self.revisions.get(place, 0), f"{counter} stepped backwards"
        self.revisions[place] = revision


@dataclass
class Load:
    """A load under way; the answer is read at one moment and arrives at another."""

    ticket: Ticket
    answer: EnvironmentAnswer | AccountAnswer | None = None


class ReplicaMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.log = ChangeLog()
        self.witness = Witness()
        self.replica: Replica
        self.channel: list[Event | Heartbeat] = []
        self.connected = True
        self.loads: list[Load] = []
        self.state: State | None = None
        self.changes: Changes | None = None
        self.comparison: tuple[Comparison, list[CounterId]] | None = None
        self.backup: ChangeLog | None = None
        self.names_then: dict[tuple[str, int], list[int]] = {}
        self.names: dict[tuple[str, int], list[int]] = {}
        self.serial = 0
        self.delivered: set[int] = set()
        self.dead_keys: set[str] = set()
        self.corrupted_once = False

    @initialize(heard=st.sampled_from([True, True, True, False]), remembered=st.sampled_from([2, 100]))
    def begin_with_something(self, heard, remembered):
        # Small bounds, so that forgetting happens too.
        self.replica = Replica(
            self.witness,
            clock=lambda: self.now,
            miss_seconds=lambda: 50.0,
            miss_limit=3,
            seen_limit=remembered,
        )
        self.witness.replica = self.replica
        self.witness.forgetful = remembered < 100
        self.create_or_edit(0, "a")
        self.save_account(0, reset=False)
        self.send_everything()
        if heard:
            self.replica.adopt(self.log.where())
            self.replica.on_heartbeat(self.log.heartbeat())

    # Names: an id never comes back; the next one is known in advance, so it can be missed before.

    def name(self, what, slot, ahead=0):
        names = self.names.setdefault((what, slot), [0, 0, self.fresh()])
        return f"{what}.{slot}.{names[1 + ahead]}"

    def fresh(self):
        self.serial += 1
        return self.serial

    def move_on(self, what, slot):
        self.name(what, slot)
        _, current, following = self.names[what, slot]
        self.names[what, slot] = [current, following, self.fresh()]

    def environment(self, slot, ahead=0):
        return environment_id(self.name("environment", slot, ahead))

    def account(self, slot, ahead=0):
        return account_id(self.name("account", slot, ahead))

    def key(self, slot, kind, ahead=0):
        return key_hash(kind + self.name("key", slot, ahead))

    # What happens at MR

    @rule(slot=ENVIRONMENTS, feature=FEATURES)
    def create_or_edit(self, slot, feature):
        environment = self.environment(slot)
        if environment in self.log.environments:
            self.log.set_feature(environment, feature)
        else:
            self.log.create_environment(environment)

    @rule(slot=ENVIRONMENTS, index=ANY)
    def delete_a_feature(self, slot, index):
        snapshot = self.log.environments.get(self.environment(slot))
        if snapshot is not None and snapshot.features:
            self.log.delete_feature(snapshot.id, snapshot.ordered[index % len(snapshot.ordered)].key)

    @rule(slot=ENVIRONMENTS)
    def delete_environment(self, slot):
        if self.environment(slot) in self.log.environments:
            self.log.delete_environment(self.environment(slot))
            self.move_on("environment", slot)

    @rule(slot=ACCOUNTS, reset=st.booleans())
    def save_account(self, slot, reset):
        if reset:
            self.move_on("key", slot)
        readable = sorted(self.log.environments)[: len(self.log.events) % 3]
        self.log.save_account(
            self.account(slot), self.key(slot, "c"), self.key(slot, "s"), environments=readable
        )

    @rule(slot=ACCOUNTS)
    def delete_account(self, slot):
        if self.account(slot) in self.log.accounts:
            self.log.delete_account(self.account(slot))
            self.move_on("account", slot)
            self.move_on("key", slot)

    @rule()
    def send_everything(self):
        self.send(self.log.assign())

    @rule()
    def beat(self):
        self.send([self.log.heartbeat()])

    @rule(republished=st.integers(0, 4))
    def another_relay_takes_over(self, republished):
        self.send(self.log.fail_over(republished))

    @rule(kept=st.integers(0, 3))
    def prune(self, kept):
        self.log.prune(self.log.position - kept)

    @rule()
    def back_up(self):
        self.backup = self.log.backup()
        self.names_then = {place: list(names) for place, names in self.names.items()}

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore_the_backup(self):
        self.log.restore(self.backup)
        self.dead_keys.clear()
        self.delivered.clear()
        # What was given out since the backup is forgotten, and will not be given out again.
        self.names = {
            place: [before, now, self.fresh()] for place, (before, now, _) in self.names_then.items()
        }

    def send(self, messages):
        if self.connected:
            self.channel += messages

    # The channel

    @precondition(lambda self: self.channel)
    @rule(index=st.one_of(st.just(0), ANY), again=st.booleans())
    def deliver(self, index, again):
        index %= len(self.channel)
        message = self.channel[index]
        if not again:
            del self.channel[index]
        self.hand_over(message)

    @precondition(lambda self: self.channel)
    @rule()
    def deliver_everything(self):
        messages, self.channel = self.channel, []
        for message in messages:
            self.hand_over(message)

    def hand_over(self, message):
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

    @precondition(lambda self: self.channel)
    @rule(index=ANY)
    def lose(self, index):
        del self.channel[index % len(self.channel)]

    @rule(slot=ACCOUNTS, what=st.sampled_from(["environment", "account", "key"]), filled=st.booleans())
    def a_change_is_lost_and_noticed(self, slot, what, filled):
        if what == "environment":
            self.create_or_edit(slot, "a")
        else:
            self.save_account(slot, reset=what == "key")
        self.log.assign()
        self.replica.on_heartbeat(self.log.heartbeat())
        if filled and self.replica.hole is not None:
            self.replica.fill(self.log.changes_after(self.replica.hole))

    @rule()
    def disconnect(self):
        self.connected = False
        self.channel.clear()
        self.replica.on_disconnected()

    @rule()
    def reconnect(self):
        self.connected = True

    # What the driver of a replica does, in any order and as late as it likes

    @rule(slot=st.integers(0, 2), kind=st.sampled_from("eEacskCS"))
    def begin_a_load(self, slot, kind):
        ahead = 1 if kind in "ECS" else 0
        if kind in "eE":
            target = Target("environment", self.environment(slot, ahead))
        elif kind == "a":
            target = Target("account", self.account(slot))
            if target.id not in self.replica.accounts:
                return
        elif kind == "k":
            target = Target("key", self.key(slot, "c", -1))
        else:
            target = Target("key", self.key(slot, kind.lower(), ahead))
        self.begin(target)

    @precondition(lambda self: self.replica.suspects)
    @rule(index=ANY)
    def begin_to_load_a_suspect(self, index):
        counters = list(self.replica.suspects)
        self.begin(Target(*counters[index % len(counters)]))

    def begin(self, target):
        if target not in self.replica._tickets:
            self.loads.append(Load(self.replica.begin(target)))

    @precondition(lambda self: self.loads)
    @rule(index=ANY)
    def read_an_answer(self, index):
        load = self.loads[index % len(self.loads)]
        load.answer = self.read(load.ticket.target)

    def read(self, target):
        if target.kind == "environment":
            return self.log.environment_answer(target.id)
        hashes = self.replica.hashes(target.id) if target.kind == "account" else (target.id,)
        answers = [self.log.account_answer(each) for each in hashes]
        found = [each for each in answers if each.record is not None]
        return (found or answers or [None])[0]

    @precondition(lambda self: self.loads)
    @rule(index=ANY)
    def end_a_load(self, index):
        self.end(self.loads.pop(index % len(self.loads)))

    def end(self, load):
        if load.answer is None:
            self.replica.abandon(load.ticket)
            return None
        if isinstance(load.answer, EnvironmentAnswer):
            return self.replica.finish_environment(load.ticket, load.answer)
        return self.replica.finish_account(load.ticket, load.answer)

    @rule()
    def ask_where_mr_stands(self):
        self.state = self.log.where()

    @precondition(lambda self: self.state is not None)
    @rule()
    def hear_where_mr_stands(self):
        # One question at a time, and an answer past its deadline is dropped: it is never of an epoch
        # that ended before it was asked for.
        if self.state.epoch == self.log.epoch and self.state.epoch != self.replica.epoch:
            self.replica.adopt(self.state)
        self.state = None

    @precondition(lambda self: self.replica.hole is not None)
    @rule()
    def ask_for_changes(self):
        self.changes = self.log.changes_after(self.replica.hole)

    @precondition(lambda self: self.changes is not None)
    @rule()
    def hear_changes(self):
        changes, self.changes = self.changes, None
        self.replica.fill(changes)

    @precondition(lambda self: self.replica.comparison is not None)
    @rule()
    def begin_to_compare(self):
        self.comparison = (self.replica.comparison, self.replica.held())

    @precondition(lambda self: self.comparison is not None)
    @rule()
    def end_to_compare(self):
        (comparison, counters), self.comparison = self.comparison, None
        if comparison == self.replica.comparison:
            self.replica.compare(counters, self.log.counter_states(counters), reached=False)
            self.replica.compared(comparison)

    @rule(index=ANY)
    def evict(self, index):
        held = self.replica.held()
        if held:
            self.replica.evict(held[index % len(held)])

    @rule(seconds=st.sampled_from([1.0, 30.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(index=ANY)
    def corrupt_something(self, index):
        held = [each for each in self.replica.environments.values() if each.value.features]
        if held:
            victim = held[index % len(held)]
            feature_id, state = next(iter(victim.value.features.items()))
            wrong = msgspec.structs.replace(state, value=b"false", _fingerprint=None, _plain=None)
            features = {**victim.value.features, feature_id: wrong}
            victim.value = msgspec.structs.replace(victim.value, features=features, _ordered=None)
            self.witness.corrupted.add(victim.value.id)
            self.corrupted_once = True

    @rule()
    def everything_heals(self):
        self.channel.clear()
        self.connected = True
        self.send_everything()
        self.channel.clear()
        for load in self.loads:
            self.replica.abandon(load.ticket)
        self.loads.clear()
        self.settle()
        held = self.replica.held()
        self.replica.compare(held, self.log.counter_states(held), reached=True)
        self.settle()
        self.check_equality()
        self.witness.corrupted.clear()

    def settle(self):
        for _ in range(8):
            self.replica.adopt(self.log.where())
            self.replica.on_heartbeat(self.log.heartbeat())
            if self.replica.hole is not None:
                self.replica.fill(self.log.changes_after(self.replica.hole))
            if self.replica.comparison is not None:
                self.begin_to_compare()
                self.end_to_compare()
            for counter in list(self.replica.suspects):
                target = Target(*counter)
                outcome = self.end(Load(self.replica.begin(target), self.read(target)))
                assert outcome is not Loaded.AGAIN or self.replica.wants_state
            if not self.wants_anything():
                return
        raise AssertionError("it still wants something after everything was answered")

    def wants_anything(self):
        replica = self.replica
        return bool(replica.wants_state or replica.hole is not None or replica.comparison or replica.suspects)

    def check_equality(self):
        assert self.replica.live
        assert self.replica.epoch == self.log.epoch
        assert self.replica.position == self.log.position
        for identity, held in self.replica.environments.items():
            truth = self.log.environments[identity]
            assert held.value.revision == truth.revision
            assert fresh_digest(held.value) == truth.digest
            assert {each.key for each in held.value.tombstones} == {each.key for each in truth.tombstones}
        for identity, held in self.replica.accounts.items():
            assert held.value == self.log.accounts[identity]
        for key in self.replica.keys:
            assert self.log.account_answer(key).record is not None, "a dead key is still believed"

    # What must always hold

    @invariant()
    def what_is_held_is_what_mr_had_at_that_revision(self):
        for identity, held in self.replica.environments.items():
            if held.current and identity not in self.witness.corrupted:
                counter = CounterId("environment", identity)
                truth = self.log.contents[self.replica.epoch, counter, held.value.revision]
                assert fresh_digest(held.value) == truth
        for identity, held in self.replica.accounts.items():
            if held.current:
                counter = CounterId("account", identity)
                truth = self.log.contents[self.replica.epoch, counter, held.value.revision]
                assert account_content(held.value) == truth

    @invariant()
    def what_is_not_suspect_has_everything_up_to_the_position(self):
        if self.replica.epoch != self.log.epoch:
            return
        for held in (*self.replica.environments.values(), *self.replica.accounts.values()):
            kind = "environment" if hasattr(held.value, "features") else "account"
            wanted = self.log.positioned_revision(CounterId(kind, held.value.id), self.replica.position)
            assert held.suspect or held.value.revision >= wanted

    @invariant()
    def a_miss_does_not_outlive_the_creation(self):
        if self.replica.epoch != self.log.epoch:
            return
        for target in list(self.replica._misses._until):
            if not self.replica.missed(target):
                continue
            created = self.creation(target)
            assert created is None or (created > self.replica.position and created not in self.delivered)

    def creation(self, target):
        """The position from which on the target exists; None = it does not, or has none yet."""
        if target.kind == "environment":
            counters = {CounterId("environment", target.id)} if target.id in self.log.environments else set()
        else:
            record = self.log.account_answer(target.id).record
            counters = set() if record is None else {CounterId("account", record.id)}
        for event in self.log.events:
            hashes = getattr(getattr(event.data, "record", None), "key_hashes", (target.id,))
            if event.counter in counters and target.id in hashes:
                return event.position
        return None

    @invariant()
    def a_removed_key_is_never_valid_again(self):
        if self.replica.epoch == self.log.epoch:
            assert not self.dead_keys & self.replica.keys.keys()

    @invariant()
    def nothing_mismatches_unless_it_was_corrupted(self):
        assert self.corrupted_once or not self.witness.mismatches

    @invariant()
    def the_indexes_agree(self):
        replica = self.replica
        assert replica.suspects.keys() <= set(replica.held())
        assert all(replica.accounts.get(each.value.id) is each for each in replica.keys.values())
        for held in replica.accounts.values():
            assert all(replica.keys[each] is held for each in held.value.key_hashes)
        assert len(replica._misses) <= 3
        assert len(replica._seen) <= replica._seen._limit

    def teardown(self):
        self.everything_heals()


ReplicaMachine.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestReplicaMachine = ReplicaMachine.TestCase


# Hypothesis finds short strange histories and shrinks them; long lively ones are walked at random.

USUAL = {
    "create_or_edit": 10,
    "delete_a_feature": 2,
    "delete_environment": 1,
    "save_account": 4,
    "delete_account": 1,
    "send_everything": 12,
    "beat": 4,
    "another_relay_takes_over": 0.5,
    "deliver": 24,
    "deliver_everything": 3,
    "lose": 1.5,
    "disconnect": 0.4,
    "reconnect": 2,
    "begin_a_load": 10,
    "begin_to_load_a_suspect": 3,
    "read_an_answer": 8,
    "end_a_load": 8,
    "ask_where_mr_stands": 2,
    "hear_where_mr_stands": 2,
    "ask_for_changes": 3,
    "hear_changes": 3,
    "begin_to_compare": 2,
    "end_to_compare": 2,
    "a_change_is_lost_and_noticed": 2,
    "evict": 4,
    "time_passes": 1,
    "everything_heals": 0.3,
}
RARE = [{"prune": 1}, {"back_up": 1, "restore_the_backup": 1}, {"corrupt_something": 1}]
PARTS = ReplicaMachine.setup_state()
RULES = {each.function.__name__: each for each in PARTS.rules}
assert RULES.keys() == set(USUAL).union(*RARE)


@pytest.mark.parametrize("seed", range(100))
def test_long_random_histories_end_in_equality(seed):
    random = Random(seed)
    machine = ReplicaMachine()
    chosen = dict(USUAL)
    for rare in RARE:
        chosen |= rare if random.random() < 0.5 else {}
    weights = {name: weight * random.uniform(0.2, 2) for name, weight in chosen.items()}
    machine.begin_with_something(heard=random.random() < 0.9, remembered=random.choice([2, 100]))
    for _ in range(400):
        (name,) = random.choices(list(weights), weights.values())
        step(machine, name, random)
        for each in PARTS.invariants:
            each.function(machine)
    machine.everything_heals()


def step(machine, name, random):
    """Take one rule, if it may be taken now, with arguments of its kind."""
    taken = RULES[name]
    if not all(holds(machine) for holds in taken.preconditions):
        return
    arguments = {
        "slot": random.randrange(2),
        "feature": random.choice("abc"),
        "index": random.choice([0, random.randrange(1_000)]),
        "reset": random.random() < 0.4,
        "again": random.random() < 0.1,
        "filled": random.random() < 0.7,
        "what": random.choice(["environment", "account", "key"]),
        "republished": random.randrange(5),
        "kept": random.randrange(4),
        "kind": random.choice("eEacskCS"),
        "seconds": random.choice([1.0, 30.0]),
    }
    taken.function(machine, **{each: arguments[each] for each in taken.arguments})
