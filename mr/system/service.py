"""First set-up and sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, Conflict, Forbidden, NotFound
from mr.auth.passwords import Passwords
from mr.auth.sessions import Sessions
from mr.auth.throttle import Throttle
from mr.auth.vault import Vault
from mr.db.models.people import PERSON, Organization, Person
from mr.db.models.portfolios import GroupMember
from mr.db.models.system import SystemState
from mr.db.session import Database, WriteSession
from mr.groups.service import create_superusers
from mr.people.service import show_people
from mr.portfolios.service import create_portfolio
from mr.system import schemas
from mr.system.organization import find_organization

# One row that only one set-up can write, however many run at once.
_ORGANIZATION: Final = "organization"


class AlreadySetUp(Conflict):
    code = "already-set-up"


class IncompleteSetup(BadRequest):
    code = "incomplete-set-up"


class BlankPassword(Forbidden):
    code = "blank-password"


class PasswordsDisabled(Forbidden):
    """People sign in here with an identity provider alone."""

    code = "local-sign-in-disabled"


class WrongCredentials(NotFound):
    """Unknown address, wrong password, archived, locked out: nobody can tell which."""

    code = "wrong-credentials"


def capabilities(vault: Vault) -> dict[str, str]:
    """What this server can do, as clients ask for it: text to text."""
    return {
        "webhook.features": "true",
        "trackingId": "",
        "dacha1Enabled": "false",
        "featureGroupsEnabled": "true",
        "webhook.encryption": _flag(vault.seals),
        "webhook.decryption": _flag(vault.reveals),
        "system.config": "true",
    }


def _flag(value: bool) -> str:
    return "true" if value else "false"


def show_organization(organization: Organization) -> schemas.Organization:
    """Return the wire form."""
    return schemas.Organization(
        id=organization.id,
        name=organization.name,
        version=organization.version,
        whenCreated=organization.created_at,
        whenUpdated=organization.updated_at,
    )


def require_named(wanted: schemas.SetupSiteAdmin) -> None:
    """Refuse a set-up without names. Raises IncompleteSetup."""
    if not wanted.portfolio.strip() or not wanted.organizationName.strip():
        raise IncompleteSetup("Portfolio and organisation need a name.")


def require_password(wanted: schemas.SetupSiteAdmin) -> str:
    """Return the password of an administrator who is to have one. Raises IncompleteSetup."""
    if not wanted.emailAddress or not (wanted.password or "").strip():
        raise IncompleteSetup("The first administrator needs an e-mail address and a password.")
    return wanted.password or ""


async def set_up(
    session: WriteSession, wanted: schemas.SetupSiteAdmin, *, password_hash: str | None, suffix: str
) -> Person:
    """Make the organisation, its first administrator and the first portfolio. Raises AlreadySetUp."""
    if await find_organization(session) is not None:
        raise AlreadySetUp
    organization = Organization(name=wanted.organizationName.strip())
    session.add(organization)
    session.add(SystemState(key=_ORGANIZATION, value=str(organization.id)))
    await session.flush()
    person = Person(
        organization_id=organization.id,
        person_type=PERSON,
        name=(wanted.name or "").strip() or None,
        email=(wanted.emailAddress or "").lower(),
        password_hash=password_hash,
    )
    session.add(person)
    await session.flush()
    superusers = await create_superusers(session, organization)
    session.add(GroupMember(group_id=superusers.id, person_id=person.id))
    await session.flush()
    await create_portfolio(
        session, organization, name=wanted.portfolio, description=None, suffix=suffix, author=person.id
    )
    return person


class SignIn:
    """Signs people in: takes the same time for everybody, and slows guessing down."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        passwords: Passwords,
        capabilities: Mapping[str, str],
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._passwords = passwords
        self._throttle = Throttle()
        self._capabilities = capabilities

    async def sign_in(self, credentials: schemas.UserCredentials) -> schemas.TokenizedPerson:
        """Return a token and its person. Raises BlankPassword, WrongCredentials."""
        if not credentials.password.strip():
            raise BlankPassword
        email = credentials.email.strip().lower()
        locked = self._throttle.locked(email)
        stored = await self._stored(email)
        matched = await self._passwords.verify(credentials.password, stored)
        if locked:
            # Not counted: whoever knows the password must not lock themselves out for longer.
            raise WrongCredentials
        if not matched:
            self._throttle.failed(email)
            raise WrongCredentials
        self._throttle.succeeded(email)
        renewed = None
        if stored is not None and self._passwords.outdated(stored):
            renewed = await self._passwords.hash(credentials.password)
        async with self._database.write() as session:
            # Locked: a password that is being changed must not open a session any more.
            person = await session.scalar(_by_email(email).with_for_update(key_share=True))
            if person is None or person.password_hash != stored:
                raise WrongCredentials
            if renewed is not None:
                person.password_hash = renewed
            token = await self._sessions.begin(session, person)
            return await tokenized(session, person, token, self._capabilities)

    async def _stored(self, email: str) -> str | None:
        async with self._database.read() as session:
            person = await session.scalar(_by_email(email))
            return None if person is None else person.password_hash


def _by_email(email: str) -> Select[Person]:
    return select(Person).where(
        Person.email == email, Person.person_type == PERSON, Person.archived_at.is_(None)
    )


async def tokenized(
    session: AsyncSession, person: Person, token: str, capabilities: Mapping[str, str]
) -> schemas.TokenizedPerson:
    """Return the wire form of somebody who has just signed in."""
    shown = await show_people(session, [person], groups=True)
    return schemas.TokenizedPerson(
        accessToken=token, person=shown[person.id], capabilityInfo=dict(capabilities)
    )
