"""Saving values: who may change which part, what a lock forbids, and what a change is based on.

Works on rows of one locked application. Does not project: whoever saves several values projects once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
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


async def save_value(
    session: WriteSession,
    feature: Feature,
    environment_id: UUID,
    wanted: schemas.FeatureValue,
    roles: frozenset[str],
) -> bool:
    """Merge a request into the stored value and return whether anything changed.

    Raises RoleMissing, FeatureLocked, ConflictingUpdate, InvalidStrategies, InvalidValue.
    """
    require_writer(roles)
    kind = feature_type(feature)
    require_valid(kind, wanted.rolloutStrategies, wanted.rolloutStrategyInstances)
    row = await find_value(session, environment_id, feature.id)
    if row is None:
        return await _first(session, feature, environment_id, wanted, roles)
    current = await _current(session, row)
    base = await _base(session, kind, row, wanted.version, current)
    merged = merge(kind, base, _wanted(kind, wanted, base), current)
    _require_permitted(merged, roles, locked=current.locked)
    if merged.changed:
        await _write(session, feature, row, merged.parts, current)
    return merged.changed


async def _first(
    session: WriteSession,
    feature: Feature,
    environment_id: UUID,
    wanted: schemas.FeatureValue,
    roles: frozenset[str],
) -> bool:
    """Make the row. What SDKs saw until now is unlocked and without value, or locked and false."""
    if wanted.version:
        raise ConflictingUpdate("There is no value of that version.")
    kind = feature_type(feature)
    nothing = ValueParts(locked=kind == "BOOLEAN", retired=False, value=fitting_value(kind, None))
    parts = _wanted(kind, wanted, nothing)
    _require_permitted(merge(kind, nothing, parts, nothing), roles, locked=False)
    row = FeatureValue(feature_id=feature.id, environment_id=environment_id)
    await _write(session, feature, row, parts, nothing)
    return True


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


async def _current(session: WriteSession, row: FeatureValue) -> ValueParts:
    uses = await session.scalars(
        select(UseRow)
        .where(UseRow.feature_value_id == row.id)
        .order_by(UseRow.sort_order, UseRow.strategy_id)
    )
    return ValueParts(
        locked=row.locked,
        retired=row.retired,
        value=_token(row.value),
        strategies=load_strategies(row.strategies),
        uses=tuple(
            StrategyUse(use.strategy_id, _token(use.value), disabled=use.disabled) for use in uses.all()
        ),
    )


async def _base(
    session: WriteSession, kind: FeatureType, row: FeatureValue, version: int, current: ValueParts
) -> ValueParts:
    snapshot = await session.get(FeatureValueVersion, (row.id, version))
    if snapshot is None:
        if version != row.version:
            raise ConflictingUpdate("There is no value of that version.")
        return current
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


async def _write(
    session: WriteSession, feature: Feature, row: FeatureValue, parts: ValueParts, before: ValueParts
) -> None:
    row.locked = parts.locked
    row.retired = parts.retired
    row.value = _text(parts.value)
    row.strategies = dump_strategies(parts.strategies)
    session.add(row)
    await session.flush()
    if parts.uses != before.uses:
        await _write_uses(session, feature, row, parts)


async def _write_uses(session: WriteSession, feature: Feature, row: FeatureValue, parts: ValueParts) -> None:
    wanted = [use.strategy_id for use in parts.uses]
    known = await session.scalars(
        select(ApplicationStrategy.id).where(
            ApplicationStrategy.application_id == feature.application_id,
            ApplicationStrategy.archived_at.is_(None),
            ApplicationStrategy.id.in_(wanted),
        )
    )
    if set(known.all()) != set(wanted):
        raise UnknownStrategy
    await session.execute(delete(UseRow).where(UseRow.feature_value_id == row.id))
    for order, use in enumerate(parts.uses):
        session.add(
            UseRow(
                feature_value_id=row.id,
                strategy_id=use.strategy_id,
                sort_order=order,
                value=_text(use.value),
                disabled=use.disabled,
            )
        )
    await session.flush()
