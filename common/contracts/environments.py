"""Environments and accounts as caches hold them: immutable values, swapped whole.

A snapshot or record carries the revision and digest of its counter, so whoever holds one can prove
that it equals what MR delivered. Must not know how they are loaded or who is connected.
"""

from __future__ import annotations

import re
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from common.contracts.codec import canonical
from common.contracts.features import FeatureState, Tombstone, WireState, from_wire, to_wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Role = Literal["READ", "LOCK", "UNLOCK", "CHANGE_VALUE", "EXTENDED_DATA"]
ROLES: Final[tuple[Role, ...]] = ("READ", "LOCK", "UNLOCK", "CHANGE_VALUE", "EXTENDED_DATA")
DIGEST_MODULUS: Final = 1 << 64

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SERVICE_KEY = re.compile(r"[A-Za-z0-9*_\-]{8,200}")


def hash_key(service_key: str) -> str:
    """SHA-256 of a service key, lower-case hex: the only form in which a key leaves MR."""
    return sha256(service_key.encode()).hexdigest()


class SdkKey(NamedTuple):
    """An API key as an SDK sends it: an environment and the hash of a service account's key."""

    environment_id: str
    key_hash: str
    client_evaluated: bool

    @classmethod
    def parse(cls, text: str) -> SdkKey | None:
        """Read ``[cache/]environment/key``; None when it cannot be a key at all.

        The cache name is accepted and ignored. A client-evaluated key is one with ``*`` in it.
        """
        parts = text.split("/")
        if len(parts) not in {2, 3}:
            return None
        environment_id, service_key = parts[-2:]
        if not _UUID.fullmatch(environment_id) or not _SERVICE_KEY.fullmatch(service_key):
            return None
        return cls(environment_id.lower(), hash_key(service_key), "*" in service_key)


class Policy(NamedTuple):
    """What one account may see of one environment. Equal policies share bytes.

    ``filters`` None = everything; a tuple = only features that carry one of them (empty = nothing).
    """

    extended: bool
    filters: tuple[str, ...] | None

    def sees(self, filters: tuple[str, ...]) -> bool:
        """True when a feature with these filters is visible."""
        return self.filters is None or any(each in self.filters for each in filters)


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A service account as caches know it; never with a raw key.

    ``former_key_hashes`` are those a cache must forget with this record (after a reset, or all when
    ``removed``). ``permissions`` maps environment ids to sorted roles. ``restricted`` = the account was
    given filters once: without any left it sees nothing.
    """

    id: str
    revision: int
    client_key_hash: str
    server_key_hash: str
    former_key_hashes: tuple[str, ...] = ()
    permissions: dict[str, tuple[str, ...]] = {}
    filters: tuple[str, ...] = ()
    restricted: bool = False
    removed: bool = False

    @property
    def digest(self) -> int:
        """Digest of the account's counter: first 8 bytes of BLAKE2b over the canonical record.

        The revision and the former keys are not part of it: they say how it came to be.
        """
        content = canonical(
            [
                self.id,
                self.client_key_hash,
                self.server_key_hash,
                {key: sorted(roles) for key, roles in self.permissions.items()},
                sorted(self.filters),
                self.restricted,
                self.removed,
            ]
        )
        return int.from_bytes(blake2b(content).digest()[:8], "big")

    @property
    def key_hashes(self) -> tuple[str, ...]:
        """Hashes under which this account may be found; none when removed."""
        return () if self.removed else (self.client_key_hash, self.server_key_hash)

    def roles(self, environment_id: str) -> tuple[str, ...]:
        """Roles in the environment, empty when there are none."""
        return () if self.removed else self.permissions.get(environment_id, ())

    def policy(self, environment_id: str) -> Policy | None:
        """What the account sees of the environment; None when it has no role there."""
        roles = self.roles(environment_id)
        if not roles:
            return None
        restricted = self.restricted or bool(self.filters)
        return Policy("EXTENDED_DATA" in roles, tuple(sorted(self.filters)) if restricted else None)


def info_digest(info: Mapping[str, str]) -> int:
    """An environment's info as a share of its counter's digest; 0 when there is none."""
    if not info:
        return 0
    return int.from_bytes(blake2b(b"info" + canonical(dict(info))).digest()[:8], "big")


def states_digest(states: Iterable[FeatureState], info: Mapping[str, str]) -> int:
    """Digest of an environment's counter, from scratch."""
    return (sum(state.row_digest for state in states) + info_digest(info)) % DIGEST_MODULUS


