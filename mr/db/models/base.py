"""What all tables share: names of constraints, ids, times, and columns that hold small structures.

Everything here means the same on SQLite and PostgreSQL: no native enums, no extensions, no JSON type
(JSON is text, so that a number is never written again by a database).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData, String, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def utc_now() -> datetime:
    """The present, aware; what a database column of ours holds."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, kept in UTC; SQLite has no zones, so there it is stored without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone cannot be stored")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Digest(TypeDecorator[int]):
    """An unsigned 64-bit number as 16 hex digits: neither database has such an integer."""

    impl = String(16)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else f"{value:016x}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:
        del dialect
        return None if value is None else int(value, 16)


class Names(TypeDecorator[tuple[str, ...]]):
    """A set of short names (roles), sorted and joined by commas; empty text for none."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else ",".join(sorted(set(value)))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        del dialect
        if value is None:
            return None
        return tuple(value.split(",")) if value else ()


class TextMap(TypeDecorator[dict[str, str]]):
    """A map of text to text as a JSON object. Assign a new map to change it; it is not watched."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, str] | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else json.dumps(value, sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, str] | None:
        del dialect
        return None if value is None else dict(json.loads(value))


class Base(DeclarativeBase):
    """A table. The caller flushes parents before children: there are no relationships to order them."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's way to declare it)
        UUID: Uuid(),
        datetime: UtcDateTime(),
        str: Text(),
        int: Integer(),
    }


class Identified:
    """Has a random id, known as soon as the object exists."""

    id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-1)

    def __init__(self, **members: Any) -> None:
        members.setdefault("id", uuid4())
        super().__init__(**members)


class Dated:
    """Knows when it was made and last changed, and by whom (a person's id; null = the system)."""

    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    created_by: Mapped[UUID | None]
    updated_by: Mapped[UUID | None]


class Archivable:
    """Is never deleted, only put away; its name is free again then."""

    archived_at: Mapped[datetime | None]


class Versioned:
    """Carries the version of the contract's optimistic lock, from 1."""

    version: Mapped[int] = mapped_column(default=1)


BigInt = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both; SQLite gives automatic keys to plain INTEGER alone."""

Roles = Annotated[tuple[str, ...], mapped_column(Names)]
Map = Annotated[dict[str, str], mapped_column(TextMap)]
Number64 = Annotated[int, mapped_column(BigInt)]
Sum64 = Annotated[int, mapped_column(Digest)]
