"""One-time codes: what the browser brings from a redirect, and a POST turns into a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select

from mr.auth.external.browser import Browser
from mr.auth.sessions import hash_token, random_text
from mr.db.models.base import utc_now
from mr.db.models.people import PERSON, Person
from mr.db.models.sign_in import SignInCode
from mr.db.session import WriteSession

VALID_SECONDS: Final = 30
_LENGTH: Final = 43


@dataclass(frozen=True)
class Binding:
    """Which browser may use a code: the one whose secret makes this proof of this statement."""

    statement: str
    proof: str


async def issue_code(
    session: WriteSession, person_id: UUID, binding: Binding | None, *, valid_seconds: float = VALID_SECONDS
) -> str:
    """Record a code inside the caller's transaction and return it; unbound, anybody may use it."""
    code, now = random_text(_LENGTH), utc_now()
    await session.execute(delete(SignInCode).where(SignInCode.expires_at <= now))
    session.add(
        SignInCode(
            code_hash=hash_token(code),
            person_id=person_id,
            statement=binding and binding.statement,
            proof=binding and binding.proof,
            expires_at=now + timedelta(seconds=valid_seconds),
        )
    )
    await session.flush()
    return code


async def use_code(session: WriteSession, code: str, browser: Browser | None) -> Person | None:
    """Spend a code and return whose it was, locked; None when it is unknown, old or another browser's.

    It is spent in any case, so the caller commits whatever the answer is.
    """
    row = (
        await session.execute(
            delete(SignInCode)
            .where(SignInCode.code_hash == hash_token(code))
            .returning(SignInCode.person_id, SignInCode.statement, SignInCode.proof, SignInCode.expires_at)
        )
    ).first()
    if row is None or row.expires_at <= utc_now():
        return None
    if row.statement is not None and not (browser and browser.proves(row.statement, row.proof)):
        return None
    person: Person | None = await session.scalar(
        select(Person)
        .where(Person.id == row.person_id, Person.person_type == PERSON, Person.archived_at.is_(None))
        .with_for_update(key_share=True)
    )
    return person
