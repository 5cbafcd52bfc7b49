"""What an application holds, and what the caller may do in it."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.applications import schemas
from mr.auth.permissions import Grants, Place, application_roles_in_order, in_order
from mr.db.models.features import Feature
from mr.db.models.portfolios import Environment, Group, GroupEnvironmentRole
from mr.db.models.service_accounts import ServiceAccount, ServiceAccountPermission
from mr.environments.service import live_environments
from mr.people.schemas import ApplicationRoleType, RoleType


async def summarize(session: AsyncSession, application_id: UUID) -> schemas.ApplicationSummary:
    """Count features and environments, and say whether any group and any account has rights there."""
    environments = select(Environment.id).where(
        Environment.application_id == application_id, Environment.archived_at.is_(None)
    )
    features = select(Feature.id).where(
        Feature.application_id == application_id, Feature.archived_at.is_(None)
    )
    groups = (
        select(GroupEnvironmentRole.group_id)
        .join(Group, Group.id == GroupEnvironmentRole.group_id)
        .where(
            GroupEnvironmentRole.environment_id.in_(environments),
            GroupEnvironmentRole.roles != (),
            Group.archived_at.is_(None),
        )
    )
    accounts = (
        select(ServiceAccountPermission.account_id)
        .join(ServiceAccount, ServiceAccount.id == ServiceAccountPermission.account_id)
        .where(
            ServiceAccountPermission.environment_id.in_(environments),
            ServiceAccountPermission.roles != (),
            ServiceAccount.archived_at.is_(None),
        )
    )
    return schemas.ApplicationSummary(
        groupsHavePermission=await _count(session, groups) > 0,
        serviceAccountsHavePermission=await _count(session, accounts) > 0,
        featureCount=await _count(session, features),
        environmentCount=await _count(session, environments),
    )


async def _count(session: AsyncSession, rows: Select[UUID]) -> int:
    return await session.scalar(select(func.count()).select_from(rows.subquery())) or 0


async def permissions_in(
    session: AsyncSession, grants: Grants, place: Place
) -> schemas.ApplicationPermissions:
    """Return the caller's roles in the application and in each environment, in order of promotion."""
    environments = await live_environments(session, [place.application_id])
    return schemas.ApplicationPermissions(
        applicationRoles=cast(
            "list[ApplicationRoleType]", application_roles_in_order(grants.application_roles_in(place))
        ),
        environments=[
            schemas.EnvironmentPermission(
                id=environment.id,
                name=environment.name,
                roles=cast("list[RoleType]", in_order(grants.roles_in(place, environment.id))),
            )
            for environment in environments
        ],
    )
