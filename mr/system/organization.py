"""The one organisation, which subjects below set-up need as well."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import NotFound
from mr.db.models.people import Organization


async def find_organization(session: AsyncSession) -> Organization | None:
    """Return the organisation, or None before the first set-up."""
    found: Organization | None = await session.scalar(select(Organization).limit(1))
    return found


async def get_organization(session: AsyncSession) -> Organization:
    """Return the organisation. Raises NotFound before the first set-up."""
    organization = await find_organization(session)
    if organization is None:
        raise NotFound
    return organization
