"""Whom an Edge asks first, and whom not."""

import pytest

from common.contracts.lookups import ANY, AtLeast
from common.contracts.reports import Report
from edge.members import ANYBODY, SILENT_SECONDS, Members, Pace, Trust


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def members(clock: Clock) -> Members:
    return Members(clock)


def dacha(instance: str, position: int = 5, **others: object) -> Report:
    return Report(
        **{"instance": instance, "role": "dacha", "epoch": "e", "position": position, "live": True} | others
    )


def test_before_any_report_only_the_shared_word_is_known(members: Members) -> None:
    assert members.words(ANY) == [ANYBODY]


def test_the_shared_word_comes_first_and_every_instance_after_it(members: Members) -> None:
    members.told(dacha("a"))
    members.told(dacha("b"))
    first, *others = members.words(ANY)
    assert (first, set(others)) == (ANYBODY, {"dacha.a", "dacha.b"})


def test_an_edge_that_reports_is_not_asked(members: Members) -> None:
    members.told(dacha("a", role="edge"))
    assert members.words(ANY) == [ANYBODY]


def test_who_leaves_is_not_asked(members: Members) -> None:
    members.told(dacha("a"))
    members.told(dacha("a", leaving=True))
    assert members.words(ANY) == [ANYBODY]


def test_who_is_silent_for_three_reports_is_not_asked(members: Members, clock: Clock) -> None:
    members.told(dacha("a"))
    clock.now += SILENT_SECONDS / 2
    members.told(dacha("b"))
    clock.now += SILENT_SECONDS / 2 + 0.1
    assert members.words(ANY) == [ANYBODY, "dacha.b"]
    assert len(members) == 1


def test_who_reports_late_is_asked_after_those_who_do_not(members: Members, clock: Clock) -> None:
    members.told(dacha("late"))
    clock.now += 3
    members.told(dacha("here"))
    assert members.words(ANY) == [ANYBODY, "dacha.here", "dacha.late"]


@pytest.mark.parametrize(
    "behind",
    [dacha("b", position=3), dacha("b", live=False), dacha("b", epoch="former")],
    ids=["position", "not live", "epoch"],
)
def test_who_would_be_behind_is_asked_last(members: Members, behind: Report) -> None:
    members.told(behind)
    members.told(dacha("a"))
    for _ in range(20):
        assert members.words(AtLeast("e", 1, 5)) == [ANYBODY, "dacha.a", "dacha.b"]


def test_equals_are_asked_in_any_order(members: Members) -> None:
    members.told(dacha("a"))
    members.told(dacha("b"))
    assert {members.words(ANY)[1] for _ in range(200)} == {"dacha.a", "dacha.b"}


def test_after_silence_the_shared_word_comes_last_for_a_while(members: Members, clock: Clock) -> None:
    members.told(dacha("a"))
    members.trust(ANYBODY).was_silent()
    assert members.words(ANY) == ["dacha.a", ANYBODY]
    clock.now += 1
    assert members.words(ANY) == [ANYBODY, "dacha.a"]


def test_with_nobody_else_even_the_shunned_is_asked(members: Members) -> None:
    members.trust(ANYBODY).was_silent()
    assert members.words(ANY) == [ANYBODY]


def test_notes_on_one_that_has_left_do_no_harm(members: Members) -> None:
    members.trust("dacha.gone").was_silent()
    assert members.words(ANY) == [ANYBODY]


def test_who_is_silent_again_and_again_is_left_alone_ever_longer(clock: Clock) -> None:
    trust = Trust(clock)
    waits = []
    for _ in range(8):
        trust.was_silent()
        begun = clock.now
        while trust.shunned:
            clock.now += 0.01
        waits.append(clock.now - begun)
    assert waits == sorted(waits)
    assert 0.4 < waits[0] < 0.7
    assert 15 < waits[-1] < 17


def test_a_distrusted_word_is_tried_with_one_question_at_a_time(clock: Clock) -> None:
    trust = Trust(clock)
    trust.was_silent()
    clock.now += 60
    assert not trust.shunned
    trust.asked()
    assert trust.shunned


def test_answers_win_trust_back(clock: Clock) -> None:
    trust = Trust(clock)
    trust.was_silent()
    clock.now += 60
    for _ in range(4):
        trust.answered()
    trust.asked()
    assert not trust.shunned


def test_nobody_is_waited_for_less_than_the_least_nor_more_than_the_longest_time() -> None:
    pace = Pace(0.1, 1.0)
    assert pace.patience == 0.1
    for _ in range(100):
        pace.answered(0.001)
    assert pace.patience == 0.1
    for _ in range(100):
        pace.answered(30)
    assert pace.patience == 1.0


def test_when_all_are_slow_nobody_else_is_asked_in_a_hurry() -> None:
    pace = Pace(0.1, 1.0)
    for _ in range(50):
        pace.answered(0.2)
    assert 0.5 < pace.patience < 0.7
    for _ in range(100):
        pace.answered(0.002)
    assert pace.patience == 0.1


def test_a_refusal_at_once_does_not_look_like_a_quick_answer() -> None:
    pace = Pace(0.1, 1.0)
    for _ in range(50):
        pace.answered(0.2)
    before = pace.patience
    for _ in range(50):
        pace.refused(0.0)
    assert pace.patience == before
    for _ in range(50):
        pace.refused(3.0)
    assert pace.patience == 1.0
