"""Features, their values in each environment with their history, strategies, groups and filters.

Columns named ``value`` hold one JSON token as text, exactly as written; null = no value. Columns named
``strategies`` hold a JSON array of strategies as the management API spells them; what SDKs get of it is
`mr.db.projection`'s business.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from common.contracts.features import FeatureType
from mr.db.models.base import Archivable, Base, Dated, Identified, Versioned, utc_now
from mr.db.models.portfolios import LIVE


class Feature(Identified, Dated, Archivable, Versioned, Base):
    """A definition within an application; its type is one of `FEATURE_TYPES`."""

    __tablename__ = "feature"
    __table_args__ = (
        Index(
            "uq_feature_key",
            "application_id",
            "key",
            unique=True,
            postgresql_where=LIVE,
            sqlite_where=LIVE,
        ),
        Index("ix_feature_application_id", "application_id"),
    )

    application_id: Mapped[UUID] = mapped_column(ForeignKey("application.id"))
    key: Mapped[str]
    name: Mapped[str]
    alias: Mapped[str | None]
    link: Mapped[str | None]
    description: Mapped[str | None]
    meta_data: Mapped[str | None]
    value_type: Mapped[FeatureType] = mapped_column(Text)
    secret: Mapped[bool] = mapped_column(default=False)


class FeatureFilter(Identified, Dated, Versioned, Base):
    """A label of a portfolio, put on features and on service accounts. Really deleted, links included."""

    __tablename__ = "feature_filter"
    __table_args__ = (Index("uq_feature_filter_name", "portfolio_id", "name", unique=True),)

    portfolio_id: Mapped[UUID] = mapped_column(ForeignKey("portfolio.id"))
    name: Mapped[str]
    description: Mapped[str | None]


class FeatureFilterLink(Base):
    """One filter on one feature."""

    __tablename__ = "feature_filter_link"
    __table_args__ = (Index("ix_feature_filter_link_filter_id", "filter_id"),)

    feature_id: Mapped[UUID] = mapped_column(ForeignKey("feature.id", ondelete="CASCADE"), primary_key=True)
    filter_id: Mapped[UUID] = mapped_column(
        ForeignKey("feature_filter.id", ondelete="CASCADE"), primary_key=True
    )


class FeatureValue(Identified, Base):
    """A feature's setting in one environment.

    ``version``, ``updated_by`` and ``updated_at`` are written by the projection alone; a new row has
    version 0 until then.
    """

    __tablename__ = "feature_value"
    __table_args__ = (
        Index("uq_feature_value_feature", "feature_id", "environment_id", unique=True),
        Index("ix_feature_value_environment_id", "environment_id"),
    )

    feature_id: Mapped[UUID] = mapped_column(ForeignKey("feature.id"))
    environment_id: Mapped[UUID] = mapped_column(ForeignKey("environment.id"))
    locked: Mapped[bool] = mapped_column(default=False)
    retired: Mapped[bool] = mapped_column(default=False)
    value: Mapped[str | None]
    strategies: Mapped[str] = mapped_column(default="[]")
    version: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_by: Mapped[UUID | None]


class FeatureValueVersion(Base):
    """What a value was at one of its versions: history, and the base of three-way updates.

    ``application_strategies`` is a JSON array of ``{id, code, name, value, disabled}`` in order. Written
    by the projection alone.
    """

    __tablename__ = "feature_value_version"

    feature_value_id: Mapped[UUID] = mapped_column(
        ForeignKey("feature_value.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version_from: Mapped[int]
    value_type: Mapped[FeatureType] = mapped_column(Text)
    locked: Mapped[bool]
    retired: Mapped[bool]
    value: Mapped[str | None]
    strategies: Mapped[str]
    application_strategies: Mapped[str]
    saved_at: Mapped[datetime]
    saved_by: Mapped[UUID | None]


class ApplicationStrategy(Identified, Dated, Archivable, Versioned, Base):
    """A strategy shared by values of an application; SDKs and history know it by ``code`` (``@`` + 3).

    ``percentage_attributes`` and ``attributes`` are JSON arrays.
    """

    __tablename__ = "application_strategy"
    __table_args__ = (Index("uq_application_strategy_code", "application_id", "code", unique=True),)

    application_id: Mapped[UUID] = mapped_column(ForeignKey("application.id"))
    code: Mapped[str]
    name: Mapped[str]
    disabled: Mapped[bool] = mapped_column(default=False)
    percentage: Mapped[int | None]
    percentage_attributes: Mapped[str] = mapped_column(default="[]")
    attributes: Mapped[str] = mapped_column(default="[]")
    colouring: Mapped[int | None]
    avatar: Mapped[str | None]


Index(
    "uq_application_strategy_name",
    ApplicationStrategy.application_id,
    func.lower(ApplicationStrategy.name),
    unique=True,
    postgresql_where=LIVE,
    sqlite_where=LIVE,
)


class StrategyUse(Base):
    """An application strategy used by a value, with the value to serve; ``sort_order`` is the place."""

    __tablename__ = "strategy_use"
    __table_args__ = (Index("ix_strategy_use_strategy_id", "strategy_id"),)

    feature_value_id: Mapped[UUID] = mapped_column(
        ForeignKey("feature_value.id", ondelete="CASCADE"), primary_key=True
    )
    strategy_id: Mapped[UUID] = mapped_column(
        ForeignKey("application_strategy.id", ondelete="CASCADE"), primary_key=True
    )
    sort_order: Mapped[int]
    value: Mapped[str | None]
    disabled: Mapped[bool] = mapped_column(default=False)


class FeatureGroup(Identified, Dated, Archivable, Versioned, Base):
    """A strategy served for several features of one environment at once.

    ``strategies`` is a JSON array without values: the value to serve stands beside each feature.
    """

    __tablename__ = "feature_group"
    __table_args__ = (
        Index(
            "ix_feature_group_environment_id",
            "environment_id",
            postgresql_where=LIVE,
            sqlite_where=LIVE,
        ),
    )

    environment_id: Mapped[UUID] = mapped_column(ForeignKey("environment.id"))
    name: Mapped[str]
    description: Mapped[str | None]
    sort_order: Mapped[int]
    disabled: Mapped[bool] = mapped_column(default=False)
    strategies: Mapped[str] = mapped_column(default="[]")


class FeatureGroupFeature(Base):
    """A feature in a group, and the value that the group's strategy serves for it."""

    __tablename__ = "feature_group_feature"
    __table_args__ = (Index("ix_feature_group_feature_feature_id", "feature_id"),)

    group_id: Mapped[UUID] = mapped_column(
        ForeignKey("feature_group.id", ondelete="CASCADE"), primary_key=True
    )
    feature_id: Mapped[UUID] = mapped_column(ForeignKey("feature.id", ondelete="CASCADE"), primary_key=True)
    value: Mapped[str | None]
