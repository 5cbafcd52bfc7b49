"""Writes the audit: for each transaction and each object that it changed, who did what, and when.

Called once, by `mr.db.session` at the end of every write, with what `mr.db.recording` noticed: no endpoint
can forget it. Who acts is said around the call by `acting`; where nobody says, the system does. Costs a
number of statements that does not depend on how much changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.db.audited import AUDITED, HIDDEN, Told, changes_of
from mr.db.models.audit import AuditRow
from mr.db.models.base import utc_now
from mr.db.models.features import ApplicationStrategy, Feature, FeatureFilter, FeatureGroup, FeatureValue
from mr.db.models.people import PERSON, Organization, Person
from mr.db.models.portfolios import Application, Environment, Group, Portfolio
from mr.db.models.service_accounts import ServiceAccount
from mr.db.recording import RowChange

SYSTEM: Final = "system"
ANONYMOUS: Final = "anonymous"

_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Act:
    """On whose behalf the present task writes: an operation, its caller (None = unknown) and its request."""

    operation: str
    person_id: UUID | None = None
    request_id: str | None = None


_present: ContextVar[Act | None] = ContextVar("burgee_act", default=None)


@contextmanager
def acting(act: Act) -> Iterator[None]:
    """Let what is written in the block be done by somebody."""
    token = _present.set(act)
    try:
        yield
    finally:
        _present.reset(token)


class Place(NamedTuple):
    """Where an object is, and what it is called."""

    name: str | None = None
    portfolio_id: UUID | None = None
    application_id: UUID | None = None
    environment_id: UUID | None = None


NOWHERE: Final = Place()


@dataclass
class _Told:
    """Everything that happened to one object."""

    kind: str
    id: str
    rows: list[tuple[Told, RowChange]] = field(default_factory=list)

    @property
    def own(self) -> RowChange | None:
        """The change of the object's own row, if that was changed and not only parts of it."""
        return next((row for told, row in self.rows if told.part is None), None)

    @property
    def values(self) -> Mapping[str, Any]:
        """What is known of the object's own row."""
        own = self.own
        return {} if own is None else {**(own.before or {}), **(own.after or {})}

    @property
    def action(self) -> str:
        own = self.own
        if own is None:
            return "update"
        if own.before is None:
            return "create"
        if own.after is None:
            return "delete"
        if "archived_at" in own.after:
            was, now = own.before.get("archived_at"), own.after["archived_at"]
            if (was is None) != (now is None):
                return "delete" if was is None else "restore"
        return "update"

    def changes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for told, row in self.rows:
            found.update(changes_of(told, row.before, row.after))
        return found


