"""Put what processes report beside the log of an environment's changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import NotFound
from mr.auth.permissions import Grants
from mr.db.models.delivery import ENVIRONMENT, OutboxRow
from mr.db.snapshots import load_place
from mr.environments.service import find_environment
from mr.propagation.record import Propagation
from mr.propagation.schemas import (
    ChangeProgress,
    EdgeCount,
    ProcessProgress,
    PropagationRecord,
    StreamCount,
)

if TYPE_CHECKING:
    from mr.db.session import Database


@dataclass(frozen=True)
class Wanted:
    """Which changes: one by its position or revision, or the latest ``size`` of the environment."""

    environment_id: UUID | None
    position: int | None
    revision: int | None
    size: int

    @property
    def one(self) -> bool:
        return self.position is not None or self.revision is not None


async def show_propagation(
    session: AsyncSession, database: Database, grants: Grants, propagation: Propagation, wanted: Wanted
) -> PropagationRecord:
    """Tell how far changes came, to whoever may read their environment. Raises NotFound, Unavailable."""
    environment_id = wanted.environment_id or await _environment_at(session, wanted.position)
    found = await find_environment(session, environment_id)
    if found is None or not grants.roles_in(found[1], environment_id):
        raise NotFound
    place = await load_place(session, database)
    rows = await _rows(session, environment_id, wanted)
    if wanted.one and not rows:
        raise NotFound
    return PropagationRecord(
        environmentId=environment_id,
        position=place.position,
        changes=[_show(propagation, place.epoch, environment_id, row) for row in rows],
    )


async def _environment_at(session: AsyncSession, position: int | None) -> UUID:
    """The environment that changed at a position. Raises NotFound, also when something else did."""
    found = await session.scalar(
        select(OutboxRow.counter_id).where(
            OutboxRow.position == position, OutboxRow.counter_kind == ENVIRONMENT
        )
    )
    if found is None:
        raise NotFound
    return found


async def _rows(
    session: AsyncSession, environment_id: UUID, wanted: Wanted
) -> list[Row[*tuple[object, ...]]]:
    changes = (
        select(OutboxRow.revision, OutboxRow.position, OutboxRow.created, OutboxRow.published)
        .where(OutboxRow.counter_kind == ENVIRONMENT, OutboxRow.counter_id == environment_id)
        .order_by(OutboxRow.seq.desc())
        .limit(wanted.size)
    )
    if wanted.position is not None:
        changes = changes.where(OutboxRow.position == wanted.position)
    if wanted.revision is not None:
        changes = changes.where(OutboxRow.revision == wanted.revision)
    return list((await session.execute(changes)).all())


def _show(
    propagation: Propagation, epoch: str, environment_id: UUID, row: Row[*tuple[object, ...]]
) -> ChangeProgress:
    progress = propagation.progress(epoch, str(environment_id), row.revision, row.position)
    return ChangeProgress(
        position=row.position,
        revision=row.revision,
        committedAt=row.created,
        publishedAt=row.published,
        processes=[ProcessProgress.model_validate(each._asdict()) for each in progress.processes],
        edges=EdgeCount(live=progress.edges_live, total=progress.edges_total),
        streams=StreamCount(reached=progress.streams_reached, total=progress.streams_total),
        slowestMilliseconds=(
            None if progress.slowest_milliseconds is None else round(progress.slowest_milliseconds, 1)
        ),
        settled=progress.settled,
    )
