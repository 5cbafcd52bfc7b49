"""Values as the management API shows them: alone, by environment, or one feature everywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.api.json_body import parse
from mr.auth.permissions import Grants, Place, in_order
from mr.db.models.features import (
    ApplicationStrategy,
    Feature,
    FeatureGroup,
    FeatureGroupFeature,
    FeatureValue,
    StrategyUse,
)
from mr.db.models.portfolios import Environment
from mr.environment_features.schemas import FeatureEnvironment
from mr.environments import service as environments
from mr.features import schemas
from mr.features.service import feature_type
from mr.features.values import raw, typed_members
from mr.people.schemas import Person, RoleType
from mr.people.service import authors
from mr.service_accounts import service as service_accounts
from mr.service_accounts.schemas import ServiceAccount, ServiceAccountPermission
from mr.strategies.schemas import RolloutStrategyInstance
from mr.strategies.stored import load_strategies


async def show_values(
    session: AsyncSession, environment_ids: Collection[UUID], features: Sequence[Feature]
) -> dict[tuple[UUID, UUID], schemas.FeatureValue]:
    """Return the values that exist, by environment and feature, in a constant number of queries."""
    by_id = {feature.id: feature for feature in features}
    chosen: ColumnElement[bool] = FeatureValue.environment_id.in_(environment_ids)
    if len(by_id) < 1000:
        chosen = chosen & FeatureValue.feature_id.in_(by_id)
    rows = [
        row
        for row in (await session.scalars(select(FeatureValue).where(chosen))).all()
        if row.feature_id in by_id
    ]
    uses = await _uses(session, chosen)
    groups = await _groups(session, environment_ids)
    people = await authors(session, (row.updated_by for row in rows))
    return {
        (row.environment_id, row.feature_id): _show(
            row,
            by_id[row.feature_id],
            uses.get(row.id, []),
            groups.get((row.environment_id, row.feature_id), []),
            None if row.updated_by is None else people.get(row.updated_by),
        )
        for row in rows
    }


def _show(
    row: FeatureValue,
    feature: Feature,
    uses: list[RolloutStrategyInstance],
    groups: list[schemas.ThinGroupRolloutStrategy],
    author: Person | None,
) -> schemas.FeatureValue:
    token = None if row.value is None else row.value.encode()
    members: dict[str, Any] = typed_members(feature_type(feature), token)
    return schemas.FeatureValue(
        id=row.id,
        key=feature.key,
        locked=row.locked,
        retired=row.retired,
        rolloutStrategyInstances=uses,
        rolloutStrategies=[strategy.wire() for strategy in load_strategies(row.strategies)],
        featureGroupStrategies=groups,
        environmentId=row.environment_id,
        version=row.version,
        whoUpdated=author,
        whenUpdated=row.updated_at,
        **members,
    )


async def _uses(
    session: AsyncSession, chosen: ColumnElement[bool]
) -> Mapping[UUID, list[RolloutStrategyInstance]]:
    rows = await session.execute(
        select(StrategyUse, ApplicationStrategy.name)
        .join(FeatureValue, FeatureValue.id == StrategyUse.feature_value_id)
        .join(ApplicationStrategy, ApplicationStrategy.id == StrategyUse.strategy_id)
        .where(chosen)
        .order_by(StrategyUse.sort_order, StrategyUse.strategy_id)
    )
    found: defaultdict[UUID, list[RolloutStrategyInstance]] = defaultdict(list)
    for use, name in rows:
        found[use.feature_value_id].append(
            RolloutStrategyInstance(
                name=name,
                strategyId=use.strategy_id,
                value=raw(None if use.value is None else use.value.encode()),
                disabled=use.disabled,
            )
        )
    return found


async def _groups(
    session: AsyncSession, environment_ids: Collection[UUID]
) -> Mapping[tuple[UUID, UUID], list[schemas.ThinGroupRolloutStrategy]]:
    """Return the feature groups that add a strategy, by environment and feature."""
    rows = await session.execute(
        select(FeatureGroup, FeatureGroupFeature.feature_id, FeatureGroupFeature.value)
        .join(FeatureGroupFeature, FeatureGroupFeature.group_id == FeatureGroup.id)
        .where(
            FeatureGroup.environment_id.in_(environment_ids),
            FeatureGroup.archived_at.is_(None),
            FeatureGroup.strategies != "[]",
        )
        .order_by(FeatureGroup.sort_order, FeatureGroup.id)
    )
    found: defaultdict[tuple[UUID, UUID], list[schemas.ThinGroupRolloutStrategy]] = defaultdict(list)
    for group, feature_id, value in rows:
        for strategy in parse(group.strategies.encode()):
            found[group.environment_id, feature_id].append(
                schemas.ThinGroupRolloutStrategy(
                    name=strategy.get("name") or group.name,
                    value=raw(None if value is None else value.encode()),
                    featureGroupId=group.id,
                )
            )
    return found


async def show_everywhere(
    session: AsyncSession, feature: Feature, place: Place, grants: Grants
) -> list[FeatureEnvironment]:
    """Return a feature in every environment that the caller sees, in order of promotion."""
    listed = [
        each
        for each in await environments.live_environments(session, [place.application_id])
        if grants.roles_in(place, each.id)
    ]
    values = await show_values(session, [each.id for each in listed], [feature])
    permissions = await service_accounts.show_permissions_by_environment(
        session, listed, grants, place.portfolio_id, with_urls=False, with_accounts=True
    )
    shown = await environments.show_environments(session, listed)
    return [
        FeatureEnvironment(
            environment=wire,
            roles=cast("list[RoleType]", in_order(grants.roles_in(place, environment.id))),
            featureValue=values.get((environment.id, feature.id)),
            serviceAccounts=_accounts(permissions.get(environment.id, [])),
        )
        for environment, wire in zip(listed, shown, strict=True)
    ]


def _accounts(permissions: Sequence[ServiceAccountPermission]) -> list[ServiceAccount]:
    """Turn the permissions of one environment around: accounts, each with its permission there."""
    return [
        permission.serviceAccount.model_copy(
            update={
                "permissions": [permission.model_copy(update={"serviceAccount": None})],
                "permsInvalid": None,
            }
        )
        for permission in permissions
        if permission.serviceAccount is not None
    ]


def in_environment(
    environment: Environment, values: Mapping[tuple[UUID, UUID], schemas.FeatureValue]
) -> list[schemas.FeatureValue]:
    """Return one environment's values by key."""
    return sorted(
        (value for (where, _), value in values.items() if where == environment.id),
        key=lambda value: value.key,
    )
