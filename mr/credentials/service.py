"""Registration and passwords: slow work first, then one transaction that looks again at what it acts on.

A changed password ends every other sign-in of its person. Passwords are hashed outside of transactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BadRequest, Forbidden, NotFound
from mr.api.operations import Caller
from mr.auth.grants import load_grants
from mr.auth.passwords import Passwords
from mr.auth.sessions import Sessions
from mr.auth.throttle import Throttle
from mr.credentials import schemas
from mr.db.models.people import PERSON, Person
from mr.db.session import Database, WriteSession
from mr.people import schemas as people
from mr.people.editing import find_by_email, find_person, lock_person, require_manageable
from mr.people.invitations import AlreadyRegistered, get_invited, invite
from mr.people.service import show_people
from mr.system.schemas import TokenizedPerson
from mr.system.service import tokenized


class UnfitRegistration(BadRequest):
    """The address is not the invited one, or the two passwords differ."""

    code = "unfit-registration"


class PasswordsDisabled(BadRequest):
    """Whoever was invited signs in with an identity provider here."""

    code = "local-sign-in-disabled"


class BlankPassword(BadRequest):
    code = "blank-password"


class WrongPassword(BadRequest):
    """The current password is another one; also the answer while guessing is slowed down."""

    code = "wrong-password"


class Credentials:
    """Registers people and changes their passwords."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        passwords: Passwords,
        capabilities: Mapping[str, str],
        local: bool = True,
    ) -> None:
        self._local = local
        self._database = database
        self._sessions = sessions
        self._passwords = passwords
        self._throttle = Throttle()
        self._capabilities = capabilities

    async def invited(self, token: str) -> people.Person:
        """Return whom an invitation is for. Raises NotFound."""
        async with self._database.read() as session:
            return await _shown(session, await get_invited(session, token))

    async def register(self, wanted: schemas.PersonRegistrationDetails) -> TokenizedPerson:
        """Turn an invitation into somebody who is signed in. Raises NotFound, UnfitRegistration."""
        if not self._local:
            raise PasswordsDisabled
        async with self._database.read() as session:
            # Before the password is hashed: strangers must not make the server work.
            _require_fit(await get_invited(session, wanted.registrationToken), wanted)
        hashed = await self._hashed(wanted.password, of=wanted.email)
        async with self._database.write() as session:
            person = await get_invited(session, wanted.registrationToken, lock=True)
            _require_fit(person, wanted)
            person.name = wanted.name
            person.registration_token_hash = None
            person.registration_expires_at = None
            _set_password(person, hashed, temporary=False)
            token = await self._sessions.begin(session, person)
            return await tokenized(session, person, token, self._capabilities)

    async def renew_invitation(self, caller: Caller, email: str) -> tuple[UUID, str]:
        """Return whose invitation was renewed, and its token. Raises AlreadyRegistered, OutOfReach."""
        async with self._database.write() as session:
            grants = await load_grants(session, caller.person_id)
            if not grants.administers_any:
                raise Forbidden
            found = await find_by_email(session, email)
            if found is None:
                raise NotFound
            person = await lock_person(session, found.id)
            if person.archived_at is not None:
                raise NotFound
            if person.registration_token_hash is None:
                raise AlreadyRegistered
            await require_manageable(session, grants, person.id)
            return person.id, await invite(session, person)

    async def change(self, caller: Caller, person_id: UUID, wanted: schemas.PasswordUpdate) -> people.Person:
        """Replace a password by somebody who knows it. Raises WrongPassword."""
        async with self._database.read() as session:
            superuser = (await load_grants(session, caller.person_id)).superuser
            if caller.person_id != person_id and not superuser:
                raise Forbidden
            person = await _human(session, person_id)
            stored = person.password_hash
        if self._throttle.locked(str(person_id)) or not await self._passwords.verify(
            wanted.oldPassword, stored
        ):
            self._throttle.failed(str(person_id))
            raise WrongPassword
        self._throttle.succeeded(str(person_id))
        hashed = await self._hashed(wanted.newPassword)
        async with self._database.write() as session:
            person = await self._signed_out(session, person_id, but=caller.session_id)
            if person.password_hash != stored:
                raise WrongPassword
            _set_password(person, hashed, temporary=person.password_requires_reset)
            await session.flush()
            return await _shown(session, person)

    async def reset(self, caller: Caller, person_id: UUID, wanted: schemas.PasswordReset) -> people.Person:
        """Give somebody a temporary password; they are signed out. Raises OutOfReach."""
        async with self._database.read() as session:
            await self._require_resetting(session, caller, person_id)
        hashed = await self._hashed(wanted.password)
        async with self._database.write() as session:
            person = await self._signed_out(session, person_id)
            await self._require_resetting(session, caller, person_id)
            if wanted.reactivate:
                person.archived_at = None
            person.registration_token_hash = None
            person.registration_expires_at = None
            _set_password(person, hashed, temporary=True)
            await session.flush()
            return await _shown(session, person)

    @staticmethod
    async def _require_resetting(session: AsyncSession, caller: Caller, person_id: UUID) -> None:
        grants = await load_grants(session, caller.person_id)
        if not grants.administers_any or caller.person_id == person_id:
            raise Forbidden
        await _human(session, person_id)
        await require_manageable(session, grants, person_id)

    async def replace_temporary(
        self, caller: Caller, person_id: UUID, wanted: schemas.PasswordReset
    ) -> TokenizedPerson:
        """Let somebody replace their own temporary password; their token is replaced too."""
        if caller.person_id != person_id:
            raise Forbidden
        async with self._database.read() as session:
            if not (await _human(session, person_id)).password_requires_reset:
                raise Forbidden
        hashed = await self._hashed(wanted.password)
        async with self._database.write() as session:
            person = await self._signed_out(session, person_id)
            if not person.password_requires_reset or person.archived_at is not None:
                raise Forbidden
            _set_password(person, hashed, temporary=False)
            token = await self._sessions.begin(session, person)
            return await tokenized(session, person, token, self._capabilities)

    async def _signed_out(self, session: WriteSession, person_id: UUID, *, but: UUID | None = None) -> Person:
        """Lock somebody and end their sessions: before, in the order of locks, and what came until then."""
        await self._sessions.end_all(session, person_id, but=but)
        person = await lock_person(session, person_id)
        await self._sessions.end_all(session, person_id, but=but)
        return person

    async def _hashed(self, password: str, *, of: str | None = None) -> str:
        if not password.strip():
            raise BlankPassword
        self._passwords.require_fit(password, of=of)
        return await self._passwords.hash(password)


def _require_fit(person: Person, wanted: schemas.PersonRegistrationDetails) -> None:
    if wanted.password != wanted.confirmPassword or wanted.email.strip().lower() != person.email:
        raise UnfitRegistration


def _set_password(person: Person, hashed: str, *, temporary: bool) -> None:
    person.password_hash = hashed
    person.password_requires_reset = temporary
    person.version += 1


async def _human(session: AsyncSession, person_id: UUID) -> Person:
    """Return somebody who may have a password. Raises NotFound."""
    person = await find_person(session, person_id)
    if person is None or person.person_type != PERSON:
        raise NotFound
    return person


async def _shown(session: AsyncSession, person: Person) -> people.Person:
    return (await show_people(session, [person]))[person.id]
