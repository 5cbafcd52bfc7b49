"""Notices every change of rows that a transaction makes, so that no endpoint has to say what it did.

A session of this kind collects what it flushes, and what its statements on models insert, update and delete.
It does not see statements on plain tables (`mr.db.delivered.table_of`): those are for what follows from
changes, not for changes. Must not know what the tables mean; `mr.db.audit` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, cast

from sqlalchemy import Table, event, inspect, select, tuple_
from sqlalchemy.orm import InstanceState, ORMExecuteState, Session, UOWTransaction

UNRECORDED: Final = {"recorded": False}
"""Execution options of a statement that only tidies up what has ended by itself."""

_AT_ONCE: Final = 5_000

Values = Mapping[str, Any]
Key = tuple[Any, ...]


class UnseenInsert(TypeError):
    """An INSERT whose rows cannot be told from its parameters: use a list of rows."""


@dataclass
class RowChange:
    """What a transaction did to one row: the columns that are known of before and after; None = no row."""

    table: str
    key: Key
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    def then(self, before: Values | None, after: Values | None) -> None:
        """Go on to a later state of the same row."""
        if self.before is not None and before is not None:
            self.before = {**before, **self.before}
        if after is None:
            self.after = None
        elif before is None or self.after is None:
            self.after = dict(after)
        else:
            self.after = {**self.after, **after}


@dataclass
class Recorder:
    """The changes of one transaction, by row."""

    tables: frozenset[str]
    _rows: dict[tuple[str, Key], RowChange] = field(default_factory=dict)

    def note(self, table: str, key: Key, before: Values | None, after: Values | None) -> None:
        """Note that a row was made (no ``before``), changed, or removed (no ``after``)."""
        held = self._rows.get((table, key))
        if held is None:
            self._rows[table, key] = RowChange(
                table, key, None if before is None else dict(before), None if after is None else dict(after)
            )
        else:
            held.then(before, after)

    def take(self) -> list[RowChange]:
        """Return what was noted, but not rows that came and went; nothing is noted any more."""
        rows = [row for row in self._rows.values() if row.before is not None or row.after is not None]
        self._rows.clear()
        return rows


class RecordingSession(Session):
    """A session that notes what it does to the rows of `recorded_tables`."""

    recorded_tables: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.recorder = Recorder(self.recorded_tables)


@event.listens_for(RecordingSession, "after_flush")
def _flushed(session: RecordingSession, _context: UOWTransaction) -> None:
    recorder = session.recorder
    for state in _recorded(session.new, recorder):
        recorder.note(_table(state), _key(state), None, _loaded(state))
    for state in _recorded(session.dirty, recorder):
        before, after = _changed(state)
        if after:
            recorder.note(_table(state), _key(state), before, after)
    for state in _recorded(session.deleted, recorder):
        recorder.note(_table(state), _key(state), _loaded(state), None)


def _recorded(objects: Iterable[object], recorder: Recorder) -> Iterator[InstanceState[Any]]:
    for each in objects:
        state: InstanceState[Any] = inspect(each, raiseerr=True)
        if _table(state) in recorder.tables:
            yield state


def _table(state: InstanceState[Any]) -> str:
    return str(state.mapper.local_table.name)  # type: ignore[attr-defined] # all of ours are tables


def _key(state: InstanceState[Any]) -> Key:
    return tuple(state.mapper.primary_key_from_instance(state.obj()))


def _loaded(state: InstanceState[Any]) -> dict[str, Any]:
    return {each.key: state.dict[each.key] for each in state.mapper.column_attrs if each.key in state.dict}


def _changed(state: InstanceState[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for each in state.mapper.column_attrs:
        history = state.attrs[each.key].history
        if not history.has_changes():
            continue
        new, old = tuple[Any, ...](history.added), tuple[Any, ...](history.deleted or ())
        after[each.key] = new[0]
        if old:
            before[each.key] = old[0]
    if after:
        names = [str(each.key) for each in state.mapper.primary_key]
        key = dict(zip(names, _key(state), strict=True))
        before, after = {**key, **before}, {**key, **after}
    return before, after


@event.listens_for(RecordingSession, "do_orm_execute")
def _executing(state: ORMExecuteState) -> Any:
    session = state.session
    if not (state.is_update or state.is_delete or state.is_insert) or state.bind_mapper is None:
        return None
    assert isinstance(session, RecordingSession)  # noqa: S101 - registered for this type
    if type(cast("Any", state.statement).table) is Table:
        # A statement on a plain table that mentions a model, in a subquery perhaps.
        return None
    table = state.bind_mapper.local_table
    if not isinstance(table, Table) or table.name not in session.recorder.tables:
        return None
    if not state.execution_options.get("recorded", True):
        return None
    if state.is_insert:
        return _inserting(state, session.recorder, table)
    return _rewriting(state, session, table)


def _inserting(state: ORMExecuteState, recorder: Recorder, table: Table) -> Any:
    given = state.parameters
    rows: Sequence[Values] = [given] if isinstance(given, Mapping) else (given or ())
    if not rows:
        raise UnseenInsert(table.name)
    result = state.invoke_statement()
    for row in rows:
        recorder.note(table.name, _key_of(table, row), None, row)
    return result


def _rewriting(state: ORMExecuteState, session: RecordingSession, table: Table) -> Any:
    statement: Any = state.statement
    wanted = select(*table.c)
    if statement.whereclause is not None:
        wanted = wanted.where(statement.whereclause)
    found = session.execute(wanted, state.parameters).mappings()
    before = {_key_of(table, row): dict(row) for row in found}
    result = state.invoke_statement()
    after = {} if state.is_delete else _read(session, table, list(before))
    for key, row in before.items():
        if after.get(key) != row:
            session.recorder.note(table.name, key, row, after.get(key))
    return result


def _read(session: RecordingSession, table: Table, keys: Sequence[Key]) -> dict[Key, dict[str, Any]]:
    found = {}
    columns = list(table.primary_key.columns)
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        those = columns[0].in_([key[0] for key in some]) if len(columns) == 1 else tuple_(*columns).in_(some)
        for row in session.execute(select(*table.c).where(those)).mappings():
            found[_key_of(table, row)] = dict(row)
    return found


def _key_of(table: Table, row: Mapping[Any, Any]) -> Key:
    return tuple(row[each.name] for each in table.primary_key.columns)
