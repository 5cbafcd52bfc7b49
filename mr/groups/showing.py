"""Groups as the management API shows them: their people and their roles, in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.auth.permissions import ADMIN_APPLICATION_ROLES, application_roles_in_order, in_order, with_read
from mr.db.models.people import Person
from mr.db.models.portfolios import (
    Application,
    Environment,
    Group,
    GroupApplicationRole,
    GroupEnvironmentRole,
    GroupMember,
)
from mr.people import memberships, schemas
from mr.people.service import show_anemic, show_group, show_people


@dataclass(frozen=True)
class Including:
    """What an answer shows of groups: people in full or in short, and roles, of one application if named."""

    members: bool = False
    simple_members: bool = False
    roles: bool = False
    application_id: UUID | None = None


NOTHING_MORE: Final = Including()


async def show_groups(
    session: AsyncSession, groups: Sequence[Group], including: Including = NOTHING_MORE
) -> list[schemas.Group]:
    """Return the wire forms in the order given."""
    ids = [group.id for group in groups]
    members: Mapping[UUID, list[Person]] = {}
    shown_people: Mapping[UUID, schemas.Person] = {}
    if including.members or including.simple_members:
        members = await _members(session, ids)
    if including.members:
        everybody = {person.id: person for people in members.values() for person in people}
        shown_people = await show_people(session, everybody.values())
    superusers = await memberships.superuser_ids(session) if including.simple_members else []
    environments = await _environment_roles(session, ids, including) if including.roles else {}
    applications = await _application_roles(session, groups, including) if including.roles else {}
    shown = []
    for group in groups:
        wire = show_group(group)
        people = members.get(group.id, [])
        if including.members:
            wire.members = [shown_people[person.id] for person in people]
        if including.simple_members:
            wire.simpleMembers = [show_anemic(person) for person in people]
            wire.superMembers = superusers
        wire.environmentRoles = environments.get(group.id, [])
        wire.applicationRoles = applications.get(group.id, [])
        shown.append(wire)
    return shown


async def show_group_with(session: AsyncSession, group: Group, including: Including) -> schemas.Group:
    """Return the wire form of one group."""
    return (await show_groups(session, [group], including))[0]


async def _members(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, list[Person]]:
    rows = await session.execute(
        select(GroupMember.group_id, Person)
        .join(Person, Person.id == GroupMember.person_id)
        .where(GroupMember.group_id.in_(ids), Person.archived_at.is_(None))
        .order_by(Person.name, Person.email, Person.id)
    )
    found: defaultdict[UUID, list[Person]] = defaultdict(list)
    for group_id, person in rows:
        found[group_id].append(person)
    return found


async def _environment_roles(
    session: AsyncSession, ids: Collection[UUID], including: Including
) -> Mapping[UUID, list[schemas.EnvironmentGroupRole]]:
    wanted = (
        select(GroupEnvironmentRole)
        .join(Environment, Environment.id == GroupEnvironmentRole.environment_id)
        .where(GroupEnvironmentRole.group_id.in_(ids), Environment.archived_at.is_(None))
        .order_by(Environment.created_at, Environment.id)
    )
    if including.application_id is not None:
        wanted = wanted.where(Environment.application_id == including.application_id)
    found: defaultdict[UUID, list[schemas.EnvironmentGroupRole]] = defaultdict(list)
    for row in await session.scalars(wanted):
        roles = cast("list[schemas.RoleType]", in_order(with_read(row.roles)))
        found[row.group_id].append(
            schemas.EnvironmentGroupRole(environmentId=row.environment_id, groupId=row.group_id, roles=roles)
        )
    return found


async def _application_roles(
    session: AsyncSession, groups: Sequence[Group], including: Including
) -> Mapping[UUID, list[schemas.ApplicationGroupRole]]:
    wanted = (
        select(GroupApplicationRole)
        .join(Application, Application.id == GroupApplicationRole.application_id)
        .where(
            GroupApplicationRole.group_id.in_([group.id for group in groups]),
            Application.archived_at.is_(None),
        )
        .order_by(Application.created_at, Application.id)
    )
    if including.application_id is not None:
        wanted = wanted.where(Application.id == including.application_id)
    found: defaultdict[UUID, list[schemas.ApplicationGroupRole]] = defaultdict(list)
    for row in await session.scalars(wanted):
        found[row.group_id].append(_application_role(row.group_id, row.application_id, row.roles))
    if including.application_id is not None:
        owner = await session.scalar(
            select(Application.portfolio_id).where(Application.id == including.application_id)
        )
        for group in groups:
            if group.admin and group.portfolio_id == owner:
                # Asked by application, administrators are told what they may do, not what is stored.
                every = _application_role(group.id, including.application_id, ADMIN_APPLICATION_ROLES)
                found[group.id] = [every]
    return found


def _application_role(
    group_id: UUID, application_id: UUID, roles: Collection[str]
) -> schemas.ApplicationGroupRole:
    ordered = cast("list[schemas.ApplicationRoleType]", application_roles_in_order(roles))
    return schemas.ApplicationGroupRole(applicationId=application_id, groupId=group_id, roles=ordered)
