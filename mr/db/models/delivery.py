"""What leaves MR, and the log of its changes (docs/protocol.md, section 2).

No foreign key points into or out of these tables: they are written by the projection and the relay
alone, and read by whoever answers caches.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from common.contracts.features import FeatureType
from mr.db.models.base import Base, BigInt, Map, Number64, Roles, Sum64, utc_now

ENVIRONMENT: Final = "environment"
ACCOUNT: Final = "account"


class Counter(Base):
    """A series of revisions; the row is also the lock of what it counts."""

    __tablename__ = "counter"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[Number64]
    digest: Mapped[Sum64]


class Delivered(Base):
    """One feature as one environment delivers it, retired ones included.

    ``state`` is the travelling form; the version that counts is the column's. ``hash`` is the state's
    fingerprint in hex.
    """

    __tablename__ = "delivered"
    __table_args__ = (Index("ix_delivered_key", "environment_id", "key"),)

    environment_id: Mapped[UUID] = mapped_column(primary_key=True)
    feature_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str]
    version: Mapped[Number64]
    state: Mapped[str]
    hash: Mapped[str] = mapped_column(String(32))


class DeliveredEnvironment(Base):
    """An environment as caches know it; ``tombstone`` = gone for good."""

    __tablename__ = "delivered_environment"
    __table_args__ = (Index("ix_delivered_environment_application_id", "application_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    portfolio_id: Mapped[UUID]
    application_id: Mapped[UUID]
    info: Mapped[Map]
    tombstone: Mapped[bool] = mapped_column(default=False)


class DeliveredAccount(Base):
    """A service account as caches know it: hashes of keys, never keys. ``tombstone`` = gone for good.

    ``permissions`` maps environment ids to roles joined by commas; ``filters`` are ids.
    """

    __tablename__ = "delivered_account"
    __table_args__ = (
        Index("ix_delivered_account_client_key_hash", "client_key_hash"),
        Index("ix_delivered_account_server_key_hash", "server_key_hash"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_key_hash: Mapped[str]
    server_key_hash: Mapped[str]
    permissions: Mapped[Map]
    filters: Mapped[Roles]
    restricted: Mapped[bool]
    tombstone: Mapped[bool] = mapped_column(default=False)


class KeyFloor(Base):
    """The last version under which a key was delivered before it went; the next begins above it."""

    __tablename__ = "key_floor"

    environment_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[Number64]


class KeyTombstone(Base):
    """A key that is no longer delivered, told to streams that open before ``until`` (unix seconds)."""

    __tablename__ = "key_tombstone"
    __table_args__ = (Index("ix_key_tombstone_until", "until"),)

    environment_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    feature_id: Mapped[UUID]
    type: Mapped[FeatureType] = mapped_column(Text)
    filters: Mapped[Roles]
    until: Mapped[Number64]


_WAITING = text("position IS NULL")


class OutboxRow(Base):
    """One change of one counter, written with the change. ``seq`` orders within a counter.

    ``previous_digest`` is the counter's digest before: with ``previous`` it says where the counter
    stands for those who have not heard of this row yet. ``trace`` is where in a trace it was made
    (`common.contracts.traces.TraceContext.text`), if that is recorded.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("uq_outbox_id", "id", unique=True),
        Index("uq_outbox_position", "position", unique=True),
        Index("ix_outbox_counter_id", "counter_id", "seq"),
        Index("ix_outbox_waiting", "seq", postgresql_where=_WAITING, sqlite_where=_WAITING),
        {"sqlite_autoincrement": True},
    )

    seq: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=True)
    id: Mapped[UUID]
    type: Mapped[str]
    counter_kind: Mapped[str] = mapped_column(String(16))
    counter_id: Mapped[UUID]
    revision: Mapped[Number64]
    previous: Mapped[Number64]
    digest: Mapped[Sum64]
    previous_digest: Mapped[Sum64]
    payload: Mapped[str]
    created: Mapped[datetime] = mapped_column(default=utc_now)
    position: Mapped[int | None] = mapped_column(BigInt)
    published: Mapped[datetime | None]
    trace: Mapped[str | None]


class RelayLease(Base):
    """The one row that says who assigns positions.

    ``until`` is in milliseconds of the database's clock, ``position`` the last one given, ``pruned`` the
    highest one that is no longer in the log.
    """

    __tablename__ = "relay"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    term: Mapped[Number64]
    holder: Mapped[str]
    until: Mapped[Number64]
    position: Mapped[Number64]
    pruned: Mapped[Number64]


class SdkUpdateRecord(Base):
    """The answer to a test update, kept so that its repetition has no second effect."""

    __tablename__ = "sdk_update"
    __table_args__ = (Index("ix_sdk_update_created", "created"),)

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[str]
    status: Mapped[int]
    detail: Mapped[str]
    created: Mapped[datetime] = mapped_column(default=utc_now)
