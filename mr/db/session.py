"""Sessions on MR's database: snapshots to read from, and writes that begin with their locks.

`open_database` gives a `Database`; `read()` a consistent snapshot, `write(locks)` a transaction that
commits at the end of its block. The order of locks is decided here and nowhere else. What the database
refuses is translated here: a unique name into `Conflict`, a lost race into `Retry`, a database that is
not there into `Unavailable`. Must not know any subject's rules.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar
from uuid import uuid4

from sqlalchemy import or_, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import Conflict, Unavailable
from mr.db.audit import write_audit
from mr.db.audited import AUDITED
from mr.db.engines import open_engines
from mr.db.models.base import Base
from mr.db.models.delivery import ACCOUNT, Counter
from mr.db.models.portfolios import Application, Environment, Portfolio
from mr.db.models.service_accounts import ServiceAccount
from mr.db.notify import notify
from mr.db.properties import NO_TEMPLATES, PropertyTemplates
from mr.db.recording import RecordingSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from uuid import UUID

    from sqlalchemy import Select
    from sqlalchemy.engine import URL

    from mr.db.engines import Engines

T = TypeVar("T")

Dialect = Literal["sqlite", "postgresql"]

RETRIED_STATES = frozenset({"40001", "40P01", "55P03", "SQLITE_BUSY"})
"""Serialisation failure, deadlock, lock timeout, and SQLite's way to say the last."""

_UNREACHABLE_CLASSES = ("08", "53", "57", "58")
"""Connection, resources (a full disk too), operator's intervention (shutdown, timeouts), system errors."""

_NO_DISK = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")
"""The same where the database is a file: its disk is full, broken, away or cannot be written."""


class Retry(Unavailable):
    """The transaction lost a race and left nothing behind: the same call again may well succeed."""

    code = "busy"

    def __init__(self, sqlstate: str) -> None:
        super().__init__("Others are changing the same thing right now.")
        self.sqlstate = sqlstate


class Taken(Conflict):
    """Something unique is in use already; ``constraint`` is the name of the unique index."""

    code = "already-exists"

    def __init__(self, constraint: str) -> None:
        super().__init__("Something with that name or key exists already.")
        self.constraint = constraint


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    """What a write locks before it reads anything.

    ``applications`` and ``environments`` (their applications) exclude every other change of what those
    deliver. ``portfolios`` excludes changes of the portfolio itself; ``whole_portfolios`` also locks all
    its applications and service accounts. ``accounts`` are locked exclusively, ``shared_accounts``
    against change only. Ids that do not exist are ignored: the caller finds that out by reading.
    """

    portfolios: tuple[UUID, ...] = ()
    whole_portfolios: tuple[UUID, ...] = ()
    applications: tuple[UUID, ...] = ()
    environments: tuple[UUID, ...] = ()
    accounts: tuple[UUID, ...] = ()
    shared_accounts: tuple[UUID, ...] = ()


NO_LOCKS = Locks()


class ReadSession(AsyncSession):
    """Every statement sees the same moment; nothing can be written."""


class _AuditedSession(RecordingSession):
    recorded_tables = frozenset(AUDITED)


class WriteSession(AsyncSession):
    """One transaction that changes things; what it changes is audited at its end."""

    sync_session_class = _AuditedSession
    sync_session: _AuditedSession

    templates: PropertyTemplates = NO_TEMPLATES
    tombstone_seconds: int = 86_400
    highest_seq: int = 0
    """Of the outbox rows that this transaction wrote; 0 = none."""

    _locked: bool = False

    async def lock(self, locks: Locks) -> None:
        """Take the locks in their one order, and forget everything loaded before.

        At most once in a transaction: a second round could be in the wrong order.
        """
        if self._locked:
            raise RuntimeError("a transaction locks once, before it reads what it will change")
        self._locked = True
        if self.get_bind().dialect.name != "sqlite":
            # SQLite's writer holds the whole database from its first statement on.
            for statement in _lock_statements(locks):
                await self.execute(statement)
        self.expire_all()


def _lock_statements(locks: Locks) -> Iterator[Select[Any]]:
    """Portfolios, applications by id, counters by kind and id."""
    portfolios = {*locks.portfolios, *locks.whole_portfolios}
    if portfolios:
        yield _exclusively(select(Portfolio.id).where(Portfolio.id.in_(portfolios)).order_by(Portfolio.id))
    wanted = []
    if locks.applications:
        wanted.append(Application.id.in_(locks.applications))
    if locks.environments:
        owners = select(Environment.application_id).where(Environment.id.in_(locks.environments))
        wanted.append(Application.id.in_(owners))
    if locks.whole_portfolios:
        wanted.append(Application.portfolio_id.in_(locks.whole_portfolios))
    if wanted:
        yield _exclusively(select(Application.id).where(or_(*wanted)).order_by(Application.id))
    yield from _account_locks(locks)


