from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from mr.environments.promotion import closed_gap, last, ordered, relinked

A, B, C, D = (UUID(int=number) for number in range(1, 5))
LINE = {A: None, B: A, C: B}


def applied(links, changes):
    return {**links, **changes}


def test_the_order_follows_the_links_not_the_creation():
    assert ordered({C: B, A: None, B: A}) == [A, B, C]
    assert last(LINE) == C
    assert last({}) is None


def test_two_with_one_predecessor_stand_as_they_were_created():
    assert ordered({A: None, B: A, C: A, D: B}) == [A, B, D, C]


def test_a_predecessor_that_is_gone_is_none():
    assert ordered({B: A, C: B}) == [B, C]


def test_a_loop_is_opened_at_the_other_end():
    changes = relinked(LINE, A, C)
    assert changes == {A: C, B: None}
    assert ordered(applied(LINE, changes)) == [B, C, A]


def test_a_gap_is_closed():
    changes = closed_gap(LINE, B)
    assert changes == {C: A}


IDS = st.integers(min_value=1, max_value=8).map(lambda number: UUID(int=number))


@given(st.dictionaries(IDS, st.none() | IDS))
def test_every_environment_is_in_the_order_once_whatever_the_links(links):
    assert sorted(ordered(links)) == sorted(links)


@given(st.permutations(range(1, 6)), st.data())
def test_relinking_a_line_never_makes_a_loop(numbers, data):
    line = [UUID(int=number) for number in numbers]
    links = dict(zip(line, [None, *line], strict=False))
    moved = data.draw(st.sampled_from(line))
    prior = data.draw(st.sampled_from([each for each in line if each != moved]))
    after = applied(links, relinked(links, moved, prior))
    for start in line:
        step, steps = start, 0
        while step is not None:
            step, steps = after[step], steps + 1
            assert steps <= len(line)
