"""A restart is told from a restored copy by a small file beside the database."""

import sqlite3
from contextlib import closing

import pytest

from mr.db.lineage import open_lineage


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "burgee.db"
    _log(path, 1)
    return path


def _log(path, seq):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT)")
        connection.execute("INSERT INTO outbox (seq) VALUES (?)", (seq,))


def _name(path):
    with open_lineage(path) as lineage:
        return lineage.name


def test_a_restart_is_the_same_life(path):
    assert _name(path) == _name(path)


def test_a_change_that_was_not_noted_is_no_reason_for_a_new_life(path):
    before = _name(path)
    _log(path, 2)
    assert _name(path) == before


def test_a_database_that_forgot_a_noted_change_has_a_new_life(path):
    with open_lineage(path) as lineage:
        lineage.note_seq(5)
        before = lineage.name
    assert _name(path) != before


def test_the_new_life_goes_on_once_it_began(path):
    with open_lineage(path) as lineage:
        lineage.note_seq(5)
    assert _name(path) == _name(path)


def test_pruned_changes_are_not_forgotten_ones(path):
    with open_lineage(path) as lineage:
        lineage.note_seq(1)
        before = lineage.name
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM outbox")
    assert _name(path) == before


def test_another_file_in_its_place_has_a_new_life(path, tmp_path):
    before = _name(path)
    other = tmp_path / "other"
    other.write_bytes(path.read_bytes())
    other.replace(path)
    assert _name(path) != before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"lineage": 1}'])
def test_a_side_file_that_makes_no_sense_is_a_new_life(path, content):
    before = _name(path)
    path.with_name("burgee.db.lineage").write_bytes(content)
    assert _name(path) != before


def test_a_database_without_tables_begins_a_life(tmp_path):
    assert _name(tmp_path / "new.db")


def test_nobody_else_may_read_the_side_file(path):
    _name(path)
    assert path.with_name("burgee.db.lineage").stat().st_mode & 0o077 == 0
