"""Rollout strategies as MR keeps them: the contract's members, with ids that SDKs will see.

Pure. `content` is what makes two strategies the same to people; ids of attributes are not part of it,
because clients that leave them out get new ones each time.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from common.contracts.features import FeatureType
from mr.api.json_body import encode, parse, token_of
from mr.features.values import fitting_value, raw, read_value
from mr.strategies.schemas import RolloutStrategy, RolloutStrategyAttribute, RolloutStrategyInstance

ID_LENGTH: Final = 4
_ALPHABET: Final = string.ascii_letters + string.digits


def short_id(taken: Iterable[str] = (), *, prefix: str = "") -> str:
    """Make an id of four characters that is not among those taken."""
    avoided = set(taken)
    while True:
        made = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH - len(prefix)))
        if made not in avoided:
            return made


@dataclass(frozen=True)
class StoredStrategy:
    """A custom strategy of one value. `members` are its JSON as stored, `content` what is compared."""

    id: str
    value: bytes | None
    disabled: bool
    members: bytes
    content: bytes

    def retyped(self, feature_type: FeatureType) -> StoredStrategy:
        """Return the strategy with a value that fits another feature type."""
        wire = self.wire()
        token = fitting_value(feature_type, self.value)
        return _stored(wire.model_copy(update={"value": raw(token)}), token)

    def wire(self) -> RolloutStrategy:
        """Return the form of the contract."""
        return RolloutStrategy(**parse(self.members))


@dataclass(frozen=True)
class StrategyUse:
    """The use of an application's strategy by one value."""

    strategy_id: UUID
    value: bytes | None
    disabled: bool


def _stored(strategy: RolloutStrategy, token: bytes | None) -> StoredStrategy:
    members = _members(strategy)
    bare = dict(members)
    bare["attributes"] = [
        {name: member for name, member in attribute.items() if name != "id"}
        for attribute in members.get("attributes", ())
    ]
    return StoredStrategy(
        id=strategy.id or "",
        value=token,
        disabled=strategy.disabled,
        members=encode(members),
        content=encode(bare),
    )


def _members(strategy: RolloutStrategy) -> dict[str, Any]:
    members = {name: value for name, value in strategy.__dict__.items() if value is not None}
    members["attributes"] = [
        {name: value for name, value in attribute.__dict__.items() if value is not None}
        for attribute in strategy.attributes
    ]
    return members


def store(feature_type: FeatureType, strategies: Sequence[RolloutStrategy]) -> tuple[StoredStrategy, ...]:
    """Read the strategies of a request: values as tokens, short ids everywhere, texts trimmed."""
    taken = {strategy.id for strategy in strategies if strategy.id}
    seen: set[str] = set()
    result = []
    for strategy in strategies:
        identity = strategy.id
        if not identity or len(identity) > ID_LENGTH or identity in seen:
            identity = short_id(taken)
        taken.add(identity)
        seen.add(identity)
        token = read_value(feature_type, strategy.value)
        changes = {
            "id": identity,
            "value": raw(token),
            "attributes": [_attribute(attribute) for attribute in strategy.attributes],
        }
        result.append(_stored(strategy.model_copy(update=changes), token))
    return tuple(result)


def store_attributes(attributes: Iterable[RolloutStrategyAttribute]) -> str:
    """Write conditions as the database keeps them: a JSON array, with short ids and trimmed texts."""
    return encode([_attribute(attribute) for attribute in attributes]).decode()


def load_attributes(text: str) -> list[RolloutStrategyAttribute]:
    """Read what `store_attributes` wrote."""
    return [RolloutStrategyAttribute(**members) for members in parse(text.encode())]


def same_attributes(one: str, other: str) -> bool:
    """Compare stored conditions as people do: without their ids."""
    return _bare(one) == _bare(other)


def _bare(text: str) -> list[dict[str, Any]]:
    return [
        {name: member for name, member in attribute.items() if name != "id"}
        for attribute in parse(text.encode())
    ]


def _attribute(attribute: RolloutStrategyAttribute) -> RolloutStrategyAttribute:
    identity = attribute.id
    if not identity or len(identity) > ID_LENGTH:
        identity = short_id()
    values = [_rule_value(attribute, value) for value in attribute.values]
    return attribute.model_copy(update={"id": identity, "values": values})


def _rule_value(attribute: RolloutStrategyAttribute, value: Any) -> Any:
    if isinstance(value, str):
        value = value.strip()
        if attribute.type == "BOOLEAN":
            return value.lower() == "true"
    return value


def store_uses(
    feature_type: FeatureType, instances: Sequence[RolloutStrategyInstance]
) -> tuple[StrategyUse, ...]:
    """Read the references of a request to strategies of the application."""
    return tuple(
        StrategyUse(
            strategy_id=instance.strategyId,
            value=read_value(feature_type, instance.value),
            disabled=instance.disabled,
        )
        for instance in instances
    )


def load_strategies(text: str) -> tuple[StoredStrategy, ...]:
    """Read what `dump_strategies` wrote."""
    if text == "[]":  # nearly every value of a large application
        return ()
    result = []
    for members in parse(text.encode()):
        strategy = RolloutStrategy(**members)
        value = strategy.value
        token = None if value is None else token_of(value)
        result.append(_stored(strategy.model_copy(update={"value": raw(token)}), token))
    return tuple(result)


def dump_strategies(strategies: Iterable[StoredStrategy]) -> str:
    """Write strategies as the database keeps them: a JSON array."""
    return "[" + ",".join(strategy.members.decode() for strategy in strategies) + "]"
