"""Back up a database into one file, and put such a file in a database's place.

The file is the same for both kinds of database, so it also carries one into the other. It is read from
one snapshot, while everybody goes on working. Restoring is one transaction: whatever happens on the way,
what was there before stays. A restored database is another history (`mr.db.epoch`): it gets an id of its
own and an incarnation that fits no database, so the next relay raises everything before anybody is
answered. Synchronous, for commands that do nothing else. Must not know what the tables mean beyond that.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple
from uuid import uuid4

from alembic.migration import MigrationContext
from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    Text,
    Uuid,
    column,
    create_engine,
    event,
    exists,
    func,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import NullPool

from common.errors import Mendable
from mr.db.archive import FORMAT, FORMAT_VERSION, Archive, ArchiveInvalid, ArchiveWriter, Header, Kind, Shape
from mr.db.engines import BUSY_MILLISECONDS, CONNECT_SECONDS, database_url
from mr.db.epoch import RAISED_BY
from mr.db.migrate import BrokenReferences, is_known_revision, migrate, newest_revision, schema_connection
from mr.db.models import (
    audit,
    deliveries,
    delivery,
    features,
    people,
    portfolios,
    service_accounts,
    sign_in,
    system,
    user_state,
)
from mr.db.models.base import Base, UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import TableClause
    from sqlalchemy.engine import URL, Connection
    from sqlalchemy.types import TypeEngine

REGISTERED: Final = (
    audit,
    deliveries,
    delivery,
    features,
    people,
    portfolios,
    service_accounts,
    sign_in,
    system,
    user_state,
)
"""Importing them is what puts their tables into the metadata that is walked here."""

STANDARD: Final = Path("-")
"""Stands for standard output and input."""

_ROWS_AT_ONCE: Final = 500
_LOCK_SECONDS: Final = 10
_VERSIONS: Final = "alembic_version"
_TYPES: Final[dict[Kind, TypeEngine[Any]]] = {
    Kind.TEXT: Text(),
    Kind.INTEGER: BigInteger(),
    Kind.BOOLEAN: Boolean(),
    Kind.UUID: Uuid(),
    Kind.MOMENT: UtcDateTime(),
}
_ALWAYS_THERE: Final = frozenset({system.SystemState.__tablename__, delivery.RelayLease.__tablename__})
"""Tables in which every migrated database has rows: they do not make it one that is used."""


class BackupRefused(Mendable):
    """It cannot be done like this; the message says why and what would help. Nothing was changed."""


class Done(NamedTuple):
    """What was written or read."""

    header: Header
    rows: int


def back_up(url: str, target: Path) -> Done:
    """Write the database at ``url`` into ``target``, which appears when it is complete, not before.

    Servers may go on working meanwhile. The file holds every secret that the database holds: only its
    owner can read it. Raises `BackupRefused`.
    """
    with _reader(database_url(url)) as connection, _replacing(target) as file:
        header = _header(connection)
        archive = ArchiveWriter(file, header)
        for shape in header.tables:
            archive.begin(shape.name)
            for row in _rows(connection, shape):
                archive.add(row)
        return Done(header, archive.finish())


def restore(url: str, source: Path, *, force: bool = False) -> Done:
    """Put the backup in the place of what is in the database at ``url``; everything or nothing.

    The backup is read to its end before anything is changed. An older one is brought to this release's
    schema. Raises `BackupRefused`: also while a server works on the database, and without ``force`` when
    the database holds anything. Raises `mr.db.engines.DatabaseInUse` for a SQLite file.
    """
    with _seekable(source) as file, _refusing():
        checked = _check(file)
        file.seek(0)
        archive = Archive(file)
        with schema_connection(database_url(url)) as connection:
            _refuse_in_use(connection)
            given = _clear(connection, force=force)
            migrate(connection, archive.header.schema)
            with _references_aside(connection, archive.header):
                _load(connection, archive)
            migrate(connection)
            _become_another_history(connection, given)
    return checked


# Reading


@contextmanager
def _reader(url: URL) -> Iterator[Connection]:
    """Open one snapshot of a database with this release's schema."""
    with _refusing(), _snapshot(url) as connection:
        found, newest = _revision(connection), newest_revision()
        if found != newest:
            raise BackupRefused(
                f"The database has the schema {found or '(none)'}, this release's is {newest}: back it up"
                " with the release that runs on it, or bring it to this one first (burgee migrate)."
            )
        yield connection


