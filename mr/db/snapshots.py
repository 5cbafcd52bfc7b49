"""What a cache asks, read from what is delivered: each answer from one snapshot of the database.

Used in the process of MR and by whoever reads the database directly. An answer is never older than the
position it carries. Must not know MR's own tables, nor who asks.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import BigInteger, Uuid, and_, bindparam, func, literal_column, or_, select
from sqlalchemy.orm import aliased

from common.contracts.environments import AccountRecord, EnvironmentSnapshot
from common.contracts.events import CounterId, LoggedEvent
from common.contracts.features import FeatureState, Tombstone
from common.contracts.lookups import CounterState
from common.contracts.traces import trace_context_of
from common.errors import Unavailable
from mr.db.delivered import decode_state
from mr.db.epoch import incarnation
from mr.db.models.delivery import (
    ACCOUNT,
    ENVIRONMENT,
    Counter,
    Delivered,
    DeliveredAccount,
    DeliveredEnvironment,
    KeyFloor,
    KeyTombstone,
    OutboxRow,
    RelayLease,
)
from mr.db.models.system import EPOCH, INCARNATION, SystemState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Executable, Row
    from sqlalchemy.ext.asyncio import AsyncSession

    from common.contracts.events import Event
    from mr.db.session import Database, Dialect

_log = structlog.get_logger(__name__)

BATCH_BYTES: Final = 4 * 1024 * 1024
"""Of payloads that are read from the log at once."""


class Place(NamedTuple):
    """Where the database stands in a snapshot."""

    epoch: str
    term: int
    position: int
    pruned: int
    lease_left_milliseconds: int


def database_milliseconds(dialect: Dialect) -> ColumnElement[int]:
    """The present on the database's clock: leases are judged by no other."""
    if dialect == "sqlite":
        return literal_column("CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)", BigInteger)
    return literal_column("(extract(epoch FROM clock_timestamp()) * 1000)::bigint", BigInteger)


async def load_place(session: AsyncSession, database: Database) -> Place:
    """Read where the database stands; the first statement of a snapshot.

    Raises `Unavailable` while nobody can say: before the first relay, and from the moment in which
    another incarnation wakes up until its epoch is announced.
    """
    row = (await session.execute(_where_it_stands(database.dialect, database.lineage))).first()
    if row is None:
        raise Unavailable("No relay has worked on this database yet.")
    epoch, before, now, *place = row
    if now is not None and now != before:
        raise Unavailable("This database was restored; its new epoch is not announced yet.")
    return Place(epoch, *place)


# Statements are built once: making one anew costs as much as running it, and a miss is all that some do.


@cache
def _where_it_stands(dialect: Dialect, lineage: str | None) -> Executable:
    stored = aliased(SystemState)
    return (
        select(
            SystemState.value,
            stored.value,
            incarnation(dialect, lineage),
            RelayLease.term,
            RelayLease.position,
            RelayLease.pruned,
            RelayLease.until - database_milliseconds(dialect),
        )
        .select_from(RelayLease)
        .join(SystemState, SystemState.key == EPOCH)
        .join(stored, stored.key == INCARNATION)
        .where(RelayLease.id == 1)
    )


_FACTS: Final = (
    select(
        Counter.id,
        Counter.revision,
        Counter.digest,
        DeliveredEnvironment.info,
        DeliveredEnvironment.tombstone,
        DeliveredEnvironment.organization_id,
        DeliveredEnvironment.portfolio_id,
        DeliveredEnvironment.application_id,
    )
    .join(DeliveredEnvironment, DeliveredEnvironment.id == Counter.id)
    .where(Counter.kind == ENVIRONMENT)
)
_TOMBSTONE_ROWS: Final = (
    select(
        KeyTombstone.environment_id,
        KeyTombstone.key,
        KeyTombstone.feature_id,
        KeyTombstone.type,
        KeyTombstone.filters,
        KeyTombstone.until,
        KeyFloor.version,
    )
    # Who leaves a tombstone leaves a floor, the last version under which the key was delivered; without one a
    # deletion is still told.
    .outerjoin(
        KeyFloor,
        and_(KeyFloor.environment_id == KeyTombstone.environment_id, KeyFloor.key == KeyTombstone.key),
    )
    .where(KeyTombstone.until > bindparam("now", type_=BigInteger))
    .order_by(KeyTombstone.key)
)
_ONE: Final = bindparam("environment", type_=Uuid())
_SOME: Final = bindparam("environments", type_=Uuid(), expanding=True)

