"""Single rules of the replica, each by its sentence; the state machine beside this tries them together."""

from __future__ import annotations

import msgspec
import pytest

from common.contracts.events import CounterId, Heartbeat
from common.revisions.replica import Replica
from common.revisions.targets import Loaded, Target
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash

HOME = environment_id("home")
ACCOUNT = account_id("shop")
CLIENT = key_hash("client")
SERVER = key_hash("server")
AT_HOME = Target("environment", HOME)


class Silent:
    """A listener that only counts."""

    def __init__(self) -> None:
        self.swaps: list[str] = []
        self.mismatches: list[CounterId] = []

    def environment_changed(self, environment_id, snapshot):
        self.swaps.append(environment_id)

    def account_changed(self, record):
        self.swaps.append(record.id)

    def wants_changed(self):
        """Nobody drives this replica but the test."""

    def digest_mismatched(self, counter):
        self.mismatches.append(counter)


@pytest.fixture
def log():
    log = ChangeLog()
    log.create_environment(HOME)
    log.set_feature(HOME, "a")
    log.save_account(ACCOUNT, CLIENT, SERVER, environments=[HOME])
    log.assign()
    return log


@pytest.fixture
def listener():
    return Silent()


@pytest.fixture
def replica(log, listener):
    """A replica that hears the log and holds the environment and the account."""
    replica = Replica(listener, clock=lambda: 1.0, miss_seconds=lambda: 10.0)
    replica.adopt(log.where())
    replica.on_heartbeat(log.heartbeat())
    load(replica, log, AT_HOME)
    load(replica, log, Target("key", CLIENT))
    listener.swaps.clear()
    return replica


def load(replica, log, target):
    return finish(replica, log, replica.begin(target), read(log, target))


def read(log, target):
    return (
        log.environment_answer(target.id) if target.kind == "environment" else log.account_answer(target.id)
    )


def finish(replica, log, ticket, answer):
    if ticket.target.kind == "environment":
        return replica.finish_environment(ticket, answer)
    return replica.finish_account(ticket, answer)


def hear(replica, log):
    for event in log.assign():
        replica.on_event(event)


def revision(replica):
    held = replica.environments.get(HOME)
    return None if held is None else held.value.revision


def test_a_repetition_is_no_sign_of_life(log, listener):
    now = 1.0
    replica = Replica(listener, clock=lambda: now, miss_seconds=lambda: 10.0)
    replica.adopt(log.where())
    log.set_feature(HOME, "a", b"false")
    (event,) = log.assign()
    replica.on_event(event)
    now = 100.0
    replica.on_event(event)
    assert replica.heard_at == 1.0


def test_a_repetition_has_no_effect(replica, log, listener):
    log.set_feature(HOME, "b")
    (event,) = log.assign()
    for _ in range(3):
        replica.on_event(event)
    assert listener.swaps == [HOME]
    assert replica.position == log.position


def test_how_much_a_snapshot_holds_is_carried_on_by_each_delta(replica, log):
    for change in (
        lambda: log.set_feature(HOME, "b", b'"much longer than before"'),
        lambda: log.set_feature(HOME, "b", b"1"),
        lambda: log.delete_feature(HOME, "a"),
    ):
        assert replica.environments[HOME].value.text_bytes
        change()
        hear(replica, log)
        snapshot = replica.environments[HOME].value
        assert snapshot.text_bytes == sum(each.text_bytes for each in snapshot.features.values())


def test_applying_a_delta_leaves_the_old_snapshot_as_it_was(replica, log):
    before = replica.environments[HOME].value
    log.set_feature(HOME, "b")
    hear(replica, log)
    assert [each.key for each in before.ordered] == ["a"]
    assert [each.key for each in replica.environments[HOME].value.ordered] == ["a", "b"]


def test_events_that_overtake_one_another_end_in_the_newest(replica, log):
    for key in "bcd":
        log.set_feature(HOME, key)
    for event in reversed(log.assign()):
        replica.on_event(event)
    assert replica.position == log.position
    assert replica.suspects, "deltas cannot be applied backwards, so it is loaded again"
    assert load(replica, log, AT_HOME) is Loaded.FOUND
    assert not replica.suspects
    assert revision(replica) == 5


