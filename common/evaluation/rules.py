"""Strategies made ready: what a state's JSON says, parsed once for every evaluation that follows.

One bad strategy is kept as a rule with a fault, so that the others stay as they were. Must not know
who asks or when.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from common.contracts.features import FeatureState, RolloutStrategy, StrategyAttribute
from common.evaluation.matchers import RuleFault, absent_matcher, matcher
from common.evaluation.times import Ticks


class Condition(NamedTuple):
    """One attribute of a strategy.

    ``ticks``: the present stands in when the context lacks the field. ``absent``: holds without a
    value. At least one value of the context has to satisfy ``holds``.
    """

    field: str
    read: Callable[[str], Any]
    holds: Callable[[Any], bool]
    ticks: Ticks | None
    absent: bool


class Rule(NamedTuple):
    """One strategy. ``share`` 0 = none given. With a ``fault`` it never matches and nothing else counts."""

    id: str
    value: bytes | None
    share: int
    share_attributes: tuple[str, ...]
    conditions: tuple[Condition, ...]
    fault: str | None


class Rules(NamedTuple):
    """All strategies of one state in order. ``fault``: they are no list at all."""

    each: tuple[Rule, ...]
    fault: str | None


_NO_RULES: Final = Rules((), None)
_raw_list = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_strategy = msgspec.json.Decoder(RolloutStrategy, float_hook=Decimal)

UNREADABLE: Final = (msgspec.MsgspecError, ArithmeticError, RecursionError)
"""Beside what msgspec says: an exponent that no decimal can hold, and nesting without end."""


class _Named(msgspec.Struct):
    id: str


_named = msgspec.json.Decoder(_Named)


def rules_of(state: FeatureState) -> Rules:
    """Return the rules of ``state``, made on first use and kept with it. Never raises."""
    if not state.strategies:
        return _NO_RULES
    held: Rules | None = state.compiled
    if held is None:
        held = _rules(state)
        msgspec.structs.force_setattr(state, "compiled", held)
    return held


def compile_rule(strategy: RolloutStrategy) -> Rule:
    """Make one strategy ready; what is wrong with it becomes its ``fault``."""
    value = None if strategy.value is msgspec.UNSET else bytes(strategy.value)
    fault: str | None = None
    conditions: list[Condition] = []
    for attribute in strategy.attributes:
        try:
            conditions.append(compile_condition(attribute))
        except RuleFault as each:
            fault = f"{attribute.field_name}: {each}"
            break
    share = strategy.percentage or 0
    if share < 0:
        fault = "percentage below zero"
    # Conditions on the time come last: they matter, also for the next change, only if the rest holds.
    conditions.sort(key=lambda condition: condition.ticks is not None)
    return Rule(
        id=strategy.id,
        value=None if value == b"null" else value,
        share=share,
        share_attributes=strategy.percentage_attributes,
        conditions=tuple(conditions),
        fault=fault,
    )


def _rules(state: FeatureState) -> Rules:
    try:
        strategies = state.rules
    except UNREADABLE:
        return _one_by_one(state.strategies or b"")
    return Rules(tuple(map(compile_rule, strategies)), None)


def _one_by_one(strategies: bytes) -> Rules:
    try:
        tokens = _raw_list.decode(strategies)
    except UNREADABLE as fault:
        return Rules((), str(fault))
    return Rules(tuple(map(_from_token, tokens)), None)


def _from_token(token: msgspec.Raw) -> Rule:
    try:
        return compile_rule(_strategy.decode(token))
    except UNREADABLE as fault:
        return Rule(_name(token), None, 0, (), (), str(fault) or type(fault).__name__)


def _name(token: msgspec.Raw) -> str:
    try:
        return _named.decode(token).id
    except UNREADABLE:
        return ""


def compile_condition(attribute: StrategyAttribute) -> Condition:
    """Make one condition ready. Raises `RuleFault`."""
    values = attribute.values
    if values is None:
        match = absent_matcher(attribute.type, attribute.conditional)
    else:
        match = matcher(attribute.type, attribute.conditional, values)
    return Condition(
        field=attribute.field_name,
        read=match.read,
        holds=match.holds,
        ticks=match.ticks if attribute.field_name.lower() == "now" else None,
        absent=values is None and attribute.conditional == "EQUALS",
    )
