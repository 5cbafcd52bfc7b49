"""The three-way update: what a request means that was made from an older version of a value.

Every part (lock, retirement, default value, each strategy, each use of an application's strategy, their
order) is compared base against request against current. So two people may change different parts from the
same base. Pure: no sessions, no permissions.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from common.contracts.features import FeatureType
from common.errors import Conflict
from mr.features.values import same_value
from mr.strategies.stored import StoredStrategy, StrategyUse


class ConflictingUpdate(Conflict):
    """Somebody else changed the same part since the version that this change was based on."""

    code = "conflicting-update"


@dataclass(frozen=True)
class ValueParts:
    """Everything that can be set of one feature in one environment."""

    locked: bool
    retired: bool
    value: bytes | None
    strategies: tuple[StoredStrategy, ...] = ()
    uses: tuple[StrategyUse, ...] = ()


@dataclass(frozen=True)
class Merged:
    """The result of an update, and which parts of the current value it changes."""

    parts: ValueParts
    lock_changed: bool
    content_changed: bool

    @property
    def changed(self) -> bool:
        return self.lock_changed or self.content_changed


def merge(feature_type: FeatureType, base: ValueParts, wanted: ValueParts, current: ValueParts) -> Merged:
    """Apply what `wanted` changes of `base` to `current`. Raises `ConflictingUpdate`."""

    def same(one: bytes | None, other: bytes | None) -> bool:
        return same_value(feature_type, one, other)

    locked = _merge_part(base.locked, wanted.locked, current.locked)
    parts = ValueParts(
        locked=locked,
        retired=_merge_part(base.retired, wanted.retired, current.retired),
        value=_merge_part(base.value, wanted.value, current.value, same),
        strategies=_merge_list(
            _by(base.strategies), _by(wanted.strategies), _by(current.strategies), _same_strategy
        ),
        uses=_merge_list(_uses(base.uses), _uses(wanted.uses), _uses(current.uses), StrategyUse.__eq__),
    )
    return Merged(
        parts,
        lock_changed=locked != current.locked,
        content_changed=_content(parts) != _content(current),
    )


def _content(parts: ValueParts) -> tuple[object, ...]:
    return (
        parts.retired,
        parts.value,
        tuple((strategy.id, strategy.content) for strategy in parts.strategies),
        parts.uses,
    )


T = TypeVar("T")


def _equal(one: object, other: object) -> bool:
    return one == other


def _merge_part(base: T, wanted: T, current: T, same: Callable[[T, T], bool] = _equal) -> T:
    if same(wanted, current) or same(wanted, base):
        return current
    if same(base, current):
        return wanted
    raise ConflictingUpdate


def _by(strategies: Sequence[StoredStrategy]) -> dict[Hashable, StoredStrategy]:
    return {strategy.id: strategy for strategy in strategies}


def _uses(uses: Sequence[StrategyUse]) -> dict[Hashable, StrategyUse]:
    return {use.strategy_id: use for use in uses}


def _same_strategy(one: StoredStrategy, other: StoredStrategy) -> bool:
    return one.content == other.content


def _merge_list(
    base: Mapping[Hashable, T],
    wanted: Mapping[Hashable, T],
    current: Mapping[Hashable, T],
    same: Callable[[T, T], bool],
) -> tuple[T, ...]:
    """Merge element by element and then their order; a missing element takes part as None."""

    def same_or_missing(one: T | None, other: T | None) -> bool:
        return one is other or (one is not None and other is not None and same(one, other))

    kept: dict[Hashable, T] = {}
    for key in {**base, **wanted, **current}:
        merged = _merge_part(base.get(key), wanted.get(key), current.get(key), same_or_missing)
        if merged is not None:
            kept[key] = merged
    order = _Order(list(base), list(wanted), list(current), kept)
    return tuple(kept[key] for key in order.merged())


class _Order(Generic[T]):
    """The order of merged elements: the request's or the current one, whichever was changed."""

    def __init__(
        self,
        base: list[Hashable],
        wanted: list[Hashable],
        current: list[Hashable],
        kept: Mapping[Hashable, T],
    ) -> None:
        self._kept = kept
        self._wanted = [key for key in wanted if key in kept]
        self._current = [key for key in current if key in kept]
        everywhere = set(base) & set(self._wanted) & set(self._current)
        self._common = [
            [key for key in sequence if key in everywhere] for sequence in (base, wanted, current)
        ]

    def merged(self) -> list[Hashable]:
        base, wanted, current = self._common
        if wanted in (base, current):
            return _woven(self._current, self._wanted)
        if base == current:
            return _woven(self._wanted, self._current)
        raise ConflictingUpdate


def _woven(leading: list[Hashable], other: list[Hashable]) -> list[Hashable]:
    """Put what only `other` has behind its predecessor there."""
    result = list(leading)
    previous: Hashable | None = None
    for key in other:
        if key not in result:
            result.insert(0 if previous is None else result.index(previous) + 1, key)
        previous = key
    return result
