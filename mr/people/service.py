"""People as others see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.db.models.people import SDK_ACCOUNT, Person
from mr.db.models.portfolios import Group, GroupMember
from mr.db.models.service_accounts import ServiceAccount
from mr.people import schemas


async def show_people(
    session: AsyncSession, people: Iterable[Person], *, groups: bool = False
) -> dict[UUID, schemas.Person]:
    """Return the wire form of each, by id; with the groups they are in when asked."""
    found = {person.id: person for person in people}
    joined = await _groups_of(session, found) if groups else {}
    twins = [person.id for person in found.values() if person.person_type == SDK_ACCOUNT]
    accounts = await _accounts_of(session, twins) if twins else {}
    return {
        identity: _show(person, joined.get(identity, []), accounts.get(identity))
        for identity, person in found.items()
    }


async def authors(session: AsyncSession, ids: Iterable[UUID | None]) -> dict[UUID, schemas.Person]:
    """Return who did things, by id; ids of nobody are left out."""
    wanted = {identity for identity in ids if identity is not None}
    if not wanted:
        return {}
    people = await session.scalars(select(Person).where(Person.id.in_(wanted)))
    return await show_people(session, people)


def _show(person: Person, groups: list[schemas.Group], account_id: UUID | None) -> schemas.Person:
    additional = []
    if account_id is not None:
        additional.append(schemas.PersonInfo(key="serviceAccountId", value=str(account_id)))
    return schemas.Person(
        id=schemas.PersonId(id=person.id),
        name=person.name or None,
        email=person.email,
        personType=cast("schemas.PersonType", person.person_type),
        other=person.other,
        source=person.source,
        version=person.version,
        passwordRequiresReset=person.password_requires_reset,
        groups=groups,
        whenArchived=person.archived_at,
        whenLastAuthenticated=person.last_authenticated_at,
        whenLastSeen=person.last_seen_at,
        additional=additional,
    )


def show_anemic(person: Person) -> schemas.AnemicPerson:
    """Return the short form."""
    return schemas.AnemicPerson(
        id=person.id,
        name=person.name or "",
        email=person.email,
        type=cast("schemas.PersonType", person.person_type),
    )


def show_group(group: Group) -> schemas.Group:
    """Return the wire form of a group, without its people and roles."""
    return schemas.Group(
        id=group.id,
        admin=group.admin,
        portfolioId=group.portfolio_id,
        organizationId=group.organization_id if group.portfolio_id is None else None,
        version=group.version,
        name=group.name,
        whenArchived=group.archived_at,
        whenCreated=group.created_at,
        whenUpdated=group.updated_at,
    )


async def _groups_of(
    session: AsyncSession, people: Mapping[UUID, Person]
) -> Mapping[UUID, list[schemas.Group]]:
    rows = await session.execute(
        select(GroupMember.person_id, Group)
        .join(Group, Group.id == GroupMember.group_id)
        .where(GroupMember.person_id.in_(people), Group.archived_at.is_(None))
        .order_by(Group.name, Group.id)
    )
    joined: defaultdict[UUID, list[schemas.Group]] = defaultdict(list)
    for person_id, group in rows:
        joined[person_id].append(show_group(group))
    return joined


async def _accounts_of(session: AsyncSession, twins: Iterable[UUID]) -> dict[UUID, UUID]:
    rows = await session.execute(
        select(ServiceAccount.person_id, ServiceAccount.id).where(ServiceAccount.person_id.in_(twins))
    )
    return {row.person_id: row.id for row in rows}
