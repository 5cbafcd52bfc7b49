"""Groups: made with their portfolio, and the roles that they give in applications and environments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, cast
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mr.auth.permissions import FEATURE_CREATE, FEATURE_EDIT_AND_DELETE, in_order, with_read
from mr.db.models.people import Organization
from mr.db.models.portfolios import (
    Group,
    GroupApplicationRole,
    GroupEnvironmentRole,
    GroupMember,
    Portfolio,
)
from mr.db.session import WriteSession
from mr.people import schemas
from mr.people.service import show_group

SUPERUSERS_NAME: Final = "org_admin"


async def create_superusers(session: WriteSession, organization: Organization) -> Group:
    """Make the group whose members may do everything."""
    group = Group(organization_id=organization.id, name=SUPERUSERS_NAME, admin=True)
    session.add(group)
    await session.flush()
    return group


async def create_administrators(
    session: WriteSession, portfolio: Portfolio, *, suffix: str, author: UUID
) -> Group:
    """Make a portfolio's group of administrators; all superusers are in it from the start."""
    group = Group(
        organization_id=portfolio.organization_id,
        portfolio_id=portfolio.id,
        name=administrators_name(portfolio.name, suffix),
        admin=True,
        created_by=author,
        updated_by=author,
    )
    session.add(group)
    await session.flush()
    for person_id in await superuser_ids(session):
        session.add(GroupMember(group_id=group.id, person_id=person_id))
    await session.flush()
    return group


def administrators_name(portfolio_name: str, suffix: str) -> str:
    """The name of a portfolio's group of administrators; it follows the portfolio's."""
    return f"{portfolio_name} {suffix}"


async def superuser_ids(session: AsyncSession) -> list[UUID]:
    """Return who is in the superusers' group."""
    found = await session.scalars(
        select(GroupMember.person_id)
        .join(Group, Group.id == GroupMember.group_id)
        .where(Group.portfolio_id.is_(None), Group.admin, Group.archived_at.is_(None))
        .order_by(GroupMember.person_id)
    )
    return list(found)


async def administrators_of(session: AsyncSession, portfolio_id: UUID) -> Group | None:
    """Return the portfolio's group of administrators."""
    found: Group | None = await session.scalar(
        select(Group).where(Group.portfolio_id == portfolio_id, Group.admin, Group.archived_at.is_(None))
    )
    return found


async def grant_new_application(session: WriteSession, portfolio_id: UUID, application_id: UUID) -> None:
    """Let the portfolio's administrators create and edit features in a new application."""
    group = await administrators_of(session, portfolio_id)
    if group is not None:
        session.add(
            GroupApplicationRole(
                group_id=group.id,
                application_id=application_id,
                roles=(FEATURE_CREATE, FEATURE_EDIT_AND_DELETE),
            )
        )
        await session.flush()


async def archive_groups(session: WriteSession, portfolio: Portfolio) -> None:
    """Put away all groups of a portfolio that is put away."""
    await session.execute(
        update(Group)
        .where(Group.portfolio_id == portfolio.id, Group.archived_at.is_(None))
        .values(archived_at=portfolio.archived_at)
    )


async def show_groups_of(
    session: AsyncSession, portfolio_ids: Iterable[UUID]
) -> Mapping[UUID, list[schemas.Group]]:
    """Return the groups of several portfolios, without members, by portfolio."""
    groups = (
        await session.scalars(
            select(Group)
            .where(Group.portfolio_id.in_(list(portfolio_ids)), Group.archived_at.is_(None))
            .order_by(Group.name, Group.id)
        )
    ).all()
    found: defaultdict[UUID, list[schemas.Group]] = defaultdict(list)
    for group in groups:
        if group.portfolio_id is not None:
            found[group.portfolio_id].append(show_group(group))
    return found


async def show_environment_roles(
    session: AsyncSession, environment_ids: Iterable[UUID]
) -> Mapping[UUID, list[schemas.EnvironmentGroupRole]]:
    """Return what groups may do in environments, by environment."""
    rows = await session.scalars(
        select(GroupEnvironmentRole)
        .join(Group, Group.id == GroupEnvironmentRole.group_id)
        .where(GroupEnvironmentRole.environment_id.in_(list(environment_ids)), Group.archived_at.is_(None))
        .order_by(Group.name, Group.id)
    )
    found: defaultdict[UUID, list[schemas.EnvironmentGroupRole]] = defaultdict(list)
    for row in rows:
        found[row.environment_id].append(
            schemas.EnvironmentGroupRole(
                environmentId=row.environment_id,
                groupId=row.group_id,
                roles=cast("list[schemas.RoleType]", in_order(with_read(row.roles))),
            )
        )
    return found
