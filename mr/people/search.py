"""The list of people: found by name or address, page by page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.auth.permissions import Grants
from mr.db.models.base import utc_now
from mr.db.models.people import SDK_ACCOUNT, Person
from mr.db.models.portfolios import Group, GroupMember
from mr.people import schemas
from mr.people.service import show_people

DEFAULT_PAGE: Final = 20
LONGEST_PAGE: Final = 100


@dataclass(frozen=True)
class Search:
    """What is looked for."""

    containing: str | None
    types: Collection[str]
    order: schemas.SortOrder | None
    sort_by: schemas.SearchPersonSortBy | None
    start: int
    size: int
    archived: bool


@dataclass(frozen=True)
class Including:
    """What an answer shows of people beside themselves."""

    groups: bool = False
    counts: bool = False
    sign_ins: bool = False


async def find_people(
    session: AsyncSession, grants: Grants, search: Search, including: Including
) -> schemas.SearchPersonResult:
    """Return one page, how many there are in all, and the invitations that are open in that page."""
    chosen = _chosen(search)
    total = await session.scalar(select(func.count()).select_from(chosen.subquery()))
    size = min(search.size, LONGEST_PAGE)
    page = (await session.scalars(chosen.order_by(*_order(search)).offset(search.start).limit(size))).all()
    result = schemas.SearchPersonResult(max=total or 0, outstandingRegistrations=_outstanding(page))
    if including.counts:
        counts = await _group_counts(session, [person.id for person in page])
        result.summarisedPeople = [_summary(person, counts, including) for person in page]
    else:
        result.people = await _in_full(session, grants, page, including)
    return result


def _chosen(search: Search) -> Select[Person]:
    types = [each for each in search.types if each != SDK_ACCOUNT]
    chosen = select(Person).where(Person.person_type.in_(types))
    if not search.archived:
        chosen = chosen.where(Person.archived_at.is_(None))
    if search.containing:
        text = search.containing.lower()
        chosen = chosen.where(
            or_(
                func.lower(Person.name).contains(text, autoescape=True),
                Person.email.contains(text, autoescape=True),
            )
        )
    return chosen


def _order(search: Search) -> Sequence[Any]:
    name: ColumnElement[Any] = func.lower(func.coalesce(Person.name, Person.email))
    # Active people first, then those who were invited, then those who were put away.
    status: ColumnElement[Any] = case(
        (Person.archived_at.is_not(None), 2), (Person.registration_token_hash.is_not(None), 1), else_=0
    )
    columns = [status, name] if search.sort_by == "activationStatus" else [name]
    down = search.order == "DESC"
    return [*(column.desc() if down else column.asc() for column in columns), Person.id]


def _outstanding(page: Sequence[Person]) -> list[schemas.OutstandingRegistration]:
    now = utc_now()
    return [
        schemas.OutstandingRegistration(
            id=person.id,
            token="",
            expired=person.registration_expires_at is None or person.registration_expires_at < now,
        )
        for person in page
        if person.registration_token_hash is not None
    ]


async def _group_counts(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, int]:
    rows = await session.execute(
        select(GroupMember.person_id, func.count())
        .join(Group, Group.id == GroupMember.group_id)
        .where(GroupMember.person_id.in_(ids), Group.archived_at.is_(None))
        .group_by(GroupMember.person_id)
    )
    return {row[0]: row[1] for row in rows}


def _summary(person: Person, counts: Mapping[UUID, int], including: Including) -> schemas.SearchPerson:
    return schemas.SearchPerson(
        id=person.id,
        name=person.name or "",
        email=person.email or "",
        version=person.version,
        personType=cast("schemas.PersonType", person.person_type),
        whenLastAuthenticated=person.last_authenticated_at if including.sign_ins else None,
        whenLastSeen=person.last_seen_at if including.sign_ins else None,
        whenDeactivated=person.archived_at,
        groupCount=counts.get(person.id, 0),
    )


async def _in_full(
    session: AsyncSession, grants: Grants, page: Sequence[Person], including: Including
) -> list[schemas.Person]:
    shown = await show_people(session, page, groups=including.groups)
    for wire in shown.values():
        wire.groups = [group for group in wire.groups if sees_group(grants, group)]
        if not including.sign_ins:
            wire.whenLastAuthenticated = None
            wire.whenLastSeen = None
    return [shown[person.id] for person in page]


def sees_group(grants: Grants, group: schemas.Group) -> bool:
    """Groups of other portfolios are not the caller's business; who is a superuser is everybody's."""
    return group.portfolioId is None or grants.is_member(group.portfolioId)
