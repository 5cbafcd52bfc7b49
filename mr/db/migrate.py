"""Bring a database to the schema of this release; the same steps on SQLite and PostgreSQL.

Runs in a thread with a synchronous driver, on a connection of its own. On SQLite foreign keys are off
while tables are rebuilt and are checked at the end; on PostgreSQL servers that start together queue up.
Alembic is imported only when there is something to do: it costs a third of a second of every start.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, inspect
from sqlalchemy.pool import NullPool

from mr.db.engines import BUSY_MILLISECONDS, database_url, owned_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy.engine import URL, Connection

_FOLDER: Final = Path(__file__).parent / "migrations"
_QUEUE: Final = 0x62757267656531
"""The advisory lock that servers starting together wait for; any constant will do."""


class BrokenReferences(RuntimeError):
    """Rows would refer to rows that are not there; nothing was changed."""


async def upgrade(url: str) -> None:
    """Migrate the database at ``url`` to the newest schema; creates a SQLite file that is not there.

    Everything or nothing. Raises `mr.db.engines.DatabaseInUse` when another process has the file.
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
    """Bring the schema forward to ``revision``, by default the newest, in the caller's transaction."""
    wanted = revision or newest_revision()
    if wanted is None or _current_revision(connection) == wanted:
        return
    from alembic import command  # noqa: PLC0415 - see above

    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, wanted)


def _current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


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
    with schema_connection(url) as connection:
        migrate(connection)


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