def test_an_old_create_after_a_delete_resurrects_nothing(log, listener):
    replica = Replica(listener, clock=lambda: 1.0, miss_seconds=lambda: 10.0)
    replica.adopt(log.where())
    other = environment_id("other")
    log.create_environment(other)
    log.delete_environment(other)
    create, delete = log.assign()
    for event in (delete, create, delete, create):
        replica.on_event(event)
    assert not replica.environments
    assert replica.missed(Target("environment", other))
    assert load(replica, log, Target("environment", other)) is Loaded.ABSENT


def test_an_old_record_does_not_bring_back_a_key(log, listener):
    replica = Replica(listener, clock=lambda: 1.0, miss_seconds=lambda: 10.0)
    replica.adopt(log.where())
    log.save_account(account_id("b"), key_hash("1"), key_hash("2"))
    log.save_account(account_id("b"), key_hash("3"), key_hash("2"))
    old, new = log.assign()
    replica.on_event(new)
    replica.on_event(old)
    assert replica.keys.keys() == {key_hash("3"), key_hash("2")}
    replica.evict(CounterId("account", account_id("b")))
    replica.on_event(msgspec.structs.replace(old, position=log.position + 1))
    assert not replica.keys


def test_a_lower_term_is_ignored_and_a_higher_one_taken_over(replica, log):
    log.term = 5
    replica.on_heartbeat(log.heartbeat())
    replica.on_heartbeat(Heartbeat(term=4, epoch=log.epoch, position=1_000))
    assert replica.hole is None
    log.set_feature(HOME, "b")
    (event,) = log.assign()
    replica.on_event(msgspec.structs.replace(event, term=4))
    assert replica.position == log.position - 1
    replica.on_event(event)
    assert replica.position == log.position


def test_an_unknown_epoch_is_never_believed_from_an_event_or_heartbeat(replica, log):
    backup = log.backup()
    log.restore(backup)
    log.set_feature(HOME, "b")
    position = replica.position
    hear(replica, log)
    replica.on_heartbeat(log.heartbeat())
    assert replica.wants_state
    assert not replica.suspects
    assert replica.position == position
    assert replica.epoch == "epoch-0"
    assert revision(replica) == 2
    replica.adopt(log.where())
    assert replica.epoch == "epoch-1"
    assert replica.live, "the heartbeat that came before counts now"
    assert CounterId("environment", HOME) in replica.suspects
    assert revision(replica) == 2, "what is suspect serves on"
    load(replica, log, AT_HOME)
    assert revision(replica) == log.environments[HOME].revision


def test_an_answer_of_another_epoch_is_not_used(replica, log):
    ticket = replica.begin(AT_HOME)
    log.restore(log.backup())
    assert finish(replica, log, ticket, read(log, AT_HOME)) is Loaded.AGAIN
    assert replica.wants_state


def test_nothing_is_live_before_the_first_heartbeat(log, listener):
    replica = Replica(listener, clock=lambda: 1.0, miss_seconds=lambda: 10.0)
    replica.adopt(log.where())
    load(replica, log, AT_HOME)
    load(replica, log, Target("key", key_hash("nobody")))
    assert replica.environments[HOME].suspect
    assert not replica.missed(Target("key", key_hash("nobody")))
    replica.on_heartbeat(log.heartbeat())
    assert CounterId("environment", HOME) in replica.suspects
    load(replica, log, AT_HOME)
    assert not replica.environments[HOME].suspect


def test_after_a_disconnection_misses_are_not_used_before_a_heartbeat(replica, log):
    nobody = Target("key", key_hash("nobody"))
    load(replica, log, nobody)
    assert replica.missed(nobody)
    replica.on_disconnected()
    assert not replica.missed(nobody)
    replica.on_heartbeat(log.heartbeat())
    assert replica.missed(nobody), "nothing was missed, so it still holds"


