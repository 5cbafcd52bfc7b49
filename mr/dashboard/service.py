"""Load one page of an application's table in a constant number of statements, and encode it.

A page may hold tens of thousands of values, so rows come in portions and are turned into JSON without a
wire model each; `mr.dashboard.schemas` says what comes out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.contracts.features import FeatureType
from mr.api.json_body import encode, parse
from mr.auth.permissions import Grants, Place, in_order
from mr.db.models.features import (
    ApplicationStrategy,
    Feature,
    FeatureFilterLink,
    FeatureGroup,
    FeatureGroupFeature,
    FeatureValue,
    StrategyUse,
)
from mr.db.models.portfolios import Environment
from mr.environments.service import live_environments
from mr.features.service import show_feature
from mr.features.values import raw, typed_members
from mr.people.schemas import SortOrder
from mr.people.service import authors

LONGEST_PAGE: Final = 10_000
_PORTION: Final = 500

Pair = tuple[UUID, UUID]


@dataclass(frozen=True)
class Query:
    """Which features and environments are wanted; nothing named = all."""

    containing: str | None
    types: Collection[FeatureType]
    filters: Collection[UUID]
    environments: Collection[UUID]
    order: SortOrder | None
    page: int
    size: int


@dataclass(frozen=True)
class Table:
    """Everything that `encode_table` needs; holds no session."""

    application_id: UUID
    features: Sequence[Feature]
    environments: Sequence[tuple[Environment, Sequence[str]]]
    values: Mapping[UUID, Sequence[Row[*tuple[Any, ...]]]]
    uses: Mapping[UUID, Sequence[Mapping[str, Any]]]
    groups: Mapping[Pair, Sequence[Mapping[str, Any]]]
    people: Mapping[UUID, bytes]
    total: int


async def load_table(session: AsyncSession, place: Place, grants: Grants, query: Query) -> Table:
    """Read the page. Environments in which the caller has no role come without roles and values."""
    features, total = await _features(session, place.application_id, query)
    environments = [
        (environment, in_order(grants.roles_in(place, environment.id)))
        for environment in await live_environments(session, [place.application_id])
        if not query.environments or environment.id in query.environments
    ]
    readable = [each.id for each, roles in environments if roles]
    chosen: ColumnElement[bool] = FeatureValue.environment_id.in_(readable)
    if total > len(features):
        chosen = chosen & FeatureValue.feature_id.in_([feature.id for feature in features])
    values = await _values(session, chosen)
    people = await authors(session, {row.updated_by for rows in values.values() for row in rows})
    return Table(
        application_id=place.application_id,
        features=features,
        environments=environments,
        values=values,
        uses=await _uses(session, chosen),
        groups=await _groups(session, readable),
        people={identity: encode(person) for identity, person in people.items()},
        total=total,
    )


async def _features(
    session: AsyncSession, application_id: UUID, query: Query
) -> tuple[Sequence[Feature], int]:
    wanted = select(Feature).where(Feature.application_id == application_id, Feature.archived_at.is_(None))
    if query.containing:
        text = query.containing.lower()
        wanted = wanted.where(
            or_(
                func.lower(Feature.key).contains(text, autoescape=True),
                func.lower(Feature.name).contains(text, autoescape=True),
            )
        )
    if query.types:
        wanted = wanted.where(Feature.value_type.in_(query.types))
    if query.filters:
        linked = select(FeatureFilterLink.feature_id).where(FeatureFilterLink.filter_id.in_(query.filters))
        wanted = wanted.where(Feature.id.in_(linked))
    total = await session.scalar(select(func.count()).select_from(wanted.subquery()))
    key = Feature.key.desc() if query.order == "DESC" else Feature.key.asc()
    page = await session.scalars(wanted.order_by(key).offset(query.page * query.size).limit(query.size))
    return page.all(), total or 0


async def _values(
    session: AsyncSession, chosen: ColumnElement[bool]
) -> Mapping[UUID, Sequence[Row[*tuple[Any, ...]]]]:
    columns = (
        FeatureValue.id,
        FeatureValue.feature_id,
        FeatureValue.environment_id,
        FeatureValue.locked,
        FeatureValue.retired,
        FeatureValue.value,
        FeatureValue.strategies,
        FeatureValue.version,
        FeatureValue.updated_at,
        FeatureValue.updated_by,
    )
    found: defaultdict[UUID, list[Row[*tuple[Any, ...]]]] = defaultdict(list)
    rows = await session.stream(select(*columns).where(chosen))
    async for portion in rows.partitions(_PORTION):
        for row in portion:
            found[row.environment_id].append(row)
    return found


async def _uses(
    session: AsyncSession, chosen: ColumnElement[bool]
) -> Mapping[UUID, Sequence[Mapping[str, Any]]]:
    rows = await session.stream(
        select(
            StrategyUse.feature_value_id,
            StrategyUse.strategy_id,
            StrategyUse.value,
            StrategyUse.disabled,
            ApplicationStrategy.name,
        )
        .join(FeatureValue, FeatureValue.id == StrategyUse.feature_value_id)
        .join(ApplicationStrategy, ApplicationStrategy.id == StrategyUse.strategy_id)
        .where(chosen)
        .order_by(StrategyUse.sort_order, StrategyUse.strategy_id)
    )
    found: defaultdict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    async for portion in rows.partitions(_PORTION):
        for row in portion:
            shown = {"name": row.name, "strategyId": row.strategy_id, "disabled": row.disabled}
            found[row.feature_value_id].append(shown | _value(row.value))
    return found


async def _groups(
    session: AsyncSession, environment_ids: Collection[UUID]
) -> Mapping[Pair, Sequence[Mapping[str, Any]]]:
    """Return the feature groups that add a strategy, by environment and feature."""
    rows = await session.execute(
        select(
            FeatureGroup.id,
            FeatureGroup.environment_id,
            FeatureGroup.name,
            FeatureGroup.strategies,
            FeatureGroupFeature.feature_id,
            FeatureGroupFeature.value,
        )
        .join(FeatureGroupFeature, FeatureGroupFeature.group_id == FeatureGroup.id)
        .where(
            FeatureGroup.environment_id.in_(environment_ids),
            FeatureGroup.archived_at.is_(None),
            FeatureGroup.strategies != "[]",
        )
        .order_by(FeatureGroup.sort_order, FeatureGroup.id)
    )
    found: defaultdict[Pair, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        for strategy in parse(row.strategies.encode()):
            shown = {"name": strategy.get("name") or row.name, "featureGroupId": row.id}
            found[row.environment_id, row.feature_id].append(shown | _value(row.value))
    return found


def _value(token: str | None) -> dict[str, Any]:
    return {} if token is None else {"value": raw(token.encode())}


def encode_table(table: Table) -> bytes:
    """Encode the page; takes long for big ones, so it may run in a thread."""
    by_id = {feature.id: feature for feature in table.features}
    return encode(
        {
            "applicationId": table.application_id,
            "features": [show_feature(feature) for feature in table.features],
            "environments": [
                _environment(table, by_id, environment, roles) for environment, roles in table.environments
            ],
            "maxFeatures": table.total,
        }
    )


def _environment(
    table: Table, features: Mapping[UUID, Feature], environment: Environment, roles: Sequence[str]
) -> dict[str, Any]:
    rows = [row for row in table.values.get(environment.id, ()) if row.feature_id in features]
    rows.sort(key=lambda row: features[row.feature_id].key)
    shown = {
        "environmentId": environment.id,
        "environmentName": environment.name,
        "features": [_feature_value(table, features[row.feature_id], row) for row in rows],
        "roles": roles,
    }
    if environment.prior_environment_id is not None:
        shown["priorEnvironmentId"] = environment.prior_environment_id
    return shown


def _feature_value(table: Table, feature: Feature, row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    token = None if row.value is None else row.value.encode()
    shown = {
        "id": row.id,
        "key": feature.key,
        "locked": row.locked,
        "retired": row.retired,
        "rolloutStrategyInstances": table.uses.get(row.id, ()),
        # Stored as the contract spells it, so it leaves as it is.
        "rolloutStrategies": msgspec.Raw(row.strategies.encode()),
        "sharedRolloutStrategies": (),
        "featureGroupStrategies": table.groups.get((row.environment_id, row.feature_id), ()),
        "environmentId": row.environment_id,
        "version": row.version,
        "whenUpdated": row.updated_at,
    } | typed_members(feature.value_type, token)
    author = None if row.updated_by is None else table.people.get(row.updated_by)
    if author is not None:
        shown["whoUpdated"] = msgspec.Raw(author)
    return shown
