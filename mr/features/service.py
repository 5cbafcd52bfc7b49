"""Feature definitions: made for all environments of an application at once, edited, put away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from common.contracts.features import FeatureType
from common.errors import BadRequest, NotFound, StaleVersion
from mr.api.models import DASHED_UUID
from mr.db.models.base import utc_now
from mr.db.models.features import (
    Feature,
    FeatureFilter,
    FeatureFilterLink,
    FeatureGroupFeature,
    FeatureValue,
    StrategyUse,
)
from mr.db.models.portfolios import Application, Environment
from mr.db.projection import Touched, project
from mr.db.session import WriteSession
from mr.environments.versions import raise_versions
from mr.features import schemas
from mr.features.values import fitting_value
from mr.strategies.stored import dump_strategies, load_strategies


class MissingMember(BadRequest):
    code = "missing-member"


def feature_type(feature: Feature) -> FeatureType:
    """The feature's type, as the contract spells it."""
    return feature.value_type


def ids_in(application_id: UUID) -> Select[UUID]:
    """Select the ids of an application's features that were not put away."""
    return select(Feature.id).where(Feature.application_id == application_id, Feature.archived_at.is_(None))


async def live_features(session: AsyncSession, application_ids: Collection[UUID]) -> Sequence[Feature]:
    """Return the features of several applications by key."""
    found = await session.scalars(
        select(Feature)
        .where(Feature.application_id.in_(application_ids), Feature.archived_at.is_(None))
        .order_by(Feature.key)
    )
    return found.all()


async def get_feature(session: AsyncSession, application_id: UUID, key: str) -> Feature:
    """Return a feature by its key, or by its id when no key is spelled like that. Raises NotFound."""
    live = select(Feature).where(Feature.application_id == application_id, Feature.archived_at.is_(None))
    feature = await session.scalar(live.where(Feature.key == key))
    if feature is None and DASHED_UUID.fullmatch(key):
        feature = await session.scalar(live.where(Feature.id == UUID(key)))
    if feature is None:
        raise NotFound
    return feature


async def create_feature(
    session: WriteSession, application: Application, wanted: schemas.CreateFeature, *, author: UUID
) -> Feature:
    """Make a feature; a BOOLEAN gets a value, locked and false, everywhere. The application is locked.

    Raises Taken for a key in use.
    """
    feature = Feature(
        application_id=application.id,
        key=wanted.key,
        name=wanted.name,
        alias=wanted.alias,
        link=wanted.link,
        description=wanted.description,
        meta_data=wanted.metaData,
        value_type=wanted.valueType,
        secret=bool(wanted.secret),
        created_by=author,
        updated_by=author,
    )
    session.add(feature)
    await session.flush()
    if wanted.featureFilter:
        await _set_filters(session, application, feature, wanted.featureFilter)
    await raise_versions(session, application.id)
    saved = await _add_boolean_rows(session, feature) if feature.value_type == "BOOLEAN" else set()
    await project(session, application.id, Touched(features={feature.id}, saved=saved), author=author)
    return feature


async def _add_boolean_rows(session: WriteSession, feature: Feature) -> set[tuple[UUID, UUID]]:
    """Give a BOOLEAN feature a value wherever it has none."""
    present = select(FeatureValue.environment_id).where(FeatureValue.feature_id == feature.id)
    missing = (
        await session.scalars(
            select(Environment.id).where(
                Environment.application_id == feature.application_id,
                Environment.archived_at.is_(None),
                Environment.id.not_in(present),
            )
        )
    ).all()
    for environment_id in missing:
        session.add(_boolean_row(feature.id, environment_id))
    await session.flush()
    return {(environment_id, feature.id) for environment_id in missing}


def _boolean_row(feature_id: UUID, environment_id: UUID) -> FeatureValue:
    return FeatureValue(feature_id=feature_id, environment_id=environment_id, locked=True, value="false")


async def add_boolean_values(session: WriteSession, environment: Environment) -> set[tuple[UUID, UUID]]:
    """Give every BOOLEAN feature its value in a new environment; return what was saved."""
    booleans = (
        await session.scalars(ids_in(environment.application_id).where(Feature.value_type == "BOOLEAN"))
    ).all()
    for feature_id in booleans:
        session.add(_boolean_row(feature_id, environment.id))
    await session.flush()
    return {(environment.id, feature_id) for feature_id in booleans}


async def update_feature(
    session: WriteSession,
    application: Application,
    feature: Feature,
    wanted: schemas.Feature,
    *,
    may_rename: bool,
    author: UUID,
) -> None:
    """Overwrite the definition; link, metadata and description stay when not given.

    Raises StaleVersion, and Taken for a key in use. The application is locked.
    """
    if wanted.version is None or wanted.version != feature.version:
        raise StaleVersion
    if wanted.key is None or wanted.valueType is None:
        raise MissingMember("A feature has a key and a valueType.")
    if may_rename:
        feature.key = wanted.key
    feature.name = wanted.name
    feature.alias = wanted.alias
    feature.secret = bool(wanted.secret)
    feature.link = feature.link if wanted.link is None else wanted.link
    feature.meta_data = feature.meta_data if wanted.metaData is None else wanted.metaData
    feature.description = feature.description if wanted.description is None else wanted.description
    feature.version += 1
    feature.updated_by = author
    retyped = wanted.valueType != feature.value_type
    feature.value_type = wanted.valueType
    await session.flush()
    saved = await _retype(session, feature) if retyped else set()
    if wanted.featureFilter is not None:
        await _set_filters(session, application, feature, wanted.featureFilter)
    await project(session, application.id, Touched(features={feature.id}, saved=saved), author=author)


