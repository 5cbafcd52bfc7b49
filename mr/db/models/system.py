"""Facts about the database itself, by name."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Mapped, mapped_column

from mr.db.models.base import Base

DATABASE_ID: Final = "database_id"
INCARNATION: Final = "incarnation"
EPOCH: Final = "epoch"
RAISING: Final = "raising"
RAISE_BY: Final = "raise_by"
FLOOR_BASE: Final = "floor_base"
PROJECTION: Final = "projection"


class SystemState(Base):
    """One fact: `docs/protocol.md` names them."""

    __tablename__ = "system_state"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