def _masked(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A feature that is marked as secret: that its values changed is told, not what they are."""
    open_members = {"locked", "retired", "featureId", "environmentId"}
    return {
        name: pair if name in open_members else dict.fromkeys(pair, HIDDEN) for name, pair in changes.items()
    }


async def write_audit(session: AsyncSession, noticed: Sequence[RowChange]) -> bool:
    """Add the rows for what a transaction noticed, at its end; answer whether there are any."""
    told = _worth_telling(_objects(noticed))
    if not told:
        return False
    act = _present.get()
    places = _Places(session)
    await places.load([each for each, _ in told])
    actor = await _actor(session, act, noticed)
    moment = utc_now()
    rows = [
        {
            "at": moment,
            "request_id": None if act is None else act.request_id,
            "operation": None if act is None else act.operation,
            **actor,
            "action": each.action,
            "object_kind": each.kind,
            "object_id": each.id,
            "changes": _written(_masked(changes) if places.is_secret(each) else changes),
            **_columns(places.of(each)),
        }
        for each, changes in told
    ]
    await session.execute(insert(AuditRow), rows)
    return True


def _worth_telling(objects: Iterable[_Told]) -> list[tuple[_Told, dict[str, Any]]]:
    told = [(each, changes) for each in objects if (changes := each.changes())]
    # Versions rise by the way when something else changes; alone, that is what happened.
    more = [(each, changes) for each, changes in told if not set(changes) <= {"version"}]
    return more or told


def _written(changes: Mapping[str, Any]) -> str:
    return msgspec.json.encode(changes, order="sorted").decode()


def _columns(place: Place) -> dict[str, Any]:
    columns = place._asdict()
    return {"object_name": columns.pop("name"), **columns}


def _objects(noticed: Iterable[RowChange]) -> list[_Told]:
    """Put the changes of an object and of its parts together; its own row comes first."""
    found: dict[tuple[str, str], _Told] = {}
    for row in noticed:
        told = AUDITED[row.table]
        # A flush knows only what changed and the key, which is where an object's id is.
        owner = {**(row.before or {}), **(row.after or {})}.get(told.owner)
        if owner is None:
            continue
        held = found.setdefault((told.kind, str(owner)), _Told(told.kind, str(owner)))
        held.rows.insert(0 if told.part is None else len(held.rows), (told, row))
    return list(found.values())


async def _actor(session: AsyncSession, act: Act | None, noticed: Sequence[RowChange]) -> dict[str, Any]:
    person_id = None if act is None else act.person_id
    if act is not None and person_id is None:
        # Whoever signs in was nobody when the call began.
        begun = {
            (row.after or {})["person_id"]
            for row in noticed
            if row.table == "login_session" and row.before is None and row.after is not None
        }
        person_id = begun.pop() if len(begun) == 1 else None
    if person_id is None:
        return {
            "actor_kind": SYSTEM if act is None else ANONYMOUS,
            "actor_id": None,
            "actor_name": None,
        }
    found = (
        await session.execute(
            select(Person.person_type, Person.name, Person.email).where(Person.id == person_id)
        )
    ).first()
    kind, name, email = found if found is not None else (PERSON, None, None)
    return {"actor_kind": kind, "actor_id": person_id, "actor_name": email or name}


class _Places:
    """Where the objects of a transaction are: asked for by kind, not one by one."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._found: dict[tuple[str, str], Place] = {}
        self._secret: set[str] = set()

    async def load(self, objects: Sequence[_Told]) -> None:
        by_kind: dict[str, list[str]] = {}
        for each in objects:
            by_kind.setdefault(each.kind, []).append(each.id)
        for kind, ids in by_kind.items():
            if kind == "system-config":
                self._found.update({(kind, each): Place(name=each) for each in ids})
            elif kind == "feature-value":
                await self._load_values(ids)
            else:
                async for identity, *place in self._rows(_STATEMENTS[kind], ids):
                    self._found[kind, str(identity)] = Place(*place)
        await self._load_gone(objects)

    def of(self, told: _Told) -> Place:
        return self._found.get((told.kind, told.id), NOWHERE)

    def is_secret(self, told: _Told) -> bool:
        return told.id in self._secret

    async def _load_values(self, ids: Collection[str]) -> None:
        async for identity, key, portfolio_id, application_id, environment_id, secret in self._rows(
            _VALUES, ids
        ):
            self._found["feature-value", str(identity)] = Place(
                key, portfolio_id, application_id, environment_id
            )
            if secret:
                self._secret.add(str(identity))

    async def _load_gone(self, objects: Sequence[_Told]) -> None:
        """Filters alone are really deleted; what is known of them is what was deleted."""
        for each in objects:
            if (each.kind, each.id) not in self._found:
                self._found[each.kind, each.id] = Place(
                    each.values.get("name"), each.values.get("portfolio_id")
                )

    async def _rows(self, statement: Any, ids: Collection[str]) -> Any:
        remaining = iter([UUID(each) for each in ids])
        while some := list(islice(remaining, _AT_ONCE)):
            key = statement.selected_columns[0]
            for row in await self._session.execute(statement.where(key.in_(some))):
                yield row


_IN_APPLICATION: Final = (Application.portfolio_id, Application.id)

_STATEMENTS: Final[Mapping[str, Select[*tuple[Any, ...]]]] = {
    "organization": select(Organization.id, Organization.name),
    # Accounts have no address.
    "person": select(Person.id, func.coalesce(Person.email, Person.name)),
    "portfolio": select(Portfolio.id, Portfolio.name, Portfolio.id.label("portfolio")),
    "application": select(Application.id, Application.name, *_IN_APPLICATION[:1], Application.id.label("a")),
    "environment": select(Environment.id, Environment.name, *_IN_APPLICATION, Environment.id.label("e")).join(
        Application, Application.id == Environment.application_id
    ),
    "feature": select(Feature.id, Feature.key, *_IN_APPLICATION).join(
        Application, Application.id == Feature.application_id
    ),
    "feature-filter": select(FeatureFilter.id, FeatureFilter.name, FeatureFilter.portfolio_id),
    "application-strategy": select(ApplicationStrategy.id, ApplicationStrategy.name, *_IN_APPLICATION).join(
        Application, Application.id == ApplicationStrategy.application_id
    ),
    "feature-group": select(FeatureGroup.id, FeatureGroup.name, *_IN_APPLICATION, FeatureGroup.environment_id)
    .join(Environment, Environment.id == FeatureGroup.environment_id)
    .join(Application, Application.id == Environment.application_id),
    "group": select(Group.id, Group.name, Group.portfolio_id),
    "service-account": select(ServiceAccount.id, ServiceAccount.name, ServiceAccount.portfolio_id),
}

_VALUES: Final = (
    select(
        FeatureValue.id,
        Feature.key,
        *_IN_APPLICATION,
        FeatureValue.environment_id,
        Feature.secret,
    )
    .join(Feature, Feature.id == FeatureValue.feature_id)
    .join(Application, Application.id == Feature.application_id)
)
