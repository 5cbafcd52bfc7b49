"""The walk over a feature's strategies: the first that matches decides.

`decide` is what Edge asks for every feature of every request; `evaluate` tells the reasons as well.
Both are the same walk. Neither raises, whatever a rule or a context holds.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from common.contracts.features import FeatureState
from common.evaluation.context import EvaluationContext
from common.evaluation.percentage import bucket
from common.evaluation.rules import Condition, Rule, rules_of
from common.evaluation.times import SECOND_US, microseconds

_MISSING = "<none>"


class Reason(StrEnum):
    """Why a caller gets the value it gets."""

    DEFAULT = "DEFAULT"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DISABLED = "DISABLED"
    ERROR = "ERROR"


class Why(StrEnum):
    """What became of one rule."""

    MATCHED = "MATCHED"
    NO_PERCENTAGE_KEY = "NO_PERCENTAGE_KEY"
    OVER_PERCENTAGE = "OVER_PERCENTAGE"
    ATTRIBUTE_MISMATCH = "ATTRIBUTE_MISMATCH"
    NOTHING_TO_MATCH = "NOTHING_TO_MATCH"
    ERROR = "ERROR"
    NOT_REACHED = "NOT_REACHED"


class RuleOutcome(NamedTuple):
    """One rule of an evaluation.

    ``bucket``: the caller's number, when the rule has a share and the caller a key; the share begins above
    ``floor``. ``field``: the attribute that did not hold. ``detail``: what is wrong with the rule.
    """

    rule_id: str
    why: Why
    bucket: int | None = None
    field: str | None = None
    detail: str | None = None
    floor: int = 0

    @property
    def matched(self) -> bool:
        """True for the rule that decided."""
        return self.why is Why.MATCHED


class Decision(NamedTuple):
    """What to serve; ``changes_at`` as in `Evaluation`."""

    value: bytes | None
    strategy_id: str | None
    changes_at: float | None


class Evaluation(NamedTuple):
    """A decision with its reasons, one outcome per rule in order.

    ``changes_at``: the next instant, in seconds since 1970, at which the answer may change by itself;
    None when it stays until somebody edits. Until then it is the same, and it is never in the past.
    """

    value: bytes | None
    strategy_id: str | None
    reason: Reason
    rules: tuple[RuleOutcome, ...]
    changes_at: float | None


def decide(state: FeatureState, context: EvaluationContext, now: datetime) -> Decision:
    """Return the value for ``context`` at the aware instant ``now``. Never raises.

    A retired feature serves nothing.
    """
    if state.retired:
        return Decision(None, None, None)
    rules = rules_of(state).each
    if not rules:
        return Decision(state.value, None, None)
    walk = _Walk(state.id, context, now)
    for rule in rules:
        if walk.test(rule) is Why.MATCHED:
            return Decision(rule.value, rule.id, walk.changes_at)
    return Decision(state.value, None, walk.changes_at)


def evaluate(state: FeatureState, context: EvaluationContext, now: datetime) -> Evaluation:
    """Return what `decide` returns, with the reason and what became of each rule. Never raises."""
    if state.retired:
        return Evaluation(None, None, Reason.DISABLED, (), None)
    rules, fault = rules_of(state)
    if fault is not None:
        return Evaluation(state.value, None, Reason.ERROR, (RuleOutcome("", Why.ERROR, detail=fault),), None)
    walk = _Walk(state.id, context, now)
    outcomes: list[RuleOutcome] = []
    decided: Rule | None = None
    for rule in rules:
        if decided is not None:
            outcomes.append(RuleOutcome(rule.id, Why.NOT_REACHED))
            continue
        why = walk.test(rule)
        outcomes.append(RuleOutcome(rule.id, why, walk.bucket, walk.field, rule.fault, walk.floor))
        if why is Why.MATCHED:
            decided = rule
    if decided is None:
        return Evaluation(state.value, None, Reason.DEFAULT, tuple(outcomes), walk.changes_at)
    reason = Reason.SPLIT if decided.share else Reason.TARGETING_MATCH
    return Evaluation(decided.value, decided.id, reason, tuple(outcomes), walk.changes_at)


def percentage_text(rule: Rule, context: EvaluationContext) -> str | None:
    """Return who the caller is to the share of a rule; None when nobody can say."""
    if not rule.share_attributes:
        return context.percentage_key
    attributes = context.attributes
    return "$".join(value for name in rule.share_attributes for value in attributes.get(name, (_MISSING,)))


class _Walk:
    """One evaluation in progress: numbers known, shares used up, and the next change seen so far.

    ``bucket``, ``floor`` and ``field`` belong to the rule tested last.
    """

    __slots__ = (
        "_bases",
        "_buckets",
        "_change",
        "_context",
        "_feature_id",
        "_moment",
        "_now",
        "bucket",
        "field",
        "floor",
    )

    def __init__(self, feature_id: str, context: EvaluationContext, now: datetime) -> None:
        self._feature_id = feature_id
        self._context = context
        self._moment = now
        self._now: int | None = None
        self._buckets: dict[str, int] = {}
        self._bases: dict[str, int] = {}
        self._change: int | None = None
        self.bucket: int | None = None
        self.field: str | None = None
        self.floor = 0

    @property
    def changes_at(self) -> float | None:
        return None if self._change is None else self._change / SECOND_US

    def test(self, rule: Rule) -> Why:
        """Return what becomes of ``rule``, given all rules tested before."""
        self.bucket = self.field = None
        self.floor = 0
        if rule.fault is not None:
            return Why.ERROR
        if rule.share:
            text = percentage_text(rule, self._context)
            if text is None:
                return Why.NO_PERCENTAGE_KEY
            if not self._within_share(rule, text):
                return Why.OVER_PERCENTAGE
        elif not rule.conditions:
            return Why.NOTHING_TO_MATCH
        return self._conditions(rule.conditions)

    def _within_share(self, rule: Rule, text: str) -> bool:
        """Compare the caller's number with the share.

        Shares without conditions lie side by side, per text; one with conditions begins at zero and
        moves nothing.
        """
        number = self._buckets.get(text)
        if number is None:
            number = self._buckets[text] = bucket(text, self._feature_id)
        self.bucket = number
        if rule.conditions:
            return number <= rule.share
        self.floor = self._bases.get(text, 0)
        end = self.floor + rule.share
        if number <= end:
            return True
        self._bases[text] = end
        return False

    def _conditions(self, conditions: tuple[Condition, ...]) -> Why:
        timed: list[Condition] = []
        for condition in conditions:
            readings = self._context.readings(condition.field, condition.read)
            if readings is None:
                if condition.ticks is not None:
                    timed.append(condition)
                    continue
                holds = condition.absent
            else:
                holds = any(map(condition.holds, readings))
            if not holds:
                self.field = condition.field
                return Why.ATTRIBUTE_MISMATCH
        return self._timed(timed) if timed else Why.MATCHED

    def _timed(self, conditions: list[Condition]) -> Why:
        """Test the conditions on the present, which are all that is left to decide the rule.

        While all hold, the first that stops holding ends it. While some do not, nothing changes before
        the last of those has turned.
        """
        if self._now is None:
            self._now = microseconds(self._moment)
        ends: list[int] = []
        waits: list[int | None] = []
        for condition in conditions:
            ticks = condition.ticks
            if ticks is None:
                continue
            change = ticks.next_change(condition.holds, self._now)
            if not condition.holds(ticks.read(self._now)):
                waits.append(change)
                self.field = self.field or condition.field
            elif change is not None:
                ends.append(change)
        if waits:
            # One that never turns keeps the rule from matching for ever.
            self._may_change_at(None if None in waits else max(each for each in waits if each is not None))
            return Why.ATTRIBUTE_MISMATCH
        self._may_change_at(min(ends, default=None))
        return Why.MATCHED

    def _may_change_at(self, instant: int | None) -> None:
        if instant is not None and (self._change is None or instant < self._change):
            self._change = instant
