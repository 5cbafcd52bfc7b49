"""The apply rule against a channel that loses, repeats, reorders, delays and disconnects.

Everything that happens in the product happens here in any order that Hypothesis can think of: edits,
key resets, removals, restores of a backup, relays that take over, loads answered early and late, a log
that no longer reaches back, eviction. No network code is involved.
"""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from common.revisions.targets import Loaded, Target
from tests.support.tiers import ACCOUNTS, ANY, Load, MrMachine, Tier


class ReplicaMachine(MrMachine):
    def __init__(self) -> None:
        super().__init__()
        self.tier: Tier

    def tiers(self):
        return [self.tier]

    @property
    def replica(self):
        return self.tier.replica

    @initialize(heard=st.sampled_from([True, True, True, False]), remembered=st.sampled_from([2, 100]))
    def begin_with_something(self, heard, remembered):
        self.tier = Tier(self.log, lambda: self.now, remembered)
        self.create_or_edit(0, "a")
        self.save_account(0, reset=False)
        self.send_everything()
        if heard:
            self.replica.adopt(self.log.where())
            self.replica.on_heartbeat(self.log.heartbeat())

    # The channel

    @precondition(lambda self: self.tier.channel)
    @rule(index=st.one_of(st.just(0), ANY), again=st.booleans())
    def deliver(self, index, again):
        self.tier.deliver(index, again=again)

    @precondition(lambda self: self.tier.channel)
    @rule()
    def deliver_everything(self):
        self.tier.deliver_everything()

    @precondition(lambda self: self.tier.channel)
    @rule(index=ANY)
    def lose(self, index):
        self.tier.lose(index)

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
        self.tier.disconnect()

    @rule()
    def reconnect(self):
        self.tier.connected = True

    # What the driver of a replica does, in any order and as late as it likes

    @rule(slot=st.integers(0, 2), kind=st.sampled_from("eEacskCS"))
    def begin_a_load(self, slot, kind):
        self.tier.begin(self.target(slot, kind))

    @precondition(lambda self: self.replica.suspects)
    @rule(index=ANY)
    def begin_to_load_a_suspect(self, index):
        counters = list(self.replica.suspects)
        self.tier.begin(Target(*counters[index % len(counters)]))

    @precondition(lambda self: self.tier.loads)
    @rule(index=ANY)
    def read_an_answer(self, index):
        load = self.tier.loads[index % len(self.tier.loads)]
        load.answer = self.read_for(load.ticket.target)

    def read_for(self, target):
        return self.read(target, self.replica.hashes(target.id))

    @precondition(lambda self: self.tier.loads)
    @rule(index=ANY)
    def end_a_load(self, index):
        self.tier.finish(self.tier.loads.pop(index % len(self.tier.loads)))

    @rule()
    def ask_where_mr_stands(self):
        self.tier.ask_state()

    @precondition(lambda self: self.tier.state is not None)
    @rule()
    def hear_where_mr_stands(self):
        self.tier.hear_state()

    @precondition(lambda self: self.replica.hole is not None)
    @rule()
    def ask_for_changes(self):
        self.tier.ask_changes()

    @precondition(lambda self: self.tier.changes is not None)
    @rule()
    def hear_changes(self):
        self.tier.hear_changes()

    @precondition(lambda self: self.replica.comparison is not None)
    @rule()
    def begin_to_compare(self):
        self.tier.begin_to_compare()

    @precondition(lambda self: self.tier.comparison is not None)
    @rule()
    def end_to_compare(self):
        self.tier.end_to_compare()

    @rule(index=ANY)
    def evict(self, index):
        self.tier.evict(index)

    @rule(index=ANY)
    def corrupt_something(self, index):
        held = [each for each in self.replica.environments.values() if each.value.features]
        if held:
            victim = held[index % len(held)]
            feature_id, state = next(iter(victim.value.features.items()))
            wrong = msgspec.structs.replace(state, value=b"false", _fingerprint=None, _plain=None)
            features = {**victim.value.features, feature_id: wrong}
            victim.value = msgspec.structs.replace(victim.value, features=features, _ordered=None)
            self.tier.corrupted.add(victim.value.id)
            self.tier.corrupted_once = True

    @rule()
    def everything_heals(self):
        self.tier.connected = True
        self.send_everything()
        self.tier.forget_questions()
        self.settle()
        held = self.replica.held()
        self.replica.compare(held, self.log.counter_states(held), reached=True)
        self.settle()
        self.tier.check_equality()
        self.tier.corrupted.clear()

    def settle(self):
        for _ in range(8):
            self.tier.settle_log()
            for counter in list(self.replica.suspects):
                target = Target(*counter)
                outcome = self.tier.finish(Load(self.replica.begin(target), self.read_for(target)))
                assert outcome is not Loaded.AGAIN or self.replica.wants_state
            if not self.tier.wants_anything():
                return
        raise AssertionError("it still wants something after everything was answered")

    @invariant()
    def what_is_held_and_missed_is_true(self):
        self.tier.check()

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
