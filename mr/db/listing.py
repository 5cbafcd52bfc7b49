"""Everything there is, page by page, for a cache that wants to hold all of it: environments, then accounts.

A page costs one statement, whatever came before it. Must not know what the ids are used for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import select

from common.contracts.lookups import Listing
from common.errors import BadRequest
from mr.db.models.delivery import DeliveredAccount, DeliveredEnvironment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncSession

_ENVIRONMENTS: Final = "e"
_ACCOUNTS: Final = "a"


class _Place(NamedTuple):
    """What was listed up to here: a part, and its last id (None = nothing of it yet)."""

    part: Literal["e", "a"]
    last: UUID | None

    def __str__(self) -> str:
        return f"{self.part}{self.last or ''}"


async def load_page(session: AsyncSession, after: str | None, limit: int) -> Listing:
    """Read the page behind ``after``, None = the first; raises `BadRequest` for one that no page named.

    What comes to be while somebody pages may be on no page: an event tells of it.
    """
    place = _read(after)
    if place.part == _ENVIRONMENTS:
        environments = (
            await session.scalars(_page(select(DeliveredEnvironment.id), DeliveredEnvironment, place, limit))
        ).all()
        following = _following(place, environments, limit) or _Place(_ACCOUNTS, None)
        return Listing(ids=tuple(str(each) for each in environments), next=str(following))
    accounts = select(DeliveredAccount.id, DeliveredAccount.client_key_hash)
    rows = (await session.execute(_page(accounts, DeliveredAccount, place, limit))).all()
    after_accounts = _following(place, [row.id for row in rows], limit)
    return Listing(
        hashes=tuple(row.client_key_hash for row in rows),
        next=None if after_accounts is None else str(after_accounts),
    )


def _page(
    statement: Select[*tuple[Any, ...]], table: Any, place: _Place, limit: int
) -> Select[*tuple[Any, ...]]:
    statement = statement.where(table.tombstone.is_(False)).order_by(table.id).limit(limit)
    return statement if place.last is None else statement.where(table.id > place.last)


def _following(place: _Place, ids: Sequence[UUID], limit: int) -> _Place | None:
    """What to ask for next within the part; None = that was all of it."""
    return _Place(place.part, ids[-1]) if len(ids) == limit else None


def _read(after: str | None) -> _Place:
    if after is None:
        return _Place(_ENVIRONMENTS, None)
    part, last = after[:1], after[1:]
    try:
        if part == _ENVIRONMENTS:
            return _Place("e", UUID(last) if last else None)
        if part == _ACCOUNTS:
            return _Place("a", UUID(last) if last else None)
    except ValueError:
        pass
    raise BadRequest("No page is named like this.")
