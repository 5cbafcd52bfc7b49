"""Saving values: who may change which part, what a lock forbids, and what a change is based on.

Works on rows of one locked application, however many values in a constant number of queries. Does not
project: whoever saved projects once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import delete, select

from common.contracts.features import FeatureType
from common.errors import BadRequest, Conflict, Forbidden
from mr.api.json_body import parse, token_of
from mr.auth.permissions import CHANGE_VALUE, LOCK, UNLOCK, WRITING_ROLES
from mr.db.models.features import ApplicationStrategy, Feature, FeatureValue, FeatureValueVersion
from mr.db.models.features import StrategyUse as UseRow
from mr.db.session import WriteSession
from mr.features import schemas
from mr.features.merging import ConflictingUpdate, Merged, ValueParts, merge
from mr.features.service import feature_type
from mr.features.values import TYPED_MEMBERS, chosen_value, fitting_value
from mr.strategies.stored import StrategyUse, dump_strategies, load_strategies, store, store_uses
from mr.strategies.validation import require_valid


class RoleMissing(Forbidden):
    code = "role-missing"


class FeatureLocked(Conflict):
    """The value is locked; unlock it before, or while, changing it."""

    code = "feature-locked"


class UnknownStrategy(BadRequest):
    code = "unknown-application-strategy"


class Request(NamedTuple):
    """One value that somebody wants to be saved."""

    environment_id: UUID
    feature: Feature
    wanted: schemas.FeatureValue


# What the database can hold as a version; a larger one certainly was never given out.
_HIGHEST_VERSION: Final = 2**31 - 1


def require_writer(roles: frozenset[str]) -> None:
    """Refuse whoever could not write anything. Raises RoleMissing."""
    if not WRITING_ROLES & roles:
        raise RoleMissing


async def find_value(session: WriteSession, environment_id: UUID, feature_id: UUID) -> FeatureValue | None:
    """Return the feature's value in the environment, or None while it has none."""
    found: FeatureValue | None = await session.scalar(
        select(FeatureValue).where(
            FeatureValue.environment_id == environment_id, FeatureValue.feature_id == feature_id
        )
    )
    return found


@dataclass
class Saving:
    """The values that a write is about, loaded at once; `finish` stores what `save` has changed."""

    session: WriteSession
    saved: set[tuple[UUID, UUID]] = field(default_factory=set)
    """Environment and feature of each value that really changed, for the projection."""

    _rows: dict[tuple[UUID, UUID], FeatureValue] = field(default_factory=dict)
    _uses: dict[UUID, list[StrategyUse]] = field(default_factory=dict)
    _snapshots: dict[tuple[UUID, int], FeatureValueVersion] = field(default_factory=dict)
    _strategies: frozenset[UUID] = frozenset()
    _used: list[tuple[FeatureValue, tuple[StrategyUse, ...]]] = field(default_factory=list)

    @classmethod
    async def load(cls, session: WriteSession, application_id: UUID, requests: Sequence[Request]) -> Saving:
        """Read what those requests need. The application is locked."""
        saving = cls(session)
        rows = await session.scalars(
            select(FeatureValue).where(
                FeatureValue.environment_id.in_({each.environment_id for each in requests}),
                FeatureValue.feature_id.in_({each.feature.id for each in requests}),
            )
        )
        saving._rows = {(row.environment_id, row.feature_id): row for row in rows.all()}
        ids = {row.id for row in saving._rows.values()}
        saving._uses = await _load_uses(session, ids)
        versions = {each.wanted.version for each in requests if 0 < each.wanted.version <= _HIGHEST_VERSION}
        snapshots = await session.scalars(
            select(FeatureValueVersion).where(
                FeatureValueVersion.feature_value_id.in_(ids), FeatureValueVersion.version.in_(versions)
            )
        )
        saving._snapshots = {(each.feature_value_id, each.version): each for each in snapshots.all()}
        if any(each.wanted.rolloutStrategyInstances for each in requests):
            saving._strategies = await _load_strategy_ids(session, application_id)
        return saving

    def save(self, request: Request, roles: frozenset[str]) -> None:
        """Merge a request into the stored value.

        Raises RoleMissing, FeatureLocked, ConflictingUpdate, InvalidStrategies, InvalidValue.
        """
        require_writer(roles)
        kind = feature_type(request.feature)
        wanted = request.wanted
        require_valid(kind, wanted.rolloutStrategies, wanted.rolloutStrategyInstances)
        row = self._rows.get((request.environment_id, request.feature.id))
        if row is None:
            self._save_first(request, roles)
            return
        current = self._current(row)
        base = self._base(kind, row, wanted.version, current)
        merged = merge(kind, base, _wanted(kind, wanted, base), current)
        _require_permitted(merged, roles, locked=current.locked)
        if merged.changed:
            self._write(row, merged.parts, current)

    async def finish(self) -> None:
        """Write the changed rows and their uses of application strategies."""
        await self.session.flush()
        changed = [row.id for row, _ in self._used]
        await self.session.execute(delete(UseRow).where(UseRow.feature_value_id.in_(changed)))
        for row, uses in self._used:
            for order, use in enumerate(uses):
                self.session.add(
                    UseRow(
                        feature_value_id=row.id,
                        strategy_id=use.strategy_id,
                        sort_order=order,
                        value=_text(use.value),
                        disabled=use.disabled,
                    )
                )
        await self.session.flush()

    def _save_first(self, request: Request, roles: frozenset[str]) -> None:
        """Make the row. What SDKs saw until now is unlocked and without value, or locked and false."""
        if request.wanted.version:
            raise ConflictingUpdate("There is no value of that version.")
        kind = feature_type(request.feature)
        nothing = ValueParts(locked=kind == "BOOLEAN", retired=False, value=fitting_value(kind, None))
        parts = _wanted(kind, request.wanted, nothing)
        _require_permitted(merge(kind, nothing, parts, nothing), roles, locked=False)
        row = FeatureValue(feature_id=request.feature.id, environment_id=request.environment_id)
        self.session.add(row)
        self._write(row, parts, nothing)

    def _write(self, row: FeatureValue, parts: ValueParts, before: ValueParts) -> None:
        row.locked = parts.locked
        row.retired = parts.retired
        row.value = _text(parts.value)
        row.strategies = dump_strategies(parts.strategies)
        if parts.uses != before.uses:
            if any(use.strategy_id not in self._strategies for use in parts.uses if use not in before.uses):
                raise UnknownStrategy
            self._used.append((row, parts.uses))
        self.saved.add((row.environment_id, row.feature_id))

    def _current(self, row: FeatureValue) -> ValueParts:
        return ValueParts(
            locked=row.locked,
            retired=row.retired,
            value=_token(row.value),
            strategies=load_strategies(row.strategies),
            uses=tuple(self._uses.get(row.id, ())),
        )

    def _base(self, kind: FeatureType, row: FeatureValue, version: int, current: ValueParts) -> ValueParts:
        snapshot = self._snapshots.get((row.id, version))
        if snapshot is not None:
            return _snapshot_parts(kind, snapshot)
        if version != row.version:
            raise ConflictingUpdate("There is no value of that version.")
        return current


