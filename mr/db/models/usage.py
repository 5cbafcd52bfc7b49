"""How much SDKs asked, as Edges told it: numbers by minute and by hour.

Refers to nothing: it is written beside everything else, and outlives what it counts until it is old.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from mr.db.models.base import Base, BigInt


class UsageRow(Base):
    """One number of one minute or hour: ``step`` says which, in seconds, ``at`` its beginning, unix seconds.

    ``account_id`` is all zeroes where nobody in particular is meant.
    """

    __tablename__ = "usage"
    __table_args__ = (Index("ix_usage_step_at", "step", "at"),)

    environment_id: Mapped[UUID] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInt)
