"""Why a caller gets a value, in full: every condition of every rule beside what the caller sent.

For people who look at one context, not for answers to SDKs: the decision is that of
`common.evaluation.evaluate`, and this only looks again at the parts of each rule.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from common.contracts.features import FeatureState, RolloutStrategy, StrategyAttribute
from common.evaluation.context import EvaluationContext
from common.evaluation.evaluate import Evaluation, RuleOutcome, evaluate, percentage_text
from common.evaluation.matchers import RuleFault
from common.evaluation.rules import UNREADABLE, Rule, compile_condition, rules_of
from common.evaluation.times import microseconds


class ConditionOutcome(NamedTuple):
    """One condition of a rule.

    ``given``: what the caller sent of that attribute, None when nothing. ``present``: the present stood in
    for it. ``holds`` None = nobody can say, and ``fault`` says why.
    """

    attribute: StrategyAttribute
    given: tuple[str, ...] | None
    present: bool
    holds: bool | None
    fault: str | None = None


class ShareOutcome(NamedTuple):
    """The share of callers that a rule serves: those with a number above ``floor``, up to ``end``.

    ``text`` is who the caller is to it, of which the number is made; None when nobody can say.
    """

    share: int
    attributes: tuple[str, ...]
    text: str | None
    floor: int
    end: int


class ExplainedRule(NamedTuple):
    """What became of a rule, and of each of its parts. ``share`` None = it has none."""

    outcome: RuleOutcome
    value: bytes | None
    share: ShareOutcome | None
    conditions: tuple[ConditionOutcome, ...]


class Explanation(NamedTuple):
    """An evaluation with its rules taken apart, one by one in the same order."""

    evaluation: Evaluation
    rules: tuple[ExplainedRule, ...]


def explain(state: FeatureState, context: EvaluationContext, now: datetime) -> Explanation:
    """Return what `decide` decides for ``context`` at the aware instant ``now``, and why. Never raises.

    Conditions are looked at one by one, also those behind the first that does not hold and those of rules
    that were not reached.
    """
    evaluation = evaluate(state, context, now)
    rules = rules_of(state).each
    strategies = _strategies(state, len(rules))
    explained = [
        ExplainedRule(
            outcome, rule.value, _share(rule, outcome, context), _conditions(strategy, context, now)
        )
        for outcome, rule, strategy in zip(evaluation.rules, rules, strategies, strict=False)
    ]
    return Explanation(evaluation, tuple(explained))


def _strategies(state: FeatureState, number: int) -> tuple[RolloutStrategy | None, ...]:
    """The strategies that the rules were made of; when one is unreadable, only the rules can speak."""
    try:
        return state.rules
    except UNREADABLE:
        return (None,) * number


def _share(rule: Rule, outcome: RuleOutcome, context: EvaluationContext) -> ShareOutcome | None:
    if not rule.share:
        return None
    text = percentage_text(rule, context)
    return ShareOutcome(rule.share, rule.share_attributes, text, outcome.floor, outcome.floor + rule.share)


def _conditions(
    strategy: RolloutStrategy | None, context: EvaluationContext, now: datetime
) -> tuple[ConditionOutcome, ...]:
    if strategy is None:
        return ()
    return tuple(_condition(attribute, context, now) for attribute in strategy.attributes)


def _condition(attribute: StrategyAttribute, context: EvaluationContext, now: datetime) -> ConditionOutcome:
    given = context.attributes.get(attribute.field_name)
    try:
        condition = compile_condition(attribute)
    except RuleFault as fault:
        return ConditionOutcome(attribute, given, present=False, holds=None, fault=str(fault))
    readings = context.readings(condition.field, condition.read)
    if readings is not None:
        return ConditionOutcome(attribute, given, present=False, holds=any(map(condition.holds, readings)))
    if condition.ticks is not None:
        present = condition.ticks.read(microseconds(now))
        return ConditionOutcome(attribute, given, present=True, holds=condition.holds(present))
    return ConditionOutcome(attribute, given, present=False, holds=condition.absent)
