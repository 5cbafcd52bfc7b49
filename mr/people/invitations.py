"""Tokens by which people come in: invitations for humans, permanent ones for administrative accounts.

Only their hashes are stored, so each is shown once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, Conflict, NotFound
from mr.auth.sessions import hash_token, random_text
from mr.db.models.base import utc_now
from mr.db.models.people import ADMIN_ACCOUNT, PERSON, SDK_ACCOUNT, Organization, Person
from mr.db.session import WriteSession
from mr.people import memberships, schemas

VALID_FOR: Final = timedelta(days=7)
ACCESS_TOKEN_LENGTH: Final = 48


class IncompletePerson(BadRequest):
    code = "incomplete-person"


class EmailTaken(Conflict):
    code = "email-taken"


class AlreadyRegistered(BadRequest):
    """Whoever has registered needs no invitation; a forgotten password is reset."""

    code = "already-registered"


async def create_person(
    session: WriteSession, organization: Organization, wanted: schemas.CreatePersonDetails, *, author: UUID
) -> tuple[Person, str]:
    """Make somebody and return them with their token. Raises IncompletePerson, EmailTaken.

    An address that was put away comes back as a new person would: in no groups, without a password.
    """
    if wanted.personType == SDK_ACCOUNT:
        raise IncompletePerson("Twins of service accounts come with their account.")
    if wanted.personType == ADMIN_ACCOUNT:
        return await _create_admin_account(session, organization, wanted, author=author)
    email = (wanted.email or "").strip().lower()
    if not email:
        raise IncompletePerson("A person needs an e-mail address.")
    person = await session.scalar(select(Person).where(Person.email == email).with_for_update(key_share=True))
    if person is None:
        person = Person(organization_id=organization.id, person_type=PERSON, email=email, created_by=author)
        session.add(person)
    elif person.archived_at is None:
        raise EmailTaken
    else:
        await memberships.leave_everything(session, person.id)
        person.archived_at = None
        person.password_hash = None
        person.version += 1
    person.password_requires_reset = False
    person.name = wanted.name or person.name
    person.updated_by = author
    return person, await invite(session, person)


async def _create_admin_account(
    session: WriteSession, organization: Organization, wanted: schemas.CreatePersonDetails, *, author: UUID
) -> tuple[Person, str]:
    name = (wanted.name or "").strip()
    if not name:
        raise IncompletePerson("An administrative account needs a name.")
    person = Person(
        organization_id=organization.id,
        person_type=ADMIN_ACCOUNT,
        name=name,
        created_by=author,
        updated_by=author,
    )
    session.add(person)
    return person, await renew_access(session, person)


async def invite(session: WriteSession, person: Person) -> str:
    """Give somebody a new invitation; the one before is worthless."""
    token = str(uuid4())
    person.registration_token_hash = hash_token(token)
    person.registration_expires_at = utc_now() + VALID_FOR
    await session.flush()
    return token


async def renew_access(session: WriteSession, person: Person) -> str:
    """Give an administrative account a new token; the one before is worthless."""
    token = random_text(ACCESS_TOKEN_LENGTH)
    person.access_token_hash = hash_token(token)
    await session.flush()
    return token


async def get_invited(session: AsyncSession, token: str, *, lock: bool = False) -> Person:
    """Return whom an invitation is for. Raises NotFound when it is unknown or has expired."""
    wanted = select(Person).where(
        Person.registration_token_hash == hash_token(token), Person.archived_at.is_(None)
    )
    if lock:
        wanted = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
    person: Person | None = await session.scalar(wanted)
    if person is None or person.registration_expires_at is None or person.registration_expires_at < utc_now():
        raise NotFound
    return person
