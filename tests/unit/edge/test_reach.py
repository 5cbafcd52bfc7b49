"""How far each change has come among the streams of an Edge."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.contracts.environments import SdkKey, hash_key
from common.contracts.events import CounterId, Event, Heartbeat
from common.contracts.reports import Reach
from common.evaluation.context import EMPTY
from edge.access import Access
from edge.answers import Answers
from edge.hub import ENVIRONMENTS_TOLD, Hub, Stream
from edge.limits import ColdLookups
from edge.reach import ReachLog, noted
from tests.support.sources import (
    ENVIRONMENT,
    SERVER_KEY,
    HandBus,
    MemorySource,
    account,
    environment,
    feature,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def event(revision: int, *, position: int, at: float, environment_id: str = ENVIRONMENT) -> Event:
    return Event(
        id=f"{environment_id}-{revision}",
        counter=CounterId("environment", environment_id),
        position=position,
        term=1,
        epoch="one",
        revision=revision,
        previous=revision - 1,
        digest=0,
        time=at,
        data=None,
    )


class Bench:
    """A hub over a source in memory, whose changes are counted."""

    def __init__(self, changes_remembered: int = 200) -> None:
        self.clock = Clock()
        self.log = ReachLog(clock=self.clock, changes_remembered=changes_remembered)
        self.source = MemorySource()
        self.source.put(account())
        self.hub = Hub(Access(self.source, ColdLookups()), Answers(), self.log)
        self.source.watch(self.hub)
        self.revision = 0
        self.load()

    def load(self) -> None:
        """The next state of the environment, as a load brings it."""
        self.revision += 1
        self.source.put(environment(feature("F", version=self.revision), revision=self.revision))

    def change(self, *, committed: float | None = None) -> None:
        """The next state of the environment, as its event brings it, at position 100 + revision."""
        at = self.clock.now if committed is None else committed
        self.log.heard(event(self.revision + 1, position=101 + self.revision, at=at))
        self.load()

    def open(self) -> Stream:
        stream = self.hub.join(SdkKey(ENVIRONMENT, hash_key(SERVER_KEY), False), EMPTY, lambda: None)
        assert stream is not None
        self.send(stream)
        return stream

    def send(self, stream: Stream) -> None:
        stream.take(self.clock.now)
        stream.handed_over()

    def reaches(self) -> list[tuple[int, int, int]]:
        """Of each change: its revision, the streams that it concerns, those that were sent it."""
        return [(each.revision, each.streams, each.reached) for each in self.log.reaches()]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_change_says_where_it_stands_and_how_late_its_slowest_stream_was(bench: Bench) -> None:
    streams = [bench.open(), bench.open(), bench.open()]
    bench.change(committed=bench.clock.now - 0.25)
    bench.send(streams[0])
    bench.clock.now += 0.5
    bench.send(streams[1])
    assert bench.log.reaches() == (
        Reach(
            position=102,
            environment_id=ENVIRONMENT,
            revision=2,
            streams=3,
            reached=2,
            slowest_milliseconds=pytest.approx(750),
        ),
    )


def test_what_was_taken_counts_only_when_it_is_with_the_transport(bench: Bench) -> None:
    stream = bench.open()
    bench.change()
    stream.take(bench.clock.now)
    assert bench.reaches() == [(2, 1, 0)]
    stream.handed_over()
    assert bench.reaches() == [(2, 1, 1)]


def test_what_changes_while_a_write_is_under_way_is_not_in_it(bench: Bench) -> None:
    stream = bench.open()
    bench.change()
    stream.take(bench.clock.now)
    bench.change()
    stream.handed_over()
    assert bench.reaches() == [(2, 1, 1), (3, 1, 0)]


def test_a_slow_stream_gets_several_changes_at_once(bench: Bench) -> None:
    quick, slow = bench.open(), bench.open()
    for _ in range(3):
        bench.change()
        bench.send(quick)
    assert bench.reaches() == [(2, 2, 1), (3, 2, 1), (4, 2, 1)]
    bench.send(slow)
    bench.send(slow)
    assert bench.reaches() == [(2, 2, 2), (3, 2, 2), (4, 2, 2)]


def test_a_stream_counts_for_the_changes_since_it_joined(bench: Bench) -> None:
    first = bench.open()
    bench.change()
    second = bench.open()
    bench.change()
    bench.send(first)
    bench.send(second)
    assert bench.reaches() == [(2, 1, 1), (3, 2, 2)]


def test_a_change_before_the_features_were_sent_comes_with_them(bench: Bench) -> None:
    stream = bench.hub.join(SdkKey(ENVIRONMENT, hash_key(SERVER_KEY), False), EMPTY, lambda: None)
    assert stream is not None
    bench.change()
    assert bench.reaches() == [(2, 1, 0)]
    bench.send(stream)
    assert bench.reaches() == [(2, 1, 1)]


def test_a_stream_that_left_unreached_is_not_waited_for(bench: Bench) -> None:
    reached, unreached = bench.open(), bench.open()
    bench.change()
    bench.send(reached)
    bench.hub.leave(reached)
    bench.hub.leave(unreached)
    assert bench.reaches() == [(2, 1, 1)]


def test_changes_that_concern_no_stream_are_not_told(bench: Bench) -> None:
    bench.change()
    assert bench.reaches() == []


def test_a_clock_behind_the_one_that_committed_makes_no_negative_times(bench: Bench) -> None:
    stream = bench.open()
    bench.change(committed=bench.clock.now + 60)
    bench.send(stream)
    assert [each.slowest_milliseconds for each in bench.log.reaches()] == [0]


def test_a_change_whose_event_never_came_counts_from_its_load(bench: Bench) -> None:
    stream = bench.open()
    bench.log.heard(event(77, position=500, at=0.0, environment_id="another"))
    bench.load()
    bench.clock.now += 0.1
    bench.send(stream)
    (reach,) = bench.log.reaches()
    assert (reach.position, reach.revision, reach.reached) == (500, 2, 1)
    assert reach.slowest_milliseconds == pytest.approx(100)


def test_only_the_latest_changes_are_remembered() -> None:
    bench = Bench(changes_remembered=5)
    stream = bench.open()
    for _ in range(12):
        bench.change()
    bench.send(stream)
    assert bench.reaches() == [(revision, 1, 1) for revision in range(9, 14)]


def test_whoever_listens_is_told_that_there_is_news(bench: Bench) -> None:
    stream = bench.open()
    news: list[str] = []
    bench.log.on_change = lambda: news.append("news")
    bench.change()
    told = len(news)
    assert told
    bench.send(stream)
    assert len(news) > told
    told = len(news)
    bench.send(stream)
    assert len(news) == told


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["change", "open", "take", "send", "leave"]), st.integers(0, 3))))
def test_whatever_happens_no_more_streams_are_reached_than_were_concerned(
    steps: list[tuple[str, int]],
) -> None:
    bench = Bench(changes_remembered=4)
    streams: list[Stream] = []
    for step, which in steps:
        if step == "change":
            bench.change()
        elif step == "open":
            streams.append(bench.open())
        elif streams:
            stream = streams[which % len(streams)]
            if step == "take":
                stream.take(bench.clock.now)
            elif step == "send":
                bench.send(stream)
            else:
                streams.remove(stream)
                bench.hub.leave(stream)
    for _, concerned, reached in bench.reaches():
        assert 0 <= reached <= concerned
    for stream in streams:
        bench.send(stream)
    assert all(concerned == reached for _, concerned, reached in bench.reaches())


def test_streams_are_told_by_environment(bench: Bench) -> None:
    assert bench.hub.streams() == {}
    bench.open()
    bench.open()
    assert bench.hub.streams() == {ENVIRONMENT: 2}


def test_of_very_many_environments_those_with_the_most_streams_are_told(bench: Bench) -> None:
    many = [f"environment-{number:05}" for number in range(ENVIRONMENTS_TOLD + 10)]
    bench.source.put(account(*many), *(environment(environment_id=each) for each in many))
    for each in [*many, many[-1]]:
        assert bench.hub.join(SdkKey(each, hash_key(SERVER_KEY), False), EMPTY, lambda: None)
    told = bench.hub.streams()
    assert len(told) == ENVIRONMENTS_TOLD
    assert told[many[-1]] == 2


async def test_a_noted_bus_tells_the_log_before_the_subscriber() -> None:
    order: list[str] = []

    class Log(ReachLog):
        def heard(self, event: Event) -> None:
            order.append(f"log {event.position}")

    class Subscriber:
        def on_event(self, event: Event) -> None:
            order.append(f"event {event.position}")

        def on_heartbeat(self, heartbeat: Heartbeat) -> None:
            order.append(f"heartbeat {heartbeat.position}")

        def on_disconnected(self) -> None:
            order.append("disconnected")

    bus = HandBus()
    heard = noted(bus, Log())
    heard.sync()
    assert (heard.heartbeat_seconds, bus.synced) == (2.0, 1)
    async with heard.subscribe(Subscriber()):
        assert bus.subscriber is not None
        bus.subscriber.on_event(event(1, position=1, at=0))
        bus.subscriber.on_heartbeat(Heartbeat(term=1, epoch="one", position=1))
        bus.subscriber.on_disconnected()
    assert bus.subscriber is None
    assert order == ["log 1", "event 1", "heartbeat 1", "disconnected"]
