"""Portfolios, groups with their roles, applications and environments."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from mr.db.models.base import (
    Archivable,
    Base,
    Dated,
    Identified,
    Map,
    Roles,
    Versioned,
    utc_now,
)

LIVE = text("archived_at IS NULL")


class Portfolio(Identified, Dated, Archivable, Versioned, Base):
    """Owns applications, groups, service accounts and feature filters."""

    __tablename__ = "portfolio"
    __table_args__ = (
        Index(
            "uq_portfolio_name",
            "organization_id",
            "name",
            unique=True,
            postgresql_where=LIVE,
            sqlite_where=LIVE,
        ),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id"))
    name: Mapped[str]
    description: Mapped[str | None]


_ADMINS = text("admin AND archived_at IS NULL AND portfolio_id IS NOT NULL")
_SUPERUSERS = text("admin AND archived_at IS NULL AND portfolio_id IS NULL")


class Group(Identified, Dated, Archivable, Versioned, Base):
    """People of one portfolio; without a portfolio and with ``admin``: the superusers."""

    __tablename__ = "person_group"
    __table_args__ = (
        Index(
            "uq_person_group_name",
            "portfolio_id",
            "name",
            unique=True,
            postgresql_where=LIVE,
            sqlite_where=LIVE,
        ),
        Index(
            "uq_person_group_admin",
            "portfolio_id",
            unique=True,
            postgresql_where=_ADMINS,
            sqlite_where=_ADMINS,
        ),
        Index(
            "uq_person_group_superusers",
            "organization_id",
            unique=True,
            postgresql_where=_SUPERUSERS,
            sqlite_where=_SUPERUSERS,
        ),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id"))
    portfolio_id: Mapped[UUID | None] = mapped_column(ForeignKey("portfolio.id"))
    name: Mapped[str]
    admin: Mapped[bool] = mapped_column(default=False)


class GroupMember(Base):
    """One person in one group."""

    __tablename__ = "group_member"
    __table_args__ = (Index("ix_group_member_person_id", "person_id"),)

    group_id: Mapped[UUID] = mapped_column(
        ForeignKey("person_group.id", ondelete="CASCADE"), primary_key=True
    )
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class GroupEnvironmentRole(Base):
    """What a group may do in an environment; no row = nothing."""

    __tablename__ = "group_environment_role"
    __table_args__ = (Index("ix_group_environment_role_environment_id", "environment_id"),)

    group_id: Mapped[UUID] = mapped_column(
        ForeignKey("person_group.id", ondelete="CASCADE"), primary_key=True
    )
    environment_id: Mapped[UUID] = mapped_column(
        ForeignKey("environment.id", ondelete="CASCADE"), primary_key=True
    )
    roles: Mapped[Roles]


class GroupApplicationRole(Base):
    """What a group may do in an application; no row = nothing."""

    __tablename__ = "group_application_role"
    __table_args__ = (Index("ix_group_application_role_application_id", "application_id"),)

    group_id: Mapped[UUID] = mapped_column(
        ForeignKey("person_group.id", ondelete="CASCADE"), primary_key=True
    )
    application_id: Mapped[UUID] = mapped_column(
        ForeignKey("application.id", ondelete="CASCADE"), primary_key=True
    )
    roles: Mapped[Roles]


class Application(Identified, Dated, Archivable, Versioned, Base):
    """Owns environments, features and application strategies. Never moves to another portfolio."""

    __tablename__ = "application"
    __table_args__ = (
        Index(
            "uq_application_name",
            "portfolio_id",
            "name",
            unique=True,
            postgresql_where=LIVE,
            sqlite_where=LIVE,
        ),
    )

    portfolio_id: Mapped[UUID] = mapped_column(ForeignKey("portfolio.id"))
    name: Mapped[str]
    description: Mapped[str | None]


class Environment(Identified, Dated, Archivable, Versioned, Base):
    """A stage of an application. ``version`` is the contract's; its counter's revision is another thing."""

    __tablename__ = "environment"
    __table_args__ = (
        Index(
            "uq_environment_name",
            "application_id",
            "name",
            unique=True,
            postgresql_where=LIVE,
            sqlite_where=LIVE,
        ),
        Index("ix_environment_prior_environment_id", "prior_environment_id"),
    )

    application_id: Mapped[UUID] = mapped_column(ForeignKey("application.id"))
    name: Mapped[str]
    description: Mapped[str | None]
    production: Mapped[bool] = mapped_column(default=False)
    prior_environment_id: Mapped[UUID | None] = mapped_column(ForeignKey("environment.id"))
    environment_info: Mapped[Map] = mapped_column(default=dict)
    webhook_info: Mapped[Map] = mapped_column(default=dict)
