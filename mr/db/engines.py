"""Connections: how each kind of database is opened, and what every connection to it must be told.

SQLite gets two engines on one file. The writer is one connection with the driver in autocommit, where
we say ``BEGIN IMMEDIATE`` ourselves: left alone, the driver begins late and loses updates, and a
deferred ``BEGIN`` fails instead of waiting. Readers see snapshots of the write-ahead log.
PostgreSQL gets one pool; reads are REPEATABLE READ and read-only. Must not know tables.
"""

from __future__ import annotations

import asyncio
import fcntl
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import QueuePool

from common.errors import Mendable
from mr.db.lineage import Lineage, open_lineage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.engine import URL, Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

BUSY_MILLISECONDS: Final = 5_000
POOL_SECONDS: Final = 10.0
UNLOCKED_WRITERS: Final = 2
"""Connections for writes that wait for nobody's locks, the relay's above all."""
CONNECT_SECONDS: Final = 5
RETURN_SECONDS: Final = 2.0


class DatabaseInUse(Mendable):
    """Another process has this SQLite file open; it can have one owner only."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is in use by another Burgee process. Stop that one first, or give this one a data"
            " folder of its own (BURGEE_DATA_DIR), or let both use PostgreSQL (BURGEE_DATABASE_URL)."
        )


class UnsupportedDatabase(ValueError):
    """The URL is not one of the databases that Burgee knows."""


@dataclass(frozen=True, slots=True)
class Engines:
    """Where to read and where to write; closed by whoever opened them."""

    dialect: Literal["sqlite", "postgresql"]
    reader: AsyncEngine
    writer: AsyncEngine
    files: Lineage | None

    @property
    def lineage(self) -> str | None:
        return self.files.name if self.files else None

    def note_seq(self, seq: int) -> None:
        """A transaction with outbox rows up to ``seq`` was committed."""
        if self.files:
            self.files.note_seq(seq)


def database_url(url: str) -> URL:
    """Read a URL of the settings; raises `UnsupportedDatabase` without showing its password."""
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed
    raise UnsupportedDatabase(
        f"{parsed.render_as_string(hide_password=True)!r} is neither sqlite:///path nor postgresql://…"
    )


@contextmanager
def owned_file(path: Path) -> Iterator[None]:
    """Be the only owner of a SQLite file while in the block; raises `DatabaseInUse`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseInUse(path) from None
        yield


@asynccontextmanager
async def open_engines(url: str, *, pool_size: int, read_only: bool) -> AsyncIterator[Engines]:
    """Open engines for the life of the block."""
    parsed = database_url(url)
    async with AsyncExitStack() as stack:
        if parsed.drivername == "sqlite":
            yield await _sqlite(parsed, stack, pool_size=pool_size, read_only=read_only)
        else:
            # Two pools: writers that wait for locks must not keep readers from their connections.
            reading = _postgresql(parsed, pool_size=pool_size)
            stack.push_async_callback(_end, reading)
            reader = reading.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            if read_only:
                yield Engines("postgresql", reader, reader, None)
                return
            writer = _postgresql(parsed, pool_size=pool_size + UNLOCKED_WRITERS)
            stack.push_async_callback(_end, writer)
            yield Engines("postgresql", reader, writer, None)


async def _end(engine: AsyncEngine) -> None:
    """Close the connections, and forget what was compiled for them.

    Who was cancelled at its very end gives its connection back a moment later: that is waited for.
    """
    pool = engine.sync_engine.pool
    with suppress(TimeoutError):
        async with asyncio.timeout(RETURN_SECONDS):
            while isinstance(pool, QueuePool) and pool.checkedout():  # noqa: ASYNC110 - a pool tells nobody
                await asyncio.sleep(0.01)
    await engine.dispose()
    engine.sync_engine.clear_compiled_cache()


def _postgresql(url: URL, *, pool_size: int) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        # One round trip, against an error at the first use of every connection after a restart.
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "burgee"},
    )


async def _sqlite(url: URL, stack: AsyncExitStack, *, pool_size: int, read_only: bool) -> Engines:
    path = Path(str(url.database))
    lineage: Lineage | None = None
    if not read_only:
        stack.enter_context(owned_file(path))
        lineage = stack.enter_context(open_lineage(path))
    reader = _sqlite_engine(url, pool_size=pool_size, begin="BEGIN", pragmas=("query_only=ON",))
    stack.push_async_callback(_end, reader)
    if read_only:
        return Engines("sqlite", reader, reader, None)
    writer = _sqlite_engine(url, pool_size=1, begin="BEGIN IMMEDIATE", pragmas=("synchronous=FULL",))
    stack.push_async_callback(_end, writer)
    return Engines("sqlite", reader, writer, lineage)


def _sqlite_engine(url: URL, *, pool_size: int, begin: str, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        connect_args={"isolation_level": None, "timeout": BUSY_MILLISECONDS / 1000},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", f"busy_timeout={BUSY_MILLISECONDS}", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    @event.listens_for(engine.sync_engine, "invalidate")
    def _let_go(connection: Any, _record: object, _error: object) -> None:
        # After a cancellation the connection is thrown away with its transaction open, and as long as
        # somebody still refers to one of its cursors SQLite does not really close it: nobody else
        # could write. A second cancellation meanwhile changes nothing: the rollback runs in a thread.
        with suppress(asyncio.CancelledError):
            connection.rollback()

    return engine