def test_a_hole_drops_every_miss_and_makes_suspect_only_what_moved(replica, log):
    nobody = Target("key", key_hash("nobody"))
    load(replica, log, nobody)
    log.set_feature(HOME, "b")
    log.assign()
    replica.on_heartbeat(log.heartbeat())
    assert not replica.missed(nobody)
    replica.fill(log.changes_after(replica.hole))
    assert list(replica.suspects) == [CounterId("environment", HOME)]
    assert replica.hole is None


def test_a_load_begun_before_a_hole_may_not_insert_a_miss(replica, log):
    new = Target("key", key_hash("new"))
    ticket = replica.begin(new)
    answer = read(log, new)
    log.save_account(account_id("new"), new.id, key_hash("new server"))
    log.assign()
    replica.on_heartbeat(log.heartbeat())
    replica.fill(log.changes_after(replica.hole))
    assert finish(replica, log, ticket, answer) is Loaded.AGAIN
    assert load(replica, log, new) is Loaded.FOUND


def test_a_pointer_to_an_account_ends_every_miss_of_a_key(replica, log):
    new = Target("key", key_hash("new"))
    load(replica, log, new)
    ticket = replica.begin(new)
    answer = read(log, new)
    log.save_account(account_id("new"), new.id, key_hash("new server"))
    (event,) = log.assign()
    replica.on_event(msgspec.structs.replace(event, data=None))
    assert not replica.missed(new)
    assert finish(replica, log, ticket, answer) is Loaded.AGAIN


def test_a_miss_ends_with_the_creation_also_when_that_is_evicted_again(replica, log):
    key, place = Target("key", key_hash("new")), Target("environment", environment_id("new"))
    for target in (key, place):
        assert load(replica, log, target) is Loaded.ABSENT
    log.create_environment(place.id)
    log.save_account(account_id("new"), key.id, key_hash("new server"))
    hear(replica, log)
    replica.evict(CounterId("environment", place.id))
    replica.evict(CounterId("account", account_id("new")))
    for target in (key, place):
        assert not replica.missed(target)
        assert load(replica, log, target) is Loaded.FOUND


def test_a_creation_that_cannot_be_judged_ends_every_miss_of_a_key(log, listener):
    replica = Replica(listener, clock=lambda: 1.0, miss_seconds=lambda: 10.0, seen_limit=1)
    replica.adopt(log.where())
    replica.on_heartbeat(log.heartbeat())
    new = Target("key", key_hash("new"))
    ticket = replica.begin(new)
    answer = read(log, new)
    log.save_account(account_id("new"), new.id, key_hash("new server"))
    log.create_environment(environment_id("1"))
    log.create_environment(environment_id("2"))
    creation, *others = log.assign()
    for event in (*others, creation):
        replica.on_event(event)
    assert not replica.missed(new)
    assert finish(replica, log, ticket, answer) is Loaded.AGAIN
    assert load(replica, log, new) is Loaded.FOUND


def test_a_pointer_to_an_environment_makes_it_suspect(replica, log):
    log.set_feature(HOME, "b")
    (event,) = log.assign()
    replica.on_event(msgspec.structs.replace(event, data=None))
    assert list(replica.suspects) == [CounterId("environment", HOME)]


def test_events_wait_for_the_answer_to_a_load(replica, log):
    replica.evict(CounterId("environment", HOME))
    ticket = replica.begin(AT_HOME)
    answer = read(log, AT_HOME)
    for key in "bcd":
        log.set_feature(HOME, key)
    hear(replica, log)
    assert finish(replica, log, ticket, answer) is Loaded.FOUND
    assert revision(replica) == 5
    assert not replica.suspects


def test_more_events_than_may_wait_cost_another_load(replica, log):
    replica.evict(CounterId("environment", HOME))
    ticket = replica.begin(AT_HOME)
    answer = read(log, AT_HOME)
    for _ in range(300):
        log.set_feature(HOME, "a")
    hear(replica, log)
    assert finish(replica, log, ticket, answer) is Loaded.AGAIN
    assert load(replica, log, AT_HOME) is Loaded.FOUND


