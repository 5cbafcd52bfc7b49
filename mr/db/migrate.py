"""Bring a database to the schema of this release; the same steps on SQLite and PostgreSQL.

Runs in a thread with a synchronous driver, on a connection of its own. On SQLite foreign keys are off
while tables are rebuilt and are checked at the end; on PostgreSQL servers that start together queue up.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from mr.db.engines import BUSY_MILLISECONDS, database_url, owned_file

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection

_FOLDER: Final = Path(__file__).parent / "migrations"
_QUEUE: Final = 0x62757267656531
"""The advisory lock that servers starting together wait for; any constant will do."""


async def upgrade(url: str) -> None:
    """Migrate the database at ``url`` to the newest schema; creates a SQLite file that is not there.

    Everything or nothing. Raises `mr.db.engines.DatabaseInUse` when another process has the file.
    """
    await asyncio.to_thread(_upgrade, database_url(url))


def configuration() -> Config:
    """Alembic's settings; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config


def newest_revision() -> str | None:
    """The revision that this release's code expects."""
    return ScriptDirectory.from_config(configuration()).get_current_head()


def _upgrade(url: URL) -> None:
    if url.drivername == "sqlite":
        with owned_file(Path(str(url.database))):
            _upgrade_sqlite(url)
    else:
        _upgrade_postgresql(url)


def _upgrade_postgresql(url: URL) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_QUEUE})")
        _run(connection)


def _upgrade_sqlite(url: URL) -> None:
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
        _run(connection)
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"the migration would break {len(broken)} references, the first: {broken[0]}")


def _run(connection: Connection) -> None:
    if MigrationContext.configure(connection).get_current_revision() == newest_revision():
        return
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
