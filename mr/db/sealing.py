"""The audit's chain: each sealed row has a place without gaps, and a hash over itself and the one before.

Whoever changes or removes a sealed row afterwards breaks the chain from there on, which `verify` tells.
Rows are sealed after their commit, by the relay that leads, so nobody waits for it. The hash needs no secret
and can be worked out by any tool: SHA-256 over the previous hash and the row as one line of JSON.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import bindparam, func, select, update

from mr.db.delivered import table_of
from mr.db.lease import check
from mr.db.models.audit import AuditRow

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from mr.db.session import Database

BATCH: Final = 200
START: Final = "0" * 64
"""What stands before the first row."""

_TABLE: Final = table_of(AuditRow)
_PAGE: Final = 1_000
_SEALED: Final = ("position", "hash")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: worth writing down elsewhere, since what is cut off its end leaves no gap."""

    position: int = 0
    hash: str = START

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: the whole chain is right, or where it first is not."""

    head: Head
    unsealed: int
    fault: str | None = None
    """What is wrong behind `head`; None = nothing."""


def row_hash(previous: str, row: Any) -> str:
    """Return the hash of a row (its columns as attributes) behind the one with the hash ``previous``."""
    content = {each.name: getattr(row, each.name) for each in _TABLE.columns if each.name not in _SEALED}
    content["at"] = row.at.isoformat(timespec="microseconds")
    line = msgspec.json.encode([previous, content], order="sorted")
    return hashlib.sha256(line).hexdigest()


async def seal(database: Database, term: int, *, limit: int = BATCH) -> int:
    """Seal the oldest rows that are not; return how many. Raises `LeaseLost` for a term that has ended."""
    async with database.read() as session:
        if await session.scalar(select(_TABLE.c.seq).where(_TABLE.c.position.is_(None)).limit(1)) is None:
            return 0
    async with database.write() as session:
        await check(session, term)
        last = (
            await session.execute(
                select(_TABLE.c.position, _TABLE.c.hash)
                .where(_TABLE.c.position.is_not(None))
                .order_by(_TABLE.c.position.desc())
                .limit(1)
            )
        ).first()
        head = Head() if last is None else Head(*last)
        found = await session.execute(
            select(_TABLE).where(_TABLE.c.position.is_(None)).order_by(_TABLE.c.seq).limit(limit)
        )
        links = []
        for row in found:
            head = Head(head.position + 1, row_hash(head.hash, row))
            links.append({"row": row.seq, "place": head.position, "sum": head.hash})
        # Two that seal at once cannot both: the place is unique, and whoever comes second finds it taken.
        statement = (
            update(_TABLE)
            .where(_TABLE.c.seq == bindparam("row"), _TABLE.c.position.is_(None))
            .values(position=bindparam("place"), hash=bindparam("sum"))
        )
        if links:
            await (await session.connection()).execute(statement, links)
    return len(links)


async def verify(database: Database, *, known: Head | None = None) -> Verified:
    """Go through the chain, page by page, to its end or its first fault.

    ``known`` is an earlier head: the chain must still go through it.
    """
    async with database.read() as session:
        unsealed = await session.scalar(
            select(func.count()).select_from(_TABLE).where(_TABLE.c.position.is_(None))
        )
        head, fault = await _follow(session, known)
    if fault is None and known is not None and known.position > head.position:
        fault = f"the chain ends here, but once went on to {known.position}"
    return Verified(head, unsealed or 0, fault)


async def _follow(session: AsyncSession, known: Head | None) -> tuple[Head, str | None]:
    head = Head()
    while True:
        rows = (
            await session.execute(
                select(_TABLE)
                .where(_TABLE.c.position > head.position)
                .order_by(_TABLE.c.position)
                .limit(_PAGE)
            )
        ).all()
        for row in rows:
            fault = _fault(head, row)
            if fault is not None:
                return head, fault
            head = Head(row.position, row.hash)
            if known is not None and known.position == head.position and known.hash != head.hash:
                return head, f"the row at {head.position} is not the one that was here when {known} was noted"
        if len(rows) < _PAGE:
            return head, None


def _fault(head: Head, row: Any) -> str | None:
    if row.position != head.position + 1:
        return f"rows are missing: after {head.position} comes {row.position}"
    if row.hash != row_hash(head.hash, row):
        return f"the row at {row.position} (number {row.seq}) is not what was sealed"
    return None


__all__ = ["BATCH", "START", "Head", "Verified", "row_hash", "seal", "verify"]
