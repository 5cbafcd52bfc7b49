"""Bring a database to the schema of this release; the same steps on SQLite and PostgreSQL.

Runs in a thread with a synchronous driver, on a connection of its own. On SQLite foreign keys are off
while tables are rebuilt and are checked at the end; on PostgreSQL servers that start together queue up.
Alembic is imported only when there is something to do: it costs a third of a second of every start.

Two releases work on one database while one takes the other's place, and after a step back. So a revision
only adds; one that takes something away names, as ``NEEDS``, the revision whose release no longer used it,
and that is kept in the database: a release that is older does not start there, any other leaves a schema
that is newer than its own as it is.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from common.errors import Mendable
from mr.db.engines import BUSY_MILLISECONDS, database_url, owned_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy.engine import URL, Connection

_FOLDER: Final = Path(__file__).parent / "migrations"
_QUEUE: Final = 0x62757267656531
"""The advisory lock that servers starting together wait for; any constant will do."""
FLOOR_TABLE: Final = "schema_floor"
"""One row, as soon as something was taken away: the oldest revision whose release may work here."""
_LOCK_SECONDS: Final = 2
"""Whoever waits for a table makes all later users of it wait behind: rather give way, and try again."""
_TRIES_SECONDS: Final = 60.0

_log = structlog.stdlib.get_logger(__name__)


class BrokenReferences(RuntimeError):
    """Rows would refer to rows that are not there; nothing was changed."""


class NotForThisRelease(Mendable):
    """The schema is one on which this release cannot work."""


class SchemaBusy(Mendable):
    """Somebody holds what a migration has to change, for too long."""


async def upgrade(url: str) -> None:
    """Migrate the database at ``url`` to the newest schema; creates a SQLite file that is not there.

    Everything or nothing. A newer schema stays as it is. Raises `mr.db.engines.DatabaseInUse` when another
    process has the file, `SchemaBusy` when others keep using what must be changed, `NotForThisRelease`.
    """
    await asyncio.to_thread(_upgrade, database_url(url))


def configuration() -> Config:
    """Alembic's settings; there is no alembic.ini."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config


def newest_revision() -> str | None:
    """The revision that this release's code expects; files are named by their revisions, in order."""
    return max((path.name[:4] for path in (_FOLDER / "versions").glob("[0-9]*_*.py")), default=None)


def is_known_revision(revision: str) -> bool:
    """True when this release can bring a schema of that revision to its own."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    return any(
        each.revision == revision for each in ScriptDirectory.from_config(configuration()).walk_revisions()
    )


def migrate(connection: Connection, revision: str | None = None) -> None:
    """Bring the schema forward to ``revision``, by default the newest, in the caller's transaction.

    One that is further already is left alone. Raises `NotForThisRelease` when this release must not use it.
    """
    wanted = revision or newest_revision()
    found = current_revision(connection)
    if wanted is None or found == wanted:
        return
    if found is not None and _is_later(found, wanted):
        _accept(connection, found)
        return
    from alembic import command  # noqa: PLC0415 - see above

    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, wanted)
    _keep_floor(connection, _floor_of(wanted))


def current_revision(connection: Connection) -> str | None:
    """The revision that the database has; None before the first."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def floor(connection: Connection) -> str | None:
    """The oldest revision whose release may work on this schema; None = any."""
    if not inspect(connection).has_table(FLOOR_TABLE):
        return None
    found: str | None = connection.exec_driver_sql(f"SELECT revision FROM {FLOOR_TABLE}").scalar()  # noqa: S608
    return found


def _is_later(one: str, other: str) -> bool:
    if not re.fullmatch(r"\d{4}", one):
        raise NotForThisRelease(f"The database has a schema that is not one of Burgee's: {one!r}.")
    return one > other


def _accept(connection: Connection, found: str) -> None:
    """Work on a newer release's schema, if that was made for it."""
    ours, needed = str(newest_revision()), floor(connection)
    if needed is not None and needed > ours:
        raise NotForThisRelease(
            f"The database's schema {found} has no place for this release, whose own is {ours}: it needs one"
            f" with {needed} or later. Start a newer release, or restore a backup of before the upgrade."
        )
    _log.warning("schema.newer", found=found, ours=ours)


def _floor_of(wanted: str) -> str | None:
    """What the revisions up to this one need at most."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    scripts = ScriptDirectory.from_config(configuration()).walk_revisions()
    needs = [
        str(needed)
        for each in scripts
        if each.revision <= wanted and (needed := getattr(each.module, "NEEDS", None)) is not None
    ]
    return max(needs, default=None)


def _keep_floor(connection: Connection, needed: str | None) -> None:
    if needed is None:
        return
    connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {FLOOR_TABLE} (revision VARCHAR(32) NOT NULL)")
    connection.exec_driver_sql(f"DELETE FROM {FLOOR_TABLE}")  # noqa: S608
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    connection.exec_driver_sql(f"INSERT INTO {FLOOR_TABLE} VALUES ({mark})", (needed,))  # noqa: S608


@contextmanager
def schema_connection(url: URL) -> Iterator[Connection]:
    """Open a transaction that may change the schema, one at a time; it commits when the block ends well.

    Foreign keys are not enforced on SQLite in the block, but at its end: `BrokenReferences`. Raises
    `mr.db.engines.DatabaseInUse` when another process has the file.
    """
    if url.drivername == "sqlite":
        with owned_file(Path(str(url.database))), _sqlite_transaction(url) as connection:
            yield connection
        return
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_QUEUE})")
        yield connection


def _upgrade(url: URL) -> None:
    until = time.monotonic() + _TRIES_SECONDS
    while True:
        try:
            with schema_connection(url) as connection:
                if connection.dialect.name == "postgresql":
                    # Others work on these tables, and what waits for one is in the way of all of them.
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
                migrate(connection)
                return
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03":
                raise
            if time.monotonic() > until:
                raise SchemaBusy(
                    "The schema could not be changed: another connection keeps a table of it in use (a"
                    " backup, a forgotten transaction; see pg_stat_activity). Nothing was changed; try again."
                ) from error
        _log.info("schema.waiting")
        time.sleep(_LOCK_SECONDS / 2)


@contextmanager
def _sqlite_transaction(url: URL) -> Iterator[Connection]:
    engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args={"isolation_level": None, "timeout": BUSY_MILLISECONDS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        # Has no effect inside a transaction, so it comes before BEGIN.
        connection.execute("PRAGMA foreign_keys=OFF")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as connection:
        yield connection
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise BrokenReferences(
                f"{len(broken)} references would lead nowhere, the first: {tuple(broken[0])}"
            )
