import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from common.contracts.features import FeatureState
from common.evaluation.context import EvaluationContext
from common.evaluation.evaluate import Reason, Why, decide, evaluate
from common.evaluation.percentage import bucket
from tests.unit.evaluation.builders import (
    NOW,
    Json,
    attribute,
    broken_rules,
    contexts,
    feature,
    fields,
    odd_values,
    rule,
    rules,
    texts,
    wild_contexts,
    wild_texts,
)

json_values = st.recursive(
    odd_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
wild_attributes = st.fixed_dictionaries(
    {},
    optional={
        "fieldName": st.one_of(fields, json_values),
        "conditional": st.one_of(st.sampled_from(["EQUALS", "REGEX", "LESS", "NOT_EQUALS"]), json_values),
        "type": st.one_of(st.sampled_from(["STRING", "NUMBER", "DATE", "DATETIME", "BOOLEAN"]), json_values),
        "values": st.one_of(st.lists(odd_values, max_size=3), json_values),
    },
)
wild_rules = st.fixed_dictionaries(
    {"id": st.one_of(st.text(max_size=5), json_values)},
    optional={
        "percentage": st.one_of(st.integers(), json_values),
        "percentageAttributes": st.one_of(st.lists(fields), json_values),
        "value": json_values,
        "attributes": st.one_of(st.lists(wild_attributes, max_size=2), json_values),
    },
)


@given(st.lists(st.one_of(rules, broken_rules, wild_rules, json_values), max_size=4), wild_contexts)
def test_evaluation_never_raises(strategies: list[Any], attributes: dict[str, list[str]]) -> None:
    state, context = feature(*strategies), EvaluationContext(attributes)

    evaluation = evaluate(state, context, NOW)

    assert len(evaluation.rules) == len(strategies)
    assert isinstance(evaluation.value, bytes)
    assert evaluation.reason in {Reason.DEFAULT, Reason.SPLIT, Reason.TARGETING_MATCH} or evaluation.value
    assert decide(state, context, NOW)[:2] == evaluation[:2]


@given(st.binary(max_size=60), contexts)
def test_bytes_that_are_no_strategies_never_raise(
    strategies: bytes, attributes: dict[str, list[str]]
) -> None:
    state = FeatureState(
        id="f", key="k", type="STRING", locked=False, version=1, value=b"1", strategies=strategies
    )
    assert evaluate(state, EvaluationContext(attributes), NOW).value == b"1"


def test_deep_nesting_spoils_nothing() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    strategies = f'[{{"id":"deep","attributes":{deep}}},{json.dumps(rule("all", percentage=1_000_000))}]'
    state = FeatureState(
        id="f", key="k", type="STRING", locked=False, version=1, strategies=strategies.encode()
    )
    evaluation = evaluate(state, EvaluationContext({"userkey": ["fred"]}), NOW)
    assert evaluation.reason in {Reason.SPLIT, Reason.ERROR}


@given(st.lists(rules, max_size=5), contexts)
def test_the_same_question_has_the_same_answer_on_every_node(
    strategies: list[Json], attributes: dict[str, list[str]]
) -> None:
    one = evaluate(feature(*strategies), EvaluationContext(attributes), NOW)
    other = evaluate(feature(*strategies), EvaluationContext(dict(reversed(attributes.items()))), NOW)
    assert one == other


@given(st.lists(rules, max_size=5), contexts)
def test_the_quick_answer_is_the_explained_one(
    strategies: list[Json], attributes: dict[str, list[str]]
) -> None:
    state, context = feature(*strategies), EvaluationContext(attributes)
    evaluation = evaluate(state, context, NOW)

    assert decide(state, context, NOW) == (evaluation.value, evaluation.strategy_id, evaluation.changes_at)
    matched = [outcome.rule_id for outcome in evaluation.rules if outcome.matched]
    assert matched == ([] if evaluation.strategy_id is None else [evaluation.strategy_id])


@given(st.lists(rules, max_size=4), broken_rules, st.integers(0, 4), contexts)
def test_a_broken_rule_changes_nothing_for_the_others(
    strategies: list[Json], broken: Any, place: int, attributes: dict[str, list[str]]
) -> None:
    place = min(place, len(strategies))
    with_broken = [*strategies[:place], broken, *strategies[place:]]
    context = EvaluationContext(attributes)

    without = evaluate(feature(*strategies), context, NOW)
    spoiled = evaluate(feature(*with_broken), context, NOW)

    outcomes = list(spoiled.rules)
    own = outcomes.pop(place)
    assert own.why in {Why.ERROR, Why.NOT_REACHED}
    assert (own.why is Why.NOT_REACHED) == (
        without.strategy_id in {each["id"] for each in strategies[:place]}
    )
    assert spoiled._replace(rules=tuple(outcomes)) == without


@given(texts, st.integers(0, 1_000_000), st.integers(0, 1_000_000))
def test_who_is_in_a_share_stays_in_a_bigger_one(userkey: str, one: int, other: int) -> None:
    small, big = sorted((one, other))
    context = EvaluationContext({"userkey": [userkey]})

    if decide(feature(rule("a", percentage=small)), context, NOW).strategy_id == "a":
        assert decide(feature(rule("a", percentage=big)), context, NOW).strategy_id == "a"


@given(texts, st.lists(st.integers(1, 400_000), min_size=1, max_size=6))
def test_shares_lie_side_by_side(userkey: str, shares: list[int]) -> None:
    state = feature(*(rule(str(place), percentage=share) for place, share in enumerate(shares)))
    context = EvaluationContext({"userkey": [userkey]})
    number = bucket(userkey, state.id)

    end, expected = 0, None
    for place, share in enumerate(shares):
        end += share
        if number <= end:
            expected = str(place)
            break

    assert decide(state, context, NOW).strategy_id == expected


@given(wild_texts, wild_texts)
def test_a_number_is_always_within_the_scale(text: str, feature_id: str) -> None:
    clean = (text.encode("utf-8", "replace").decode(), feature_id.encode("utf-8", "replace").decode())
    assert 0 <= bucket(*clean) < 1_000_000


@given(
    st.sampled_from(["EQUALS", "NOT_EQUALS", "EXCLUDES", "LESS"]),
    st.sampled_from(["STRING", "NUMBER"]),
    texts,
)
def test_an_attribute_that_was_not_sent_never_matches(conditional: str, field_type: str, text: str) -> None:
    state = feature(rule("a", attribute("absent", conditional, field_type, text)))
    assert decide(state, EvaluationContext({"userkey": ["fred"]}), NOW).strategy_id is None