@contextmanager
def _snapshot(url: URL) -> Iterator[Connection]:
    if url.drivername != "sqlite":
        engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_SECONDS})
        with engine.connect() as plain:
            yield plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return
    if not Path(str(url.database)).is_file():
        raise BackupRefused(f"There is no database at {url.database}.")
    engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args={"isolation_level": None, "timeout": BUSY_MILLISECONDS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    with engine.connect() as connection:
        yield connection


def _header(connection: Connection) -> Header:
    identity = connection.scalar(
        select(system.SystemState.value).where(system.SystemState.key == system.DATABASE_ID)
    )
    return Header(
        format=FORMAT,
        version=FORMAT_VERSION,
        release=version("burgee"),
        schema=str(newest_revision()),
        database_id=str(identity),
        made=datetime.now(UTC),
        tables=tuple(_shape(connection, str(each.name)) for each in Base.metadata.sorted_tables),
    )


def _shape(connection: Connection, name: str) -> Shape:
    model = Base.metadata.tables[name]
    numbered = model.autoincrement_column
    last = None if numbered is None else _last_number(connection, name, numbered.name)
    return Shape(
        name=name, columns={str(each.name): _kind(each.type) for each in model.columns}, last_number=last
    )


def _kind(kind: TypeEngine[Any]) -> Kind:
    if isinstance(kind, UtcDateTime):
        return Kind.MOMENT
    if isinstance(kind, Uuid):
        return Kind.UUID
    if isinstance(kind, Boolean):
        return Kind.BOOLEAN
    return Kind.INTEGER if isinstance(kind, Integer) else Kind.TEXT


def _last_number(connection: Connection, name: str, numbered: str) -> int:
    """The last number that was given; rows that had it may be gone, and it must not be given again."""
    highest = connection.scalar(select(func.max(Base.metadata.tables[name].c[numbered]))) or 0
    if connection.dialect.name == "sqlite":
        given = connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": name})
    else:
        sequence = connection.scalar(
            text("SELECT pg_get_serial_sequence(:name, :column)"), {"name": name, "column": numbered}
        )
        given = connection.scalar(text(f"SELECT last_value FROM {sequence}"))  # noqa: S608 (quoted by the database)
    return max(int(highest), int(given or 0))


def _rows(connection: Connection, shape: Shape) -> Iterator[list[object]]:
    # By the key, so that two backups of the same state are the same.
    keys = [each.name for each in Base.metadata.tables[shape.name].primary_key.columns]
    found = connection.execution_options(stream_results=True, yield_per=_ROWS_AT_ONCE).execute(
        select(*_plain(shape).columns).order_by(*(column(each) for each in keys))
    )
    for row in found:
        yield list(row)


def _plain(shape: Shape) -> TableClause:
    """The table with values as they are stored: texts stay texts, whatever they mean."""
    return table(shape.name, *(column(name, _TYPES[kind]) for name, kind in shape.columns.items()))


# Files


@contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a private file that takes the place of ``target`` when the block ends well."""
    if target == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BackupRefused(f"{target} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _seekable(source: Path) -> Iterator[BinaryIO]:
    """Open what will be read twice; standard input is kept in a private file that has no name."""
    if source != STANDARD:
        try:
            with source.open("rb") as file:
                yield file
        except OSError as error:
            raise BackupRefused(f"{source} cannot be read: {error.strerror}.") from error
        return
    with tempfile.TemporaryFile() as kept:
        while block := sys.stdin.buffer.read(1 << 20):
            kept.write(block)
        kept.seek(0)
        yield kept


# Restoring


def _check(file: BinaryIO) -> Done:
    archive = Archive(file)
    if not is_known_revision(archive.header.schema):
        raise BackupRefused(
            f"The backup has the schema {archive.header.schema} of Burgee {archive.header.release}, newer"
            f" than this release's {newest_revision()}: restore it with that release."
        )
    return Done(archive.header, sum(1 for _ in archive.rows()))


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_in_use(connection: Connection) -> None:
    """Refuse while a relay holds the lease. A SQLite file is locked: who came here is alone."""
    if connection.dialect.name == "sqlite" or not inspect(connection).has_table("relay"):
        return
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
    # Nobody can take the lease after the look at it: servers that start meanwhile wait for the end.
    connection.execute(text("LOCK TABLE relay IN ACCESS EXCLUSIVE MODE"))
    holder = connection.scalar(
        text("SELECT holder FROM relay WHERE until > extract(epoch FROM clock_timestamp()) * 1000")
    )
    if holder is not None:
        raise BackupRefused(
            f"A server works on this database (the relay is {holder}): stop all servers first. After a"
            " crash it takes some seconds until that is known."
        )


def _clear(connection: Connection, *, force: bool) -> int:
    """Leave nothing of the present tables: they are made anew as the backup's release made them.

    Answers a number above all revisions and versions that the database has given.
    """
    found = _revision(connection)
    if found is not None and not is_known_revision(found):
        raise BackupRefused(
            f"The database has the schema {found}, which this release does not know: use the newer release."
        )
    if found is not None:
        # So that what is dropped is what this release knows of.
        migrate(connection)
    used = [
        each.name
        for each in Base.metadata.sorted_tables
        if each.name not in _ALWAYS_THERE
        and inspect(connection).has_table(each.name)
        and connection.scalar(select(exists(select(each))))
    ]
    if used and not force:
        raise BackupRefused(
            "The database holds data already. To replace all of it by the backup, say --force; to keep"
            " it, back it up first."
        )
    given = 0 if found is None else _highest_given(connection)
    Base.metadata.drop_all(connection)
    connection.execute(text(f"DROP TABLE IF EXISTS {_VERSIONS}"))
    return given


def _highest_given(connection: Connection) -> int:
    """Full steps of raising that lead above all revisions and versions, from wherever."""
    counted = (
        delivery.Counter.revision,
        delivery.Delivered.version,
        delivery.KeyFloor.version,
        features.FeatureValue.version,
    )
    highest = max(connection.scalar(select(func.max(each))) or 0 for each in counted)
    found = connection.execute(select(system.SystemState.key, system.SystemState.value))
    facts = {row.key: row.value for row in found}
    highest = max(highest, int(facts.get(system.FLOOR_BASE, 0)))
    # A restored database that nobody has worked on since: what its predecessor gave still counts.
    steps = highest // RAISED_BY + 1
    return max(steps * RAISED_BY, int(facts.get(system.RAISE_BY, 0)))


_REFERENCES: Final = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(c.oid))
FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = conrelid
WHERE contype = 'f' AND connamespace = current_schema()::regnamespace AND relname = ANY(:tables)
"""


@contextmanager
def _references_aside(connection: Connection, header: Header) -> Iterator[None]:
    """Take foreign keys away and put them back, which checks all rows at once.

    Rows may refer to rows of the same table that come later. SQLite checks at the end of the transaction
    by itself (`schema_connection`).
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    found = connection.execute(text(_REFERENCES), {"tables": [each.name for each in header.tables]}).all()
    for drop, _ in found:
        connection.exec_driver_sql(drop)
    yield
    for _, add in found:
        connection.exec_driver_sql(add)


def _load(connection: Connection, archive: Archive) -> None:
    for shape in archive.header.tables:
        _expect_shape(connection, shape)
        # A migration may have put the first rows there.
        connection.execute(_plain(shape).delete())
    for _, of_table in groupby(archive.rows(), key=_table_of):
        while chunk := list(islice(of_table, _ROWS_AT_ONCE)):
            shape = chunk[0][0]
            names = tuple(shape.columns)
            rows = [dict(zip(names, values, strict=True)) for _, values in chunk]
            connection.execute(insert(_plain(shape)), rows)
    for shape in archive.header.tables:
        if shape.last_number:
            _set_last_number(connection, shape.name, shape.last_number)


def _table_of(row: tuple[Shape, list[object]]) -> str:
    return row[0].name


def _expect_shape(connection: Connection, shape: Shape) -> None:
    inspector = inspect(connection)
    columns = (
        {each["name"] for each in inspector.get_columns(shape.name)}
        if inspector.has_table(shape.name)
        else set()
    )
    if columns != set(shape.columns):
        raise ArchiveInvalid(f"The backup's table {shape.name!r} is not that of the schema it names.")


def _set_last_number(connection: Connection, name: str, last: int) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": name})
        connection.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"),
            {"name": name, "last": last},
        )
        return
    numbered = Base.metadata.tables[name].autoincrement_column
    if numbered is not None:
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:name, :column), :last)"),
            {"name": name, "column": numbered.name, "last": last},
        )


def _become_another_history(connection: Connection, given: int) -> None:
    """What follows is not what followed the backup, even on the very same server or file.

    Everything must rise above what the replaced database gave: it may have been restored before, and
    gone on from there.
    """
    facts = Base.metadata.tables[system.SystemState.__tablename__]
    lease = Base.metadata.tables[delivery.RelayLease.__tablename__]
    renewed = {
        system.DATABASE_ID: str(uuid4()),
        system.INCARNATION: f"restored {secrets.token_hex(16)}",
        system.RAISE_BY: str(given),
    }
    connection.execute(facts.delete().where(facts.c.key.in_({*renewed, system.RAISING})))
    connection.execute(insert(facts), [{"key": key, "value": value} for key, value in renewed.items()])
    connection.execute(update(lease).values(until=0))


@contextmanager
def _refusing() -> Iterator[None]:
    """Say what a person can do something about as `BackupRefused`; what remains is a bug."""
    try:
        yield
    except ArchiveInvalid as error:
        raise BackupRefused(str(error)) from error
    except OperationalError as error:
        raise BackupRefused(f"The database cannot be used: {_first_line(error)}") from error
    except (IntegrityError, DataError) as error:
        raise BackupRefused(f"The backup contradicts itself: {_first_line(error)}") from error
    except BrokenReferences as error:
        raise BackupRefused(f"The backup contradicts itself: {error}") from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
