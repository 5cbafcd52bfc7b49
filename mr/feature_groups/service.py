"""Feature groups: made, edited and put away; whatever SDKs see of that changes in the same transaction.

A value rises in version exactly when what is delivered of it changes, so a group that is switched off
touches nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.contracts.features import FeatureType
from common.errors import AppError, BadRequest, NotFound, Precondition
from mr.db.models.base import utc_now
from mr.db.models.features import Feature, FeatureGroup, FeatureGroupFeature, FeatureValue
from mr.db.models.portfolios import Environment
from mr.db.projection import Touched, project
from mr.db.session import WriteSession
from mr.feature_groups import schemas
from mr.feature_groups.stored import store_strategies
from mr.features.service import feature_type, live_features
from mr.features.values import read_value

_HIGHEST_ORDER: Final = 2**31 - 1
STEP: Final = 10
"""Between the places of groups, so that one can be put between two without moving others."""


class BlankName(BadRequest):
    code = "blank-name"


class RepeatedFeature(BadRequest):
    code = "repeated-feature"


class StaleGroup(Precondition):
    """The caller's copy is older than ours; for groups the contract says 412 where others say 422."""

    code = "stale-feature-group"


class OrderTaken(AppError):
    status = 413
    code = "order-taken"


class EnvironmentArchived(AppError):
    status = 414
    code = "environment-archived"


class GroupArchived(AppError):
    status = 415
    code = "feature-group-archived"


async def get_environment(session: AsyncSession, application_id: UUID, environment_id: UUID) -> Environment:
    """Return an environment of the application that was not put away. Raises NotFound."""
    found: Environment | None = await session.scalar(
        select(Environment).where(
            Environment.id == environment_id,
            Environment.application_id == application_id,
            Environment.archived_at.is_(None),
        )
    )
    if found is None:
        raise NotFound
    return found


async def find_group(
    session: AsyncSession, application_id: UUID, group_id: UUID
) -> tuple[FeatureGroup, Environment]:
    """Return a group of the application with its environment, put away or not. Raises NotFound."""
    row = (
        await session.execute(
            select(FeatureGroup, Environment)
            .join(Environment, Environment.id == FeatureGroup.environment_id)
            .where(FeatureGroup.id == group_id, Environment.application_id == application_id)
        )
    ).first()
    if row is None:
        raise NotFound
    group, environment = row
    return group, environment


async def get_group(
    session: AsyncSession, application_id: UUID, group_id: UUID
) -> tuple[FeatureGroup, Environment]:
    """Return a group that was not put away. Raises NotFound."""
    group, environment = await find_group(session, application_id, group_id)
    if group.archived_at is not None or environment.archived_at is not None:
        raise NotFound
    return group, environment


def _trimmed(name: str) -> str:
    name = name.strip()
    if not name:
        raise BlankName
    return name


async def create_group(
    session: WriteSession, environment: Environment, wanted: schemas.FeatureGroupCreate, *, author: UUID
) -> FeatureGroup:
    """Make a group behind all others of the environment, and deliver it. The application is locked.

    Raises NotFound for a feature of another application, InvalidValue, UnusableStrategy.
    """
    name = _trimmed(wanted.name)
    group = FeatureGroup(
        environment_id=environment.id,
        name=name,
        description=wanted.description,
        sort_order=await _next_order(session, environment.id),
        disabled=wanted.disabled,
        strategies=store_strategies(wanted.strategies or [], group_name=name, before="[]"),
        created_by=author,
        updated_by=author,
    )
    session.add(group)
    await session.flush()
    await _set_features(session, environment, group, wanted.features)
    await _deliver(session, environment, author)
    return group


async def _next_order(session: AsyncSession, environment_id: UUID) -> int:
    highest = await session.scalar(
        select(func.max(FeatureGroup.sort_order)).where(
            FeatureGroup.environment_id == environment_id, FeatureGroup.archived_at.is_(None)
        )
    )
    return min((highest or 0) + STEP, _HIGHEST_ORDER)


async def _deliver(session: WriteSession, environment: Environment, author: UUID) -> None:
    touched = Touched(environments={environment.id})
    await project(session, environment.application_id, touched, author=author)


