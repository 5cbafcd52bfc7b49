"""Groups: made with their portfolio, and the roles that they give in applications and environments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, Conflict, Forbidden, NotFound, StaleVersion
from mr.auth.permissions import FEATURE_CREATE, FEATURE_EDIT_AND_DELETE, Grants, in_order, with_read
from mr.db.models.base import utc_now
from mr.db.models.people import Organization, Person
from mr.db.models.portfolios import (
    Application,
    Environment,
    Group,
    GroupApplicationRole,
    GroupEnvironmentRole,
    GroupMember,
    Portfolio,
)
from mr.db.session import WriteSession
from mr.groups.schemas import CreateGroup
from mr.people import memberships, schemas
from mr.people.service import show_group

SUPERUSERS_NAME: Final = "org_admin"


class BlankName(BadRequest):
    code = "blank-name"


class SecondAdministrators(NotFound):
    """A portfolio has one group of administrators. Clients of the contract expect 404."""

    code = "second-administrators"


class AdministratorsStay(Forbidden):
    """A group of administrators goes with its portfolio only."""

    code = "administrators-stay"


class RepeatedMember(Conflict):
    code = "repeated-member"


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
    await memberships.hold_superusers(session)
    session.add(group)
    await session.flush()
    await memberships.join(session, group, await memberships.superuser_ids(session))
    return group


def administrators_name(portfolio_name: str, suffix: str) -> str:
    """The name of a portfolio's group of administrators; it follows the portfolio's."""
    return f"{portfolio_name} {suffix}"


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


async def find_groups(
    session: AsyncSession, portfolio_id: UUID, *, containing: str | None, order: schemas.SortOrder | None
) -> Sequence[Group]:
    """Return a portfolio's groups by name."""
    wanted = select(Group).where(Group.portfolio_id == portfolio_id, Group.archived_at.is_(None))
    if containing:
        wanted = wanted.where(func.lower(Group.name).contains(containing.lower(), autoescape=True))
    name = func.lower(Group.name)
    return (await session.scalars(wanted.order_by(name.desc() if order == "DESC" else name, Group.id))).all()


async def get_visible_group(session: AsyncSession, grants: Grants, group_id: UUID) -> Group:
    """Return the group to those in it and above it. Raises NotFound, also to everybody else."""
    group = await session.scalar(select(Group).where(Group.id == group_id, Group.archived_at.is_(None)))
    if group is None:
        raise NotFound
    member = await session.scalar(
        select(GroupMember.person_id).where(
            GroupMember.group_id == group_id, GroupMember.person_id == grants.person_id
        )
    )
    if not grants.may_see_group(group.portfolio_id, member=member is not None):
        raise NotFound
    return group


async def get_managed_group(session: AsyncSession, grants: Grants, group_id: UUID) -> Group:
    """Return the group to those who administer it. Raises NotFound or, to its members, Forbidden."""
    group = await get_visible_group(session, grants, group_id)
    if not grants.may_manage_group(group.portfolio_id):
        raise Forbidden
    return group


async def create_group(
    session: WriteSession, portfolio: Portfolio, wanted: CreateGroup, *, author: UUID
) -> Group:
    """Make a group. Raises SecondAdministrators, and Taken for a name in use. The portfolio is locked."""
    if wanted.admin and await administrators_of(session, portfolio.id) is not None:
        raise SecondAdministrators
    group = Group(
        organization_id=portfolio.organization_id,
        portfolio_id=portfolio.id,
        name=_trimmed(wanted.name or ""),
        admin=bool(wanted.admin),
        created_by=author,
        updated_by=author,
    )
    session.add(group)
    await session.flush()
    await _set_application_roles(session, group, wanted.applicationRoles, application_id=None)
    return group


def _trimmed(name: str) -> str:
    name = name.strip()
    if not name:
        raise BlankName
    return name


