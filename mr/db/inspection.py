"""What a database is like before anybody works with it: for `burgee check`.

Looks and changes nothing, with a connection of its own, and tells facts; what is good or bad about them is
the asker's affair. Must not know settings.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg

import mr.db.models  # noqa: F401 - registers the tables
from mr.db.engines import CONNECT_SECONDS, UNLOCKED_WRITERS, database_url
from mr.db.migrate import FLOOR_TABLE, newest_revision
from mr.db.models.base import Base

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


_RIGHTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")

_SERVER: Final[LiteralString] = """
    SELECT current_setting('server_version'), current_setting('server_encoding'),
        pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on',
        current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off',
        has_schema_privilege(current_schema(), 'CREATE'), current_user, current_schema()
"""
_CONNECTIONS: Final[LiteralString] = """
    SELECT current_setting('max_connections')::int,
        current_setting('superuser_reserved_connections')::int
            + coalesce(current_setting('reserved_connections', true), '0')::int,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int,
        nullif((SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user), -1),
        nullif((SELECT datconnlimit FROM pg_database WHERE datname = current_database()), -1)
"""
_MISSING: Final[LiteralString] = """
    SELECT rights.name || ' on ' || tables.name
    FROM unnest(%s::text[]) AS tables(name), unnest(%s::text[]) AS rights(name)
    WHERE to_regclass(format('%%I', tables.name)) IS NOT NULL
        AND NOT has_table_privilege(to_regclass(format('%%I', tables.name)), rights.name)
    ORDER BY 1
"""
_FOREIGN: Final[LiteralString] = """
    SELECT count(*)::int FROM unnest(%s::text[]) AS tables(name)
    JOIN pg_class ON pg_class.oid = to_regclass(format('%%I', tables.name))
    WHERE NOT pg_has_role(pg_class.relowner, 'USAGE')
"""
_LAG: Final[LiteralString] = """
    SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float
"""


class CannotConnect(Exception):
    """The database lets nobody in, or is not there; the message is the server's or the system's."""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """The schema that is there, and the one of this release; ``floor`` is the oldest that may work on it."""

    found: str | None
    ours: str | None
    floor: str | None

    @property
    def is_older(self) -> bool:
        return self.found is None or (self.ours is not None and self.found < self.ours)

    @property
    def is_newer(self) -> bool:
        return self.found is not None and self.ours is not None and self.found > self.ours

    @property
    def refuses_us(self) -> bool:
        return self.floor is not None and self.ours is not None and self.floor > self.ours


@dataclass(frozen=True, kw_only=True)
class PostgresFacts:
    """One PostgreSQL, as the user of the address sees it. ``clock_ahead`` is against this machine."""

    version: str
    encoding: str
    user: str
    schema: str | None
    standby: bool
    read_only: bool
    durable: bool
    may_create: bool
    owns_tables: bool
    missing_rights: tuple[str, ...]
    max_connections: int
    used_connections: int
    clock_ahead: float
    round_trip: float
    lag: float | None
    revision: Revision


@dataclass(frozen=True, kw_only=True)
class SqliteFacts:
    """One SQLite file and where it lies; ``revision`` is None where there is no file yet."""

    path: Path
    exists: bool
    writable: bool
    in_use: bool
    file_system: str | None
    free_bytes: int
    fault: str | None
    revision: Revision | None


def connections_of(pool_size: int) -> int:
    """How many connections one process may open: readers, writers, and the one that listens."""
    return 2 * pool_size + UNLOCKED_WRITERS + 1


async def inspect_postgresql(url: str) -> PostgresFacts:
    """Look at a PostgreSQL server. Raises `CannotConnect`."""
    try:
        async with asyncio.timeout(3 * CONNECT_SECONDS):
            async with await psycopg.AsyncConnection.connect(**_arguments(database_url(url))) as connection:
                return await _facts(connection)
    except TimeoutError:
        raise CannotConnect(f"no answer within {3 * CONNECT_SECONDS} s") from None
    except psycopg.OperationalError as error:
        raise CannotConnect(_one_line(error)) from None


def inspect_sqlite(url: str) -> SqliteFacts:
    """Look at a SQLite file and its folder; neither is made when it is not there."""
    path = Path(str(database_url(url).database))
    folder = _existing(path.parent)
    exists = path.is_file()
    room = os.statvfs(folder)
    revision, fault = _revision_of_file(path) if exists else (None, None)
    return SqliteFacts(
        path=path,
        exists=exists,
        writable=os.access(folder, os.W_OK | os.X_OK) and (not exists or os.access(path, os.W_OK)),
        in_use=_is_owned(path.with_name(path.name + ".lock")),
        file_system=file_system_of(folder),
        free_bytes=room.f_bavail * room.f_frsize,
        fault=fault,
        revision=revision,
    )


def file_system_of(folder: Path) -> str | None:
    """The kind of the file system that a folder is on (`ext4`, `nfs4`, …); None where nobody tells."""
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        return None
    place, found, length = folder.resolve(), None, -1
    for line in mounts.read_text().splitlines():
        before, _, after = line.partition(" - ")
        # Spaces in names are written as \\040.
        point = Path(before.split(" ")[4].encode().decode("unicode_escape"))
        if place.is_relative_to(point) and len(point.parts) >= length:
            found, length = after.split(" ")[0], len(point.parts)
    return found


async def _facts(connection: psycopg.AsyncConnection[Any]) -> PostgresFacts:
    ahead, round_trip = await _clock(connection)
    version, encoding, standby, read_only, durable, may_create, user, schema = await _row(connection, _SERVER)
    tables = [table.name for table in Base.metadata.sorted_tables]
    rights = list(_RIGHTS if not (standby or read_only) else _RIGHTS[:1])
    most, reserved, used, *limits = await _row(connection, _CONNECTIONS)
    (foreign,) = await _row(connection, _FOREIGN, (tables,))
    lag = (await _row(connection, _LAG))[0] if standby else None
    missing = await (await connection.execute(_MISSING, (tables, rights))).fetchall()
    return PostgresFacts(
        version=version,
        encoding=encoding,
        user=user,
        schema=schema,
        standby=standby,
        read_only=read_only,
        durable=durable,
        may_create=bool(may_create),
        owns_tables=foreign == 0,
        missing_rights=tuple(row[0] for row in missing),
        max_connections=min([most - reserved, *(each for each in limits if each is not None)]),
        used_connections=used,
        clock_ahead=ahead,
        round_trip=round_trip,
        lag=lag,
        revision=await _revision(connection),
    )


async def _clock(connection: psycopg.AsyncConnection[Any]) -> tuple[float, float]:
    """How far the server's clock is ahead, and how long a round trip takes: the shortest of some."""
    trips = []
    for _ in range(4):
        began = time.time()
        (there,) = await _row(connection, "SELECT extract(epoch FROM clock_timestamp())::float")
        ended = time.time()
        trips.append((ended - began, there - (began + ended) / 2))
    round_trip, ahead = min(trips)
    return ahead, round_trip


