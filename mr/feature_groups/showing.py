"""Feature groups as the management API shows them, in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.db.models.features import Feature, FeatureGroup, FeatureGroupFeature, FeatureValue
from mr.db.models.portfolios import Environment
from mr.feature_groups import schemas
from mr.feature_groups.stored import load_strategies
from mr.features.service import feature_type, live_features
from mr.features.values import fitting_value, raw
from mr.people.schemas import SortOrder

DEFAULT_PAGE: Final = 20
LONGEST_PAGE: Final = 100


@dataclass(frozen=True)
class Query:
    """Which groups are wanted, of those environments alone."""

    environments: Collection[UUID]
    containing: str | None
    order: SortOrder | None
    page: int
    size: int


async def find_groups(
    session: AsyncSession, query: Query
) -> tuple[list[tuple[FeatureGroup, Environment]], int]:
    """Return one page of groups and how many there are in all: in their order, or by name when asked."""
    wanted = (
        select(FeatureGroup, Environment)
        .join(Environment, Environment.id == FeatureGroup.environment_id)
        .where(
            FeatureGroup.environment_id.in_(query.environments),
            FeatureGroup.archived_at.is_(None),
        )
    )
    name = func.lower(FeatureGroup.name)
    if query.containing:
        wanted = wanted.where(name.contains(query.containing.lower(), autoescape=True))
    total = await session.scalar(wanted.with_only_columns(func.count()))
    if query.order is None:
        ordered = wanted.order_by(
            Environment.created_at, Environment.id, FeatureGroup.sort_order, FeatureGroup.id
        )
    else:
        ordered = wanted.order_by(name.desc() if query.order == "DESC" else name.asc(), FeatureGroup.id)
    rows = await session.execute(ordered.offset(query.page * query.size).limit(query.size))
    return [(group, environment) for group, environment in rows], total or 0


async def show_listed(
    session: AsyncSession, listed: Sequence[tuple[FeatureGroup, Environment]]
) -> list[schemas.FeatureGroupListGroup]:
    """Return the short wire forms in the order given."""
    keys = await _keys(session, [group.id for group, _ in listed])
    return [
        schemas.FeatureGroupListGroup(
            id=group.id,
            order=group.sort_order,
            name=group.name,
            description=group.description,
            environmentName=environment.name,
            environmentId=environment.id,
            version=group.version,
            hasStrategy=group.strategies != "[]",
            features=[schemas.FeatureGroupListFeature(key=key) for key in keys.get(group.id, ())],
        )
        for group, environment in listed
    ]


async def _keys(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, Sequence[str]]:
    rows = await session.execute(
        select(FeatureGroupFeature.group_id, Feature.key)
        .join(Feature, Feature.id == FeatureGroupFeature.feature_id)
        .where(FeatureGroupFeature.group_id.in_(ids), Feature.archived_at.is_(None))
        .order_by(Feature.key)
    )
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    for group_id, key in rows:
        found[group_id].append(key)
    return found


async def show_group(
    session: AsyncSession, group: FeatureGroup, environment: Environment
) -> schemas.FeatureGroup:
    """Return the full wire form, its features by key."""
    rows = await session.execute(
        select(Feature, FeatureGroupFeature.value, FeatureValue.locked)
        .join(FeatureGroupFeature, FeatureGroupFeature.feature_id == Feature.id)
        .outerjoin(
            FeatureValue,
            (FeatureValue.feature_id == Feature.id) & (FeatureValue.environment_id == environment.id),
        )
        .where(FeatureGroupFeature.group_id == group.id, Feature.archived_at.is_(None))
        .order_by(Feature.key)
    )
    return schemas.FeatureGroup(
        id=group.id,
        name=group.name,
        order=group.sort_order,
        description=group.description,
        version=group.version,
        environmentId=environment.id,
        environmentName=environment.name,
        disabled=group.disabled,
        features=[_show_feature(feature, value, locked=bool(locked)) for feature, value, locked in rows],
        strategies=load_strategies(group.strategies),
    )


async def show_candidates(
    session: AsyncSession, environment: Environment
) -> list[schemas.FeatureGroupFeature]:
    """Return every feature that could be in a group of the environment, with its value there, by key."""
    rows = await session.execute(
        select(FeatureValue.feature_id, FeatureValue.value, FeatureValue.locked).where(
            FeatureValue.environment_id == environment.id
        )
    )
    held = {feature_id: (value, locked) for feature_id, value, locked in rows}
    shown = []
    for feature in await live_features(session, [environment.application_id]):
        value, locked = held.get(feature.id, (None, False))
        shown.append(_show_feature(feature, value, locked=locked))
    return shown


def _show_feature(feature: Feature, value: str | None, *, locked: bool) -> schemas.FeatureGroupFeature:
    kind = feature_type(feature)
    return schemas.FeatureGroupFeature(
        id=feature.id,
        name=feature.name,
        key=feature.key,
        value=raw(fitting_value(kind, None if value is None else value.encode())),
        type=kind,
        locked=locked,
    )
