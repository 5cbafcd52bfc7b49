"""The tables of what is delivered: what they hold within a scope, and writing what has to change.

Plain loading and storing in a constant number of statements. What has to change is decided by
`mr.db.projection`, which is the only user.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from common.contracts.events import EnvironmentChanged
from common.contracts.features import FeatureState, Tombstone, WireState, from_wire, to_wire
from mr.db.models.base import Base, utc_now
from mr.db.models.delivery import (
    ENVIRONMENT,
    Counter,
    Delivered,
    DeliveredAccount,
    DeliveredEnvironment,
    KeyFloor,
    KeyTombstone,
)
from mr.db.models.features import FeatureValue, FeatureValueVersion
from mr.db.models.system import FLOOR_BASE, SystemState
from mr.db.outbox import Move, record
from mr.db.states import (
    ApplicationFacts,
    EnvironmentFacts,
    Scope,
    ValueRow,
    Wanted,
    among,
    history_uses,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table

    from common.contracts.environments import AccountRecord
    from mr.db.session import WriteSession

_wire_state = msgspec.json.Decoder(WireState)


def decode_state(text: str, version: int) -> FeatureState:
    """Decode the column ``delivered.state``; the version of the column counts."""
    return from_wire(_wire_state.decode(text), version=version)


class KnownEnvironment(NamedTuple):
    """A row of `delivered_environment`."""

    info: dict[str, str]
    tombstone: bool


async def load_known(session: WriteSession, application_id: UUID) -> dict[UUID, KnownEnvironment]:
    """Read which environments of the application were ever delivered."""
    rows = await session.execute(
        select(DeliveredEnvironment.id, DeliveredEnvironment.info, DeliveredEnvironment.tombstone).where(
            DeliveredEnvironment.application_id == application_id
        )
    )
    return {row.id: KnownEnvironment(row.info, row.tombstone) for row in rows}


def table_of(model: type[Base]) -> Table:
    """The plain table: statements on it go round the session's objects and are sent in batches."""
    return cast("Table", model.__table__)