def _account_locks(locks: Locks) -> Iterator[Select[Any]]:
    counters = select(Counter.id).where(Counter.kind == ACCOUNT).order_by(Counter.id)
    wanted = []
    if locks.accounts:
        wanted.append(Counter.id.in_(locks.accounts))
    if locks.whole_portfolios:
        owned = select(ServiceAccount.id).where(ServiceAccount.portfolio_id.in_(locks.whole_portfolios))
        wanted.append(Counter.id.in_(owned))
    if wanted:
        yield _exclusively(counters.where(or_(*wanted)))
    if locks.shared_accounts:
        yield counters.where(Counter.id.in_(locks.shared_accounts)).with_for_update(read=True)


def _exclusively(statement: Select[Any]) -> Select[Any]:
    # NO KEY: foreign keys may go on pointing at the row while it is locked.
    return statement.with_for_update(key_share=True)


class Database:
    """One database, for one event loop."""

    LOCK_SECONDS: ClassVar[float] = 20.0
    """Long enough for a queue of people on one application on a slow machine, short enough to be told."""
    STATEMENT_SECONDS: ClassVar[float] = 30.0
    IDLE_SECONDS: ClassVar[float] = 5.0
    """A transaction awaits nothing but the database: whoever is silent for so long inside one is frozen or
    cut off, and everybody else waits for its locks."""

    def __init__(
        self, engines: Engines, *, pool_size: int, templates: PropertyTemplates, tombstone_seconds: int
    ) -> None:
        self.dialect: Dialect = engines.dialect
        self.templates = templates
        self.name = uuid4().hex
        """Tells what this process wrote from what others did."""
        self._engines = engines
        self._tombstone_seconds = tombstone_seconds
        self._wakes: list[Callable[[], None]] = []
        self._audit_wakes: list[Callable[[], None]] = []
        # Waiting here is fair and holds no connection. SQLite has one writer; on PostgreSQL those that
        # may wait for locks leave a few connections to those that wait for nobody.
        self._turns = asyncio.Semaphore(1 if self.dialect == "sqlite" else pool_size)

    @property
    def url(self) -> URL:
        """Where it is, its password included: not for logs."""
        return self._engines.writer.url

    @property
    def lineage(self) -> str | None:
        """On SQLite: which life of the file this is (see `mr.db.lineage`); None elsewhere."""
        return self._engines.lineage

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a snapshot: all statements in the block see the same moment."""
        with _translated():
            async with ReadSession(self._engines.reader, autoflush=False) as session:
                yield session

    @asynccontextmanager
    async def write(self, locks: Locks = NO_LOCKS) -> AsyncIterator[WriteSession]:
        """Lock, run the block, commit; an exception rolls everything back.

        Raises `Retry` when a race was lost, `Taken` when something unique exists, `Unavailable` when
        the database is not there. Await nothing but the database in the block.
        """
        with _translated():
            async with (
                self._turn(locks),
                WriteSession(self._engines.writer, expire_on_commit=False) as session,
            ):
                session.templates = self.templates
                session.tombstone_seconds = self._tombstone_seconds
                async with session.begin():
                    await self._bound(session)
                    if locks is not NO_LOCKS:
                        await session.lock(locks)
                    yield session
                    await session.flush()
                    audited = await write_audit(session, session.sync_session.recorder.take())
                    if session.highest_seq and self.dialect == "postgresql":
                        await notify(session, self.name)
                if session.highest_seq:
                    self._engines.note_seq(session.highest_seq)
        if session.highest_seq:
            for wake in self._wakes:
                wake()
        if audited:
            for wake in self._audit_wakes:
                wake()

    def on_commit(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` after each commit that logged a change, on this loop; call the result to stop."""
        self._wakes.append(wake)
        return lambda: self._wakes.remove(wake)

    def on_audit(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` after each commit that the audit tells of, on this loop; call the result to stop."""
        self._audit_wakes.append(wake)
        return lambda: self._audit_wakes.remove(wake)

    @asynccontextmanager
    async def _turn(self, locks: Locks) -> AsyncIterator[None]:
        if self.dialect == "postgresql" and locks is NO_LOCKS:
            yield
            return
        try:
            async with asyncio.timeout(self.LOCK_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise Retry("SQLITE_BUSY" if self.dialect == "sqlite" else "55P03") from None
        try:
            yield
        finally:
            self._turns.release()

    async def _bound(self, session: WriteSession) -> None:
        """Bound the waits of this transaction alone: a pooler may share the connection with others."""
        if self.dialect == "sqlite":
            return
        connection = await session.connection()
        await connection.exec_driver_sql(
            "SELECT set_config('lock_timeout', %(lock)s, true),"
            " set_config('statement_timeout', %(statement)s, true),"
            " set_config('idle_in_transaction_session_timeout', %(idle)s, true)",
            {
                "lock": f"{self.LOCK_SECONDS:.0f}s",
                "statement": f"{self.STATEMENT_SECONDS:.0f}s",
                "idle": f"{self.IDLE_SECONDS:.0f}s",
            },
        )


@asynccontextmanager
async def open_database(
    url: str,
    *,
    pool_size: int = 10,
    templates: PropertyTemplates = NO_TEMPLATES,
    tombstone_seconds: int = 86_400,
    read_only: bool = False,
) -> AsyncIterator[Database]:
    """Open the database at ``url`` (``sqlite:///path`` or ``postgresql://…``), already migrated.

    A SQLite file has one owner: a second raises `mr.db.engines.DatabaseInUse`, unless ``read_only``.
    """
    async with open_engines(url, pool_size=pool_size, read_only=read_only) as engines:
        yield Database(engines, pool_size=pool_size, templates=templates, tombstone_seconds=tombstone_seconds)


async def run_with_retries(
    call: Callable[[], Awaitable[T]],
    *,
    attempts: int = 3,
    on_retry: Callable[[str], None] | None = None,
) -> T:
    """Run a whole write again when it lost a race; ``on_retry`` is told the SQLSTATE, for a metric."""
    for attempt in range(1, attempts):
        try:
            return await call()
        except Retry as error:
            if on_retry is not None:
                on_retry(error.sqlstate)
            await asyncio.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 (spreads load)
    return await call()


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the driver's errors into ours; what remains is a bug and stays what it is."""
    try:
        yield
    except IntegrityError as error:
        constraint = _unique_constraint(error)
        if constraint is None:
            raise
        raise Taken(constraint) from error
    except DBAPIError as error:
        raise _translate(error) from error
    except PoolTimeout as error:
        raise Unavailable("All connections to the database are in use.") from error
    except OSError as error:
        raise Unavailable("The database cannot be reached.") from error


def _translate(error: DBAPIError) -> Exception:
    state = _state(error)
    if state in RETRIED_STATES:
        return Retry(state)
    if error.connection_invalidated or not state or state.startswith(_UNREACHABLE_CLASSES):
        return Unavailable("The database cannot be reached.")
    if state.startswith(_NO_DISK):
        return Unavailable("The database's disk is full, or cannot be written.")
    return error


def _state(error: DBAPIError) -> str:
    """The SQLSTATE, or SQLite's name for what happened; empty when the connection itself failed."""
    original = error.orig
    name = getattr(original, "sqlite_errorname", None)
    if name is not None:
        return "SQLITE_BUSY" if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) else str(name)
    return getattr(original, "sqlstate", None) or ""


def _unique_constraint(error: IntegrityError) -> str | None:
    """The name of the violated unique index; None when something else was violated."""
    original: Any = error.orig
    if getattr(original, "sqlstate", None) == "23505":
        return str(original.diag.constraint_name)
    if not getattr(original, "sqlite_errorname", "").startswith(
        ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")
    ):
        return None
    # SQLite tells only in words, and either the name of the index or the columns it is on.
    told = str(original).partition(": ")[2]
    if told.startswith("index "):
        return told.removeprefix("index ").strip("'")
    parts = [part.strip().split(".") for part in told.split(",")]
    return _index_of(parts[0][0], [part[1] for part in parts])


def _index_of(table_name: str, columns: Sequence[str]) -> str:
    table = Base.metadata.tables[table_name]
    for index in table.indexes:
        if index.unique and sorted(column.name for column in index.columns) == sorted(columns):
            return str(index.name)
    return str(table.primary_key.name)


__all__ = [
    "NO_LOCKS",
    "Database",
    "Locks",
    "ReadSession",
    "Retry",
    "Taken",
    "WriteSession",
    "open_database",
    "run_with_retries",
]
