"""The events that leave MR, one type per kind of change, each beside its CloudEvents type.

An event is what one transaction did to one counter. Its place among all events is its position; its
place among its counter's is its revision.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from common.contracts.codec import ascii_json
from common.contracts.environments import (
    AccountRecord,
    EnvironmentSnapshot,
    WireSnapshot,
    snapshot_from_wire,
    snapshot_to_wire,
)
from common.contracts.features import FeatureState, Tombstone, WireState, from_wire, to_wire
from common.contracts.traces import TraceContext

CounterKind = Literal["environment", "account"]


class CounterId(NamedTuple):
    """A series of revisions: one environment's or one service account's."""

    kind: CounterKind
    id: str


class FeaturesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A delta: full states of what changed and ids of what is no longer delivered.

    Applies only on top of its ``previous`` revision. ``tombstones`` are those that this change made.
    """

    environment_id: str
    states: tuple[FeatureState, ...] = ()
    removed: tuple[str, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()


class EnvironmentChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Full state of an environment; ``snapshot`` None = it is gone, its id will not come back."""

    environment_id: str
    snapshot: EnvironmentSnapshot | None


class AccountChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Full record of a service account, a removed one included."""

    record: AccountRecord


EventData = FeaturesChanged | EnvironmentChanged | AccountChanged

FEATURES_TYPE: Final = "publish-feature-v1"
ENVIRONMENT_TYPE: Final = "publish-environment-v1"
ACCOUNT_TYPE: Final = "publish-serviceaccount-v1"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one counter, at one position.

    ``data`` None = a pointer (too big to send, or of a kind this release does not know): the receiver
    learns that the counter moved to ``revision`` and loads it. ``trace`` is where it was sent, when traced.
    """

    id: str
    counter: CounterId
    position: int
    term: int
    epoch: str
    revision: int
    previous: int
    digest: int
    time: float
    data: EventData | None
    trace: TraceContext | None = None


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as MR's log holds it and as it travels: its data still encoded, of whatever ``type``."""

    id: str
    type: str
    counter: CounterId
    position: int
    term: int
    epoch: str
    revision: int
    previous: int
    digest: int
    time: float
    payload: bytes
    trace: TraceContext | None = None

    def event(self) -> Event:
        """Decode; a kind that this release does not know becomes a pointer.

        Raises `msgspec.MsgspecError` when the payload is not what its type promises.
        """
        return Event(
            id=self.id,
            counter=self.counter,
            position=self.position,
            term=self.term,
            epoch=self.epoch,
            revision=self.revision,
            previous=self.previous,
            digest=self.digest,
            time=self.time,
            data=decode_data(self.type, self.payload) if self.payload else None,
            trace=self.trace,
        )


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """How far the relay is: everything up to ``position`` was sent before this, on the same way."""

    term: int
    epoch: str
    position: int


class _WireFeatures(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    class Item(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
        action: str
        environment_id: str
        feature: WireState

    environment_id: str
    features: list[Item]
    removed: tuple[str, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()


class _WireEnvironmentGone(msgspec.Struct, kw_only=True, rename="camel"):
    action: str
    environment: dict[str, str]


class _WireAccount(msgspec.Struct, kw_only=True, rename="camel"):
    action: str
    service_account: AccountRecord


def event_type(data: EventData) -> str:
    """CloudEvents type of an event."""
    if isinstance(data, FeaturesChanged):
        return FEATURES_TYPE
    return ENVIRONMENT_TYPE if isinstance(data, EnvironmentChanged) else ACCOUNT_TYPE


def encode_data(data: EventData) -> bytes:
    """Encode the payload of an event with FeatureHub's member names; ASCII JSON."""
    wire: object
    if isinstance(data, FeaturesChanged):
        wire = _WireFeatures(
            environment_id=data.environment_id,
            features=[
                _WireFeatures.Item(
                    action="UPDATE", environment_id=data.environment_id, feature=to_wire(state)
                )
                for state in data.states
            ],
            removed=data.removed,
            tombstones=data.tombstones,
        )
    elif isinstance(data, AccountChanged):
        wire = _WireAccount(action="DELETE" if data.record.removed else "UPDATE", service_account=data.record)
    elif data.snapshot is None:
        wire = _WireEnvironmentGone(action="DELETE", environment={"id": data.environment_id})
    else:
        wire = {"action": "UPDATE"} | _members(snapshot_to_wire(data.snapshot))
    return ascii_json(msgspec.json.encode(wire))


def _members(snapshot: WireSnapshot) -> dict[str, object]:
    return {
        field.encode_name: getattr(snapshot, field.name) for field in msgspec.structs.fields(WireSnapshot)
    }


def decode_data(kind: str, payload: bytes) -> EventData | None:
    """Decode a payload; None when this release does not know the kind.

    Raises `msgspec.DecodeError` or `msgspec.ValidationError` when it is not what its kind promises.
    """
    if kind == FEATURES_TYPE:
        features = msgspec.json.decode(payload, type=_WireFeatures)
        return FeaturesChanged(
            environment_id=features.environment_id,
            states=tuple(from_wire(item.feature) for item in features.features),
            removed=features.removed,
            tombstones=features.tombstones,
        )
    if kind == ACCOUNT_TYPE:
        return AccountChanged(record=msgspec.json.decode(payload, type=_WireAccount).service_account)
    if kind != ENVIRONMENT_TYPE:
        return None
    if msgspec.json.decode(payload, type=_Action).action == "DELETE":
        gone = msgspec.json.decode(payload, type=_WireEnvironmentGone)
        return EnvironmentChanged(environment_id=gone.environment["id"], snapshot=None)
    snapshot = snapshot_from_wire(msgspec.json.decode(payload, type=WireSnapshot))
    return EnvironmentChanged(environment_id=snapshot.id, snapshot=snapshot)


class _Action(msgspec.Struct):
    action: str
