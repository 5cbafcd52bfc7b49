"""What is delivered for one feature of one environment.

A `FeatureState` is immutable. It is compared and fingerprinted without its version: the version says
*when*, the state says *what*. Its encoded forms are computed once and shared by every stream and poll.
Must not know environments, accounts or transports.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec

from common.contracts.codec import ascii_json, canonical, json_text

FeatureType = Literal["BOOLEAN", "STRING", "NUMBER", "JSON"]
FEATURE_TYPES: Final[tuple[FeatureType, ...]] = ("BOOLEAN", "STRING", "NUMBER", "JSON")

Conditional = Literal[
    "EQUALS",
    "ENDS_WITH",
    "STARTS_WITH",
    "GREATER",
    "GREATER_EQUALS",
    "LESS",
    "LESS_EQUALS",
    "NOT_EQUALS",
    "INCLUDES",
    "EXCLUDES",
    "REGEX",
]
FieldType = Literal["STRING", "SEMANTIC_VERSION", "NUMBER", "DATE", "DATETIME", "BOOLEAN", "IP_ADDRESS"]


class StrategyAttribute(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One condition of a strategy: ``field_name`` of the context against ``values``.

    Conditional and type are open text here: an unknown one never matches, it does not spoil the state.
    ``values`` None = no list was given at all, which EQUALS takes for "the attribute is absent".
    """

    conditional: str
    field_name: str
    values: tuple[Any, ...] | None = None
    type: str


