"""Changing people: who they are, their groups, and putting them away."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import Forbidden, NotFound, StaleVersion
from mr.auth.grants import load_standing
from mr.auth.permissions import Grants
from mr.db.models.base import utc_now
from mr.db.models.people import SDK_ACCOUNT, Person
from mr.db.models.portfolios import Group
from mr.db.models.sign_in import ExternalIdentity
from mr.db.session import WriteSession
from mr.people import memberships


class OutOfReach(Forbidden):
    """The person holds more than the caller administers: taking their account over would give it away."""

    code = "out-of-reach"


@dataclass(frozen=True)
class PersonChange:
    """What is wanted of a person; None keeps what is there."""

    version: int | None
    name: str | None = None
    email: str | None = None
    groups: frozenset[UUID] | None = None
    unarchive: bool = False


async def find_person(session: AsyncSession, person_id: UUID) -> Person | None:
    """Return anybody, put-away ones included, or None."""
    found: Person | None = await session.scalar(select(Person).where(Person.id == person_id))
    return found


async def find_by_email(session: AsyncSession, email: str) -> Person | None:
    """Return whoever has the address, put-away ones included, or None."""
    found: Person | None = await session.scalar(select(Person).where(Person.email == email.strip().lower()))
    return found


async def lock_person(session: WriteSession, person_id: UUID) -> Person:
    """Lock somebody who may be edited. Raises NotFound, also for twins of service accounts."""
    person: Person | None = await session.scalar(
        select(Person)
        .where(Person.id == person_id, Person.person_type != SDK_ACCOUNT)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if person is None:
        raise NotFound
    return person


async def require_manageable(session: AsyncSession, grants: Grants, person_id: UUID) -> None:
    """Refuse to act on those who hold more than the caller administers. Raises OutOfReach."""
    if not grants.may_manage_person(await load_standing(session, person_id)):
        raise OutOfReach


async def lock_changed_groups(
    session: WriteSession, person_id: UUID, groups: Collection[UUID] | None
) -> dict[UUID, Group]:
    """Lock the groups that somebody would join or leave, and return those that exist."""
    if groups is None:
        await memberships.hold_superusers(session)
        return {}
    present = {group.id for group in await memberships.groups_of(session, person_id)}
    return await memberships.lock_groups(session, present ^ set(groups))


async def update_person(
    session: WriteSession,
    grants: Grants,
    person: Person,
    wanted: PersonChange,
    changing: dict[UUID, Group],
) -> None:
    """Change a locked person. Raises StaleVersion, OutOfReach, LastSuperuser, and Taken for an address.

    Groups that the caller does not administer stay as they are.
    """
    if wanted.version != person.version:
        raise StaleVersion
    email = None if wanted.email is None else wanted.email.strip().lower()
    revives = wanted.unarchive and person.archived_at is not None
    if revives or wanted.name not in {None, person.name} or email not in {None, person.email}:
        await require_manageable(session, grants, person.id)
    if wanted.groups is not None:
        ours = [group for group in changing.values() if grants.may_manage_group(group.portfolio_id)]
        await _change_groups(session, person, wanted.groups, ours)
    # The row comes last: a new address locks it against those who put this person into a group.
    if wanted.name is not None:
        person.name = wanted.name
    if email is not None:
        person.email = email
    if revives:
        person.archived_at = None
    person.version += 1
    person.updated_by = grants.person_id
    await session.flush()


async def _change_groups(
    session: WriteSession, person: Person, wanted: frozenset[UUID], ours: list[Group]
) -> None:
    superusers = next((group for group in ours if memberships.is_superusers(group)), None)
    if superusers is not None and superusers.id not in wanted:
        kept = [
            group
            for group in await memberships.groups_of(session, person.id)
            if group.admin and group.id in wanted
        ]
        await memberships.leave(session, superusers, [person.id])
        for group in kept:
            await memberships.join(session, group, [person.id])
    for group in ours:
        if group.id in wanted:
            await memberships.join(session, group, [person.id])
    everything = person.id in await memberships.superuser_ids(session)
    for group in ours:
        stays = memberships.is_superusers(group) or (group.admin and everything)
        if group.id not in wanted and not stays:
            await memberships.leave(session, group, [person.id])


async def archive_person(session: WriteSession, person: Person, *, with_groups: bool, author: UUID) -> None:
    """Put a locked person away; all their tokens are worthless. Raises LastSuperuser."""
    await memberships.require_another_superuser(session, person.id)
    if with_groups:
        await memberships.leave_everything(session, person.id)
    # Whoever is let in again proves anew who they are: an address may have gone to somebody else.
    await session.execute(delete(ExternalIdentity).where(ExternalIdentity.person_id == person.id))
    person.archived_at = utc_now()
    person.access_token_hash = None
    person.registration_token_hash = None
    person.version += 1
    person.updated_by = author
    await session.flush()
