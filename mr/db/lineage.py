"""Which life of a SQLite file this is: tells a restart from a restored copy.

A small file beside the database, ``<database>.lineage``, holds a random name, the inodes of both files,
and the highest change (``outbox.seq``) that was ever committed. At the next start:

- the same inodes and a database at or above that change: the same life goes on;
- a missing file, another inode (a copy put in its place), or a database that has forgotten a change
  (an older copy written over it): a new life, with a new random name.

The name is what the epoch is made of on SQLite. The change is written after each commit and before
anyone is told of it, so a killed process leaves it right; after a power cut it may be too low, which
can only miss a restore that lost nothing anybody saw. Erring towards a new life is harmless: versions
rise by 1,000 once. Must not know what an epoch is for.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Lineage:
    """The open side file. Writes are a few bytes, unsynced, in place: cheap enough for every commit."""

    def __init__(self, descriptor: int, name: str, database: int, seq: int) -> None:
        self.name = name
        self._descriptor = descriptor
        self._database = database
        self._seq = seq
        self._write()

    def note_seq(self, seq: int) -> None:
        """Remember that the change ``seq`` was committed."""
        if seq > self._seq:
            self._seq = seq
            self._write()

    def _write(self) -> None:
        content = {
            "lineage": self.name,
            "database_inode": self._database,
            "own_inode": os.fstat(self._descriptor).st_ino,
            "seq": self._seq,
        }
        # One write of a constant length: a killed process leaves the old content or the new one.
        os.pwrite(self._descriptor, json.dumps(content).encode().ljust(255) + b"\n", 0)


@contextmanager
def open_lineage(path: Path) -> Iterator[Lineage]:
    """Judge the file at ``path`` (which the caller owns) and keep its side file open."""
    side = path.with_name(path.name + ".lineage")
    descriptor = os.open(side, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # The path of the database may not exist before its migration; then its life begins here.
        path.touch()
        database = path.stat().st_ino
        seq = _committed_seq(path)
        before = _read(descriptor)
        same = (
            before is not None
            and before["database_inode"] == database
            and before["own_inode"] == os.fstat(descriptor).st_ino
            and before["seq"] <= seq
        )
        name = str(before["lineage"]) if before is not None and same else token_hex(16)
        yield Lineage(descriptor, name, database, seq)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> dict[str, Any] | None:
    content = os.pread(descriptor, 256, 0)
    try:
        found = json.loads(content)
    except ValueError:
        return None
    expected = {"lineage", "database_inode", "own_inode", "seq"}
    return found if isinstance(found, dict) and expected <= found.keys() else None


def _committed_seq(path: Path) -> int:
    """The highest change the database knows of, pruned ones included."""
    with closing(sqlite3.connect(path)) as connection:
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").fetchone()
        if known is None:
            return 0
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return int(row[0]) if row else 0
