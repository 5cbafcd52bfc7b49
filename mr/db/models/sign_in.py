"""What signing in through others leaves behind: who is who there, and what may be used once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from mr.db.models.base import Base, Identified, utc_now


class ExternalIdentity(Identified, Base):
    """Somebody's account at an identity provider; `issuer` and `subject` never change, addresses do."""

    __tablename__ = "external_identity"
    __table_args__ = (
        Index("uq_external_identity_issuer_subject", "issuer", "subject", unique=True),
        Index("uq_external_identity_person_id_issuer", "person_id", "issuer", unique=True),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    issuer: Mapped[str]
    subject: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_used_at: Mapped[datetime] = mapped_column(default=utc_now)


class SignInCode(Base):
    """A code that becomes a session, once; only its hash is kept.

    `proof` is what the browser's secret makes of `statement`: whoever lacks that secret cannot use the
    code. Both are null for codes that are given to a person and not to a browser.
    """

    __tablename__ = "sign_in_code"
    __table_args__ = (
        Index("ix_sign_in_code_person_id", "person_id"),
        Index("ix_sign_in_code_expires_at", "expires_at"),
    )

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    statement: Mapped[str | None]
    proof: Mapped[str | None]
    expires_at: Mapped[datetime]


class SpentAssertion(Base):
    """An assertion that was used, kept until it would have expired anyway."""

    __tablename__ = "spent_assertion"
    __table_args__ = (Index("ix_spent_assertion_expires_at", "expires_at"),)

    assertion_hash: Mapped[str] = mapped_column(primary_key=True)
    """Of the issuer and the assertion's id."""
    expires_at: Mapped[datetime]


class PendingSetUp(Base):
    """A first set-up whose administrator is at an identity provider; nothing exists until they return."""

    __tablename__ = "pending_set_up"
    __table_args__ = (Index("ix_pending_set_up_expires_at", "expires_at"),)

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    portfolio: Mapped[str]
    organization_name: Mapped[str]
    expires_at: Mapped[datetime]