async def update_group(
    session: WriteSession,
    group: FeatureGroup,
    environment: Environment,
    wanted: schemas.FeatureGroupUpdate,
    *,
    author: UUID,
) -> None:
    """Change what was given, and deliver it. The application is locked.

    Raises EnvironmentArchived, GroupArchived, StaleGroup, OrderTaken; NotFound for a feature of another
    application, InvalidValue, UnusableStrategy.
    """
    if environment.archived_at is not None:
        raise EnvironmentArchived
    if group.archived_at is not None:
        raise GroupArchived
    if wanted.version != group.version:
        raise StaleGroup
    if wanted.order is not None and wanted.order != group.sort_order:
        await _require_free(session, group, wanted.order)
        group.sort_order = wanted.order
    if wanted.name is not None:
        group.name = _trimmed(wanted.name)
    if wanted.description is not None:
        group.description = wanted.description
    if wanted.strategies is not None:
        group.strategies = store_strategies(wanted.strategies, group_name=group.name, before=group.strategies)
    group.version += 1
    group.updated_by = author
    await session.flush()
    if wanted.features is not None:
        await _set_features(session, environment, group, wanted.features)
    await _deliver(session, environment, author)


async def _require_free(session: AsyncSession, group: FeatureGroup, order: int) -> None:
    taken = await session.scalar(
        select(FeatureGroup.id).where(
            FeatureGroup.environment_id == group.environment_id,
            FeatureGroup.archived_at.is_(None),
            FeatureGroup.sort_order == order,
            FeatureGroup.id != group.id,
        )
    )
    if taken is not None:
        raise OrderTaken


async def _set_features(
    session: WriteSession,
    environment: Environment,
    group: FeatureGroup,
    wanted: Sequence[schemas.FeatureGroupUpdateFeature],
) -> None:
    """Make these the group's features; each gets a value row, unlocked, where it has none."""
    features = {each.id: each for each in await live_features(session, [environment.application_id])}
    values = _values(features, wanted)
    held = await session.scalars(select(FeatureGroupFeature).where(FeatureGroupFeature.group_id == group.id))
    members = {member.feature_id: member for member in held.all()}
    for feature_id, member in members.items():
        if feature_id not in values:
            await session.delete(member)
    for feature_id, value in values.items():
        if feature_id in members:
            members[feature_id].value = value
        else:
            session.add(FeatureGroupFeature(group_id=group.id, feature_id=feature_id, value=value))
    await session.flush()
    await _add_rows(session, environment, [features[feature_id] for feature_id in values])


def _values(
    features: Mapping[UUID, Feature], wanted: Sequence[schemas.FeatureGroupUpdateFeature]
) -> dict[UUID, str | None]:
    """Read what each feature is to be served; a BOOLEAN is false unless told otherwise."""
    values: dict[UUID, str | None] = {}
    for each in wanted:
        if each.id in values:
            raise RepeatedFeature
        if each.id not in features:
            raise NotFound("A feature of the list does not exist.")
        kind = feature_type(features[each.id])
        token = read_value(kind, each.value)
        values[each.id] = _nothing(kind) if token is None else token.decode()
    return values


def _nothing(kind: FeatureType) -> str | None:
    return "false" if kind == "BOOLEAN" else None


async def _add_rows(session: WriteSession, environment: Environment, features: Sequence[Feature]) -> None:
    present = set(
        await session.scalars(
            select(FeatureValue.feature_id).where(FeatureValue.environment_id == environment.id)
        )
    )
    for feature in features:
        if feature.id not in present:
            session.add(
                FeatureValue(
                    feature_id=feature.id,
                    environment_id=environment.id,
                    value=_nothing(feature_type(feature)),
                )
            )
    await session.flush()


async def archive_group(
    session: WriteSession, group: FeatureGroup, environment: Environment, *, author: UUID
) -> None:
    """Put the group away; its strategy leaves all values. The application is locked."""
    group.archived_at = utc_now()
    group.updated_by = author
    await session.flush()
    await _deliver(session, environment, author)
