"""What is remembered for somebody between visits."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from mr.db.models.base import Base, Roles


class HiddenEnvironments(Base):
    """The environments that a person hides in an application; ids in no order.

    ``none_selected`` tells a list that is meant to be empty from one that was never made.
    """

    __tablename__ = "hidden_environments"
    __table_args__ = (Index("ix_hidden_environments_application_id", "application_id"),)

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True)
    application_id: Mapped[UUID] = mapped_column(
        ForeignKey("application.id", ondelete="CASCADE"), primary_key=True
    )
    none_selected: Mapped[bool] = mapped_column(default=False)
    environment_ids: Mapped[Roles]