class EnvironmentSnapshot(msgspec.Struct, frozen=True, kw_only=True, eq=False, weakref=True):
    """Everything delivered to one environment at one revision.

    ``features`` is by feature id. ``info`` holds settings such as ``cacheControl``. Never mutate one:
    readers hold references across awaits. Whoever only remembers what was made of one refers to it weakly:
    how many are held, caches decide.
    """

    id: str
    revision: int
    digest: int
    features: dict[str, FeatureState]
    info: dict[str, str] = {}
    tombstones: tuple[Tombstone, ...] = ()
    organization_id: str = ""
    portfolio_id: str = ""
    application_id: str = ""

    _ordered: tuple[FeatureState, ...] | None = None
    _text_bytes: int | None = None
    _content: int | None = None

    @property
    def content_digest(self) -> int:
        """The digest that its states and info have, which `digest` says they have; computed once."""
        if self._content is None:
            content = states_digest(self.features.values(), self.info)
            msgspec.structs.force_setattr(self, "_content", content)
            return content
        return self._content

    @property
    def text_bytes(self) -> int:
        """The sum over its features, computed once, and not at all where a change carried it on."""
        if self._text_bytes is None:
            total = sum([state.text_bytes for state in self.features.values()])
            msgspec.structs.force_setattr(self, "_text_bytes", total)
            return total
        return self._text_bytes

    @property
    def ordered(self) -> tuple[FeatureState, ...]:
        """Features by key: the canonical order of every body."""
        if self._ordered is None:
            ordered = tuple(sorted(self.features.values(), key=lambda state: state.key))
            msgspec.structs.force_setattr(self, "_ordered", ordered)
            return ordered
        return self._ordered


class _WireEnvironment(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    version: int
    eInf: dict[str, str] = {}  # noqa: N815 (FeatureHub's spelling)


class WireSnapshot(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """An environment as it travels: FeatureHub's publish-environment members and our tombstones."""

    environment: _WireEnvironment
    o_id: str = ""
    p_id: str = ""
    a_id: str = ""
    fv: list[WireState]
    digest: str
    tombstones: tuple[Tombstone, ...] = ()


def snapshot_to_wire(snapshot: EnvironmentSnapshot) -> WireSnapshot:
    """Return the travelling form; `snapshot_from_wire` is its inverse."""
    return WireSnapshot(
        environment=_WireEnvironment(id=snapshot.id, version=snapshot.revision, eInf=snapshot.info),
        o_id=snapshot.organization_id,
        p_id=snapshot.portfolio_id,
        a_id=snapshot.application_id,
        fv=[to_wire(state) for state in snapshot.ordered],
        digest=f"{snapshot.digest:016x}",
        tombstones=snapshot.tombstones,
    )


def snapshot_from_wire(wire: WireSnapshot) -> EnvironmentSnapshot:
    """Return the snapshot with the digest *it came with*; the receiver compares it with its own sum."""
    states = [from_wire(each) for each in wire.fv]
    return EnvironmentSnapshot(
        id=wire.environment.id,
        revision=wire.environment.version,
        digest=int(wire.digest, 16),
        features={state.id: state for state in states},
        info=wire.environment.eInf,
        tombstones=wire.tombstones,
        organization_id=wire.o_id,
        portfolio_id=wire.p_id,
        application_id=wire.a_id,
    )
