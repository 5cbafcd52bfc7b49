"""A heartbeat that was recorded and is played again is no sign of life."""

from common.messaging.freshness import SENDERS, SKEW_SECONDS, Freshness, Numbers, Stamp


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_each_heartbeat_is_news_once() -> None:
    freshness = Freshness(Clock())
    first, second = Stamp("one", 1, 1_000_000), Stamp("one", 2, 1_000_002)
    assert freshness.is_news(first)
    assert freshness.is_news(second)
    assert not freshness.is_news(second)
    assert not freshness.is_news(first), "nor is an earlier one"


def test_senders_are_told_apart() -> None:
    freshness = Freshness(Clock())
    assert freshness.is_news(Stamp("one", 7, 1_000_000))
    assert freshness.is_news(Stamp("other", 1, 1_000_000))


def test_who_has_just_begun_to_listen_is_not_told_of_long_ago() -> None:
    clock = Clock()
    assert not Freshness(clock).is_news(Stamp("one", 1, clock.now - SKEW_SECONDS - 1))
    assert not Freshness(clock).is_news(Stamp("one", 1, clock.now + SKEW_SECONDS + 1))
    assert Freshness(clock).is_news(Stamp("one", 1, clock.now - SKEW_SECONDS + 1)), "clocks differ"


def test_a_refused_heartbeat_refuses_no_later_one() -> None:
    clock = Clock()
    freshness = Freshness(clock)
    assert not freshness.is_news(Stamp("one", 10**18, clock.now + 10**6))
    assert freshness.is_news(Stamp("one", 1, clock.now))


def test_senders_that_are_remembered_are_bounded() -> None:
    clock = Clock()
    freshness = Freshness(clock)
    for number in range(2 * SENDERS):
        assert freshness.is_news(Stamp(str(number), 1, clock.now))
    assert len(freshness._heard) == SENDERS
    assert not freshness.is_news(Stamp(str(2 * SENDERS - 1), 1, clock.now))


def test_numbers_rise_whatever_the_clock_does() -> None:
    clock = Clock()
    numbers = Numbers(clock)
    first = numbers.next()
    clock.now -= 3600
    assert numbers.next() == first + 1
    clock.now += 7200
    last = numbers.next()
    assert last > first + 2
    clock.now += 1
    assert Numbers(clock).next() > last, "of one that was started again too"
