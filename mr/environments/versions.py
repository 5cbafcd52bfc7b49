"""The contract's version of environments, apart from the rest so that features may raise it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import update

from mr.db.models.portfolios import Environment
from mr.db.session import WriteSession


async def raise_versions(session: WriteSession, application_id: UUID) -> None:
    """Raise the version of every environment: a feature was added to all of them."""
    await session.execute(
        update(Environment)
        .where(Environment.application_id == application_id, Environment.archived_at.is_(None))
        .values(version=Environment.version + 1)
    )
