"""Load what a person was given, for the pure rules of `mr.auth.permissions`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.auth.permissions import Grants, Standing
from mr.db.models.portfolios import (
    Application,
    Environment,
    Group,
    GroupApplicationRole,
    GroupEnvironmentRole,
    GroupMember,
)


async def load_grants(session: AsyncSession, person_id: UUID) -> Grants:
    """Return everything the person holds through groups; never fails, a stranger holds nothing."""
    groups = (
        await session.execute(
            select(Group.portfolio_id, Group.admin)
            .join(GroupMember, GroupMember.group_id == Group.id)
            .where(GroupMember.person_id == person_id, Group.archived_at.is_(None))
        )
    ).all()
    superuser = any(admin and portfolio_id is None for portfolio_id, admin in groups)
    if superuser:
        return Grants(person_id, superuser=True)
    environments = await _environment_roles(session, person_id)
    return Grants(
        person_id,
        administers=frozenset(portfolio for portfolio, admin in groups if admin and portfolio),
        member_of=frozenset(portfolio for portfolio, _ in groups if portfolio),
        application_roles=await _application_roles(session, person_id),
        environment_roles=_joined((environment, roles) for environment, roles, _ in environments),
        environment_applications=frozenset(application for _, roles, application in environments if roles),
    )


async def load_standing(session: AsyncSession, person_id: UUID) -> Standing:
    """Return how far somebody's rights reach, for those who would act on them."""
    groups = (
        await session.execute(
            select(Group.portfolio_id, Group.admin)
            .join(GroupMember, GroupMember.group_id == Group.id)
            .where(GroupMember.person_id == person_id, Group.archived_at.is_(None))
        )
    ).all()
    return Standing(
        superuser=any(admin and portfolio_id is None for portfolio_id, admin in groups),
        portfolios=frozenset(portfolio for portfolio, _ in groups if portfolio),
    )


async def _environment_roles(
    session: AsyncSession, person_id: UUID
) -> Sequence[Row[UUID, tuple[str, ...], UUID]]:
    found = await session.execute(
        select(GroupEnvironmentRole.environment_id, GroupEnvironmentRole.roles, Environment.application_id)
        .join(GroupMember, GroupMember.group_id == GroupEnvironmentRole.group_id)
        .join(Group, Group.id == GroupEnvironmentRole.group_id)
        .join(Environment, Environment.id == GroupEnvironmentRole.environment_id)
        .where(
            GroupMember.person_id == person_id,
            Group.archived_at.is_(None),
            Environment.archived_at.is_(None),
        )
    )
    return found.all()


async def _application_roles(session: AsyncSession, person_id: UUID) -> Mapping[UUID, frozenset[str]]:
    found = await session.execute(
        select(GroupApplicationRole.application_id, GroupApplicationRole.roles)
        .join(GroupMember, GroupMember.group_id == GroupApplicationRole.group_id)
        .join(Group, Group.id == GroupApplicationRole.group_id)
        .join(Application, Application.id == GroupApplicationRole.application_id)
        .where(
            GroupMember.person_id == person_id,
            Group.archived_at.is_(None),
            Application.archived_at.is_(None),
        )
    )
    return _joined((application, roles) for application, roles in found.all())


def _joined(rows: Iterable[tuple[UUID, tuple[str, ...]]]) -> Mapping[UUID, frozenset[str]]:
    joined: defaultdict[UUID, frozenset[str]] = defaultdict(frozenset)
    for identity, roles in rows:
        joined[identity] |= frozenset(roles)
    return {identity: roles for identity, roles in joined.items() if roles}
