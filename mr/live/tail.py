"""Follows the audit: every change of every process on this database, once, soon after its commit.

The chain gives rows a place without gaps some moments after their commit. Until then a row is known by its
number alone, and numbers come out of order: so what has no place yet is read whole each time, and what was
told of it remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Select, func, select

from mr.db.models.audit import AuditRow
from mr.db.models.system import EPOCH, SystemState
from mr.live.hearing import Change

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from mr.db.session import Database

MANY: Final = 1_000
"""More rows at once are not told one by one: looking at everything anew is less work then."""

_Columns = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far somebody has heard: valid within one epoch of the database."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.position}"

    @classmethod
    def parse(cls, text: str) -> Mark | None:
        """Read what `str` wrote; None for anything else."""
        epoch, _, digits = text.rpartition(".")
        if not epoch or not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            return None
        return cls(epoch, int(digits))


class Tail:
    """Where one process is in the audit. One call at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epoch = ""
        self._position = 0
        self._told: frozenset[int] = frozenset()

    @property
    def mark(self) -> Mark:
        """Everything up to here was answered by `read`."""
        return Mark(self._epoch, self._position)

    async def begin(self) -> None:
        """Go to the end. Raises Unavailable."""
        async with self._database.read() as session:
            self._epoch = await _epoch(session)
            await self._to_the_end(session)

    async def read(self) -> list[Change] | None:
        """Return what was committed since, or None when that is too much to tell. Raises Unavailable."""
        async with self._database.read() as session:
            sealed = await _rows(session, _after(self._position))
            waiting = await _rows(session, _waiting())
            if max(len(sealed), len(waiting)) > MANY:
                await self._to_the_end(session)
                return None
        found = [row for row in (*sealed, *waiting) if row.seq not in self._told]
        self._told = frozenset(row.seq for row in waiting)
        if sealed:
            self._position = sealed[-1].position or self._position
        return sorted(found, key=lambda row: row.seq)

    async def is_another(self) -> bool:
        """Whether the database is not the one it was: then marks mean nothing, and this is at its end."""
        async with self._database.read() as session:
            epoch = await _epoch(session)
            last = await _last(session)
            if epoch == self._epoch and last >= self._position:
                return False
            self._epoch = epoch
            await self._to_the_end(session)
            return True

    async def since(self, mark: Mark) -> list[Change] | None:
        """Return what was committed after a mark, or None when nobody can say, or it is too much."""
        async with self._database.read() as session:
            if mark.epoch != self._epoch or mark.position > await _last(session):
                return None
            sealed = await _rows(session, _after(mark.position))
            waiting = await _rows(session, _waiting())
        return None if max(len(sealed), len(waiting)) > MANY else [*sealed, *waiting]

    async def _to_the_end(self, session: AsyncSession) -> None:
        self._position = await _last(session)
        # Not bounded: numbers alone, and each is sealed within moments.
        rows = await session.scalars(select(AuditRow.seq).where(AuditRow.position.is_(None)))
        self._told = frozenset(rows)


_CHANGE: Final = select(*(getattr(AuditRow, name) for name in Change._fields))


def _waiting() -> Select[_Columns]:
    return _CHANGE.where(AuditRow.position.is_(None)).order_by(AuditRow.seq).limit(MANY + 1)


def _after(position: int) -> Select[_Columns]:
    return _CHANGE.where(AuditRow.position > position).order_by(AuditRow.position).limit(MANY + 1)


async def _rows(session: AsyncSession, wanted: Select[_Columns]) -> list[Change]:
    return [Change._make(row) for row in await session.execute(wanted)]


async def _last(session: AsyncSession) -> int:
    return await session.scalar(select(func.max(AuditRow.position))) or 0


async def _epoch(session: AsyncSession) -> str:
    # Before the first relay there is none, and no row with a place either.
    return await session.scalar(select(SystemState.value).where(SystemState.key == EPOCH)) or "none"
