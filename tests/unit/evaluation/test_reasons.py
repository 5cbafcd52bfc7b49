import json

import pytest

from common.contracts.features import FeatureState
from common.evaluation.context import EMPTY, EvaluationContext
from common.evaluation.evaluate import Reason, RuleOutcome, Why, decide, evaluate
from tests.unit.evaluation.builders import NOW, attribute, feature, rule

FRED = EvaluationContext({"userkey": ["fred"], "country": ["turkey"]})
FREDS_NUMBER = 741_853
IN_TURKEY = attribute("country", "EQUALS", "STRING", "turkey")
IN_PERU = attribute("country", "EQUALS", "STRING", "peru")


def test_every_rule_says_what_became_of_it() -> None:
    state = feature(
        rule("empty"),
        rule("elsewhere", IN_TURKEY, IN_PERU),
        rule("bad", attribute("country", "REGEX", "STRING", "[")),
        rule("few", percentage=10),
        rule("share", IN_TURKEY, percentage=FREDS_NUMBER),
        rule("late", IN_TURKEY),
    )

    evaluation = evaluate(state, FRED, NOW)

    assert evaluation.value == b'"share"'
    assert evaluation.strategy_id == "share"
    assert evaluation.reason is Reason.SPLIT
    assert evaluation.changes_at is None
    assert evaluation.rules == (
        RuleOutcome("empty", Why.NOTHING_TO_MATCH),
        RuleOutcome("elsewhere", Why.ATTRIBUTE_MISMATCH, field="country"),
        RuleOutcome("bad", Why.ERROR, detail="country: pattern: missing ]: ["),
        RuleOutcome("few", Why.OVER_PERCENTAGE, bucket=FREDS_NUMBER),
        RuleOutcome("share", Why.MATCHED, bucket=FREDS_NUMBER),
        RuleOutcome("late", Why.NOT_REACHED),
    )
    assert [outcome.matched for outcome in evaluation.rules] == [False] * 4 + [True, False]


def test_a_match_by_attributes_alone_is_targeting() -> None:
    evaluation = evaluate(feature(rule("a", IN_TURKEY, percentage=0)), FRED, NOW)
    assert (evaluation.reason, evaluation.strategy_id) == (Reason.TARGETING_MATCH, "a")


def test_a_share_needs_to_know_who_the_caller_is() -> None:
    evaluation = evaluate(feature(rule("a", percentage=1_000_000)), EMPTY, NOW)
    assert evaluation.reason is Reason.DEFAULT
    assert evaluation.rules == (RuleOutcome("a", Why.NO_PERCENTAGE_KEY),)


def test_a_feature_without_rules_serves_its_default() -> None:
    for state in (feature(), feature(value=None)):
        evaluation = evaluate(state, FRED, NOW)
        assert evaluation == (state.value, None, Reason.DEFAULT, (), None)


def test_a_feature_without_a_value_row_serves_nothing() -> None:
    state = FeatureState(id="f", key="k", type="NUMBER", locked=False, version=0)
    assert evaluate(state, FRED, NOW) == (None, None, Reason.DEFAULT, (), None)
    assert decide(state, FRED, NOW) == (None, None, None)


def test_a_retired_feature_is_disabled() -> None:
    state = feature(rule("a", IN_TURKEY), retired=True)
    assert evaluate(state, FRED, NOW) == (None, None, Reason.DISABLED, (), None)
    assert decide(state, FRED, NOW) == (None, None, None)


def test_strategies_that_are_no_list_are_an_error_and_the_default_is_served() -> None:
    state = FeatureState(
        id="f", key="k", type="STRING", locked=False, version=1, value=b'"d"', strategies=b'{"id":"a"}'
    )
    evaluation = evaluate(state, FRED, NOW)
    assert evaluation.value == b'"d"'
    assert evaluation.reason is Reason.ERROR
    assert evaluation.rules[0].why is Why.ERROR
    assert evaluation.rules[0].detail


@pytest.mark.parametrize("value", ['"a"', "1.50", "12345678901234567890123", "true", '"{\\"a\\": 1}"'])
def test_a_value_is_served_as_it_was_written(value: str) -> None:
    strategies = f'[{{"id":"a","value":{value},"attributes":[{json.dumps(IN_TURKEY)}]}}]'
    state = FeatureState(
        id="f", key="k", type="STRING", locked=False, version=1, strategies=strategies.encode()
    )
    assert decide(state, FRED, NOW).value == value.encode()


@pytest.mark.parametrize("members", [{"value": None}, {}])
def test_a_rule_without_a_value_serves_null(members: dict[str, None]) -> None:
    strategy = {"id": "a", "attributes": [IN_TURKEY], **members}
    assert decide(feature(strategy), FRED, NOW) == (None, "a", None)


def test_rules_are_made_ready_once_per_state() -> None:
    state = feature(rule("a", IN_TURKEY))
    decide(state, FRED, NOW)
    held = state.compiled
    evaluate(state, EMPTY, NOW)
    assert state.compiled is held


def test_zero_per_cent_is_nobody_and_a_hundred_is_everybody() -> None:
    state = feature(rule("none", percentage=0), rule("all", percentage=1_000_000))
    outcomes = evaluate(state, FRED, NOW).rules
    assert [outcome.why for outcome in outcomes] == [Why.NOTHING_TO_MATCH, Why.MATCHED]


def test_a_multi_valued_percentage_attribute_is_hashed_with_all_its_values() -> None:
    state = feature(rule("a", percentage=1_000_000, percentageAttributes=["grp", "none"]))
    one = evaluate(state, EvaluationContext({"grp": ["x", "y"]}), NOW).rules[0].bucket
    other = evaluate(state, EvaluationContext({"grp": ["x"]}), NOW).rules[0].bucket
    assert one != other
