"""What endpoints outside are owed, what became of it, and the settings of the whole installation.

No foreign keys but from an attempt to its delivery: what is owed is noted by the projection, which writes to
many environments at once, and outlives what it is about.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from mr.db.models.base import Base, BigInt, Identified, Number64, TextMap, utc_now

WEBHOOK: Final = "webhook"
SLACK: Final = "slack"

WAITING: Final = "waiting"
DELIVERED: Final = "delivered"
DEAD: Final = "dead"

_WAITING = text("state = 'waiting'")


class Delivery(Identified, Base):
    """One message to one endpoint. The body is built for the first attempt and never again.

    ``keys`` is a JSON array. A chat message is about one value: ``feature_value_id`` and ``value_version``.
    ``due`` and ``claimed_until`` are milliseconds of the database's clock. The members from ``sent_at`` on
    tell of the last attempt, secrets masked.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_due", "due", postgresql_where=_WAITING, sqlite_where=_WAITING),
        Index("ix_delivery_environment_id", "environment_id", "kind", "created_at"),
        Index("ix_delivery_state", "state", "created_at"),
    )

    kind: Mapped[str] = mapped_column(String(16))
    environment_id: Mapped[UUID]
    revision: Mapped[Number64]
    keys: Mapped[str]
    test: Mapped[bool] = mapped_column(default=False)
    feature_value_id: Mapped[UUID | None]
    value_version: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    state: Mapped[str] = mapped_column(String(16), default=WAITING)
    due: Mapped[Number64] = mapped_column(default=0)
    claim: Mapped[str | None]
    claimed_until: Mapped[Number64] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    body: Mapped[str | None]
    event_time: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    status: Mapped[int | None]
    url: Mapped[str | None]
    outbound_headers: Mapped[dict[str, str] | None] = mapped_column(TextMap)
    incoming_headers: Mapped[dict[str, str] | None] = mapped_column(TextMap)
    result: Mapped[str | None]
    trace: Mapped[str | None]


class DeliveryAttempt(Base):
    """One try of a delivery that ended while somebody watched."""

    __tablename__ = "delivery_attempt"

    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ended_at: Mapped[datetime] = mapped_column(default=utc_now)
    status: Mapped[int]
    message: Mapped[str | None]
    headers: Mapped[dict[str, str] | None] = mapped_column(TextMap)


class EndpointHealth(Base):
    """How many messages in a row an environment's endpoint did not take; no row = none."""

    __tablename__ = "endpoint_health"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    environment_id: Mapped[UUID] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)


class SystemConfig(Base):
    """One setting of the installation, as JSON; what is secret in it is sealed."""

    __tablename__ = "system_config"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    version: Mapped[int] = mapped_column(BigInt, default=1)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    updated_by: Mapped[UUID | None]
