"""The organisation, its people and their sessions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from mr.db.models.base import Archivable, Base, Dated, Identified, Versioned, utc_now

PERSON = "person"
ADMIN_ACCOUNT = "serviceAccount"
SDK_ACCOUNT = "sdkServiceAccount"


class Organization(Identified, Dated, Archivable, Versioned, Base):
    """There is one; everything belongs to it."""

    __tablename__ = "organization"

    name: Mapped[str]


class Person(Identified, Dated, Archivable, Versioned, Base):
    """A human, an admin account, or the hidden twin of an SDK service account (`person_type`).

    Archived people keep their e-mail address: making them again revives them.
    """

    __tablename__ = "person"
    __table_args__ = (
        Index("uq_person_email", "email", unique=True),
        Index("uq_person_registration_token_hash", "registration_token_hash", unique=True),
        Index("uq_person_access_token_hash", "access_token_hash", unique=True),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id"))
    person_type: Mapped[str] = mapped_column(default=PERSON)
    name: Mapped[str | None]
    email: Mapped[str | None]
    """Lower-cased; null for accounts that have none."""
    password_hash: Mapped[str | None]
    password_requires_reset: Mapped[bool] = mapped_column(default=False)
    registration_token_hash: Mapped[str | None]
    registration_expires_at: Mapped[datetime | None]
    access_token_hash: Mapped[str | None]
    """Of an admin account's permanent token."""
    source: Mapped[str | None]
    other: Mapped[str | None]
    last_authenticated_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]


class LoginSession(Identified, Base):
    """A signed-in browser or script; only the hash of its token is kept."""

    __tablename__ = "login_session"
    __table_args__ = (
        Index("uq_login_session_token_hash", "token_hash", unique=True),
        Index("ix_login_session_person_id", "person_id"),
        Index("ix_login_session_expires_at", "expires_at"),
    )

    token_hash: Mapped[str]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime]
    """The absolute end; the idle end follows from `last_seen_at`."""