_ENVIRONMENT: Final = _FACTS.where(Counter.id == _ONE)
_ENVIRONMENTS: Final = _FACTS.where(Counter.id.in_(_SOME))
_STATES: Final = select(Delivered.state, Delivered.version).where(Delivered.environment_id == _ONE)
_STATES_OF: Final = select(Delivered.environment_id, Delivered.state, Delivered.version).where(
    Delivered.environment_id.in_(_SOME)
)
_SIZES: Final = (
    select(Delivered.environment_id.label("id"), func.sum(func.length(Delivered.state)).label("size"))
    .where(Delivered.environment_id.in_(_SOME))
    .group_by(Delivered.environment_id)
)
_TOMBSTONES: Final = _TOMBSTONE_ROWS.where(KeyTombstone.environment_id == _ONE)
_TOMBSTONES_OF: Final = _TOMBSTONE_ROWS.where(KeyTombstone.environment_id.in_(_SOME))
_ACCOUNT_BY_KEY: Final = (
    select(
        DeliveredAccount.id,
        DeliveredAccount.client_key_hash,
        DeliveredAccount.server_key_hash,
        DeliveredAccount.permissions,
        DeliveredAccount.filters,
        DeliveredAccount.restricted,
        Counter.revision,
    )
    .join(Counter, (Counter.kind == ACCOUNT) & (Counter.id == DeliveredAccount.id))
    .where(
        or_(
            DeliveredAccount.client_key_hash == bindparam("key_hash"),
            DeliveredAccount.server_key_hash == bindparam("key_hash"),
        ),
        DeliveredAccount.tombstone.is_(False),
    )
)


async def load_snapshot(
    session: AsyncSession, environment_id: UUID
) -> tuple[EnvironmentSnapshot | None, int]:
    """Read one environment and its counter's revision; None = not there, 0 = never was."""
    row = (await session.execute(_ENVIRONMENT, {"environment": environment_id})).first()
    if row is None:
        return None, 0
    if row.tombstone:
        return None, row.revision
    states = await session.execute(_STATES, {"environment": environment_id})
    features = [decode_state(state, version) for state, version in states]
    snapshot = _snapshot(
        environment_id,
        row,
        {state.id: state for state in features},
        await _load_tombstones(session, environment_id),
    )
    return snapshot, row.revision


async def load_snapshots(
    session: AsyncSession, environment_ids: Sequence[UUID]
) -> dict[UUID, EnvironmentSnapshot]:
    """Read several environments in a constant number of statements; those that are there and fit in.

    What is not there, is gone, or is too big beside the others is left out, for `load_snapshot` to tell.
    """
    wanted = await _that_fit(session, environment_ids)
    facts = await session.execute(_ENVIRONMENTS, {"environments": wanted})
    rows = {row.id: row for row in facts if not row.tombstone}
    states: dict[UUID, dict[str, FeatureState]] = {identity: {} for identity in rows}
    for identity, state, version in await session.execute(_STATES_OF, {"environments": list(rows)}):
        decoded = decode_state(state, version)
        states[identity][decoded.id] = decoded
    tombstones: dict[UUID, list[Tombstone]] = {identity: [] for identity in rows}
    told = {"environments": list(rows), "now": int(time.time())}
    for row in await session.execute(_TOMBSTONES_OF, told):
        tombstones[row.environment_id].append(_tombstone(row))
    return {
        identity: _snapshot(identity, row, states[identity], tuple(tombstones[identity]))
        for identity, row in rows.items()
    }


