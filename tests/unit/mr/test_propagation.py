"""What is concluded from reports: who is there, who is behind, and how many streams were sent a change."""

import pytest

from common.contracts.reports import Reach, Report
from mr.propagation import record
from mr.propagation.record import Propagation

EPOCH, SHOP, OTHER = "e", "shop", "other"


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def propagation(clock):
    return Propagation(clock=clock)


def reach(revision, streams, reached, slowest=5.0, environment=SHOP):
    return Reach(
        position=revision + 100,
        environment_id=environment,
        revision=revision,
        streams=streams,
        reached=reached,
        slowest_milliseconds=slowest,
    )


def edge(instance, position, *reaches, streams=None, epoch=EPOCH, **more):
    return Report(
        instance=instance,
        role="edge",
        epoch=epoch,
        position=position,
        live=True,
        streams=streams or {},
        reaches=reaches,
        **more,
    )


def dacha(instance, position):
    return Report(instance=instance, role="dacha", epoch=EPOCH, position=position, live=True)


def summary(propagation, revision=7, position=107):
    progress = propagation.progress(EPOCH, SHOP, revision, position)
    edges = f"live on {progress.edges_live} of {progress.edges_total} Edges"
    streams = f"{progress.streams_reached} of {progress.streams_total} streams"
    return f"{edges}, {streams}", progress.slowest_milliseconds, progress.settled


def test_a_change_that_is_everywhere_is_settled(propagation):
    propagation.told(edge("a", 107, reach(7, 20, 20, 12.0), streams={SHOP: 20}))
    propagation.told(edge("b", 109, reach(7, 20, 20, 31.0), streams={SHOP: 20}))
    propagation.told(dacha("d", 107))
    assert summary(propagation) == ("live on 2 of 2 Edges, 40 of 40 streams", 31.0, True)


def test_an_edge_that_is_behind_is_named_and_its_streams_are_waited_for(propagation):
    propagation.told(edge("a", 107, reach(7, 20, 20), streams={SHOP: 20}))
    propagation.told(edge("b", 106, streams={SHOP: 15, OTHER: 100}))
    assert summary(propagation) == ("live on 1 of 2 Edges, 20 of 35 streams", 5.0, False)
    progress = propagation.progress(EPOCH, SHOP, 7, 107)
    assert [each.instance for each in progress.processes if not each.reached] == ["b"]


def test_a_stream_that_was_not_sent_it_yet_is_waited_for(propagation):
    propagation.told(edge("a", 107, reach(7, 20, 19), streams={SHOP: 20}))
    assert summary(propagation) == ("live on 1 of 1 Edges, 19 of 20 streams", 5.0, False)
    propagation.told(edge("a", 107, reach(7, 20, 20, 90.0), streams={SHOP: 20}))
    assert summary(propagation) == ("live on 1 of 1 Edges, 20 of 20 streams", 90.0, True)


def test_a_dacha_that_is_behind_keeps_a_change_from_being_settled(propagation):
    propagation.told(edge("a", 107))
    propagation.told(dacha("d", 106))
    assert summary(propagation) == ("live on 1 of 1 Edges, 0 of 0 streams", None, False)


def test_while_no_edge_is_heard_nobody_knows(propagation):
    assert summary(propagation) == ("live on 0 of 0 Edges, 0 of 0 streams", None, False)


def test_a_change_without_a_position_has_reached_nobody(propagation):
    propagation.told(edge("a", 500, streams={SHOP: 3}))
    assert summary(propagation, position=None) == ("live on 0 of 1 Edges, 0 of 3 streams", None, False)


def test_a_process_of_another_epoch_is_behind_wherever_it_is(propagation):
    propagation.told(edge("a", 500, reach(7, 3, 3), streams={SHOP: 3}, epoch="before"))
    assert summary(propagation) == ("live on 0 of 1 Edges, 0 of 3 streams", None, False)


def test_a_silent_process_is_not_counted_and_what_its_streams_were_sent_stays(propagation, clock):
    propagation.told(edge("a", 107, reach(7, 20, 18), streams={SHOP: 20}))
    clock.now += 4
    propagation.told(edge("b", 107, reach(7, 5, 5), streams={SHOP: 5}))
    assert summary(propagation)[0] == "live on 2 of 2 Edges, 23 of 25 streams"
    clock.now += 4
    # The two that waited are closed: their process is not there.
    assert summary(propagation) == ("live on 1 of 1 Edges, 23 of 23 streams", 5.0, True)


def test_a_process_that_leaves_is_not_counted_from_then_on(propagation):
    propagation.told(edge("a", 107))
    propagation.told(edge("b", 90))
    propagation.told(edge("b", 90, leaving=True))
    assert summary(propagation)[2]


def test_a_stream_that_was_sent_a_later_state_has_the_change_too(propagation):
    """An Edge that missed an event loads the environment and tells of the revision it loaded."""
    propagation.told(edge("a", 110, reach(9, 20, 20, 400.0), streams={SHOP: 20}))
    assert summary(propagation) == ("live on 1 of 1 Edges, 20 of 20 streams", None, True)
    assert summary(propagation, revision=10, position=110)[0] == "live on 1 of 1 Edges, 0 of 0 streams"


def test_memory_is_bounded(propagation, monkeypatch):
    for name in ("CHANGES_PER_ENVIRONMENT", "ENVIRONMENTS", "INSTANCES"):
        monkeypatch.setattr(record, name, 3)
    for number in range(1, 10):
        propagation.told(edge("a", 200, *(reach(each, 1, 1) for each in range(number, number + 5))))
        propagation.told(edge(f"edge {number}", 200, reach(1, 1, 1, environment=f"environment {number}")))
    assert len(propagation._facts) == 3
    assert len(propagation._heard) == 3
    propagation.told(edge("a", 200, *(reach(each, 1, 1) for each in range(50))))
    assert max(len(changes) for changes in propagation._facts.values()) == 3
    assert summary(propagation, revision=49, position=149)[0].endswith("1 of 1 streams")