class RolloutStrategy(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One rule: conditions, an optional share of callers, and the value it serves.

    ``percentage`` is in 1/10,000 of a percent (1,000,000 = everybody); None = no share given.
    ``value`` is the JSON token to serve, absent = null.
    """

    id: str
    percentage: int | None = None
    percentage_attributes: tuple[str, ...] = ()
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    attributes: tuple[StrategyAttribute, ...] = msgspec.field(default=(), name="attributes")


_strategies = msgspec.json.Decoder(tuple[RolloutStrategy, ...], float_hook=Decimal)


def encode_strategies(strategies: tuple[RolloutStrategy, ...]) -> bytes:
    """Encode strategies as SDKs read them: nulls omitted, ``attributes`` always present."""
    parts: list[dict[str, object]] = []
    for strategy in strategies:
        wire: dict[str, object] = {"id": strategy.id}
        if strategy.percentage is not None:
            wire["percentage"] = strategy.percentage
        if strategy.percentage_attributes:
            wire["percentageAttributes"] = strategy.percentage_attributes
        if strategy.value is not msgspec.UNSET and bytes(strategy.value) != b"null":
            wire["value"] = strategy.value
        wire["attributes"] = strategy.attributes
        parts.append(wire)
    return ascii_json(msgspec.json.encode(parts))


class FeatureState(msgspec.Struct, frozen=True, kw_only=True, eq=False, gc=False):
    """One feature as delivered to one environment.

    - ``id``: the feature's UUID, lower case, the same in every environment.
    - ``value``: JSON token of the default value, ASCII; None = null or no value row.
    - ``strategies``: JSON array as `encode_strategies` writes it; None = there is no value row.
    - ``properties``: canonical JSON object of text to text (feature properties), or None.
    - ``filters``: ids of feature filters, sorted.
    - ``version``: never falls for one (environment, key).
    """

    id: str
    key: str
    type: FeatureType
    locked: bool
    version: int
    value: bytes | None = None
    strategies: bytes | None = None
    properties: bytes | None = None
    filters: tuple[str, ...] = ()
    retired: bool = False

    _fingerprint: bytes | None = None
    _rules: tuple[RolloutStrategy, ...] | None = None
    _plain: bytes | None = None
    _extended: bytes | None = None
    _begin: bytes | None = None

    # The rules made ready, kept here by `common.evaluation.rules` so that they live as long as the state.
    compiled: Any = None

    @property
    def fingerprint(self) -> bytes:
        """16 bytes of BLAKE2b over everything but the version: equal states, equal fingerprints."""
        if self._fingerprint is None:
            # JSON tokens hold no raw control characters, so the separator cannot occur in a part.
            parts = (
                self.id.encode(),
                json_text(self.key),
                self.type.encode(),
                b"1" if self.locked else b"0",
                b"-" if self.value is None else self.value,
                b"-" if self.strategies is None else self.strategies,
                b"-" if self.properties is None else self.properties,
                ",".join(self.filters).encode(),
                b"1" if self.retired else b"0",
            )
            digest = blake2b(b"\x1f".join(parts), digest_size=16).digest()
            msgspec.structs.force_setattr(self, "_fingerprint", digest)
            return digest
        return self._fingerprint

    @property
    def row_digest(self) -> int:
        """This row's share of its counter's digest: first 8 bytes of BLAKE2b over (fingerprint, version)."""
        return int.from_bytes(blake2b(self.fingerprint + self.version.to_bytes(8, "big")).digest()[:8], "big")

    @property
    def text_bytes(self) -> int:
        """How long its texts are together: what differs most between states that are held."""
        return (
            len(self.key) + len(self.value or b"") + len(self.strategies or b"") + len(self.properties or b"")
        )

    @property
    def rules(self) -> tuple[RolloutStrategy, ...]:
        """The strategies, decoded on first use."""
        if self._rules is None:
            rules = _strategies.decode(self.strategies) if self.strategies else ()
            msgspec.structs.force_setattr(self, "_rules", rules)
            return rules
        return self._rules

    def client_form(self, *, extended: bool) -> bytes:
        """JSON for an SDK that evaluates by itself: with strategies, with ``fp`` only if ``extended``."""
        held = self._extended if extended else self._plain
        if held is None:
            tail = b"" if self.strategies is None else b',"strategies":' + self.strategies
            held = self._head() + self._middle(self.value, None, extended=extended) + tail + b"}"
            msgspec.structs.force_setattr(self, "_extended" if extended else "_plain", held)
        return held

    def server_form(self, value: bytes | None, strategy_id: str | None, *, extended: bool) -> bytes:
        """JSON for an SDK that does not: the evaluated ``value`` and the strategy that decided."""
        return self._head() + self._middle(value, strategy_id, extended=extended) + b"}"

    def _head(self) -> bytes:
        # Kept: keys that Edge evaluates ask for it once per context and change.
        held = self._begin
        if held is None:
            held = b'{"id":"%s","key":%s,"l":%s,"version":%d,"type":"%s"' % (
                self.id.encode(),
                json_text(self.key),
                b"true" if self.locked else b"false",
                self.version,
                self.type.encode(),
            )
            msgspec.structs.force_setattr(self, "_begin", held)
        return held

    def _middle(self, value: bytes | None, strategy_id: str | None, *, extended: bool) -> bytes:
        out = b""
        if value is not None and value != b"null":
            out += b',"value":' + value
        if strategy_id is not None:
            out += b',"v":' + _quoted_id(strategy_id)
        if extended and self.properties is not None:
            out += b',"fp":' + self.properties
        return out


@lru_cache(maxsize=4096)
def _quoted_id(strategy_id: str) -> bytes:
    """A few strategies decide for very many callers."""
    return json_text(strategy_id)


class Tombstone(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key that stopped being delivered; streams that open before ``until`` still hear of it.

    ``until`` is in seconds since the epoch. It ends earlier when the key is delivered again. ``version`` is
    the last under which the key was delivered; 0 = none, or not known.
    """

    key: str
    feature_id: str
    type: FeatureType
    filters: tuple[str, ...] = ()
    until: int
    version: int = 0

    def delete_form(self) -> bytes:
        """Payload of ``delete_feature``."""
        return deletion(self.feature_id, self.key, self.type, self.version)


def deletion(feature_id: str, key: str, feature_type: FeatureType, version: int) -> bytes:
    """JSON payload of ``delete_feature`` for a key that is no longer visible.

    ``version`` must be at least any that was sent of the key: JS SDKs ignore a lower one but 0, and those
    for Java before 4 ignore every lower one, 0 too.
    """
    return b'{"id":"%s","key":%s,"l":false,"version":%d,"type":"%s"}' % (
        feature_id.encode(),
        json_text(key),
        version,
        feature_type.encode(),
    )


class _WireFeature(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    id: str
    key: str
    value_type: FeatureType
    version: int
    filters: tuple[str, ...] = ()


class _WireValue(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    version: int
    locked: bool
    retired: bool
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    rollout_strategies: msgspec.Raw


class WireState(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """A feature as it travels in events and look-ups and rests in MR's ``delivered`` table.

    Member names are those of FeatureHub's cache events (``feature``, ``fp``, ``value``).
    """

    feature: _WireFeature
    fp: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    value: _WireValue | msgspec.UnsetType = msgspec.UNSET


def to_wire(state: FeatureState) -> WireState:
    """Return the travelling form; `from_wire` gives the same state back, fingerprint included."""
    value: _WireValue | msgspec.UnsetType = msgspec.UNSET
    if state.strategies is not None:
        value = _WireValue(
            version=state.version,
            locked=state.locked,
            retired=state.retired,
            value=msgspec.UNSET if state.value is None else msgspec.Raw(state.value),
            rollout_strategies=msgspec.Raw(state.strategies),
        )
    return WireState(
        feature=_WireFeature(
            id=state.id,
            key=state.key,
            value_type=state.type,
            version=state.version,
            filters=state.filters,
        ),
        fp=msgspec.UNSET if state.properties is None else msgspec.Raw(state.properties),
        value=value,
    )


def from_wire(wire: WireState, *, version: int | None = None) -> FeatureState:
    """Return the state; ``version`` replaces the one that travelled (MR keeps it in a column).

    Tokens are copied: a view would keep the whole message alive as long as one feature of it.
    """
    value = None if wire.value is msgspec.UNSET else wire.value
    token = None if value is None or value.value is msgspec.UNSET else bytes(value.value)
    return FeatureState(
        id=wire.feature.id,
        key=wire.feature.key,
        type=wire.feature.value_type,
        version=wire.feature.version if version is None else version,
        locked=value.locked if value else False,
        retired=value.retired if value else False,
        value=token,
        strategies=bytes(value.rollout_strategies) if value else None,
        properties=None if wire.fp is msgspec.UNSET else bytes(wire.fp),
        filters=wire.feature.filters,
    )


def encode_properties(properties: dict[str, str]) -> bytes | None:
    """Feature properties as a state holds them; empty ones are dropped, none at all is None."""
    kept = {name: text for name, text in properties.items() if text}
    return canonical(kept) if kept else None