async def _that_fit(session: AsyncSession, environment_ids: Sequence[UUID]) -> list[UUID]:
    sizes = {row.id: row.size for row in await session.execute(_SIZES, {"environments": environment_ids})}
    fitting, total = [], 0
    for identity in environment_ids:
        total += sizes.get(identity) or 0
        if total <= BATCH_BYTES:
            fitting.append(identity)
    return fitting


def _snapshot(
    identity: UUID,
    row: Row[*tuple[Any, ...]],
    features: dict[str, FeatureState],
    tombstones: tuple[Tombstone, ...],
) -> EnvironmentSnapshot:
    return EnvironmentSnapshot(
        id=str(identity),
        revision=row.revision,
        digest=row.digest,
        features=features,
        info=row.info,
        tombstones=tombstones,
        organization_id=str(row.organization_id),
        portfolio_id=str(row.portfolio_id),
        application_id=str(row.application_id),
    )


def _tombstone(row: Row[*tuple[Any, ...]]) -> Tombstone:
    return Tombstone(
        key=row.key,
        feature_id=str(row.feature_id),
        type=row.type,
        filters=row.filters,
        until=row.until,
        version=row.version or 0,
    )


async def _load_tombstones(session: AsyncSession, environment_id: UUID) -> tuple[Tombstone, ...]:
    rows = await session.execute(_TOMBSTONES, {"environment": environment_id, "now": int(time.time())})
    return tuple([_tombstone(row) for row in rows])


async def load_account(session: AsyncSession, key_hash: str) -> AccountRecord | None:
    """Read the account with a key of this hash; None = there is none."""
    row = (await session.execute(_ACCOUNT_BY_KEY, {"key_hash": key_hash})).first()
    if row is None:
        return None
    return AccountRecord(
        id=str(row.id),
        revision=row.revision,
        client_key_hash=row.client_key_hash,
        server_key_hash=row.server_key_hash,
        permissions={key: tuple(roles.split(",")) for key, roles in row.permissions.items()},
        filters=row.filters,
        restricted=row.restricted,
    )


async def load_changes(session: AsyncSession, after: int, upto: int) -> tuple[tuple[CounterId, int], ...]:
    """Read which counters moved in the positions above ``after`` up to ``upto``, and how far."""
    rows = await session.execute(
        select(OutboxRow.counter_kind, OutboxRow.counter_id, func.max(OutboxRow.revision))
        .where(OutboxRow.position > after, OutboxRow.position <= upto)
        .group_by(OutboxRow.counter_kind, OutboxRow.counter_id)
    )
    return tuple((_counter_id(kind, identity), revision) for kind, identity, revision in rows)


async def load_revisions(session: AsyncSession, counters: Sequence[CounterId]) -> list[CounterState]:
    """Read where counters stand for those who heard of every position; unknown ones are left out.

    A counter with rows that have no position yet stands where the first of those found it.
    """
    found = []
    waiting = (
        select(
            OutboxRow.counter_kind.label("kind"),
            OutboxRow.counter_id.label("id"),
            func.min(OutboxRow.seq).label("seq"),
        )
        .where(OutboxRow.position.is_(None))
        .group_by(OutboxRow.counter_kind, OutboxRow.counter_id)
        .subquery()
    )
    for kind in (ENVIRONMENT, ACCOUNT):
        ids = [identity for each in counters if each.kind == kind and (identity := parse_id(each.id))]
        if not ids:
            continue
        rows = await session.execute(
            select(
                Counter.id,
                func.coalesce(OutboxRow.previous, Counter.revision),
                func.coalesce(OutboxRow.previous_digest, Counter.digest, type_=Counter.digest.type),
            )
            .outerjoin(waiting, (waiting.c.kind == Counter.kind) & (waiting.c.id == Counter.id))
            .outerjoin(OutboxRow, OutboxRow.seq == waiting.c.seq)
            .where(Counter.kind == kind, Counter.id.in_(ids))
        )
        found += [
            CounterState(counter=_counter_id(kind, identity), revision=revision, digest=digest)
            for identity, revision, digest in rows
        ]
    return found


