"""One release works beside the next: migrations add first, and take away only what nobody uses any more."""

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

import mr.db.migrate
from mr.db.engines import database_url as parse_url
from mr.db.migrate import NotForThisRelease, SchemaBusy, configuration, current_revision, floor, upgrade

FIRST = "0001"

COLUMNS = """
    SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public'
"""
CONSTRAINTS = """
    SELECT relation.relname, constrained.conname, constrained.contype, pg_get_constraintdef(constrained.oid)
    FROM pg_constraint AS constrained JOIN pg_class AS relation ON relation.oid = constrained.conrelid
    WHERE constrained.contype IN ('c', 'f', 'p', 'u')
"""
INDEXES = """
    SELECT relation.relname, named.relname, found.indisunique, pg_get_indexdef(found.indexrelid)
    FROM pg_index AS found
    JOIN pg_class AS relation ON relation.oid = found.indrelid
    JOIN pg_class AS named ON named.oid = found.indexrelid
    JOIN pg_namespace AS space ON space.oid = relation.relnamespace AND space.nspname = 'public'
"""
TRIGGERS = "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"


class Column(NamedTuple):
    type: str
    length: int | None
    nullable: bool
    default: str | None


class Schema(NamedTuple):
    """What a release that works on a database may rely on."""

    columns: Mapping[str, Mapping[str, Column]]
    rules: Mapping[tuple[str, str], str]
    """Constraints, unique indexes and triggers: (table, name) → what they say."""


def read_schema(connection: Connection) -> Schema:
    columns: dict[str, dict[str, Column]] = {}
    for table, name, kind, length, nullable, default in connection.exec_driver_sql(COLUMNS):
        columns.setdefault(table, {})[name] = Column(kind, length, nullable == "YES", default)
    rules = {(table, name): told for table, name, _, told in connection.exec_driver_sql(CONSTRAINTS)}
    rules |= {(row[0], row[1]): row[3] for row in connection.exec_driver_sql(INDEXES) if row[2]}
    rules |= dict.fromkeys(connection.exec_driver_sql(TRIGGERS), "a trigger")
    return Schema(columns, rules)


def contractions(before: Schema, after: Schema) -> Iterator[str]:
    """What a release that knows only `before` could stumble over in `after`."""
    for table, columns in before.columns.items():
        if table not in after.columns:
            yield f"the table {table} is gone"
            continue
        yield from _narrower(table, columns, after.columns[table])
    for (table, name), told in before.rules.items():
        if table in after.columns and after.rules.get((table, name)) != told:
            yield f"{name} of {table} is not {told} any more"
    for table, name in after.rules.keys() - before.rules.keys():
        if table in before.columns:
            yield f"{name} forbids something in {table} that was allowed"


def _narrower(table: str, before: Mapping[str, Column], after: Mapping[str, Column]) -> Iterator[str]:
    for name, was in before.items():
        now = after.get(name)
        if now is None:
            yield f"{table}.{name} is gone"
        elif now.type != was.type or (now.length is not None and now.length < (was.length or now.length + 1)):
            yield f"{table}.{name} is of another type"
        elif was.nullable and not now.nullable:
            yield f"{table}.{name} must have a value"
        elif was.default is not None and now.default != was.default:
            yield f"{table}.{name} has another default"
    for name in after.keys() - before.keys():
        if not after[name].nullable and after[name].default is None:
            yield f"{table}.{name} is new, and must have a value without a default"


@pytest.fixture
def empty_url(postgres_server):
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    with create_engine(parse_url(url), poolclass=NullPool).connect() as connection:
        yield connection


def scripts() -> list[Any]:
    found = ScriptDirectory.from_config(configuration()).walk_revisions()
    return sorted(found, key=lambda each: each.revision)


def test_no_migration_takes_away_what_the_release_before_uses(empty_url):
    with connected(empty_url) as connection, connection.begin():
        before = None
        for script in scripts():
            mr.db.migrate.migrate(connection, script.revision)
            after = read_schema(connection)
            if before is not None and getattr(script.module, "NEEDS", None) is None:
                assert sorted(contractions(before, after)) == [], (
                    f"{script.path} would harm the release before"
                )
            before = after


