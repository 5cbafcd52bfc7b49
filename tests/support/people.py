"""Other people than the first administrator, made straight in the database: their operations come later."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID, uuid4

from sqlalchemy import select

from mr.auth.sessions import Sessions
from mr.db.models.people import Organization, Person
from mr.db.models.portfolios import (
    Group,
    GroupApplicationRole,
    GroupEnvironmentRole,
    GroupMember,
)
from mr.db.session import Database


async def add_person(
    database: Database,
    portfolio_id: str,
    *,
    admin: bool = False,
    environments: Mapping[str, Iterable[str]] | None = None,
    applications: Mapping[str, Iterable[str]] | None = None,
) -> str:
    """Make somebody who is in one group of the portfolio, with these roles; answer a token of theirs."""
    async with database.write() as session:
        organization = (await session.scalars(select(Organization))).one()
        person = Person(organization_id=organization.id, name="Somebody", email=f"{uuid4().hex}@x.example")
        session.add(person)
        await session.flush()
        wanted = select(Group).where(Group.portfolio_id == UUID(portfolio_id), Group.admin)
        group = (await session.scalars(wanted)).one() if admin else None
        if group is None:
            group = Group(organization_id=organization.id, portfolio_id=UUID(portfolio_id), name=uuid4().hex)
            session.add(group)
            await session.flush()
        session.add(GroupMember(group_id=group.id, person_id=person.id))
        for environment_id, roles in (environments or {}).items():
            session.add(
                GroupEnvironmentRole(
                    group_id=group.id, environment_id=UUID(environment_id), roles=_roles(roles)
                )
            )
        for application_id, roles in (applications or {}).items():
            session.add(
                GroupApplicationRole(
                    group_id=group.id, application_id=UUID(application_id), roles=_roles(roles)
                )
            )
        await session.flush()
        return await Sessions(database, idle_hours=1, max_hours=2).begin(session, person)


def _roles(roles: Iterable[str]) -> tuple[str, ...]:
    ordered: Sequence[str] = sorted(roles)
    return tuple(ordered)
