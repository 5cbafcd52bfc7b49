"""Service accounts: the identities of SDKs, their keys, permissions and filters."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from mr.db.models.base import Archivable, Base, Dated, Identified, Roles, Versioned
from mr.db.models.portfolios import LIVE


class ServiceAccount(Identified, Dated, Archivable, Versioned, Base):
    """An identity with two keys, one for each kind of evaluation.

    The hashes are `common.contracts.environments.hash_key` of the keys and change with them.
    ``restricted`` is set by the projection as soon as the account has a filter: without any left it sees
    nothing. ``person_id`` is its hidden twin, the author of its test updates.
    """

    __tablename__ = "service_account"
    __table_args__ = (
        Index(
            "uq_service_account_name",
            "portfolio_id",
            "name",
            unique=True,
            postgresql_where=LIVE,
            sqlite_where=LIVE,
        ),
        Index("uq_service_account_client_key_hash", "client_key_hash", unique=True),
        Index("uq_service_account_server_key_hash", "server_key_hash", unique=True),
        Index("ix_service_account_person_id", "person_id"),
    )

    portfolio_id: Mapped[UUID] = mapped_column(ForeignKey("portfolio.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    name: Mapped[str]
    description: Mapped[str | None]
    client_key: Mapped[str]
    server_key: Mapped[str]
    client_key_hash: Mapped[str]
    server_key_hash: Mapped[str]
    restricted: Mapped[bool] = mapped_column(default=False)


class ServiceAccountPermission(Base):
    """What an account may do in an environment; no row = nothing."""

    __tablename__ = "service_account_permission"
    __table_args__ = (Index("ix_service_account_permission_environment_id", "environment_id"),)

    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("service_account.id", ondelete="CASCADE"), primary_key=True
    )
    environment_id: Mapped[UUID] = mapped_column(
        ForeignKey("environment.id", ondelete="CASCADE"), primary_key=True
    )
    roles: Mapped[Roles]


class ServiceAccountFilter(Base):
    """One filter on one account: it sees only features that share one of its filters."""

    __tablename__ = "service_account_filter"
    __table_args__ = (Index("ix_service_account_filter_filter_id", "filter_id"),)

    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("service_account.id", ondelete="CASCADE"), primary_key=True
    )
    filter_id: Mapped[UUID] = mapped_column(
        ForeignKey("feature_filter.id", ondelete="CASCADE"), primary_key=True
    )
