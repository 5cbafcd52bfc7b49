"""MR, Dacha and Edge: two tiers of copies, each with a channel of its own, and Edge asks Dacha alone.

Dacha answers by the rules of `dacha.answers`, as `dacha.lookups` does: from what it holds, else after a
load at MR, else marked as behind. Either channel loses, repeats, reorders and delays; Dacha freezes, is cut
off from MR, evicts, fills up eagerly and is restarted with or without its state; relays take over, the log
is pruned, backups are restored. At every step:

- an answer of Dacha that is not marked claims no position that it cannot prove, and is as new as asked for;
- Edge never steps back, and holds only what MR had at that revision;
- Edge never says that something is absent which exists at a position that Edge knows;

and when everything heals, all three are equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from common.contracts.events import CounterId
from common.contracts.lookups import AccountAnswer, AtLeast, EnvironmentAnswer
from common.revisions.saved import Saved, copied
from common.revisions.targets import Loaded, Target, Ticket
from dacha.answers import (
    answer_account,
    answer_environment,
    last_known_account,
    last_known_environment,
    understood,
)
from tests.support.tiers import ACCOUNTS, ANY, Load, MrMachine, Tier, creation

TIERS = st.sampled_from(["dacha", "edge"])


@dataclass
class Question:
    """What Edge asks Dacha: ``hashes`` are those still to be asked about, one after the other."""

    ticket: Ticket
    floor: AtLeast
    hashes: list[str]
    #: Loads that Dacha made for it and that have ended: their outcomes.
    landings: list[tuple[Loaded, str, int]] = field(default_factory=list)
    load: Load | None = None
    answer: EnvironmentAnswer | AccountAnswer | None = None
    refused: bool = False

    @property
    def target(self) -> Target:
        """What is asked now."""
        if self.ticket.target.kind == "environment":
            return self.ticket.target
        return Target("key", self.hashes[0])

    @property
    def ended(self) -> bool:
        return self.refused or self.answer is not None


class TwoTiersMachine(MrMachine):
    def __init__(self) -> None:
        super().__init__()
        self.dacha: Tier
        self.edge: Tier
        self.frozen = False
        self.questions: list[Question] = []
        self.saved: dict[str, Saved] = {}
        self.listed: tuple[int, list[Target]] | None = None
        self.edge_state: tuple[object, ...] = ()

    def tiers(self):
        return [self.dacha, self.edge]

    @initialize(heard=st.sampled_from([True, True, True, False]), remembered=st.sampled_from([2, 100]))
    def begin_with_something(self, heard, remembered):
        self.dacha = Tier(self.log, lambda: self.now, remembered)
        self.edge = Tier(self.log, lambda: self.now, 100)
        self.create_or_edit(0, "a")
        self.save_account(0, reset=False)
        self.send_everything()
        for tier in self.tiers():
            if heard:
                tier.replica.adopt(self.log.where())
                tier.replica.on_heartbeat(self.log.heartbeat())

    def tier(self, which):
        """The tier, unless it is frozen."""
        if which == "edge":
            return self.edge
        return None if self.frozen else self.dacha

    # The channels

    @rule(which=TIERS, index=st.one_of(st.just(0), ANY), again=st.booleans())
    def deliver(self, which, index, again):
        if tier := self.tier(which):
            tier.deliver(index, again=again)

    @rule(which=TIERS)
    def deliver_everything(self, which):
        if tier := self.tier(which):
            tier.deliver_everything()

    @rule(which=TIERS, index=ANY)
    def lose(self, which, index):
        getattr(self, which).lose(index)

    @rule(which=TIERS, slot=ACCOUNTS, what=st.sampled_from(["environment", "account", "key"]))
    def a_change_is_lost_and_noticed_by_one(self, which, slot, what):
        if what == "environment":
            self.create_or_edit(slot, "a")
        else:
            self.save_account(slot, reset=what == "key")
        events = self.log.assign()
        for other in self.tiers():
            if other is not getattr(self, which):
                other.send(events)
        if tier := self.tier(which):
            tier.replica.on_heartbeat(self.log.heartbeat())

    @rule(which=TIERS)
    def disconnect(self, which):
        if tier := self.tier(which):
            tier.disconnect()

    @rule(which=TIERS)
    def reconnect(self, which):
        getattr(self, which).connected = True

    # What is wrong with Dacha

    @rule(frozen=st.booleans())
    def freeze_or_thaw(self, frozen):
        self.frozen = frozen

    @rule(which=TIERS)
    def one_keeps_its_state(self, which):
        tier = self.tier(which)
        if tier and tier.replica.epoch:
            saved = tier.replica.save()
            self.saved[which] = saved._replace(
                environments=[copied(each) for each in saved.environments],
                accounts=[copied(each) for each in saved.accounts],
            )

    @rule(which=TIERS, warm=st.booleans())
    def one_restarts(self, which, warm):
        """Questions are lost with it; whoever asked asks again, or hears that nobody answers."""
        saved = self.saved.pop(which, None)
        getattr(self, which).restart(saved if warm else None)
        if which == "edge":
            self.questions.clear()
            return
        self.frozen = False
        self.listed = None
        for question in self.questions:
            question.load = None
            question.refused = question.refused or question.answer is None

    # Short stories that chance tells too seldom

    def create(self, slot, what):
        """Let come to be what could be asked for before; returns what."""
        if what == "environment":
            if self.environment(slot) in self.log.environments:
                self.delete_environment(slot)
            target = Target("environment", self.environment(slot))
            return target, lambda: self.create_or_edit(slot, "a")
        return Target("key", self.key(slot, "c", 1)), lambda: self.save_account(slot, reset=True)

    def load_now(self, tier, target):
        if target in tier.replica._tickets:
            return None
        return tier.finish(Load(tier.replica.begin(target), self.read(target)))

    @rule(slot=ACCOUNTS, what=st.sampled_from(["environment", "key"]), evicted=st.booleans())
    def a_creation_reaches_edge_before_dacha(self, slot, what, evicted):
        target, come_to_be = self.create(slot, what)
        if not self.frozen:
            self.load_now(self.dacha, target)
        come_to_be()
        self.send_everything()
        self.edge.deliver_everything()
        for counter in self.edge.replica.held() if evicted else ():
            self.edge.replica.evict(counter)
        self.ask(target)

    @rule(which=TIERS, slot=ACCOUNTS, what=st.sampled_from(["environment", "key"]), evicted=st.booleans())
    def a_creation_overtakes_an_answer(self, which, slot, what, evicted):
        tier = self.tier(which)
        target, come_to_be = self.create(slot, what)
        if not tier or target in tier.replica._tickets:
            return
        load = Load(tier.replica.begin(target), self.read(target))
        come_to_be()
        self.send_everything()
        tier.deliver_everything()
        for counter in tier.replica.held() if evicted else ():
            tier.replica.evict(counter)
        tier.finish(load)

    # What Dacha and Edge ask about the log; Edge's questions are MR's to answer, through Dacha

    @rule(which=TIERS)
    def ask_where_mr_stands(self, which):
        if tier := self.tier(which):
            tier.ask_state()

    @rule(which=TIERS)
    def hear_where_mr_stands(self, which):
        if tier := self.tier(which):
            tier.hear_state()

    @rule(which=TIERS)
    def ask_for_changes(self, which):
        if tier := self.tier(which):
            tier.ask_changes()

    @rule(which=TIERS)
    def hear_changes(self, which):
        if tier := self.tier(which):
            tier.hear_changes()

    @rule(which=TIERS)
    def begin_to_compare(self, which):
        if tier := self.tier(which):
            tier.begin_to_compare()

    @rule(which=TIERS)
    def end_to_compare(self, which):
        if tier := self.tier(which):
            tier.end_to_compare()

    @rule(which=TIERS, index=ANY)
    def evict(self, which, index):
        if tier := self.tier(which):
            tier.evict(index)

    # Dacha's loads

    @rule(index=ANY)
    def dacha_loads_a_suspect(self, index):
        counters = list(self.dacha.replica.suspects)
        if counters and not self.frozen:
            self.dacha.begin(Target(*counters[index % len(counters)]))

    @precondition(lambda self: self.dacha.loads)
    @rule(index=ANY)
    def mr_reads_an_answer(self, index):
        load = self.dacha.loads[index % len(self.dacha.loads)]
        load.answer = self.read_for_dacha(load.ticket.target)

    def read_for_dacha(self, target):
        return self.read(target, self.dacha.replica.hashes(target.id))

    @precondition(lambda self: self.dacha.loads and not self.frozen)
    @rule(index=ANY)
    def dacha_ends_a_load(self, index):
        self.land(self.dacha.loads.pop(index % len(self.dacha.loads)))

    def land(self, load):
        """End a load at Dacha, for everybody who waits for it; without an answer it is Unavailable."""
        outcome = self.dacha.finish(load)
        for question in self.questions:
            if question.load is load:
                question.load = None
                if outcome is None:
                    self.give_up(question)
                else:
                    question.landings.append((outcome, load.answer.epoch, load.answer.position))

    # The eager fill

    @rule(at_once=st.booleans())
    def dacha_reads_the_listing(self, at_once):
        replica = self.dacha.replica
        if not self.frozen and replica.live and not replica.wants_state:
            page = self.log.page(None, 1_000)
            targets = [Target("environment", each) for each in page.ids]
            targets += [Target("key", each) for each in page.hashes]
            self.listed = (replica.lapses, targets)
            if at_once:
                self.dacha_ends_its_fill()

    @rule()
    def dacha_ends_its_fill(self):
        if self.listed is None or self.frozen:
            return
        (lapses, targets), self.listed = self.listed, None
        replica = self.dacha.replica
        for target in targets:
            here = replica.environments if target.kind == "environment" else replica.keys
            if target.id not in here and self.load_now(self.dacha, target) in {None, Loaded.AGAIN}:
                return
        if self.log.epoch == replica.epoch and replica.lapses == lapses:
            replica.complete = True

    # Edge's questions to Dacha

    @rule(slot=st.integers(0, 2), kind=st.sampled_from("eEacskCS"))
    def edge_asks(self, slot, kind):
        self.ask(self.target(slot, kind))

    @precondition(lambda self: self.edge.replica.suspects)
    @rule(index=ANY)
    def edge_asks_for_a_suspect(self, index):
        counters = list(self.edge.replica.suspects)
        self.ask(Target(*counters[index % len(counters)]))

    def ask(self, target):
        replica = self.edge.replica
        if target.kind == "account" and not replica.hashes(target.id):
            return
        floor = replica.floor(target)
        load = self.edge.begin(target)
        if load is not None:
            hashes = replica.hashes(target.id) if target.kind == "account" else (target.id,)
            self.questions.append(Question(load.ticket, floor, list(hashes)))

    @precondition(lambda self: self.questions)
    @rule(index=ANY)
    def dacha_looks(self, index):
        question = self.questions[index % len(self.questions)]
        if not self.frozen and not question.ended:
            self.look(question)

    def look(self, question):
        """What `dacha.lookups.Lookups` does, a step at a time."""
        answer = self.held_answer(question)
        if answer is None and question.landings:
            outcome, epoch, position = question.landings[-1]
            floor = understood(self.dacha.replica, question.floor)
            if outcome is Loaded.ABSENT and position >= floor.position:
                answer = self.absent_answer(question, epoch, position)
            elif outcome is Loaded.AGAIN or len(question.landings) > 2:
                self.give_up(question)
                return
        if answer is None:
            self.wait_for_load(question)
            return
        self.check_answer(question, answer)
        if question.ticket.target.kind == "account" and answer.record is None and len(question.hashes) > 1:
            # Edge asks about the other key then.
            question.hashes.pop(0)
            question.landings.clear()
            return
        question.answer = answer

    def held_answer(self, question):
        replica, target = self.dacha.replica, question.target
        if target.kind == "environment":
            return answer_environment(replica, target.id, question.floor)
        return answer_account(replica, target.id, question.floor)

    def absent_answer(self, question, epoch, position):
        replica, target = self.dacha.replica, question.target
        if target.kind == "key":
            return AccountAnswer(record=None, epoch=epoch, position=position)
        counter = CounterId("environment", target.id)
        revision = replica.at_least(counter) if replica.gone(counter) else 0
        return EnvironmentAnswer(snapshot=None, revision=revision, epoch=epoch, position=position)

    def wait_for_load(self, question):
        if question.load is None:
            under_way = [each for each in self.dacha.loads if each.ticket.target == question.target]
            question.load = under_way[0] if under_way else self.dacha.begin(question.target)

    @precondition(lambda self: self.questions)
    @rule(index=ANY)
    def mr_does_not_answer_dacha(self, index):
        question = self.questions[index % len(self.questions)]
        if not question.ended and not self.frozen:
            self.give_up(question)

    def give_up(self, question):
        """Say what is known, marked as it is, or that nothing is."""
        replica, target = self.dacha.replica, question.target
        last_known = last_known_environment if target.kind == "environment" else last_known_account
        question.answer = last_known(replica, target.id)
        question.refused = question.answer is None
        assert question.refused or question.answer.behind

    @precondition(lambda self: self.questions)
    @rule(index=ANY)
    def edge_hears(self, index):
        self.conclude(self.questions.pop(index % len(self.questions)))

    def conclude(self, question):
        """Let an answer arrive, or the deadline pass."""
        load = next(each for each in self.edge.loads if each.ticket is question.ticket)
        self.edge.loads.remove(load)
        load.answer = question.answer
        outcome = self.edge.finish(load)
        if outcome is Loaded.ABSENT and self.edge.replica.epoch == self.log.epoch:
            self.check_absence(question)

    # What must always hold of answers

    def check_answer(self, question, answer):
        replica, floor = self.dacha.replica, question.floor
        if answer.epoch == floor.epoch:
            assert answer.position >= floor.position
        if answer.epoch != self.log.epoch or answer.epoch != replica.epoch:
            return
        value = answer.snapshot if isinstance(answer, EnvironmentAnswer) else answer.record
        if value is None:
            created = creation(self.log, question.target)
            assert created is None or created > answer.position, "called absent, and it exists since"
            return
        kind = "environment" if isinstance(answer, EnvironmentAnswer) else "account"
        wanted = self.log.positioned_revision(CounterId(kind, value.id), answer.position)
        assert value.revision >= wanted, "a position is claimed that the value does not have"
        if answer.epoch == floor.epoch:
            assert value.revision >= floor.revision

    def check_absence(self, question):
        target = question.ticket.target
        keys = question.hashes if target.kind == "account" else [target.id]
        for key in keys:
            created = creation(self.log, Target("key", key) if target.kind == "account" else target)
            assert created is None or created > self.edge.replica.position, "an existing key was refused"

    @invariant()
    def what_is_held_and_missed_is_true_in_both_tiers(self):
        for tier in self.tiers():
            tier.check()

    # The end

    @rule()
    def everything_heals(self):
        self.frozen = False
        for tier in self.tiers():
            tier.connected = True
        self.send_everything()
        self.questions.clear()
        for tier in self.tiers():
            tier.forget_questions()
        self.settle(self.dacha, self.read_for_dacha)
        self.settle(self.edge, self.through_dacha)
        for tier in self.tiers():
            held = tier.replica.held()
            tier.replica.compare(held, self.log.counter_states(held), reached=True)
            assert not tier.replica.suspects
            tier.check_equality()
        self.edge_finds_everything_through_dacha()

    def settle(self, tier, read):
        for _ in range(8):
            tier.settle_log()
            for counter in list(tier.replica.suspects):
                target = Target(*counter)
                answer = read(target)
                outcome = tier.finish(Load(tier.replica.begin(target), answer))
                assert outcome is not Loaded.AGAIN or tier.replica.wants_state
            if not tier.wants_anything():
                return
        raise AssertionError("it still wants something after everything was answered")

    def through_dacha(self, target):
        """Ask Dacha and let everything on the way go well."""
        hashes = self.edge.replica.hashes(target.id) if target.kind == "account" else (target.id,)
        answer = None
        for each in hashes:
            question = Question(Ticket(target, 0, 0, 0), self.edge.replica.floor(target), [each])
            while not question.ended:
                self.look(question)
                if question.load is not None:
                    load, question.load = question.load, None
                    self.dacha.loads.remove(load)
                    load.answer = self.read_for_dacha(load.ticket.target)
                    outcome = self.dacha.finish(load)
                    question.landings.append((outcome, load.answer.epoch, load.answer.position))
            answer = question.answer
            if getattr(answer, "record", None) is not None:
                break
        assert answer is not None
        assert not answer.behind
        return answer

    def edge_finds_everything_through_dacha(self):
        """Whatever exists is found by whoever asks now, and what does not is absent."""
        for what, kinds in (("environment", "eE"), ("account", "cskCS")):
            for slot in range(2):
                for kind in kinds:
                    target = self.target(slot, kind)
                    outcome = self.edge.finish(
                        Load(self.edge.replica.begin(target), self.through_dacha(target))
                    )
                    exists = creation(self.log, target) is not None
                    assert outcome is (Loaded.FOUND if exists else Loaded.ABSENT), (what, target)
        self.edge.check_equality()

    def teardown(self):
        self.everything_heals()


TwoTiersMachine.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestTwoTiersMachine = TwoTiersMachine.TestCase


# Hypothesis finds short strange histories and shrinks them; long lively ones are walked at random.

USUAL = {
    "create_or_edit": 10,
    "delete_a_feature": 2,
    "delete_environment": 1,
    "save_account": 5,
    "delete_account": 1,
    "send_everything": 12,
    "beat": 4,
    "another_relay_takes_over": 0.5,
    "deliver": 40,
    "deliver_everything": 5,
    "lose": 2,
    "disconnect": 0.6,
    "reconnect": 3,
    "a_change_is_lost_and_noticed_by_one": 2,
    "ask_where_mr_stands": 4,
    "hear_where_mr_stands": 4,
    "ask_for_changes": 5,
    "hear_changes": 5,
    "begin_to_compare": 3,
    "end_to_compare": 3,
    "evict": 5,
    "time_passes": 1,
    "a_creation_reaches_edge_before_dacha": 1,
    "a_creation_overtakes_an_answer": 1,
    "dacha_loads_a_suspect": 4,
    "mr_reads_an_answer": 12,
    "dacha_ends_a_load": 12,
    "edge_asks": 14,
    "edge_asks_for_a_suspect": 5,
    "dacha_looks": 30,
    "mr_does_not_answer_dacha": 1,
    "edge_hears": 12,
    "everything_heals": 0.3,
}
RARE = [
    {"prune": 1},
    {"back_up": 1, "restore_the_backup": 1},
    {"freeze_or_thaw": 1},
    {"one_keeps_its_state": 3, "one_restarts": 1},
    {"dacha_reads_the_listing": 6, "dacha_ends_its_fill": 6},
]
PARTS = TwoTiersMachine.setup_state()
RULES = {each.function.__name__: each for each in PARTS.rules}
assert RULES.keys() == set(USUAL).union(*RARE)


@pytest.mark.parametrize("seed", range(100))
def test_long_random_histories_of_two_tiers_end_in_equality(seed):
    walk(seed)


def walk(seed, steps=400):
    random = Random(seed)
    machine = TwoTiersMachine()
    chosen = dict(USUAL)
    for rare in RARE:
        chosen |= rare if random.random() < 0.5 else {}
    weights = {name: weight * random.uniform(0.2, 2) for name, weight in chosen.items()}
    machine.begin_with_something(heard=random.random() < 0.9, remembered=random.choice([2, 100, 100]))
    for _ in range(steps):
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
        "which": random.choice(["dacha", "edge"]),
        "slot": random.randrange(2),
        "feature": random.choice("abc"),
        "index": random.choice([0, random.randrange(1_000)]),
        "reset": random.random() < 0.4,
        "again": random.random() < 0.1,
        "what": random.choice(["environment", "account", "key"]),
        "republished": random.randrange(5),
        "kept": random.randrange(4),
        "kind": random.choice("eEacskCS"),
        "seconds": random.choice([1.0, 30.0]),
        "frozen": random.random() < 0.4,
        "warm": random.random() < 0.8,
        "evicted": random.random() < 0.5,
        "at_once": random.random() < 0.5,
    }
    taken.function(machine, **{each: arguments[each] for each in taken.arguments})