async def _retype(session: WriteSession, feature: Feature) -> set[tuple[UUID, UUID]]:
    """Make every stored value fit the feature's new type; what means nothing there is lost."""
    kind = feature_type(feature)
    rows = (await session.scalars(select(FeatureValue).where(FeatureValue.feature_id == feature.id))).all()
    for row in rows:
        row.value = _fitting(kind, row.value)
        row.strategies = dump_strategies(
            strategy.retyped(kind) for strategy in load_strategies(row.strategies)
        )
    uses = await session.scalars(
        select(StrategyUse).where(StrategyUse.feature_value_id.in_([row.id for row in rows]))
    )
    for use in uses.all():
        use.value = _fitting(kind, use.value)
    grouped = await session.scalars(
        select(FeatureGroupFeature).where(FeatureGroupFeature.feature_id == feature.id)
    )
    for member in grouped.all():
        member.value = _fitting(kind, member.value)
    await session.flush()
    saved = {(row.environment_id, feature.id) for row in rows}
    return saved | await _add_boolean_rows(session, feature) if kind == "BOOLEAN" else saved


def _fitting(kind: FeatureType, value: str | None) -> str | None:
    token = fitting_value(kind, None if value is None else value.encode())
    return None if token is None else token.decode()


async def _set_filters(
    session: WriteSession, application: Application, feature: Feature, wanted: Collection[UUID]
) -> None:
    await session.execute(delete(FeatureFilterLink).where(FeatureFilterLink.feature_id == feature.id))
    found = await session.scalars(
        select(FeatureFilter.id).where(
            FeatureFilter.portfolio_id == application.portfolio_id, FeatureFilter.id.in_(list(wanted))
        )
    )
    for filter_id in found.all():
        session.add(FeatureFilterLink(feature_id=feature.id, filter_id=filter_id))
    await session.flush()


async def archive_feature(session: WriteSession, feature: Feature, *, author: UUID) -> None:
    """Put the feature away; it leaves all feature groups. The application is locked."""
    feature.archived_at = utc_now()
    feature.updated_by = author
    await session.flush()
    await session.execute(delete(FeatureGroupFeature).where(FeatureGroupFeature.feature_id == feature.id))
    await project(session, feature.application_id, Touched(features={feature.id}), author=author)


async def archive_all(session: WriteSession, application_id: UUID, moment: datetime) -> None:
    """Put away every feature of an application that is put away; the caller projects."""
    ids = list(await session.scalars(ids_in(application_id)))
    await session.execute(update(Feature).where(Feature.id.in_(ids)).values(archived_at=moment))
    await session.execute(delete(FeatureGroupFeature).where(FeatureGroupFeature.feature_id.in_(ids)))


def show_feature(
    feature: Feature, *, meta_data: bool = False, filters: list[UUID] | None = None
) -> schemas.Feature:
    """Return the wire form; metadata and filters only where they were asked for."""
    return schemas.Feature(
        id=feature.id,
        key=feature.key,
        alias=feature.alias,
        link=feature.link,
        name=feature.name,
        valueType=feature_type(feature),
        version=feature.version,
        whenArchived=feature.archived_at,
        secret=feature.secret,
        description=feature.description,
        metaData=feature.meta_data if meta_data else None,
        featureFilter=filters,
    )


async def show_all(
    session: AsyncSession, application_id: UUID, *, meta_data: bool, filters: bool = False
) -> list[schemas.Feature]:
    """Return the application's features by key."""
    features = await live_features(session, [application_id])
    linked = await filters_of(session, [each.id for each in features]) if filters else None
    return [
        show_feature(
            feature,
            meta_data=meta_data,
            filters=None if linked is None else linked.get(feature.id, []),
        )
        for feature in features
    ]


async def filters_of(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, list[UUID]]:
    """Return the filters on features, by feature."""
    rows = await session.execute(
        select(FeatureFilterLink.feature_id, FeatureFilterLink.filter_id)
        .where(FeatureFilterLink.feature_id.in_(ids))
        .order_by(FeatureFilterLink.filter_id)
    )
    found: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for feature_id, filter_id in rows:
        found[feature_id].append(filter_id)
    return found


async def show_features_of(
    session: AsyncSession, application_ids: Iterable[UUID]
) -> Mapping[UUID, list[schemas.Feature]]:
    """Return the features of several applications, by application."""
    found: defaultdict[UUID, list[schemas.Feature]] = defaultdict(list)
    for feature in await live_features(session, list(application_ids)):
        found[feature.application_id].append(show_feature(feature))
    return found
