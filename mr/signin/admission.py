"""Who somebody from a provider is here: found, invited, made, or turned away; and the groups that follow.

Inside the caller's transaction. Knows no protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mr.auth.external.identity import (
    EXPIRED,
    FOREIGN_DOMAIN,
    NO_EMAIL,
    NOT_INVITED,
    OTHER_ACCOUNT,
    PUT_AWAY,
    Identity,
    SignInRefused,
)
from mr.auth.external.providers import Provider
from mr.db.models.base import utc_now
from mr.db.models.people import PERSON, Person
from mr.db.models.portfolios import Group
from mr.db.models.sign_in import ExternalIdentity
from mr.db.recording import UNRECORDED
from mr.db.session import WriteSession
from mr.people import memberships
from mr.system.organization import get_organization

log = structlog.stdlib.get_logger(__name__)


def require_fit(settings: Provider, identity: Identity) -> None:
    """Refuse whom the provider may not send us, whoever they are here. Raises SignInRefused."""
    domain = (identity.email or "").rpartition("@")[2]
    if settings.allowed_domains and domain not in settings.allowed_domains:
        raise SignInRefused(FOREIGN_DOMAIN if domain else NO_EMAIL)


async def admit(session: WriteSession, name: str, settings: Provider, identity: Identity) -> Person:
    """Return who this is, with the groups that the provider's groups give. Raises SignInRefused."""
    require_fit(settings, identity)
    # Groups come first in the order of locks.
    mapped = await memberships.lock_groups(session, _all(settings.groups.values()))
    person = await _linked(session, identity)
    if person is None:
        person = await _by_email(session, name, settings, identity)
        await link(session, person, identity)
    if person.person_type != PERSON or person.archived_at is not None:
        raise SignInRefused(PUT_AWAY)
    _take_over(person, identity)
    await session.flush()
    if identity.groups is not None:
        await _follow(session, person, settings, identity.groups, mapped)
    return person


async def link(session: WriteSession, person: Person, identity: Identity) -> None:
    """Remember whose account there it is. Raises SignInRefused when that person has another one there.

    An address that was given to somebody new at the provider must not open the account of who had it before.
    """
    if identity.subject is None:
        return
    other = await session.scalar(
        select(ExternalIdentity.id).where(
            ExternalIdentity.person_id == person.id, ExternalIdentity.issuer == identity.issuer
        )
    )
    if other is not None:
        raise SignInRefused(OTHER_ACCOUNT)
    session.add(ExternalIdentity(person_id=person.id, issuer=identity.issuer, subject=identity.subject))
    await session.flush()


async def _linked(session: WriteSession, identity: Identity) -> Person | None:
    if identity.subject is None:
        return None
    found = await session.scalar(
        select(ExternalIdentity).where(
            ExternalIdentity.issuer == identity.issuer, ExternalIdentity.subject == identity.subject
        )
    )
    if found is None:
        return None
    await session.execute(
        update(ExternalIdentity).where(ExternalIdentity.id == found.id).values(last_used_at=utc_now()),
        execution_options=UNRECORDED,
    )
    return await _locked(session, Person.id == found.person_id)


async def _by_email(session: WriteSession, name: str, settings: Provider, identity: Identity) -> Person:
    if identity.email is None:
        raise SignInRefused(NO_EMAIL)
    person = await _locked(session, Person.email == identity.email)
    if person is not None:
        expires = person.registration_expires_at
        if person.registration_token_hash is not None and (expires is None or expires < utc_now()):
            raise SignInRefused(EXPIRED, "the invitation is too old")
        return person
    if settings.people != "automatic":
        raise SignInRefused(NOT_INVITED)
    organization = await get_organization(session)
    person = Person(
        organization_id=organization.id,
        person_type=PERSON,
        name=identity.name,
        email=identity.email,
        source=name,
    )
    session.add(person)
    await session.flush()
    return person


def _take_over(person: Person, identity: Identity) -> None:
    """What a proven identity settles: invitations are accepted, temporary passwords are not needed."""
    if person.registration_token_hash is not None:
        person.registration_token_hash = None
        person.registration_expires_at = None
        person.version += 1
    if person.password_requires_reset:
        # Whoever was told the temporary password must not keep a way in.
        person.password_hash = None
        person.password_requires_reset = False
        person.version += 1
    if not person.name and identity.name:
        person.name = identity.name


async def _follow(
    session: WriteSession,
    person: Person,
    settings: Provider,
    told: frozenset[str],
    mapped: Mapping[UUID, Group],
) -> None:
    """Be in exactly those of the mapped groups that the provider's groups give; others stay as they are."""
    given = _all(ids for word, ids in settings.groups.items() if word in told)
    present = {group.id for group in await memberships.groups_of(session, person.id)}
    # The superusers' group first: who is in it cannot leave a portfolio's administrators.
    for group in sorted(mapped.values(), key=lambda each: (not memberships.is_superusers(each), each.id)):
        if group.id in given:
            await memberships.join(session, group, [person.id])
        elif group.id in present and not await _stays(session, group, person):
            await memberships.leave(session, group, [person.id])


async def _stays(session: AsyncSession, group: Group, person: Person) -> bool:
    if not group.admin:
        return False
    superusers = await memberships.superuser_ids(session)
    if not memberships.is_superusers(group):
        return person.id in superusers
    if superusers == [person.id]:
        log.warning("the last superuser stays one, whatever the provider says", person=str(person.id))
        return True
    return False


async def _locked(session: WriteSession, which: ColumnElement[bool]) -> Person | None:
    found: Person | None = await session.scalar(
        select(Person).where(which).with_for_update(key_share=True).execution_options(populate_existing=True)
    )
    return found


def _all(groups: Iterable[Iterable[UUID]]) -> set[UUID]:
    return {each for ids in groups for each in ids}
