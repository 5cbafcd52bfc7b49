"""What a live stream tells of one change, and who may hear it: pure rules over the audit's words.

Never tells what something is now, only that it is another: whoever wants to know asks for it, and is asked
who they are. Does no I/O.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from mr.auth.permissions import Grants, Place


class Change(NamedTuple):
    """One row of the audit, as far as it is told. ``position`` None = it has no place in the chain yet."""

    seq: int
    position: int | None
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_name: str | None
    action: str
    object_kind: str
    object_id: str
    object_name: str | None
    portfolio_id: UUID | None
    application_id: UUID | None
    environment_id: UUID | None


TURNS_GRANTS: Final = frozenset({"person", "group", "portfolio", "application", "environment"})
"""Kinds of objects whose changes may give or take what somebody may see."""


def may_hear(grants: Grants, change: Change) -> bool:
    """Whether somebody may know that this object changed: only who may read the object itself."""
    if grants.superuser:
        return True
    if change.object_kind == "person":
        return grants.administers_any or change.object_id == str(grants.person_id)
    if change.portfolio_id is None:
        return False
    if grants.is_admin(change.portfolio_id):
        return True
    if change.object_kind in {"portfolio", "service-account"}:
        return grants.is_member(change.portfolio_id)
    if change.object_kind == "feature-filter":
        return change.portfolio_id in grants.member_of
    if change.application_id is None:
        return False
    place = Place(change.portfolio_id, change.application_id)
    if change.environment_id is not None:
        return bool(grants.roles_in(place, change.environment_id))
    return grants.may_read_application(place)
