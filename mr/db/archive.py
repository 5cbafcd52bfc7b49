"""The file of a backup: gzip around lines of JSON that say themselves what they hold.

The first line is the header, with the shape of every table; then for each table a line that names it and
a line for each of its rows; the last line has the number of rows and the checksum of all lines before.
Neither side holds more than a row at a time. Must not know any database.
"""

from __future__ import annotations

import gzip
import zlib
from datetime import datetime
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

S = TypeVar("S", bound=msgspec.Struct)

FORMAT: Final = "burgee-backup"
FORMAT_VERSION: Final = 1
_LONGEST_LINE: Final = 256 * 1024 * 1024
"""A row is a few hundred bytes, an event with a whole environment some megabytes."""


class ArchiveInvalid(Exception):
    """The file is no backup, is not whole, or is of a kind that this release does not know."""


class Kind(Enum):
    """What a column holds, in words of no database."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    UUID = "uuid"
    MOMENT = "moment"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A table: its columns in the order of its rows' values; ``last_number`` given by its sequence."""

    name: str
    columns: dict[str, Kind]
    last_number: int | None = None


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What was backed up: the schema's revision, the database's own id, and when it was read."""

    format: str
    version: int
    release: str
    schema: str
    database_id: str
    made: datetime
    tables: tuple[Shape, ...]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    table: str


class _End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: int
    checksum: str


class ArchiveWriter:
    """Writes a backup; without `finish` it is not one."""

    def __init__(self, target: BinaryIO, header: Header) -> None:
        self._zipped = gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0, compresslevel=6)
        self._checksum = blake2b(digest_size=32)
        self._rows = 0
        self._write(header)

    def begin(self, table: str) -> None:
        """The next rows are of this table."""
        self._write(_Table(table))

    def add(self, row: Sequence[object]) -> None:
        """Add a row: its values in the order of the shape's columns."""
        self._write(row)
        self._rows += 1

    def finish(self) -> int:
        """Write the end and answer the number of rows; the target itself stays open."""
        self._write(_End(self._rows, self._checksum.hexdigest()))
        self._zipped.close()
        return self._rows

    def _write(self, content: object) -> None:
        line = msgspec.json.encode(content) + b"\n"
        self._checksum.update(line)
        self._zipped.write(line)


class Archive:
    """A backup that is being read, once, from front to back.

    Raises `ArchiveInvalid` as soon as something is not right; only who reads to the end knows that all is.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._zipped = gzip.GzipFile(fileobj=source, mode="rb")
        self._checksum = blake2b(digest_size=32)
        self.header = _header(self._line())
        self._shapes = {shape.name: shape for shape in self.header.tables}

    def rows(self) -> Iterator[tuple[Shape, list[object]]]:
        """Yield every row with its table, values as Python has them."""
        shape: Shape | None = None
        count = 0
        while True:
            before = self._checksum.hexdigest()
            line = self._line()
            if line.startswith(b"["):
                if shape is None:
                    raise ArchiveInvalid("The backup has rows before it names their table.")
                yield shape, _row(shape, line)
                count += 1
            elif line.startswith(b'{"table":'):
                name = _decode(line, _Table).table
                shape = self._shapes.get(name)
                if shape is None:
                    raise ArchiveInvalid(f"The backup has rows of {name!r}, which its header does not name.")
            else:
                self._end(_decode(line, _End), _End(count, before))
                return

    def _end(self, told: _End, counted: _End) -> None:
        if told != counted or self._read(1):
            raise ArchiveInvalid("The backup is damaged: its checksum does not fit what it holds.")

    def _line(self) -> bytes:
        line = self._read(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise ArchiveInvalid("The backup is not whole: it ends early.")
        self._checksum.update(line)
        return line

    def _read(self, limit: int) -> bytes:
        try:
            return self._zipped.readline(limit)
        except EOFError:
            raise ArchiveInvalid("The backup is not whole: it ends early.") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise ArchiveInvalid(f"This is not a backup, or it is damaged: {error}.") from None


def _header(line: bytes) -> Header:
    header = _decode(line, Header)
    if header.format != FORMAT:
        raise ArchiveInvalid("This is not a backup of Burgee's.")
    if header.version != FORMAT_VERSION:
        raise ArchiveInvalid(
            f"The backup has format {header.version}, made by Burgee {header.release};"
            f" this release reads format {FORMAT_VERSION}."
        )
    return header


def _decode(line: bytes, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.MsgspecError as error:
        raise ArchiveInvalid(f"This is not a backup, or it is damaged: {error}.") from None


def _row(shape: Shape, line: bytes) -> list[object]:
    try:
        values: list[object] = msgspec.json.decode(line, type=list)
        read = [_value(kind, value) for kind, value in zip(shape.columns.values(), values, strict=True)]
    except (ValueError, msgspec.MsgspecError) as error:
        raise ArchiveInvalid(
            f"The backup is damaged: a row of {shape.name!r} does not fit: {error}."
        ) from None
    return read


def _value(kind: Kind, value: object) -> object:
    if value is None:
        return None
    expected = _WRITTEN_AS[kind]
    # bool is an int to Python, and to no database.
    if type(value) is not expected:
        raise ValueError(f"{kind.value} written as {type(value).__name__}")
    read = _READ.get(kind)
    return read(value) if read else value


_WRITTEN_AS: Final[dict[Kind, type]] = {
    Kind.TEXT: str,
    Kind.INTEGER: int,
    Kind.BOOLEAN: bool,
    Kind.UUID: str,
    Kind.MOMENT: str,
}
_READ: Final[dict[Kind, Callable[..., object]]] = {Kind.UUID: UUID, Kind.MOMENT: datetime.fromisoformat}
