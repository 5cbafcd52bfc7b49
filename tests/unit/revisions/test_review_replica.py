"""What a reviewer asked of the replica: losses that close late, and clocks that must not be fooled."""

from __future__ import annotations

import pytest

from common.revisions.replica import Replica
from common.revisions.targets import Loaded, Target
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash

HOME = environment_id("home")
CLIENT = key_hash("client")
FRESH = key_hash("fresh")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Deaf:
    """A listener that nobody asks anything."""

    def environment_changed(self, environment_id, snapshot):
        """Nobody wants to know."""

    def account_changed(self, record):
        """Nobody wants to know."""

    def wants_changed(self):
        """The test drives."""

    def digest_mismatched(self, counter):
        raise AssertionError(counter)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log():
    log = ChangeLog()
    log.create_environment(HOME)
    log.save_account(account_id("shop"), CLIENT, key_hash("server"), environments=[HOME])
    log.assign()
    return log


@pytest.fixture
def replica(log, clock):
    replica = Replica(Deaf(), clock=clock, miss_seconds=lambda: 60.0)
    replica.adopt(log.where())
    replica.on_heartbeat(log.heartbeat())
    ticket = replica.begin(Target("key", CLIENT))
    assert replica.finish_account(ticket, log.account_answer(CLIENT)) is Loaded.FOUND
    return replica


def lose(replica, log):
    """Everything committed so far gets lost, and a heartbeat tells."""
    log.assign()
    replica.on_heartbeat(log.heartbeat())


@pytest.mark.parametrize("reset", [False, True], ids=["a new account", "a new key of one that is held"])
def test_a_miss_read_before_a_hole_was_closed_is_not_remembered_after_it(replica, log, reset):
    behind = log.account_answer(FRESH)
    log.save_account(account_id("shop" if reset else "fresh"), FRESH, key_hash("server"))
    lose(replica, log)
    ticket = replica.begin(Target("key", FRESH))
    replica.fill(log.changes_after(replica.hole))
    assert replica.finish_account(ticket, behind) is Loaded.AGAIN
    assert not replica.missed(Target("key", FRESH))


def test_while_a_hole_cannot_be_closed_what_is_held_grows_old(replica, log, clock):
    log.delete_account(account_id("shop"))
    lose(replica, log)
    for _ in range(100):
        clock.now += 2.0
        replica.on_heartbeat(log.heartbeat())
    assert replica.age(replica.keys[CLIENT]) == pytest.approx(200.0)
    replica.fill(log.changes_after(replica.hole))
    assert replica.keys[CLIENT].suspect
    assert replica.age(replica.keys[CLIENT]) == pytest.approx(200.0), "it was last known to be true then"


def test_what_did_not_move_is_young_again_once_the_hole_is_closed(replica, log, clock):
    log.set_feature(HOME, "a")
    lose(replica, log)
    clock.now += 100.0
    replica.on_heartbeat(log.heartbeat())
    replica.fill(log.changes_after(replica.hole))
    assert replica.age(replica.keys[CLIENT]) < 1.0


def test_what_is_resumed_is_as_old_as_it_was_until_it_is_known_what_moved(replica, log, clock):
    saved = replica.save()
    clock.now += 100_000.0
    log.delete_account(account_id("shop"))
    another = Replica(Deaf(), clock=clock, miss_seconds=lambda: 60.0)
    another.resume(saved)
    lose(another, log)
    assert another.live
    assert another.age(another.keys[CLIENT]) == pytest.approx(100_000.0)
