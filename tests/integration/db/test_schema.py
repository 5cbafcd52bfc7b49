"""The migrated schema is the one the models describe, on both databases."""

import warnings

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

import mr.db.models  # noqa: F401 - registers the tables
from mr.db.engines import DatabaseInUse, UnsupportedDatabase, owned_file
from mr.db.engines import database_url as parse_url
from mr.db.migrate import newest_revision, upgrade
from mr.db.models.base import Base


def _differences(connection):
    with warnings.catch_warnings():
        # Neither database's reflection can compare an index on an expression; it is looked up below.
        warnings.simplefilter("ignore")
        return compare_metadata(MigrationContext.configure(connection), Base.metadata)


def test_the_migrated_schema_equals_the_models(database_url):
    engine = create_engine(_sync(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        assert _differences(connection) == []
        assert MigrationContext.configure(connection).get_current_revision() == newest_revision()
        if connection.dialect.name == "postgresql":
            names = {index["name"] for index in inspect(connection).get_indexes("application_strategy")}
            assert "uq_application_strategy_name" in names


def test_one_counters_changes_are_found_without_reading_the_whole_log(database_url):
    statement = (
        "SELECT revision FROM outbox WHERE counter_kind = 'environment'"
        " AND counter_id = '00000000-0000-0000-0000-000000000000' ORDER BY seq DESC LIMIT 10"
    )
    engine = create_engine(_sync(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # Of an empty table it would read the one page that there is.
            connection.exec_driver_sql("SET enable_seqscan = off")
            plan = connection.exec_driver_sql(f"EXPLAIN {statement}").fetchall()
        else:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    text = "\n".join(str(line) for line in plan)
    assert "ix_outbox_counter_id" in text
    assert "Sort" not in text
    assert "TEMP B-TREE" not in text


async def test_migrating_again_changes_nothing(database_url):
    await upgrade(database_url)
    await upgrade(database_url)


async def test_a_file_that_is_in_use_is_not_migrated(tmp_path):
    path = tmp_path / "burgee.db"
    with owned_file(path), pytest.raises(DatabaseInUse, match="in use by another Burgee process"):
        await upgrade(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["mysql://root:secret@host/db", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused_without_showing_the_password(url):
    with pytest.raises(UnsupportedDatabase) as caught:
        _sync(url)
    assert "secret" not in str(caught.value)


def _sync(url):
    return parse_url(url)
