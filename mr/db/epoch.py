"""The epoch: the identity of a database's history, and what happens when it is another one.

A restored or failed-over database carries on from an earlier moment: it would give revisions and
versions a second time for something else. So its *incarnation* is compared with the stored one. On
PostgreSQL that is the system identifier, the timeline, and the object ids of the database and of one of
our tables (a dump restored into the same database makes the table anew); on SQLite the life of the
file (`mr.db.lineage`). When it differs, every revision, version and floor is raised far above what the
lost history may have given, and only then the new epoch is announced.
"""

from __future__ import annotations

import json
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import String, bindparam, delete, insert, literal, literal_column, select, update

from common.contracts.environments import states_digest
from mr.db.delivered import decode_state, table_of, upsert
from mr.db.models.base import utc_now
from mr.db.models.delivery import (
    ACCOUNT,
    ENVIRONMENT,
    Counter,
    Delivered,
    DeliveredEnvironment,
    KeyFloor,
    OutboxRow,
)
from mr.db.models.features import Feature, FeatureValue, FeatureValueVersion
from mr.db.models.portfolios import Application
from mr.db.models.system import (
    DATABASE_ID,
    EPOCH,
    FLOOR_BASE,
    INCARNATION,
    RAISE_BY,
    RAISING,
    SystemState,
)
from mr.db.session import Database, Dialect, Locks, WriteSession, run_with_retries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from common.contracts.features import FeatureState

    Fence = Callable[[WriteSession], Awaitable[None]]

SUPERSEDED: Final = "superseded-v1"
"""Type of a logged change that a raise overtook: no process decodes it, so all take it for a pointer."""

RAISED_BY: Final = 1_000
"""More than the changes that one thing gets between a backup and its restore, as far as anyone can know.

Whoever restores over a database knows what that one gave, and may leave a higher number (`RAISE_BY`).
"""

_ACCOUNTS_AT_ONCE: Final = 500

# A standby cannot tell its timeline as surely as a primary can, and writes nothing: it says nothing.
_POSTGRESQL: Final = """
CASE WHEN pg_is_in_recovery() THEN NULL ELSE concat_ws('/',
    CASE WHEN has_function_privilege('pg_control_system()', 'execute')
        THEN (SELECT system_identifier FROM pg_control_system()) END,
    substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
    (SELECT oid FROM pg_database WHERE datname = current_database()),
    'system_state'::regclass::oid) END
"""


def incarnation(dialect: Dialect, lineage: str | None) -> ColumnElement[str | None]:
    """The expression for what a database is now; null where that cannot be told (a reader).

    ``lineage`` is a SQLite file's; PostgreSQL tells its own.
    """
    if dialect == "sqlite":
        return literal(lineage, String)
    return literal_column(_POSTGRESQL, String)


def epoch_of(database_id: str, now: str) -> str:
    """The epoch of one incarnation of one database."""
    return blake2b(f"{database_id}|{now}".encode(), digest_size=16).hexdigest()


class _Raise(NamedTuple):
    """What is being done: the incarnation that it is done for, and by how much everything rises."""

    incarnation: str
    by: int


async def settle_epoch(database: Database, fence: Fence) -> bool:
    """Make the stored epoch that of this database; True when a restored one was noticed.

    ``fence`` is called first in each transaction and raises when the caller may not go on. May be
    interrupted anywhere: the next call goes on behind the last application that was raised.
    """
    async with database.read() as session:
        state = await _load_state(session)
        now = await session.scalar(select(incarnation(database.dialect, database.lineage)))
    if now is None or state.get(INCARNATION) == now:
        return False
    if INCARNATION in state:
        await _raise_everything(database, now, fence)
    await _announce(database, now, fence)
    return INCARNATION in state


async def _load_state(session: AsyncSession) -> dict[str, str]:
    rows = await session.execute(select(SystemState.key, SystemState.value))
    return {row.key: row.value for row in rows}


async def _announce(database: Database, now: str, fence: Fence) -> None:
    async with database.write() as session:
        await fence(session)
        state = await _load_state(session)
        await _put(session, INCARNATION, now)
        await _put(session, EPOCH, epoch_of(state[DATABASE_ID], now))
        await session.execute(delete(SystemState).where(SystemState.key.in_((RAISING, RAISE_BY))))


async def _put(session: WriteSession, key: str, value: str) -> None:
    await upsert(session, table_of(SystemState), [{"key": key, "value": value}])


async def _raise_everything(database: Database, now: str, fence: Fence) -> None:
    """Raise in chunks, each remembered in the transaction that raises it.

    What is made while this runs begins above the raised `floor_base`, so it needs no raising.
    """
    what, last_application, last_account = await _begin_raising(database, now, fence)
    async with database.read() as session:
        applications = (await session.scalars(select(Application.id).order_by(Application.id))).all()
        accounts = (
            await session.scalars(select(Counter.id).where(Counter.kind == ACCOUNT).order_by(Counter.id))
        ).all()

    for application_id in applications:
        if str(application_id) > last_application:
            await run_with_retries(partial(_raise_application, database, fence, what, application_id))
    left = [each for each in accounts if str(each) > last_account]
    for start in range(0, len(left), _ACCOUNTS_AT_ONCE):
        ids = tuple(left[start : start + _ACCOUNTS_AT_ONCE])
        await run_with_retries(partial(_raise_accounts, database, fence, what, ids))