async def update_group(
    session: WriteSession,
    group: Group,
    *,
    name: str | None,
    version: int | None,
    author: UUID,
) -> None:
    """Rename the group and raise its version. Raises StaleVersion, Taken. The group is locked."""
    if version != group.version:
        raise StaleVersion
    if name is not None:
        group.name = _trimmed(name)
    group.version += 1
    group.updated_by = author
    await session.flush()


async def set_environment_roles(
    session: WriteSession, group: Group, wanted: Sequence[schemas.EnvironmentGroupRole]
) -> None:
    """Set what the group may do in the environments named; others stay as they are.

    No roles = the entry goes. Environments of other portfolios are passed over. The group is locked.
    """
    roles = {each.environmentId: each.roles for each in wanted}
    ours = await session.scalars(
        select(Environment.id)
        .join(Application, Application.id == Environment.application_id)
        .where(
            Environment.id.in_(roles),
            Environment.archived_at.is_(None),
            Application.portfolio_id == group.portfolio_id,
        )
        .order_by(Environment.id)
    )
    named = ours.all()
    await session.execute(
        delete(GroupEnvironmentRole).where(
            GroupEnvironmentRole.group_id == group.id, GroupEnvironmentRole.environment_id.in_(named)
        )
    )
    for environment_id in named:
        if roles[environment_id]:
            session.add(
                GroupEnvironmentRole(
                    group_id=group.id, environment_id=environment_id, roles=tuple(roles[environment_id])
                )
            )
    await session.flush()


async def set_application_roles(
    session: WriteSession,
    group: Group,
    wanted: Sequence[schemas.ApplicationGroupRole],
    *,
    application_id: UUID | None,
) -> None:
    """Make these all of the group's roles in applications, or all in one of them. The group is locked."""
    entries = delete(GroupApplicationRole).where(GroupApplicationRole.group_id == group.id)
    if application_id is not None:
        entries = entries.where(GroupApplicationRole.application_id == application_id)
    await session.execute(entries)
    await _set_application_roles(session, group, wanted, application_id=application_id)


async def _set_application_roles(
    session: WriteSession,
    group: Group,
    wanted: Sequence[schemas.ApplicationGroupRole],
    *,
    application_id: UUID | None,
) -> None:
    roles = {
        each.applicationId: each.roles
        for each in wanted
        if each.roles and application_id in {None, each.applicationId}
    }
    ours = await session.scalars(
        select(Application.id)
        .where(
            Application.id.in_(roles),
            Application.archived_at.is_(None),
            Application.portfolio_id == group.portfolio_id,
        )
        .order_by(Application.id)
    )
    for identity in ours.all():
        session.add(
            GroupApplicationRole(group_id=group.id, application_id=identity, roles=tuple(roles[identity]))
        )
    await session.flush()


async def set_members(session: WriteSession, group: Group, wanted: Sequence[schemas.Person]) -> None:
    """Make these people the group's only members; unknown ones are passed over. The group is locked.

    Raises RepeatedMember.
    """
    named = [each.id.id for each in wanted if each.id is not None]
    if len(set(named)) != len(named):
        raise RepeatedMember
    people = await memberships.admissible(session, named)
    await memberships.replace_members(session, group, people)


async def archive_group(session: WriteSession, group: Group, *, author: UUID) -> None:
    """Put the group away. Raises AdministratorsStay. The group is locked."""
    if group.admin:
        raise AdministratorsStay
    group.archived_at = utc_now()
    group.updated_by = author
    await session.flush()


async def find_people(session: AsyncSession, people: Sequence[UUID], emails: Sequence[str]) -> list[UUID]:
    """Return those that are known by id or e-mail address and may be in groups."""
    by_email = await session.scalars(
        select(Person.id).where(Person.email.in_([each.strip().lower() for each in emails]))
    )
    return await memberships.admissible(session, {*people, *by_email.all()})


async def require_person(session: AsyncSession, person_id: UUID) -> None:
    """Refuse an id that is nobody's. Raises NotFound."""
    if await session.scalar(select(Person.id).where(Person.id == person_id)) is None:
        raise NotFound
