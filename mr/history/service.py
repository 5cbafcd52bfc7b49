"""Read the recorded versions of values, page by page, grouped by feature and environment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.api.json_body import parse
from mr.auth.permissions import Grants, Place
from mr.db.models.features import Feature, FeatureValue, FeatureValueVersion
from mr.db.models.people import Person
from mr.environments.service import live_environments
from mr.features.values import raw
from mr.history import schemas
from mr.people.schemas import AnemicPerson
from mr.people.service import show_anemic
from mr.strategies.schemas import RolloutStrategy
from mr.strategies.stored import load_strategies

DEFAULT_PAGE: Final = 20
LONGEST_PAGE: Final = 100


@dataclass(frozen=True)
class Query:
    """Which versions are wanted; nothing named = all. Versions count only for exactly one feature."""

    keys: Collection[str]
    features: Collection[UUID]
    versions: Collection[int]
    environments: Collection[UUID]
    start: int
    size: int
    newest_first: bool


async def find_history(
    session: AsyncSession, place: Place, grants: Grants, query: Query
) -> schemas.FeatureHistoryList:
    """Return one page of versions, in environments that the caller sees, and how many there are."""
    seen = [
        environment.id
        for environment in await live_environments(session, [place.application_id])
        if grants.roles_in(place, environment.id)
        and (not query.environments or environment.id in query.environments)
    ]
    wanted = _wanted(place, seen, query)
    total = await session.scalar(select(func.count()).select_from(wanted.subquery()))
    version = FeatureValueVersion.version
    rows = await session.execute(
        wanted.order_by(
            version.desc() if query.newest_first else version.asc(), FeatureValueVersion.feature_value_id
        )
        .offset(query.start)
        .limit(min(query.size, LONGEST_PAGE))
    )
    page = rows.all()
    people = await _authors(session, {row.saved_by for row in page if row.saved_by is not None})
    items: dict[UUID, schemas.FeatureHistoryItem] = {}
    for row in page:
        item = items.setdefault(
            row.feature_value_id,
            schemas.FeatureHistoryItem(
                envId=row.environment_id, featureValueId=row.feature_value_id, featureId=row.feature_id
            ),
        )
        item.history.append(_show(row, people))
    return schemas.FeatureHistoryList(max=total or 0, items=list(items.values()))


def _wanted(place: Place, environments: Collection[UUID], query: Query) -> Select[*tuple[Any, ...]]:
    recorded = FeatureValueVersion
    wanted = (
        select(
            FeatureValue.environment_id,
            FeatureValue.feature_id,
            recorded.feature_value_id,
            recorded.version,
            recorded.version_from,
            recorded.saved_at,
            recorded.saved_by,
            recorded.value,
            recorded.locked,
            recorded.retired,
            recorded.strategies,
            recorded.application_strategies,
        )
        .join(FeatureValue, FeatureValue.id == recorded.feature_value_id)
        .join(Feature, Feature.id == FeatureValue.feature_id)
        .where(
            Feature.application_id == place.application_id,
            Feature.archived_at.is_(None),
            FeatureValue.environment_id.in_(environments),
        )
    )
    if query.keys:
        wanted = wanted.where(Feature.key.in_(query.keys))
    elif query.features:
        wanted = wanted.where(Feature.id.in_(query.features))
    if query.versions and len(query.keys or query.features) == 1:
        wanted = wanted.where(recorded.version.in_(query.versions))
    return wanted


async def _authors(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, AnemicPerson]:
    people = await session.scalars(select(Person).where(Person.id.in_(ids)))
    return {person.id: show_anemic(person) for person in people.all()}


def _show(row: Row[*tuple[Any, ...]], people: Mapping[UUID, AnemicPerson]) -> schemas.FeatureHistoryValue:
    custom = [strategy.wire() for strategy in load_strategies(row.strategies)]
    shared = [_used(use) for use in parse(row.application_strategies.encode())]
    return schemas.FeatureHistoryValue(
        version=row.version,
        versionFrom=row.version_from,
        when=row.saved_at,
        who=None if row.saved_by is None else people.get(row.saved_by),
        value=None if row.value is None else raw(row.value.encode()),
        locked=row.locked,
        retired=row.retired,
        rolloutStrategies=[*custom, *shared],
    )


def _used(use: Mapping[str, Any]) -> RolloutStrategy:
    """Show the use of an application's strategy under its short code, as SDKs know it."""
    return RolloutStrategy(
        id=use.get("code"),
        name=use.get("name"),
        value=use.get("value"),
        disabled=bool(use.get("disabled", False)),
    )
