"""The three-way update."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mr.features.merging import ConflictingUpdate, ValueParts, merge
from mr.strategies.schemas import RolloutStrategy
from mr.strategies.stored import StrategyUse, dump_strategies, load_strategies, store


def strategies(*named):
    """`a1` = strategy "a" with percentage 1."""
    wire = [RolloutStrategy(id=each[0], name=each[0], percentage=int(each[1:]), value="v") for each in named]
    return store("STRING", wire)


def parts(*named, locked=False, retired=False, value=b'"v"'):
    return ValueParts(locked, retired, value, strategies(*named))


def shown(merged):
    return [f"{each.id}{each.wire().percentage}" for each in merged.parts.strategies]


BASE = parts("a1", "b1", "c1")


def test_nothing_changed_is_nothing_to_save():
    assert not merge("STRING", BASE, BASE, BASE).changed
    moved = parts("a2", "b1", "c1")
    assert not merge("STRING", BASE, BASE, moved).changed, "the request is the base: nothing is meant"
    assert not merge("STRING", BASE, moved, moved).changed, "both did the same"


def test_different_parts_from_one_base_are_both_kept():
    current = replace(BASE, value=b'"theirs"', locked=True)
    wanted = parts("a1", "b2", "c1", retired=True)
    merged = merge("STRING", BASE, wanted, current)
    assert merged.parts.value == b'"theirs"'
    assert (merged.parts.locked, merged.parts.retired) == (True, True)
    assert shown(merged) == ["a1", "b2", "c1"]
    assert merged.content_changed
    assert not merged.lock_changed


@pytest.mark.parametrize(
    ("wanted", "current"),
    [
        (parts("a1", "b1", "c1", value=b'"x"'), parts("a1", "b1", "c1", value=b'"y"')),
        (parts("a2", "b1", "c1"), parts("a3", "b1", "c1")),
        (parts("a2", "b1", "c1"), parts("b1", "c1")),
        (parts("b1", "c1"), parts("a2", "b1", "c1")),
        (parts("b1", "a1", "c1"), parts("a1", "c1", "b1")),
    ],
)
def test_the_same_part_changed_twice_is_a_conflict(wanted, current):
    with pytest.raises(ConflictingUpdate):
        merge("STRING", BASE, wanted, current)


@pytest.mark.parametrize(
    ("wanted", "current", "result"),
    [
        (("a1", "c1"), ("a1", "b1", "c1", "d1"), ["a1", "c1", "d1"]),
        (("a1", "x1", "b1", "c1"), ("a1", "b1", "c1", "y1"), ["a1", "x1", "b1", "c1", "y1"]),
        (("c1", "b1", "a1"), ("a1", "b1", "c1"), ["c1", "b1", "a1"]),
        (("c1", "b1", "a1"), ("a1", "b2", "c1"), ["c1", "b2", "a1"]),
        (("a1", "b1", "c1"), ("c1", "b1", "a1"), ["c1", "b1", "a1"]),
        (("a1", "c1"), ("a1", "c1"), ["a1", "c1"]),
        ((), ("a1", "b1", "c1"), []),
    ],
)
def test_lists_are_merged_by_element_and_then_by_order(wanted, current, result):
    assert shown(merge("STRING", BASE, parts(*wanted), parts(*current))) == result


def test_uses_of_application_strategies_are_merged_too():
    one, two = (StrategyUse(UUID(int=number), b"true", disabled=False) for number in (1, 2))
    base = replace(BASE, uses=(one, two))
    wanted = replace(base, uses=(two, one))
    current = replace(base, uses=(replace(one, value=b"false"), two))
    merged = merge("STRING", base, wanted, current)
    assert merged.parts.uses == (two, replace(one, value=b"false"))


NAMED = st.lists(st.sampled_from("abcdef"), unique=True).map(lambda ids: [each + "1" for each in ids])


@given(NAMED, NAMED)
def test_without_a_change_in_between_the_request_is_the_result(base, wanted):
    merged = merge("STRING", parts(*base), parts(*wanted), parts(*base))
    assert shown(merged) == wanted


@given(NAMED, NAMED)
def test_a_request_that_changes_nothing_never_undoes_others(base, current):
    assert shown(merge("STRING", parts(*base), parts(*base), parts(*current))) == current


def test_ids_of_attributes_are_no_change():
    wire = RolloutStrategy.model_validate(
        {
            "id": "abcd",
            "name": "n",
            "value": "v",
            "attributes": [{"fieldName": "f", "conditional": "EQUALS", "type": "STRING", "values": [" x "]}],
        }
    )
    first, second = store("STRING", [wire]), store("STRING", [wire])
    assert first[0].members != second[0].members
    assert first[0].content == second[0].content
    assert b'["x"]' in first[0].members


def test_stored_strategies_are_what_was_stored():
    kept = strategies("a1", "b2")
    assert load_strategies(dump_strategies(kept)) == kept
    first, second = store("STRING", [RolloutStrategy(id="a"), RolloutStrategy(id="a")])
    assert first.id == "a"
    assert second.id != "a"
