"""What one replica leaves to the next, and what must not be lost on the way."""

from __future__ import annotations

import pytest

from common.contracts.events import CounterId
from common.contracts.lookups import AtLeast
from common.revisions.replica import Replica
from common.revisions.saved import copied
from common.revisions.targets import Loaded, Target
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.tiers import Witness

HOME = environment_id("home")
COUNTER = CounterId("environment", HOME)
TARGET = Target("environment", HOME)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log():
    log = ChangeLog()
    log.create_environment(HOME)
    log.save_account(account_id("shop"), key_hash("client"), key_hash("server"))
    return log


def fresh(clock, remembered=100):
    witness = Witness()
    witness.replica = replica = Replica(
        witness, clock=clock, miss_seconds=lambda: 50.0, seen_limit=remembered
    )
    return replica


def heard(log, clock, remembered=100):
    """A replica that heard everything up to now."""
    replica = fresh(clock, remembered)
    replica.adopt(log.where())
    replica.on_heartbeat(log.heartbeat())
    for event in log.assign():
        replica.on_event(event)
    return replica


def successor(replica, clock):
    saved = replica.save()
    another = fresh(clock)
    another.resume(
        saved._replace(
            environments=[copied(each) for each in saved.environments],
            accounts=[copied(each) for each in saved.accounts],
        )
    )
    return another


def test_it_holds_and_finds_the_same_and_wants_to_hear_from_mr(log, clock):
    replica = heard(log, clock)
    another = successor(replica, clock)
    assert another.environments[HOME].value is replica.environments[HOME].value
    assert another.keys.keys() == replica.keys.keys()
    assert another.position == log.position
    assert another.wants_state
    assert not another.live
    assert not another.suspects


def test_what_it_learns_later_does_not_change_what_was_saved(log, clock):
    replica = heard(log, clock)
    another = successor(replica, clock)
    replica._suspect(COUNTER)
    assert not another.environments[HOME].suspect


def test_what_moved_meanwhile_is_a_hole_like_any_other(log, clock):
    another = successor(heard(log, clock), clock)
    log.set_feature(HOME, "a")
    log.assign()
    another.adopt(log.where())
    assert another.hole == log.position - 1
    another.fill(log.changes_after(another.hole))
    assert another.suspects.keys() == {COUNTER}
    assert another.known(another.environments[HOME]) < another.position


def test_a_deletion_that_was_heard_beyond_a_hole_is_not_forgotten(log, clock):
    replica = heard(log, clock)
    log.save_account(account_id("other"), key_hash("c"), key_hash("s"))
    late = environment_id("late")
    log.create_environment(late)
    log.delete_environment(late)
    _, created, deleted = log.assign()
    replica.on_event(deleted)
    another = successor(replica, clock)
    another.on_event(created)
    assert late not in another.environments
    assert another.gone(CounterId("environment", late))


def test_an_answer_from_before_what_was_heard_is_not_believed(log, clock):
    old = log.environment_answer(environment_id("late"))
    replica = heard(log, clock)
    late = environment_id("late")
    log.create_environment(late)
    log.set_feature(late, "a")
    events = log.assign()
    for event in events:
        replica.on_event(event)
    replica.evict(CounterId("environment", late))
    another = successor(replica, clock)
    ticket = another.begin(Target("environment", late))
    assert another.finish_environment(ticket, old) is Loaded.AGAIN
    assert another.floor(Target("environment", late)) == AtLeast("epoch-0", 0, log.position)


def test_age_counts_on_over_a_restart_however_young_the_clock_is(log, clock):
    clock.now = 5_000.0
    replica = heard(log, clock)
    saved = replica.save()
    # The successor's clock began later: what is old was before its beginning.
    young = Clock()
    young.now = 10.0
    behind = clock.now - young.now + 3_600
    another = fresh(young)
    for held in (*saved.environments, *saved.accounts):
        held.since -= behind
    another.resume(saved._replace(heard_at=saved.heard_at - behind))
    held = another.environments[HOME]
    assert another.age(held) == 3_600
    another._suspect(COUNTER)
    assert another.age(held) == 3_600


def test_a_suspect_is_not_cleared_by_an_older_change_once_the_newer_one_is_forgotten(log, clock):
    """Found by the state machine of two tiers: with a tiny memory."""
    replica = heard(log, clock, remembered=2)
    log.set_feature(HOME, "a")
    log.set_feature(HOME, "b")
    older, newer = log.assign()
    replica.on_event(newer)
    for name in ("one", "two", "three"):
        log.create_environment(environment_id(name))
    for event in log.assign():
        replica.on_event(event)
    assert replica.at_least(COUNTER) == 0, "the newer revision is forgotten"
    replica.on_event(older)
    assert replica.environments[HOME].suspect
    assert replica.known(replica.environments[HOME]) < newer.position


def test_a_miss_that_a_creation_overtook_is_not_believed_though_what_was_created_is_gone_again(log, clock):
    """Created while the answer was on its way, and evicted before it came."""
    replica = heard(log, clock)
    key = Target("key", key_hash("fresh"))
    ticket = replica.begin(key)
    answer = log.account_answer(key.id)
    log.save_account(account_id("fresh"), key.id, key_hash("fresh server"))
    for event in log.assign():
        replica.on_event(event)
    replica.evict(CounterId("account", account_id("fresh")))
    assert replica.finish_account(ticket, answer) is Loaded.AGAIN
    assert not replica.missed(key)
