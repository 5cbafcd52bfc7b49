"""What processes answer one another: look-ups, changes, revisions, state and SDK updates, and their bytes.

The bytes are the same over HTTP and over the bus: ASCII JSON, members in camel case. Every ``decode_…``
raises `msgspec.MsgspecError` when the bytes are not that answer. Must not know what carries them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from common.contracts.codec import ascii_json
from common.contracts.environments import (
    AccountRecord,
    EnvironmentSnapshot,
    WireSnapshot,
    snapshot_from_wire,
    snapshot_to_wire,
)
from common.contracts.events import CounterId

if TYPE_CHECKING:
    from collections.abc import Sequence


Snapshots = Callable[[bytes], EnvironmentSnapshot]
"""Decodes a snapshot as it travels; raises `msgspec.MsgspecError`."""


class AtLeast(NamedTuple):
    """How new an answer has to be, as far as whoever asks knows.

    What is found has to be at ``revision`` or above, what is absent must have been so at ``position`` or
    later; both mean something only within ``epoch``. Who cannot do that says that it is `behind`.
    """

    epoch: str
    revision: int
    position: int


ANY: Final = AtLeast("", 0, 0)
"""Whoever asks knows nothing."""


class EnvironmentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An environment as its owner knows it.

    ``snapshot`` None = certainly not there. ``revision`` is the counter's (0 = never existed) also then,
    so that a deletion is remembered. ``position`` = last position known to be in what was read.
    ``behind`` = the answer is older than what was asked for, and nothing newer could be had. ``age`` in
    seconds: for how long whoever answers could not tell any more whether this is still true.
    """

    snapshot: EnvironmentSnapshot | None
    revision: int
    epoch: str
    position: int
    behind: bool = False
    age: float = 0.0


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A service account by the hash of one of its keys; members as in `EnvironmentAnswer`."""

    record: AccountRecord | None
    epoch: str
    position: int
    behind: bool = False
    age: float = 0.0


class Many(msgspec.Struct, frozen=True, kw_only=True):
    """Answers to several look-ups, in the order of the question; None = not at hand, which says nothing."""

    environments: tuple[EnvironmentAnswer | None, ...] = ()
    accounts: tuple[AccountAnswer | None, ...] = ()


class CounterState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a counter stands: its last *positioned* revision, and the digest of its rows then."""

    counter: CounterId
    revision: int
    digest: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Where MR stands: asked before a new epoch is believed.

    ``second_hand`` = MR cannot be asked, and this is only the epoch that whoever answers goes on with: for
    those who know none at all. Its position is 0, for nothing is promised by it.
    """

    epoch: str
    term: int
    position: int
    second_hand: bool = False


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Which counters moved after a position, each with its highest revision up to ``position``.

    ``complete`` False = the log no longer reaches back that far: compare everything held.
    """

    epoch: str
    term: int
    position: int
    counters: tuple[tuple[CounterId, int], ...] = ()
    complete: bool = True


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One page of everything there is, for a cache that wants to hold all of it.

    ``ids`` are environments in the order of their ids, ``hashes`` one key hash of each account in the
    order of the accounts' ids, both behind what was asked for; ``next`` is what to ask for next, None =
    that was all.
    """

    ids: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    next: str | None = None


class SdkUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A test update by an SDK: syntax was checked, everything else is MR's to decide.

    ``value`` is the JSON token that was sent, None = the member was missing or null.
    ``deadline`` is absolute, seconds since the epoch; MR starts nothing after it.
    """

    request_id: str
    environment_id: str
    key_hash: str
    feature_key: str
    value: bytes | None = None
    update_value: bool | None = None
    lock: bool | None = None
    deadline: float


class SdkUpdateOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """MR's answer: the HTTP status of contract section 6 and a short reason."""

    status: int
    detail: str = ""


class _WireEnvironment(msgspec.Struct, kw_only=True):
    snapshot: msgspec.Raw
    """The token: an object, or null."""

    revision: int
    epoch: str
    position: int
    behind: bool = False
    age: float = 0.0


class HeldEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An `EnvironmentAnswer` whose snapshot is encoded already (`encode_snapshot`)."""

    snapshot: msgspec.Raw | None
    revision: int
    epoch: str
    position: int
    behind: bool = False
    age: float = 0.0


class _WireMany(msgspec.Struct, kw_only=True):
    environments: tuple[_WireEnvironment | None, ...]
    accounts: tuple[AccountAnswer | None, ...]


class _WireListing(msgspec.Struct, kw_only=True):
    ids: tuple[str, ...]
    hashes: tuple[str, ...]
    next: str | None


class _WireUpdate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    request_id: str
    environment_id: str
    key_hash: str
    feature_key: str
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    update_value: bool | None = None
    lock: bool | None = None
    deadline: float


def encode_environment_answer(answer: EnvironmentAnswer) -> bytes:
    """Encode; the snapshot travels as it does in events."""
    wire = _WireEnvironment(
        snapshot=msgspec.Raw(b"null" if answer.snapshot is None else encode_snapshot(answer.snapshot)),
        revision=answer.revision,
        epoch=answer.epoch,
        position=answer.position,
        behind=answer.behind,
        age=answer.age,
    )
    return _encode(wire)


def decode_environment_answer(data: bytes, snapshots: Snapshots | None = None) -> EnvironmentAnswer:
    """Decode; the snapshot's digest is the one that it came with. ``snapshots`` decodes the latter."""
    return _environment_answer(_environment.decode(data), snapshots or decode_snapshot)


