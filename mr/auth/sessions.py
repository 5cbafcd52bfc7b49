"""Sign-in sessions: opaque tokens that are stored as hashes and end by idleness or age."""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mr.db.models.base import utc_now
from mr.db.models.people import LoginSession, Person
from mr.db.recording import UNRECORDED
from mr.db.session import Database, WriteSession, run_with_retries

TOKEN_LENGTH: Final = 36
_ALPHABET: Final = string.ascii_letters + string.digits
# A call refreshes its session at most this often: otherwise every read would be a write.
_REFRESHED_AFTER: Final = timedelta(seconds=60)


@dataclass(frozen=True)
class Identity:
    """Who a token belongs to; `session_id` is None for the permanent token of an admin account."""

    person_id: UUID
    session_id: UUID | None
    must_reset_password: bool


def random_text(length: int) -> str:
    """Letters and digits from the system's source of randomness."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def hash_token(token: str) -> str:
    """The only form in which a token is stored. Tokens are random, so a plain hash is enough."""
    return sha256(token.encode()).hexdigest()


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(self, database: Database, *, idle_hours: float, max_hours: float) -> None:
        self._database = database
        self._idle = timedelta(hours=idle_hours)
        self._max = timedelta(hours=max_hours)
        # Not later than a tenth of the idle time, or a short one would end under its user's hands.
        self._refresh = min(_REFRESHED_AFTER, self._idle / 10)

    async def begin(self, session: WriteSession, person: Person) -> str:
        """Record a new session inside the caller's transaction and return its token."""
        token = random_text(TOKEN_LENGTH)
        now = utc_now()
        await session.execute(delete(LoginSession).where(self._ended(now)), execution_options=UNRECORDED)
        session.add(
            LoginSession(token_hash=hash_token(token), person_id=person.id, expires_at=now + self._max)
        )
        person.last_authenticated_at = now
        person.last_seen_at = now
        await session.flush()
        return token

    async def find(self, token: str) -> Identity | None:
        """Return whose token this is, or None when it is unknown, ended or its person archived."""
        hashed = hash_token(token)
        now = utc_now()
        async with self._database.read() as session:
            row = (
                await session.execute(
                    select(LoginSession, Person.password_requires_reset)
                    .join(Person, Person.id == LoginSession.person_id)
                    .where(LoginSession.token_hash == hashed, ~self._ended(now), Person.archived_at.is_(None))
                )
            ).first()
            if row is None:
                return await self._permanent(session, hashed)
        found, must_reset = row
        if now - found.last_seen_at > self._refresh:
            await self._seen(found.id, found.person_id, now)
        return Identity(found.person_id, found.id, must_reset)

    async def lasting(self, token_hashes: Collection[str]) -> frozenset[str]:
        """Return those with which one could call now. Looking does not make a sign-in last longer."""
        now = utc_now()
        async with self._database.read() as session:
            begun = await session.scalars(
                select(LoginSession.token_hash)
                .join(Person, Person.id == LoginSession.person_id)
                .where(
                    LoginSession.token_hash.in_(token_hashes),
                    ~self._ended(now),
                    Person.archived_at.is_(None),
                    Person.password_requires_reset.is_(False),
                )
            )
            permanent = await session.scalars(
                select(Person.access_token_hash).where(
                    Person.access_token_hash.in_(token_hashes), Person.archived_at.is_(None)
                )
            )
            return frozenset(begun) | frozenset(each for each in permanent if each)

    async def exchange(
        self, session: WriteSession, session_id: UUID, token: str, *, grace: timedelta = timedelta()
    ) -> datetime | None:
        """Let a new token take a session over; the first one ends after `grace`. In the caller's transaction.

        Return when the session ends in any case, which does not change; None when it has ended already.
        """
        now = utc_now()
        row = (
            await session.execute(
                select(LoginSession.person_id, LoginSession.expires_at)
                .where(LoginSession.id == session_id, ~self._ended(now))
                .with_for_update()
            )
        ).first()
        if row is None:
            return None
        person_id, ends = row
        # Not recorded: nobody signs in or out, the session goes on.
        await session.execute(
            insert(LoginSession).values(
                id=uuid4(), token_hash=hash_token(token), person_id=person_id, created_at=now, expires_at=ends
            ),
            execution_options=UNRECORDED,
        )
        await session.execute(
            update(LoginSession)
            .where(LoginSession.id == session_id)
            .values(expires_at=min(ends, now + grace)),
            execution_options=UNRECORDED,
        )
        return ends

    async def end(self, session: WriteSession, session_id: UUID) -> None:
        """Revoke one session inside the caller's transaction."""
        await session.execute(delete(LoginSession).where(LoginSession.id == session_id))

    async def end_all(self, session: WriteSession, person_id: UUID, *, but: UUID | None = None) -> None:
        """Revoke everything somebody is signed in with, except one session if named.

        Comes before the person's row is locked: a call that refreshes a session takes them in that order.
        """
        ended = delete(LoginSession).where(LoginSession.person_id == person_id)
        if but is not None:
            ended = ended.where(LoginSession.id != but)
        await session.execute(ended)

    def _ended(self, now: datetime) -> ColumnElement[bool]:
        return (LoginSession.expires_at <= now) | (LoginSession.last_seen_at <= now - self._idle)

    @staticmethod
    async def _permanent(session: AsyncSession, hashed: str) -> Identity | None:
        person_id = await session.scalar(
            select(Person.id).where(Person.access_token_hash == hashed, Person.archived_at.is_(None))
        )
        return None if person_id is None else Identity(person_id, None, must_reset_password=False)

    async def _seen(self, session_id: UUID, person_id: UUID, now: datetime) -> None:
        async def refresh() -> None:
            async with self._database.write() as session:
                await session.execute(
                    update(LoginSession).where(LoginSession.id == session_id).values(last_seen_at=now),
                    execution_options=UNRECORDED,
                )
                await session.execute(
                    update(Person).where(Person.id == person_id).values(last_seen_at=now),
                    execution_options=UNRECORDED,
                )

        await run_with_retries(refresh)