async def _begin_raising(database: Database, now: str, fence: Fence) -> tuple[_Raise, str, str]:
    """Raise what lies under all, unless that was done; return how far an earlier attempt came."""
    async with database.write() as session:
        await fence(session)
        state = await _load_state(session)
        what = _Raise(now, max(RAISED_BY, int(state.get(RAISE_BY, 0))))
        progress = json.loads(state.get(RAISING, "{}"))
        if progress.get("incarnation") != now:
            await _put(session, FLOOR_BASE, str(int(state[FLOOR_BASE]) + what.by))
            progress = {"incarnation": now, "application": "", "account": ""}
            await _put(session, RAISING, json.dumps(progress))
        return what, progress["application"], progress["account"]


async def _remember(session: WriteSession, now: str, application: str, account: str) -> None:
    progress = {"incarnation": now, "application": application, "account": account}
    await _put(session, RAISING, json.dumps(progress))


async def _raise_accounts(database: Database, fence: Fence, what: _Raise, ids: tuple[UUID, ...]) -> None:
    async with database.write(Locks(accounts=ids)) as session:
        await fence(session)
        await _raise_revisions(session, ACCOUNT, ids, what.by)
        # Applications come first, so they are all done.
        await _remember(session, what.incarnation, "g", str(ids[-1]))


async def _raise_application(database: Database, fence: Fence, what: _Raise, application_id: UUID) -> None:
    async with database.write(Locks(applications=(application_id,))) as session:
        await fence(session)
        await _raise_values(session, application_id, what.by)
        environments = (
            await session.scalars(
                select(DeliveredEnvironment.id).where(DeliveredEnvironment.application_id == application_id)
            )
        ).all()
        for table in (table_of(Delivered), table_of(KeyFloor)):
            await session.execute(
                update(table)
                .where(table.c.environment_id.in_(environments))
                .values(version=table.c.version + what.by)
            )
        await _raise_revisions(session, ENVIRONMENT, environments, what.by)
        await _sum_again(session, environments)
        await _remember(session, what.incarnation, str(application_id), "")


async def _raise_revisions(session: WriteSession, kind: str, ids: Sequence[UUID], by: int) -> None:
    """Raise the counters, and turn what was logged of them but is not published yet into pointers.

    Such a row will be published in the new epoch, where its states, made before the raise, must not
    pass for current ones: whoever hears of it loads the counter instead.
    """
    table, log = table_of(Counter), table_of(OutboxRow)
    await session.execute(
        update(log)
        .where(log.c.published.is_(None), log.c.counter_kind == kind, log.c.counter_id.in_(ids))
        .values(
            type=SUPERSEDED,
            revision=log.c.revision + by,
            previous=log.c.previous + by,
        )
    )
    await session.execute(
        update(table).where(table.c.kind == kind, table.c.id.in_(ids)).values(revision=table.c.revision + by)
    )


async def _raise_values(session: WriteSession, application_id: UUID, by: int) -> None:
    """Raise the versions of all values, and keep each in the history: updates are based on versions."""
    value, history = table_of(FeatureValue), table_of(FeatureValueVersion)
    owned = select(Feature.id).where(Feature.application_id == application_id)
    copied = select(
        history.c.feature_value_id,
        history.c.version + by,
        history.c.version,
        *(history.c[name] for name in _KEPT),
        literal(utc_now(), history.c.saved_at.type),
    ).join_from(
        history,
        value,
        (history.c.feature_value_id == value.c.id) & (history.c.version == value.c.version),
    )
    names = ["feature_value_id", "version", "version_from", *_KEPT, "saved_at"]
    await session.execute(insert(history).from_select(names, copied.where(value.c.feature_id.in_(owned))))
    await session.execute(
        update(value)
        .where(value.c.feature_id.in_(owned), value.c.version > 0)
        .values(version=value.c.version + by)
    )


_KEPT: Final = ("value_type", "locked", "retired", "value", "strategies", "application_strategies")


async def _sum_again(session: WriteSession, environments: Sequence[UUID]) -> None:
    """Sum up the digests again: a row's share depends on its version."""
    states: dict[UUID, list[FeatureState]] = {each: [] for each in environments}
    rows = await session.execute(
        select(Delivered.environment_id, Delivered.state, Delivered.version).where(
            Delivered.environment_id.in_(environments)
        )
    )
    for environment_id, state, version in rows:
        states[environment_id].append(decode_state(state, version))
    known = await session.execute(
        select(DeliveredEnvironment.id, DeliveredEnvironment.info).where(
            DeliveredEnvironment.id.in_(environments), DeliveredEnvironment.tombstone.is_(False)
        )
    )
    sums = [{"row": each, "digest": states_digest(states[each], info)} for each, info in known]
    table = table_of(Counter)
    if sums:
        await session.execute(
            update(table).where(table.c.kind == ENVIRONMENT, table.c.id == bindparam("row")), sums
        )
