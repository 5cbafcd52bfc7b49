"""The audit: what was changed, by whom, and the chain that shows when somebody changes that afterwards."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from mr.db.models.base import Base, BigInt, utc_now

_UNSEALED = text("position IS NULL")


class AuditRow(Base):
    """What one transaction did to one object. Only added, by `mr.db.audit`, and sealed, by `mr.db.sealing`.

    Refers to nothing, and says names and not only ids: it outlives everything that it tells of. `changes`
    is a JSON object of ``{"before", "after"}`` by the name of the member. `position` and `hash` are the
    row's place in the chain; null until it is sealed.
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index("uq_audit_position", "position", unique=True),
        Index("ix_audit_unsealed", "seq", postgresql_where=_UNSEALED, sqlite_where=_UNSEALED),
        Index("ix_audit_at", "at", "seq"),
        Index("ix_audit_actor_id", "actor_id", "seq"),
        Index("ix_audit_object_id", "object_id", "seq"),
        Index("ix_audit_portfolio_id", "portfolio_id", "seq"),
        Index("ix_audit_environment_id", "environment_id", "seq"),
        {"sqlite_autoincrement": True},
    )

    seq: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=utc_now)
    request_id: Mapped[str | None]
    operation: Mapped[str | None]
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str | None]
    action: Mapped[str] = mapped_column(String(20))
    object_kind: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[str]
    object_name: Mapped[str | None]
    portfolio_id: Mapped[UUID | None]
    application_id: Mapped[UUID | None]
    environment_id: Mapped[UUID | None]
    changes: Mapped[str]
    position: Mapped[int | None] = mapped_column(BigInt)
    hash: Mapped[str | None] = mapped_column(String(64))