async def _revision(connection: psycopg.AsyncConnection[Any]) -> Revision:
    found, floor = None, None
    for table, column in (("alembic_version", "version_num"), (FLOOR_TABLE, "revision")):
        (there,) = await _row(
            connection,
            "SELECT to_regclass(%s) IS NOT NULL AND has_table_privilege(to_regclass(%s), 'SELECT')",
            (table, table),
        )
        if there:
            query = psycopg.sql.SQL("SELECT {} FROM {}").format(
                psycopg.sql.Identifier(column), psycopg.sql.Identifier(table)
            )
            row = await (await connection.execute(query)).fetchone()
            value = None if row is None else str(row[0])
            found, floor = (value, floor) if table == "alembic_version" else (found, value)
    return Revision(found=found, ours=newest_revision(), floor=floor)


async def _row(
    connection: psycopg.AsyncConnection[Any], query: LiteralString, values: tuple[object, ...] = ()
) -> Any:
    # Without values, psycopg leaves percent signs alone.
    return await (await connection.execute(query, values or None)).fetchone()


def _arguments(url: URL) -> dict[str, Any]:
    _, arguments = url.get_dialect()().create_connect_args(url)
    return {
        **arguments,
        "autocommit": True,
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "burgee-check",
    }


def _one_line(error: Exception) -> str:
    """What the server or the driver said: its last line is what matters, after hosts that were tried."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines[0] if lines else type(error).__name__
    return told.rpartition("FATAL:" if "FATAL:" in told else " failed: ")[2].strip()


def _revision_of_file(path: Path) -> tuple[Revision | None, str | None]:
    try:
        with closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
        ) as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
            found = floor = None
            if "alembic_version" in names:
                found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            if FLOOR_TABLE in names:
                floor = connection.execute(f"SELECT revision FROM {FLOOR_TABLE}").fetchone()  # noqa: S608
    except sqlite3.Error as error:
        return None, str(error)
    return Revision(
        found=None if found is None else str(found[0]),
        ours=newest_revision(),
        floor=None if floor is None else str(floor[0]),
    ), None


def _is_owned(lock: Path) -> bool:
    """True when a process has the file that belongs to this lock (`mr.db.engines.owned_file`)."""
    if not os.access(lock, os.R_OK):
        return False
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