async def _load_uses(session: WriteSession, row_ids: set[UUID]) -> dict[UUID, list[StrategyUse]]:
    uses = await session.scalars(
        select(UseRow)
        .where(UseRow.feature_value_id.in_(row_ids))
        .order_by(UseRow.sort_order, UseRow.strategy_id)
    )
    found: defaultdict[UUID, list[StrategyUse]] = defaultdict(list)
    for use in uses.all():
        found[use.feature_value_id].append(
            StrategyUse(use.strategy_id, _token(use.value), disabled=use.disabled)
        )
    return found


async def _load_strategy_ids(session: WriteSession, application_id: UUID) -> frozenset[UUID]:
    found = await session.scalars(
        select(ApplicationStrategy.id).where(
            ApplicationStrategy.application_id == application_id,
            ApplicationStrategy.archived_at.is_(None),
        )
    )
    return frozenset(found.all())


def _wanted(kind: FeatureType, wanted: schemas.FeatureValue, base: ValueParts) -> ValueParts:
    members = {name: getattr(wanted, name) for name in ("value", TYPED_MEMBERS[kind]) if wanted.gave(name)}
    value = chosen_value(kind, members, base.value)
    if value is None and kind == "BOOLEAN":
        value = base.value  # a BOOLEAN is never null; leaving it out means leaving it
    return ValueParts(
        locked=wanted.locked,
        retired=wanted.retired,
        value=value,
        strategies=store(kind, wanted.rolloutStrategies),
        uses=store_uses(kind, wanted.rolloutStrategyInstances),
    )


def _require_permitted(merged: Merged, roles: frozenset[str], *, locked: bool) -> None:
    if merged.lock_changed and (LOCK if merged.parts.locked else UNLOCK) not in roles:
        raise RoleMissing
    if merged.content_changed:
        if CHANGE_VALUE not in roles:
            raise RoleMissing
        if locked and not merged.lock_changed:
            raise FeatureLocked


def _snapshot_parts(kind: FeatureType, snapshot: FeatureValueVersion) -> ValueParts:
    strategies = load_strategies(snapshot.strategies)
    uses = tuple(_recorded_use(use) for use in parse(snapshot.application_strategies.encode()))
    value = _token(snapshot.value)
    if snapshot.value_type != kind:
        # The type has changed since; compare what the old values became.
        strategies = tuple(strategy.retyped(kind) for strategy in strategies)
        uses = tuple(
            StrategyUse(use.strategy_id, fitting_value(kind, use.value), disabled=use.disabled)
            for use in uses
        )
        value = fitting_value(kind, value)
    return ValueParts(snapshot.locked, snapshot.retired, value, strategies, uses)


def _recorded_use(members: Mapping[str, Any]) -> StrategyUse:
    value = members.get("value")
    return StrategyUse(
        UUID(members["id"]),
        None if value is None else token_of(value),
        disabled=bool(members.get("disabled", False)),
    )


def _token(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _text(token: bytes | None) -> str | None:
    return None if token is None else token.decode()