def test_a_migration_that_takes_away_names_an_earlier_revision_as_the_oldest_that_may_stay():
    revisions = [script.revision for script in scripts()]
    for script in scripts():
        needed = getattr(script.module, "NEEDS", None)
        assert needed is None or (needed in revisions and needed < script.revision), script.path


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DROP TABLE usage", "the table usage is gone"),
        ("ALTER TABLE usage RENAME TO use", "the table usage is gone"),
        ("ALTER TABLE usage DROP COLUMN count", "usage.count is gone"),
        ("ALTER TABLE usage RENAME COLUMN count TO number", "usage.count is gone"),
        ("ALTER TABLE usage ALTER COLUMN kind TYPE varchar(10)", "usage.kind is of another type"),
        ("ALTER TABLE usage ALTER COLUMN count TYPE integer", "usage.count is of another type"),
        ("ALTER TABLE person ALTER COLUMN name SET NOT NULL", "person.name must have a value"),
        ("ALTER TABLE usage ADD COLUMN hue text NOT NULL", "usage.hue is new, and must have a value"),
        ("ALTER TABLE usage ADD CHECK (count < 9)", "forbids something in usage"),
        ("CREATE UNIQUE INDEX only_one ON usage (kind)", "only_one forbids something in usage"),
        ("ALTER TABLE usage DROP CONSTRAINT pk_usage", "pk_usage of usage is not"),
    ],
)
def test_what_takes_away_is_noticed(postgresql_url, statement, told):
    with connected(postgresql_url) as connection:
        connection.exec_driver_sql("ALTER TABLE person ALTER COLUMN name DROP NOT NULL")
        before = read_schema(connection)
        connection.exec_driver_sql(statement)
        found = list(contractions(before, read_schema(connection)))
    assert any(told in each for each in found), found


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE usage ADD COLUMN hue text",
        "ALTER TABLE usage ADD COLUMN hue text NOT NULL DEFAULT 'red'",
        "ALTER TABLE usage ALTER COLUMN kind TYPE varchar(40)",
        "CREATE TABLE use (count integer PRIMARY KEY)",
        "CREATE INDEX by_count ON usage (count)",
    ],
)
def test_what_only_adds_is_allowed(postgresql_url, statement):
    with connected(postgresql_url) as connection:
        before = read_schema(connection)
        connection.exec_driver_sql(statement)
        assert list(contractions(before, read_schema(connection))) == []


# ------------------------------------------------------------------ beside the next release

LATER = '''
"""What a later release does."""

from alembic import op

revision = "9001"
down_revision = {newest!r}
branch_labels = None
depends_on = None
{needs}

def upgrade() -> None:
    op.execute("ALTER TABLE usage ADD COLUMN hue TEXT")
'''


@pytest.fixture
def later_release(tmp_path, monkeypatch):
    """Call it to migrate as a release would that has one revision more."""
    folder = tmp_path / "migrations"
    shutil.copytree(
        Path(mr.db.migrate.__file__).parent / "migrations",
        folder,
        ignore=shutil.ignore_patterns("__pycache__"),
    )

    async def migrated(url: str, *, needs: str = "") -> None:
        newest = scripts()[-1].revision
        text = LATER.format(newest=newest, needs=f"NEEDS = {needs!r}" if needs else "")
        (folder / "versions" / "9001_later.py").write_text(text)
        with monkeypatch.context() as patched:
            patched.setattr(mr.db.migrate, "_FOLDER", folder)
            await upgrade(url)

    return migrated


async def test_a_release_starts_on_the_schema_of_the_next_one(database_url, later_release):
    await later_release(database_url)
    await upgrade(database_url)
    with connected(database_url) as connection:
        assert current_revision(connection) == "9001"
        assert floor(connection) is None


async def test_a_release_that_is_still_meant_stays_when_something_was_taken_away(database_url, later_release):
    await later_release(database_url, needs=scripts()[-1].revision)
    await upgrade(database_url)
    with connected(database_url) as connection:
        assert floor(connection) == scripts()[-1].revision


async def test_a_release_that_used_what_was_taken_away_does_not_start(database_url, later_release):
    await later_release(database_url, needs="9001")
    with pytest.raises(NotForThisRelease, match="Start a newer release"):
        await upgrade(database_url)
    await later_release(database_url, needs="9001")


async def test_a_schema_of_something_else_is_refused(database_url):
    with connected(database_url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'deadbeef'")
        connection.commit()
    with pytest.raises(NotForThisRelease, match="not one of Burgee's"):
        await upgrade(database_url)


async def test_a_migration_does_not_make_everybody_wait_for_who_holds_a_table(
    postgresql_url, later_release, monkeypatch
):
    monkeypatch.setattr(mr.db.migrate, "_TRIES_SECONDS", 0.0)
    with connected(postgresql_url) as reader:
        reader.exec_driver_sql("SELECT count(*) FROM usage")
        async with asyncio.timeout(60):
            with pytest.raises(SchemaBusy, match="keeps a table of it in use"):
                await later_release(postgresql_url)
    await later_release(postgresql_url)
