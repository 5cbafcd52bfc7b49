"""An explanation never says anything else than what was decided, and its parts agree with it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from common.evaluation.context import EMPTY, EvaluationContext
from common.evaluation.evaluate import Why, decide, evaluate
from common.evaluation.explain import explain
from tests.unit.evaluation.builders import (
    NOW,
    attribute,
    broken_rules,
    contexts,
    feature,
    odd_values,
    rule,
    rules,
    wild_contexts,
)

FRED = EvaluationContext({"userkey": ["fred"], "country": ["turkey"]})
FREDS_NUMBER = 741_853


@given(st.lists(rules, max_size=5), contexts)
def test_what_is_explained_is_what_is_decided(
    strategies: list[Any], attributes: dict[str, list[str]]
) -> None:
    state, context = feature(*strategies), EvaluationContext(attributes)
    explanation = explain(state, context, NOW)

    evaluation = explanation.evaluation
    assert (evaluation.value, evaluation.strategy_id, evaluation.changes_at) == decide(state, context, NOW)
    assert evaluation == evaluate(state, context, NOW)
    assert [each.outcome for each in explanation.rules] == list(evaluation.rules)


@given(st.lists(rules, max_size=5), contexts)
def test_the_parts_of_each_rule_say_what_became_of_it(
    strategies: list[Any], attributes: dict[str, list[str]]
) -> None:
    state, context = feature(*strategies), EvaluationContext(attributes)
    for each in explain(state, context, NOW).rules:
        outcome, share = each.outcome, each.share
        if outcome.why is Why.NOT_REACHED:
            continue
        all_hold = all(condition.holds for condition in each.conditions)
        within = share is None
        if share is not None and outcome.bucket is not None:
            # The first share begins with number 0 itself.
            within = outcome.bucket <= share.end and (outcome.bucket > share.floor or share.floor == 0)
        expected = {
            Why.MATCHED: within and all_hold,
            Why.ATTRIBUTE_MISMATCH: within and not all_hold,
            Why.OVER_PERCENTAGE: not within,
            Why.NO_PERCENTAGE_KEY: share is not None and share.text is None,
            Why.NOTHING_TO_MATCH: share is None and not each.conditions,
            Why.ERROR: any(condition.fault for condition in each.conditions),
        }
        assert expected[outcome.why], (outcome, each)


@given(st.lists(st.one_of(rules, broken_rules, odd_values), max_size=4), wild_contexts)
def test_explaining_never_raises(strategies: list[Any], attributes: dict[str, list[str]]) -> None:
    state, context = feature(*strategies), EvaluationContext(attributes)
    assert len(explain(state, context, NOW).rules) == len(strategies)


def test_a_rule_says_what_it_asked_for_and_what_it_was_given() -> None:
    state = feature(
        rule("few", percentage=700_000),
        rule("more", percentage=10),
        rule(
            "peruvians",
            attribute("country", "EQUALS", "STRING", "peru"),
            attribute("plan", "EQUALS", "STRING", "gold"),
            percentage=800_000,
        ),
        rule("after", attribute("now", "GREATER", "DATE", "2020-01-01")),
        rule("rest", attribute("country", "REGEX", "STRING", "[")),
    )
    few, more, peruvians, after, rest = explain(state, FRED, NOW).rules
    assert few.share is not None
    assert few.share == (700_000, (), "fred", 0, 700_000)
    assert few.outcome.bucket == FREDS_NUMBER
    assert more.share is not None
    assert (more.share.floor, more.share.end) == (700_000, 700_010)
    assert peruvians.outcome.why is Why.ATTRIBUTE_MISMATCH
    assert [(each.given, each.holds) for each in peruvians.conditions] == [
        (("turkey",), False),
        (None, False),
    ]
    assert after.outcome.matched
    assert after.conditions[0].present
    assert rest.outcome.why is Why.NOT_REACHED
    assert rest.conditions[0].holds is None
    assert "pattern" in str(rest.conditions[0].fault)


def test_who_says_nothing_belongs_to_no_share() -> None:
    (only,) = explain(feature(rule("half", percentage=500_000)), EMPTY, NOW).rules
    assert only.share is not None
    assert only.share.text is None
    assert only.outcome.why is Why.NO_PERCENTAGE_KEY
