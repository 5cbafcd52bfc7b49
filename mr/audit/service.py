"""Search the audit, for those who may see what it tells of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import Forbidden, NotFound
from mr.audit.schemas import AuditActor, AuditEntry, AuditObject, AuditPage, AuditSeal
from mr.auth.permissions import Grants
from mr.db.models.audit import AuditRow
from mr.db.models.features import FeatureValue
from mr.db.models.portfolios import Application, Environment


@dataclass(frozen=True)
class Wanted:
    """What is searched for; None = whatever."""

    person_id: UUID | None = None
    object_id: str | None = None
    object_kind: str | None = None
    feature_id: UUID | None = None
    action: str | None = None
    operation: str | None = None
    portfolio_id: UUID | None = None
    application_id: UUID | None = None
    environment_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    size: int = 20


async def find_entries(session: AsyncSession, grants: Grants, wanted: Wanted) -> AuditPage:
    """Return a page of entries, the newest first.

    Superusers see all, administrators what happened in their portfolios. Raises Forbidden for others, and
    NotFound for a place that is not the caller's.
    """
    if not grants.may_see_audit:
        raise Forbidden
    await _require_own(session, grants, wanted)
    found = select(AuditRow).where(*_conditions(wanted)).order_by(AuditRow.seq.desc()).limit(wanted.size + 1)
    if wanted.feature_id is not None:
        found = found.where(AuditRow.object_id.in_(await _ids_of_feature(session, wanted.feature_id)))
    if not grants.superuser:
        found = found.where(AuditRow.portfolio_id.in_(grants.administers))
    rows = (await session.scalars(found)).all()
    page = rows[: wanted.size]
    return AuditPage(
        entries=[_show(row) for row in page], next=page[-1].seq if len(rows) > wanted.size else None
    )


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    equal = {
        AuditRow.actor_id: wanted.person_id,
        AuditRow.object_id: wanted.object_id,
        AuditRow.object_kind: wanted.object_kind,
        AuditRow.action: wanted.action,
        AuditRow.operation: wanted.operation,
        AuditRow.portfolio_id: wanted.portfolio_id,
        AuditRow.application_id: wanted.application_id,
        AuditRow.environment_id: wanted.environment_id,
    }
    for column, value in equal.items():
        if value is not None:
            yield column == value
    if wanted.since is not None:
        yield AuditRow.at >= wanted.since
    if wanted.until is not None:
        yield AuditRow.at < wanted.until
    if wanted.before is not None:
        yield AuditRow.seq < wanted.before


async def _require_own(session: AsyncSession, grants: Grants, wanted: Wanted) -> None:
    """Refuse places of other portfolios. What was put away still is where it was."""
    if grants.superuser:
        return
    places = {wanted.portfolio_id}
    if wanted.application_id is not None:
        places.add(await _portfolio_of(session, Application.id == wanted.application_id))
    if wanted.environment_id is not None:
        places.add(await _portfolio_of(session, Environment.id == wanted.environment_id))
    if not places - {None} <= grants.administers:
        raise NotFound


async def _ids_of_feature(session: AsyncSession, feature_id: UUID) -> list[str]:
    """As the audit writes them: the feature's own, and those of its values."""
    values = await session.scalars(select(FeatureValue.id).where(FeatureValue.feature_id == feature_id))
    return [str(feature_id), *map(str, values)]


async def _portfolio_of(session: AsyncSession, which: ColumnElement[bool]) -> UUID:
    found = await session.scalar(
        select(Application.portfolio_id)
        .join(Environment, Environment.application_id == Application.id, isouter=True)
        .where(which)
        .limit(1)
    )
    if found is None:
        raise NotFound
    return found


def _show(row: AuditRow) -> AuditEntry:
    sealed = row.position is not None and row.hash is not None
    return AuditEntry(
        number=row.seq,
        at=row.at,
        action=row.action,
        operation=row.operation,
        requestId=row.request_id,
        actor=AuditActor(kind=row.actor_kind, id=row.actor_id, name=row.actor_name),
        object=AuditObject(
            kind=row.object_kind,
            id=row.object_id,
            name=row.object_name,
            portfolioId=row.portfolio_id,
            applicationId=row.application_id,
            environmentId=row.environment_id,
        ),
        changes=cast("dict[str, Any]", _members(row.changes)),
        seal=AuditSeal(position=cast("int", row.position), hash=cast("str", row.hash)) if sealed else None,
    )


def _members(changes: str) -> dict[str, msgspec.Raw]:
    # As it was written: numbers in it are not ours to write again.
    return msgspec.json.decode(changes, type=dict[str, msgspec.Raw])