def test_bytes_of_events_that_wait_are_bounded_too(replica, log):
    replica.evict(CounterId("environment", HOME))
    ticket = replica.begin(AT_HOME)
    answer = read(log, AT_HOME)
    for _ in range(3):
        log.set_feature(HOME, "a", b'"%s"' % (b"x" * 600_000))
    hear(replica, log)
    assert len(ticket.pending) <= 1
    assert finish(replica, log, ticket, answer) is Loaded.AGAIN


def test_an_answer_that_says_it_is_behind_is_not_used(replica, log):
    ticket = replica.begin(AT_HOME)
    answer = msgspec.structs.replace(read(log, AT_HOME), behind=True, snapshot=None, revision=99)
    assert finish(replica, log, ticket, answer) is Loaded.AGAIN
    assert revision(replica) == 2


def test_an_answer_older_than_what_was_seen_of_something_evicted_is_not_used(replica, log):
    old = read(log, AT_HOME)
    log.set_feature(HOME, "b")
    hear(replica, log)
    replica.evict(CounterId("environment", HOME))
    assert finish(replica, log, replica.begin(AT_HOME), old) is Loaded.AGAIN
    assert revision(replica) is None


def test_a_record_older_than_what_was_seen_of_something_evicted_is_not_used(replica, log):
    old = log.account_answer(CLIENT)
    log.save_account(ACCOUNT, CLIENT, key_hash("other server"))
    hear(replica, log)
    replica.evict(CounterId("account", ACCOUNT))
    assert finish(replica, log, replica.begin(Target("key", CLIENT)), old) is Loaded.AGAIN
    assert not replica.keys


def test_what_was_forgotten_is_not_brought_back_by_an_event_from_before(log, listener):
    replica = Replica(listener, clock=lambda: 1.0, miss_seconds=lambda: 10.0, seen_limit=1)
    replica.adopt(log.where())
    names = [environment_id(str(number)) for number in range(3)]
    log.create_environment(names[0])
    log.delete_environment(names[0])
    log.create_environment(names[1])
    log.create_environment(names[2])
    create, delete, *others = log.assign()
    for event in (delete, *others, create):
        replica.on_event(event)
    assert list(replica.environments) == names[1:]


def test_in_a_new_epoch_lower_revisions_replace_higher_ones(replica, log):
    backup = log.backup()
    for _ in range(3):
        log.set_feature(HOME, "a")
    hear(replica, log)
    log.restore(backup)
    # As if the lost history had been longer than what a new epoch adds.
    lower = msgspec.structs.replace(log.environments[HOME], revision=3)
    log.environments[HOME] = lower
    log.revisions_by_counter[CounterId("environment", HOME)] = 3
    replica.adopt(log.where())
    assert load(replica, log, AT_HOME) is Loaded.FOUND
    assert revision(replica) == 3


def test_a_load_read_before_a_comparison_and_ended_after_it_is_not_used(replica, log):
    replica.evict(CounterId("environment", HOME))
    ticket = replica.begin(AT_HOME)
    old = read(log, AT_HOME)
    log.set_feature(HOME, "b")
    log.assign()
    log.prune(log.position)
    replica.on_heartbeat(log.heartbeat())
    replica.fill(log.changes_after(replica.hole))
    comparison = replica.comparison
    counters = replica.held()
    replica.compare(counters, log.counter_states(counters), reached=False)
    assert finish(replica, log, ticket, old) is Loaded.AGAIN
    replica.compared(comparison)
    assert replica.hole is None
    assert replica.comparison is None


