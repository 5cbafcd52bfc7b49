"""What people call the rules that SDKs know by short ids: whose they are, and which are switched off.

A constant number of queries for one environment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.db.models.features import (
    ApplicationStrategy,
    Feature,
    FeatureGroup,
    FeatureGroupFeature,
    FeatureValue,
    StrategyUse,
)
from mr.evaluation.schemas import RuleKind
from mr.feature_groups.stored import load_strategies as load_group_strategies
from mr.strategies.stored import load_strategies


class NamedRule(NamedTuple):
    """A rule as people know it."""

    id: str
    kind: RuleKind
    name: str | None
    owner_id: UUID | None
    owner_name: str | None
    disabled: bool


@dataclass
class Named:
    """The features of an environment's application, and all their rules there, in the order of the walk."""

    features: dict[str, str] = field(default_factory=dict)
    rules: defaultdict[str, list[NamedRule]] = field(default_factory=lambda: defaultdict(list))

    def of(self, feature_id: str) -> Mapping[str, NamedRule]:
        """The rules of a feature by their ids; those that are on come first where an id is there twice."""
        ordered: Sequence[NamedRule] = sorted(self.rules[feature_id], key=lambda rule: not rule.disabled)
        return {rule.id: rule for rule in ordered}


async def load_named(session: AsyncSession, application_id: UUID, environment_id: UUID) -> Named:
    """Read the names of an application's features and of their rules in one environment."""
    named = Named()
    features = await session.execute(
        select(Feature.id, Feature.name).where(
            Feature.application_id == application_id, Feature.archived_at.is_(None)
        )
    )
    named.features = {str(identity): name for identity, name in features}
    await _custom(session, environment_id, named)
    await _shared(session, environment_id, named)
    await _groups(session, environment_id, named)
    return named


async def _custom(session: AsyncSession, environment_id: UUID, named: Named) -> None:
    rows = await session.execute(
        select(FeatureValue.feature_id, FeatureValue.strategies).where(
            FeatureValue.environment_id == environment_id, FeatureValue.strategies != "[]"
        )
    )
    for feature_id, text in rows:
        for each in load_strategies(text):
            named.rules[str(feature_id)].append(
                NamedRule(each.id, "custom", each.wire().name, None, None, each.disabled)
            )


async def _shared(session: AsyncSession, environment_id: UUID, named: Named) -> None:
    rows = await session.execute(
        select(
            FeatureValue.feature_id,
            StrategyUse.disabled,
            ApplicationStrategy.id,
            ApplicationStrategy.code,
            ApplicationStrategy.name,
            ApplicationStrategy.disabled,
        )
        .join(FeatureValue, FeatureValue.id == StrategyUse.feature_value_id)
        .join(ApplicationStrategy, ApplicationStrategy.id == StrategyUse.strategy_id)
        .where(FeatureValue.environment_id == environment_id, ApplicationStrategy.archived_at.is_(None))
        .order_by(StrategyUse.feature_value_id, StrategyUse.sort_order, ApplicationStrategy.id)
    )
    for feature_id, unused, identity, code, name, disabled in rows:
        named.rules[str(feature_id)].append(
            NamedRule(code, "application", name, identity, name, unused or disabled)
        )


async def _groups(session: AsyncSession, environment_id: UUID, named: Named) -> None:
    rows = await session.execute(
        select(
            FeatureGroupFeature.feature_id,
            FeatureGroup.id,
            FeatureGroup.name,
            FeatureGroup.disabled,
            FeatureGroup.strategies,
        )
        .join(FeatureGroup, FeatureGroup.id == FeatureGroupFeature.group_id)
        .where(FeatureGroup.environment_id == environment_id, FeatureGroup.archived_at.is_(None))
        .order_by(FeatureGroup.sort_order, FeatureGroup.id)
    )
    for feature_id, identity, name, disabled, text in rows:
        for each in load_group_strategies(text):
            named.rules[str(feature_id)].append(
                NamedRule(each.id or "", "group", each.name, identity, name, disabled or each.disabled)
            )