_DELIVERED = table_of(Delivered)
_FLOORS = table_of(KeyFloor)
_TOMBSTONES = table_of(KeyTombstone)


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row of `delivered`."""

    key: str
    version: int
    state: str
    hash: str

    def decoded(self) -> FeatureState:
        return decode_state(self.state, self.version)

    def rehashed(self) -> HeldRow:
        """The row with the hash that its state really has."""
        return HeldRow(self.key, self.version, self.state, self.decoded().fingerprint.hex())


@dataclass(slots=True)
class Held:
    """What is stored within a scope."""

    rows: dict[UUID, dict[UUID, HeldRow]] = field(default_factory=dict)
    counters: dict[UUID, tuple[int, int]] = field(default_factory=dict)
    floors: dict[UUID, dict[str, int]] = field(default_factory=dict)
    tombstones: dict[UUID, dict[str, Tombstone]] = field(default_factory=dict)
    floor_base: int = 0


async def load_held(session: WriteSession, scope: Scope, gone: Sequence[UUID], wanted: Wanted) -> Held:
    held = Held()
    everywhere = scope.environments.union(gone)
    if not everywhere:
        return held
    counters = await session.execute(
        select(Counter.id, Counter.revision, Counter.digest)
        .where(Counter.kind == ENVIRONMENT, Counter.id.in_(everywhere))
        .order_by(Counter.id)
        .with_for_update(key_share=True)
    )
    held.counters = {identity: (revision, digest) for identity, revision, digest in counters}
    base = await session.scalar(select(SystemState.value).where(SystemState.key == FLOOR_BASE))
    held.floor_base = int(base or 0)
    await _load_held_rows(session, scope, held)
    await _load_held_keys(session, scope, held, wanted)
    return held


async def _load_held_rows(session: WriteSession, scope: Scope, held: Held) -> None:
    rows = await session.execute(
        select(
            Delivered.environment_id,
            Delivered.feature_id,
            Delivered.key,
            Delivered.version,
            Delivered.state,
            Delivered.hash,
        ).where(
            Delivered.environment_id.in_(scope.environments),
            among(Delivered.feature_id, scope.features),
        )
    )
    for environment_id, feature_id, key, version, state, digest in rows:
        if scope.features is None or feature_id in scope.features:
            held.rows.setdefault(environment_id, {})[feature_id] = HeldRow(key, version, state, digest)


async def _load_held_keys(session: WriteSession, scope: Scope, held: Held, wanted: Wanted) -> None:
    """Floors and tombstones of the keys in question; whole environments also tell all tombstones."""
    keys: set[str] | None = None
    if scope.features is not None:
        keys = {state.key for states in wanted.states.values() for state in states.values()}
        keys.update(row.key for rows in held.rows.values() for row in rows.values())
    floors = await session.execute(
        select(KeyFloor.environment_id, KeyFloor.key, KeyFloor.version).where(
            KeyFloor.environment_id.in_(scope.environments), among(KeyFloor.key, keys)
        )
    )
    for environment_id, key, version in floors:
        held.floors.setdefault(environment_id, {})[key] = version
    tombstones = await session.execute(
        select(
            KeyTombstone.environment_id,
            KeyTombstone.key,
            KeyTombstone.feature_id,
            KeyTombstone.type,
            KeyTombstone.filters,
            KeyTombstone.until,
        ).where(KeyTombstone.environment_id.in_(scope.environments), among(KeyTombstone.key, keys))
    )
    for environment_id, key, feature_id, kind, filters, until in tombstones:
        held.tombstones.setdefault(environment_id, {})[key] = Tombstone(
            key=key,
            feature_id=str(feature_id),
            type=kind,
            filters=filters,
            until=until,
            version=held.floors.get(environment_id, {}).get(key, 0),
        )


@dataclass(slots=True)
class Outcome:
    """What has to be done for one environment."""

    environment: EnvironmentFacts
    states: dict[UUID, FeatureState]
    added: list[FeatureState] = field(default_factory=list)
    changed: list[FeatureState] = field(default_factory=list)
    removed: list[UUID] = field(default_factory=list)
    raised: list[tuple[ValueRow, int]] = field(default_factory=list)
    floors: dict[str, int] = field(default_factory=dict)
    tombstones: list[Tombstone] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    move: Move | None = None


async def store_states(session: WriteSession, outcomes: Sequence[Outcome]) -> None:
    removed = [{"e": outcome.environment.id, "f": each} for outcome in outcomes for each in outcome.removed]
    if removed:
        await _run_many(
            session,
            delete(_DELIVERED).where(
                _DELIVERED.c.environment_id == bindparam("e"), _DELIVERED.c.feature_id == bindparam("f")
            ),
            removed,
        )
    changed = [
        {"e": outcome.environment.id, "f": UUID(state.id), **_columns(state)}
        for outcome in outcomes
        for state in outcome.changed
    ]
    if changed:
        await _run_many(
            session,
            update(_DELIVERED).where(
                _DELIVERED.c.environment_id == bindparam("e"), _DELIVERED.c.feature_id == bindparam("f")
            ),
            changed,
        )
    added = [
        {
            "environment_id": outcome.environment.id,
            "feature_id": UUID(state.id),
            **_columns(state),
        }
        for outcome in outcomes
        for state in outcome.added
    ]
    if added:
        await _run_many(session, insert(_DELIVERED), added)
    await _store_keys(session, outcomes)


async def _store_keys(session: WriteSession, outcomes: Sequence[Outcome]) -> None:
    floors = [
        {"environment_id": outcome.environment.id, "key": key, "version": version}
        for outcome in outcomes
        for key, version in outcome.floors.items()
    ]
    if floors:
        await upsert(session, _FLOORS, floors)
    ended = [{"e": outcome.environment.id, "k": key} for outcome in outcomes for key in outcome.ended]
    if ended:
        table = _TOMBSTONES
        await _run_many(
            session,
            delete(table).where(table.c.environment_id == bindparam("e"), table.c.key == bindparam("k")),
            ended,
        )
    tombstones = [
        {
            "environment_id": outcome.environment.id,
            "key": each.key,
            "feature_id": UUID(each.feature_id),
            "type": each.type,
            "filters": each.filters,
            "until": each.until,
        }
        for outcome in outcomes
        for each in outcome.tombstones
    ]
    if tombstones:
        await upsert(session, _TOMBSTONES, tombstones)


async def store_values(
    session: WriteSession, outcomes: Sequence[Outcome], wanted: Wanted, author: UUID | None
) -> None:
    """Give raised versions to their value rows, and keep what each was in the history."""
    raised = [each for outcome in outcomes for each in outcome.raised]
    if not raised:
        return
    now = utc_now()
    table = table_of(FeatureValue)
    await _run_many(
        session,
        update(table).where(table.c.id == bindparam("row")),
        [
            {"row": value.id, "version": version, "updated_at": now, "updated_by": author}
            for value, version in raised
        ],
    )
    await _run_many(
        session,
        insert(table_of(FeatureValueVersion)),
        [
            {
                "feature_value_id": value.id,
                "version": version,
                "version_from": value.version,
                "value_type": wanted.types[value.feature_id],
                "locked": value.locked,
                "retired": value.retired,
                "value": value.value,
                "strategies": value.strategies,
                "application_strategies": history_uses(wanted.uses.get(value.id, ())),
                "saved_at": now,
                "saved_by": author,
            }
            for value, version in raised
        ],
    )
    loaded = session.sync_session.identity_map
    for value, version in raised:
        row = loaded.get(identity_key(FeatureValue, value.id))
        if row is not None:
            set_committed_value(row, "version", version)
            set_committed_value(row, "updated_at", now)
            set_committed_value(row, "updated_by", author)


def _environment_row(
    application: ApplicationFacts, environment: EnvironmentFacts, *, tombstone: bool
) -> dict[str, Any]:
    return {
        "id": environment.id,
        "organization_id": application.organization_id,
        "portfolio_id": application.portfolio_id,
        "application_id": application.id,
        "info": environment.info,
        "tombstone": tombstone,
    }


def _columns(state: FeatureState) -> dict[str, Any]:
    return {
        "key": state.key,
        "version": state.version,
        "state": msgspec.json.encode(to_wire(state)).decode("utf-8"),
        "hash": state.fingerprint.hex(),
    }


async def store_environments(
    session: WriteSession, application: ApplicationFacts, outcomes: Sequence[Outcome], gone: Sequence[Move]
) -> None:
    """Move the counters, write the log, and forget what ``gone`` environments delivered."""
    moves = [outcome.move for outcome in outcomes if outcome.move is not None]
    facts = [
        _environment_row(application, outcome.environment, tombstone=False)
        for outcome in outcomes
        if outcome.move is not None and isinstance(outcome.move.data, EnvironmentChanged)
    ]
    if gone:
        # Their ids will not come back: nothing has to be remembered but that they are gone.
        ids = [move.id for move in gone]
        for table in (_DELIVERED, _FLOORS, _TOMBSTONES):
            await session.execute(delete(table).where(table.c.environment_id.in_(ids)))
        facts += [
            _environment_row(application, EnvironmentFacts(each, False, {}), tombstone=True) for each in ids
        ]
    await upsert(session, table_of(DeliveredEnvironment), facts)
    await move_counters(session, [*moves, *gone])


async def move_counters(session: WriteSession, moves: Sequence[Move]) -> None:
    """Store the counters' new revisions and append the moves to the log."""
    rows = [
        {"kind": move.kind, "id": move.id, "revision": move.revision, "digest": move.digest} for move in moves
    ]
    await upsert(session, table_of(Counter), rows)
    await record(session, moves)


async def _run_many(session: WriteSession, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await session.execute(statement, rows)


async def upsert(session: WriteSession, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows; where a primary key exists, write over all other columns."""
    if not rows:
        return
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    keys = list(table.primary_key.columns)
    written = {column.name: statement.excluded[column.name] for column in table.columns if column not in keys}
    await session.execute(statement.on_conflict_do_update(index_elements=keys, set_=written), rows)


async def store_accounts(session: WriteSession, records: Sequence[AccountRecord]) -> None:
    """Store what caches know of these accounts."""
    rows = [
        {
            "id": UUID(record.id),
            "client_key_hash": record.client_key_hash,
            "server_key_hash": record.server_key_hash,
            "permissions": {key: ",".join(roles) for key, roles in record.permissions.items()},
            "filters": record.filters,
            "restricted": record.restricted,
            "tombstone": record.removed,
        }
        for record in records
    ]
    await upsert(session, table_of(DeliveredAccount), rows)
