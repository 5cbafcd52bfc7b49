"""Evaluate what one environment delivers for one context, and say why: by the code that Edge uses.

What was loaded is evaluated outside of any session, and of the loop: thousands of features take a while.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from common.contracts.features import FeatureState
from common.errors import NotFound
from common.evaluation.context import EvaluationContext
from common.evaluation.evaluate import Why
from common.evaluation.explain import ConditionOutcome, ExplainedRule, Explanation, explain
from mr.auth.permissions import Grants
from mr.db.snapshots import load_snapshot
from mr.environments.service import find_environment
from mr.evaluation.named import Named, NamedRule, load_named
from mr.evaluation.schemas import (
    EvaluatedCondition,
    EvaluatedFeature,
    EvaluatedRule,
    EvaluatedShare,
    EvaluationAnswer,
    EvaluationRequest,
)
from mr.features.values import raw


@dataclass(frozen=True)
class Loaded:
    """What an environment delivers, and what people call it."""

    states: tuple[FeatureState, ...]
    named: Named


async def load_environment(
    session: AsyncSession, grants: Grants, environment_id: UUID, keys: Collection[str]
) -> Loaded:
    """Read the features (those of these keys, or all), for whoever may read the environment.

    Raises NotFound.
    """
    found = await find_environment(session, environment_id)
    if found is None or not grants.roles_in(found[1], environment_id):
        raise NotFound
    snapshot, _ = await load_snapshot(session, environment_id)
    if snapshot is None:
        raise NotFound
    states = (state for state in snapshot.features.values() if not keys or state.key in keys)
    named = await load_named(session, found[1].application_id, environment_id)
    return Loaded(tuple(sorted(states, key=lambda state: state.key)), named)


def context_of(asked: EvaluationRequest) -> EvaluationContext:
    """Put together who asks: the header, what is given beside it, and the user's key."""
    lines = [] if asked.header is None else [_without_name(asked.header)]
    attributes = dict(EvaluationContext.parse(lines, ampersand=asked.ampersand).attributes)
    attributes.update({name: tuple(values) for name, values in asked.attributes.items()})
    if asked.userKey is not None:
        attributes["userkey"] = (asked.userKey,)
    return EvaluationContext(attributes)


def _without_name(header: str) -> str:
    """A whole line may be pasted, with the header's name in front."""
    name, colon, rest = header.strip().partition(":")
    return rest.strip() if colon and name.strip().lower() == "x-featurehub" else header.strip()


def evaluate_all(asked: EvaluationRequest, loaded: Loaded) -> EvaluationAnswer:
    """Say what each feature is for who asks, and why. Does no I/O."""
    context = context_of(asked)
    at = asked.at or datetime.now(UTC)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return EvaluationAnswer(
        environmentId=asked.environmentId,
        at=at,
        attributes={name: list(values) for name, values in sorted(context.attributes.items())},
        features=[_feature(state, explain(state, context, at), loaded.named) for state in loaded.states],
    )


def _feature(state: FeatureState, explained: Explanation, named: Named) -> EvaluatedFeature:
    evaluation = explained.evaluation
    changes_at = evaluation.changes_at
    return EvaluatedFeature(
        id=UUID(state.id),
        key=state.key,
        name=named.features.get(state.id, state.key),
        type=state.type,
        version=state.version,
        locked=state.locked,
        retired=state.retired,
        value=raw(evaluation.value),
        defaultValue=raw(state.value),
        reason=evaluation.reason.value,
        ruleId=evaluation.strategy_id,
        changesAt=None if changes_at is None else datetime.fromtimestamp(changes_at, UTC),
        rules=list(_rules(state, explained, named)),
    )


def _rules(state: FeatureState, explained: Explanation, named: Named) -> Iterator[EvaluatedRule]:
    names = named.of(state.id)
    for each in explained.rules:
        yield _rule(each, names.get(each.outcome.rule_id))
    for off in named.rules[state.id]:
        if off.disabled:
            yield EvaluatedRule(
                id=off.id,
                kind=off.kind,
                name=off.name,
                ownerId=off.owner_id,
                ownerName=off.owner_name,
                outcome="DISABLED",
            )


def _rule(each: ExplainedRule, known: NamedRule | None) -> EvaluatedRule:
    outcome = each.outcome
    share = None
    if each.share is not None:
        share = EvaluatedShare(
            percentage=each.share.share,
            attributes=list(each.share.attributes),
            text=each.share.text,
            number=outcome.bucket,
            floor=each.share.floor,
            end=each.share.end,
        )
    return EvaluatedRule(
        id=outcome.rule_id,
        kind="unknown" if known is None else known.kind,
        name=None if known is None else known.name,
        ownerId=None if known is None else known.owner_id,
        ownerName=None if known is None else known.owner_name,
        outcome=_OUTCOMES[outcome.why],
        field=outcome.field,
        fault=outcome.detail,
        value=raw(each.value),
        share=share,
        conditions=[_condition(condition) for condition in each.conditions],
    )


def _shown(value: Any) -> Any:
    # Numbers of a rule are kept as they were written.
    return msgspec.Raw(str(value).encode()) if isinstance(value, Decimal) else value


_OUTCOMES: Any = {why: why.value for why in Why}


def _condition(condition: ConditionOutcome) -> EvaluatedCondition:
    attribute = condition.attribute
    return EvaluatedCondition(
        fieldName=attribute.field_name,
        conditional=attribute.conditional,
        type=attribute.type,
        values=[_shown(value) for value in attribute.values or ()],
        given=None if condition.given is None else list(condition.given),
        present=condition.present,
        holds=condition.holds,
        fault=condition.fault,
    )