def decode_snapshot(data: bytes) -> EnvironmentSnapshot:
    try:
        return snapshot_from_wire(_snapshot.decode(data))
    except msgspec.MsgspecError:
        raise
    except ValueError:
        raise msgspec.ValidationError("The digest is not a hexadecimal number.") from None


def encode_snapshot(snapshot: EnvironmentSnapshot) -> bytes:
    """Encode a snapshot as it travels within answers."""
    return _encode(snapshot_to_wire(snapshot))


def held_form(answer: EnvironmentAnswer | None) -> HeldEnvironment | None:
    """An answer with its snapshot encoded."""
    if answer is None:
        return None
    return HeldEnvironment(
        snapshot=None if answer.snapshot is None else msgspec.Raw(encode_snapshot(answer.snapshot)),
        revision=answer.revision,
        epoch=answer.epoch,
        position=answer.position,
        behind=answer.behind,
        age=answer.age,
    )


def encode_many(
    environments: Sequence[HeldEnvironment | None], accounts: Sequence[AccountAnswer | None]
) -> bytes:
    """Encode a `Many` whose snapshots are encoded already."""
    return _encode({"environments": environments, "accounts": accounts})


def decode_many(data: bytes, snapshots: Snapshots | None = None) -> Many:
    wire = _many.decode(data)
    decode = snapshots or decode_snapshot
    return Many(
        environments=tuple(
            [None if each is None else _environment_answer(each, decode) for each in wire.environments]
        ),
        accounts=wire.accounts,
    )


def _environment_answer(wire: _WireEnvironment, decode: Snapshots) -> EnvironmentAnswer:
    # A copy: a view would keep the whole message for as long as anybody keeps the snapshot.
    token = bytes(wire.snapshot)
    snapshot = None if token == b"null" else decode(token)
    return EnvironmentAnswer(
        snapshot=snapshot,
        revision=wire.revision,
        epoch=wire.epoch,
        position=wire.position,
        behind=wire.behind,
        age=wire.age,
    )


def encode_account_answer(answer: AccountAnswer) -> bytes:
    return _encode(answer)


def decode_account_answer(data: bytes) -> AccountAnswer:
    return msgspec.json.decode(data, type=AccountAnswer)


def encode_changes(answer: Changes) -> bytes:
    return _encode(answer)


def decode_changes(data: bytes) -> Changes:
    return msgspec.json.decode(data, type=Changes)


def encode_revisions(answer: list[CounterState]) -> bytes:
    return _encode(answer)


def decode_revisions(data: bytes) -> list[CounterState]:
    return msgspec.json.decode(data, type=list[CounterState])


def encode_state(answer: State) -> bytes:
    return _encode(answer)


def decode_state(data: bytes) -> State:
    return msgspec.json.decode(data, type=State)


def encode_listing(answer: Listing) -> bytes:
    return _encode(answer)


def decode_listing(data: bytes) -> Listing:
    """Decode; nothing may be left out, for an empty object must not look like the end of all pages."""
    wire = msgspec.json.decode(data, type=_WireListing)
    return Listing(ids=wire.ids, hashes=wire.hashes, next=wire.next)


def encode_update(update: SdkUpdate) -> bytes:
    """Encode; the value travels as the token that it is."""
    wire = _WireUpdate(
        request_id=update.request_id,
        environment_id=update.environment_id,
        key_hash=update.key_hash,
        feature_key=update.feature_key,
        value=msgspec.UNSET if update.value is None else msgspec.Raw(update.value),
        update_value=update.update_value,
        lock=update.lock,
        deadline=update.deadline,
    )
    return _encode(wire)


def decode_update(data: bytes) -> SdkUpdate:
    """Decode; a value is looked into as well, and null is no value."""
    wire = msgspec.json.decode(data, type=_WireUpdate)
    token = None if wire.value is msgspec.UNSET else bytes(wire.value)
    if token is not None:
        # A raw member was only skipped over.
        msgspec.json.decode(token)
    return SdkUpdate(
        request_id=wire.request_id,
        environment_id=wire.environment_id,
        key_hash=wire.key_hash,
        feature_key=wire.feature_key,
        value=None if token == b"null" else token,
        update_value=wire.update_value,
        lock=wire.lock,
        deadline=wire.deadline,
    )


def encode_outcome(outcome: SdkUpdateOutcome) -> bytes:
    return _encode(outcome)


def decode_outcome(data: bytes) -> SdkUpdateOutcome:
    return msgspec.json.decode(data, type=SdkUpdateOutcome)


def _encode(wire: object) -> bytes:
    return ascii_json(msgspec.json.encode(wire))


_snapshot: Final = msgspec.json.Decoder(WireSnapshot)
_environment: Final = msgspec.json.Decoder(_WireEnvironment)
_many: Final = msgspec.json.Decoder(_WireMany)
