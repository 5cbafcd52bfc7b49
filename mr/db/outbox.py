"""Writes the log of changes: one row for each counter that moved, in the transaction that moved it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import insert

from common.contracts.events import EventData, encode_data, event_type
from common.tracing import here
from mr.db.models.base import utc_now
from mr.db.models.delivery import OutboxRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.contracts.events import CounterKind
    from mr.db.session import WriteSession


class Move(NamedTuple):
    """A counter that goes one revision on, from one digest to the next, because of ``data``."""

    kind: CounterKind
    id: UUID
    previous: int
    previous_digest: int
    digest: int
    data: EventData

    @property
    def revision(self) -> int:
        return self.previous + 1


async def record(session: WriteSession, moves: Sequence[Move]) -> None:
    """Append the moves. The caller holds the counters' locks, so ``seq`` follows the revisions."""
    if not moves:
        return
    created, trace = utc_now(), here()
    rows = [
        {
            "id": uuid4(),
            "type": event_type(move.data),
            "counter_kind": move.kind,
            "counter_id": move.id,
            "revision": move.revision,
            "previous": move.previous,
            "digest": move.digest,
            "previous_digest": move.previous_digest,
            "payload": encode_data(move.data).decode("ascii"),
            "created": created,
            "trace": None if trace is None else trace.text,
        }
        for move in moves
    ]
    written = await session.execute(insert(OutboxRow).returning(OutboxRow.seq), rows)
    session.highest_seq = max(session.highest_seq, *written.scalars())