async def load_log(session: AsyncSession, place: Place, after: int, limit: int) -> list[LoggedEvent]:
    """Read the first events above ``after`` as they are sent, in the order of their positions.

    At most ``limit``, and fewer when they are big: it is for one batch in memory.
    """
    upto = min(place.position, after + limit)
    if upto <= after:
        return []
    if upto > after + 1:
        upto = await _fitting(session, after, upto)
    rows = await session.scalars(
        select(OutboxRow)
        .where(OutboxRow.position > after, OutboxRow.position <= upto)
        .order_by(OutboxRow.position)
    )
    return [logged(row, term=place.term, epoch=place.epoch) for row in rows]


async def _fitting(session: AsyncSession, after: int, upto: int) -> int:
    """The last position of what fits into a batch together with all before it; at least one does."""
    # Payloads are ASCII; PostgreSQL tells their bytes without fetching them.
    length = func.length if session.get_bind().dialect.name == "sqlite" else func.octet_length
    sizes = await session.execute(
        select(OutboxRow.position, length(OutboxRow.payload))
        .where(OutboxRow.position > after, OutboxRow.position <= upto)
        .order_by(OutboxRow.position)
    )
    last, total = after, 0
    for position, size in sizes:
        total += size
        if total > BATCH_BYTES and last > after:
            break
        last = position
    return last


async def load_events(session: AsyncSession, place: Place, after: int, limit: int) -> list[Event]:
    """Read the first events above ``after``, in the order of their positions; fewer when they are big."""
    return [_decoded(each) for each in await load_log(session, place, after, limit)]


async def load_published(session: AsyncSession, place: Place) -> int:
    """Read the last position up to which everything is known to have been published."""
    first = await session.scalar(
        select(func.min(OutboxRow.position)).where(
            OutboxRow.position.is_not(None), OutboxRow.published.is_(None)
        )
    )
    return place.position if first is None else first - 1


class Backlog(NamedTuple):
    """What was committed and is not published: how many rows, and when the oldest was written."""

    rows: int
    oldest: float | None


async def load_backlog(session: AsyncSession, place: Place, published: int) -> Backlog:
    """Read what waits above ``published``, the last position up to which everything was published."""
    oldest: datetime | None
    waiting, oldest = (
        await session.execute(
            select(func.count(), func.min(OutboxRow.created)).where(OutboxRow.position.is_(None))
        )
    ).one()
    if place.position > published:
        oldest = await session.scalar(
            select(OutboxRow.created)
            .where(OutboxRow.position > published)
            .order_by(OutboxRow.position)
            .limit(1)
        )
    return Backlog(waiting + place.position - published, None if oldest is None else oldest.timestamp())


def logged(row: OutboxRow | Row[Any], *, term: int, epoch: str) -> LoggedEvent:
    """A row of the log as it is sent by the relay of this term."""
    return LoggedEvent(
        id=str(row.id),
        type=row.type,
        counter=_counter_id(row.counter_kind, row.counter_id),
        position=row.position or 0,
        term=term,
        epoch=epoch,
        revision=row.revision,
        previous=row.previous,
        digest=row.digest,
        time=row.created.timestamp(),
        payload=row.payload.encode(),
        trace=trace_context_of(row.trace),
    )


def _decoded(logged: LoggedEvent) -> Event:
    """The event; a pointer (load it) for what another release wrote and this one cannot read."""
    try:
        return logged.event()
    except msgspec.MsgspecError:
        _log.exception("log.row_not_understood", position=logged.position, type=logged.type)
        return msgspec.structs.replace(logged, payload=b"").event()


def _counter_id(kind: Any, identity: UUID) -> CounterId:
    return CounterId(kind, str(identity))


def parse_id(identity: str) -> UUID | None:
    """Read an id of the data plane; None when it cannot be one, so that nothing has it."""
    try:
        return UUID(identity)
    except ValueError:
        return None
