"""The way back in for the superusers of a server that nobody can sign in to any more.

For whoever has the database itself: makes somebody a superuser who can sign in, by a link that works once
or by a password, whatever providers and settings say. Must not be reachable over the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select

from common.errors import Mendable
from mr.auth.passwords import Passwords, WeakPassword
from mr.auth.sessions import Sessions
from mr.db.models.people import PERSON, Person
from mr.db.models.portfolios import Group
from mr.db.session import Database, WriteSession, open_database
from mr.people import memberships
from mr.people.editing import find_by_email, lock_person
from mr.settings import MrSettings
from mr.signin.codes import issue_code

LINK_SECONDS: Final = 900


class NotRecovered(Mendable):
    """Nothing was changed; the message says what to name."""


@dataclass(frozen=True)
class Recovered:
    """Who can sign in again, and with what."""

    email: str
    code: str
    """Works once, for a quarter of an hour, in any browser."""
    promoted: bool
    password_set: bool


async def recover(settings: MrSettings, email: str | None, password: str | None) -> Recovered:
    """Let a superuser in again: the one named, or the only one. Raises NotRecovered."""
    passwords = Passwords(min_length=settings.password_min_length)
    hashed = None if password is None else await _hashed(passwords, password, email)
    async with open_database(settings.database_address()) as database:
        sessions = Sessions(
            database, idle_hours=settings.session_idle_hours, max_hours=settings.session_max_hours
        )
        return await _recover(database, sessions, email, hashed)


async def _recover(
    database: Database, sessions: Sessions, email: str | None, hashed: str | None
) -> Recovered:
    async with database.write() as session:
        group = await _superusers(session)
        superusers = await memberships.superuser_ids(session)
        found = await _chosen(session, email, superusers)
        # Whoever took the account over loses it: sessions end before the row is locked, as everywhere.
        await sessions.end_all(session, found)
        person = await lock_person(session, found)
        person.archived_at = None
        if hashed is not None or person.password_requires_reset:
            person.password_hash = hashed
            person.password_requires_reset = False
        person.registration_token_hash = None
        person.registration_expires_at = None
        person.version += 1
        await session.flush()
        promoted = person.id not in superusers
        if promoted:
            await memberships.join(session, group, [person.id])
        code = await issue_code(session, person.id, None, valid_seconds=LINK_SECONDS)
        return Recovered(person.email or "", code, promoted, hashed is not None)


async def _superusers(session: WriteSession) -> Group:
    head = await memberships.superusers_id(session)
    locked = {} if head is None else await memberships.lock_groups(session, [head])
    if head is None or head not in locked:
        raise NotRecovered("Nothing was set up in this database yet; open the server and set it up.")
    return locked[head]


async def _chosen(session: WriteSession, email: str | None, superusers: list[UUID]) -> UUID:
    if email is not None:
        person = await find_by_email(session, email)
        if person is None or person.person_type != PERSON:
            raise NotRecovered(f"Nobody has the address {email}. {await _told(session, superusers)}")
        return person.id
    people = await _people(session, superusers)
    if len(people) != 1:
        raise NotRecovered(f"Name whom to let in. {await _told(session, superusers)}")
    return people[0].id


async def _told(session: WriteSession, superusers: list[UUID]) -> str:
    addresses = [person.email or "" for person in await _people(session, superusers)]
    return f"Superusers: {', '.join(addresses)}." if addresses else "There is no superuser at present."


async def _people(session: WriteSession, superusers: list[UUID]) -> list[Person]:
    found = await session.scalars(
        select(Person).where(Person.id.in_(superusers), Person.person_type == PERSON).order_by(Person.email)
    )
    return list(found)


async def _hashed(passwords: Passwords, password: str, email: str | None) -> str:
    try:
        passwords.require_fit(password, of=email)
    except WeakPassword as error:
        raise NotRecovered(error.detail or error.title()) from None
    return await passwords.hash(password)