def test_an_account_whose_keys_are_both_refused_is_removed_unless_an_event_was_faster(replica, log, listener):
    ticket = replica.begin(Target("account", ACCOUNT))
    log.save_account(ACCOUNT, key_hash("other client"), key_hash("other server"))
    refused = log.account_answer(CLIENT)
    hear(replica, log)
    assert finish(replica, log, ticket, refused) is Loaded.FOUND
    assert key_hash("other client") in replica.keys
    ticket = replica.begin(Target("account", ACCOUNT))
    assert finish(replica, log, ticket, refused) is Loaded.FOUND, "it is older than what is known here"
    ticket = replica.begin(Target("account", ACCOUNT))
    assert finish(replica, log, ticket, log.account_answer(CLIENT)) is Loaded.ABSENT
    assert not replica.keys
    assert listener.swaps == [ACCOUNT, ACCOUNT]


def test_a_delta_that_does_not_add_up_is_not_applied(replica, log, listener):
    log.set_feature(HOME, "b")
    (event,) = log.assign()
    replica.on_event(msgspec.structs.replace(event, digest=event.digest ^ 1))
    assert listener.mismatches == [CounterId("environment", HOME)]
    assert revision(replica) == 2
    assert CounterId("environment", HOME) in replica.suspects
    load(replica, log, AT_HOME)
    assert revision(replica) == 3
    assert not replica.suspects


def test_a_record_that_does_not_add_up_is_not_applied_and_a_removal_always_is(replica, log, listener):
    log.save_account(ACCOUNT, CLIENT, SERVER)
    log.delete_account(ACCOUNT)
    changed, removed = log.assign()
    replica.on_event(msgspec.structs.replace(changed, digest=1))
    assert replica.accounts[ACCOUNT].value.permissions
    replica.on_event(msgspec.structs.replace(removed, digest=1))
    assert not replica.keys
    assert listener.mismatches == [CounterId("account", ACCOUNT)]


def test_an_answer_that_does_not_prove_itself_is_served_and_asked_for_again(replica, log, listener):
    replica.evict(CounterId("environment", HOME))
    answer = read(log, AT_HOME)
    wrong = msgspec.structs.replace(answer, snapshot=msgspec.structs.replace(answer.snapshot, digest=1))
    assert finish(replica, log, replica.begin(AT_HOME), wrong) is Loaded.FOUND
    assert revision(replica) == 2
    assert CounterId("environment", HOME) in replica.suspects
    assert listener.mismatches


def test_being_behind_counts_as_a_mismatch_only_when_everything_was_reached(replica, log, listener):
    counter = CounterId("environment", HOME)
    log.set_feature(HOME, "b")
    log.assign()
    replica.compare([counter], log.counter_states([counter]), reached=False)
    assert counter in replica.suspects
    assert not listener.mismatches
    load(replica, log, AT_HOME)
    log.set_feature(HOME, "c")
    log.assign()
    replica.compare([counter], log.counter_states([counter]), reached=True)
    assert listener.mismatches == [counter]


def test_a_tombstone_ends_when_its_key_comes_back_or_its_time_is_over(replica, log):
    log.delete_feature(HOME, "a")
    hear(replica, log)
    assert [each.key for each in replica.environments[HOME].value.tombstones] == ["a"]
    log.set_feature(HOME, "a")
    hear(replica, log)
    assert not replica.environments[HOME].value.tombstones
    log.delete_feature(HOME, "a")
    log.set_feature(HOME, "b")
    gone, later = log.assign()
    replica.on_event(gone)
    replica.on_event(msgspec.structs.replace(later, time=float(1 << 41)))
    assert not replica.environments[HOME].value.tombstones


def test_misses_are_bounded_and_short_lived(log, listener):
    now = [1.0]
    replica = Replica(listener, clock=lambda: now[0], miss_seconds=lambda: 10.0, miss_limit=2)
    replica.adopt(log.where())
    replica.on_heartbeat(log.heartbeat())
    targets = [Target("key", key_hash(str(number))) for number in range(3)]
    for target in targets:
        load(replica, log, target)
    assert [replica.missed(each) for each in targets] == [False, True, True]
    now[0] += 11
    assert not any(replica.missed(each) for each in targets)


def test_one_target_is_loaded_once_at_a_time(replica):
    replica.begin(AT_HOME)
    with pytest.raises(ValueError, match="already being loaded"):
        replica.begin(AT_HOME)
