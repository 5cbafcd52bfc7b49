"""How one event changes one environment: a pure function from snapshot and event to snapshot.

A result is handed out only when its digest, computed from the decoded states themselves, is the one
that MR announced.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from common.contracts.environments import DIGEST_MODULUS, EnvironmentSnapshot, states_digest
from common.contracts.events import EnvironmentChanged, Event, FeaturesChanged
from common.contracts.features import FeatureState, Tombstone


class Verdict(enum.Enum):
    """What an event means for a snapshot."""

    STALE = "stale"  #: nothing new
    APPLIED = "applied"
    GONE = "gone"
    GAP = "gap"  #: it builds on what is not here
    UNPROVEN = "unproven"  #: the result is not what MR says it is


class Step(NamedTuple):
    """An event's verdict, with the new snapshot when it was applied."""

    verdict: Verdict
    snapshot: EnvironmentSnapshot | None = None


def advance(held: EnvironmentSnapshot | None, event: Event) -> Step:
    """Return what ``event`` makes of ``held`` (None = nothing held); neither is changed."""
    have = -1 if held is None else held.revision
    data = event.data
    if isinstance(data, EnvironmentChanged) and data.snapshot is None:
        return Step(Verdict.GONE) if event.revision >= have else Step(Verdict.STALE)
    if event.revision <= have:
        return Step(Verdict.STALE)
    if isinstance(data, EnvironmentChanged) and data.snapshot is not None:
        proven = proves(data.snapshot, event.revision, event.digest)
        return Step(Verdict.APPLIED, data.snapshot) if proven else Step(Verdict.UNPROVEN)
    if isinstance(data, FeaturesChanged) and held is not None and event.previous == have:
        snapshot = _changed(held, event, data)
        proven = snapshot.digest == event.digest
        return Step(Verdict.APPLIED, snapshot) if proven else Step(Verdict.UNPROVEN)
    return Step(Verdict.GAP)


def proves(snapshot: EnvironmentSnapshot, revision: int, digest: int) -> bool:
    """True when the snapshot's own content gives ``digest`` at ``revision``."""
    return snapshot.revision == revision and snapshot.digest == digest and snapshot.content_digest == digest


def fresh_digest(snapshot: EnvironmentSnapshot) -> int:
    """The digest from the content alone, trusting no fingerprint that was kept."""
    states = (msgspec.structs.replace(state, _fingerprint=None) for state in snapshot.features.values())
    return states_digest(states, snapshot.info)


def _changed(held: EnvironmentSnapshot, event: Event, data: FeaturesChanged) -> EnvironmentSnapshot:
    features = dict(held.features)
    digest, texts = held.digest, held.text_bytes
    for feature_id in data.removed:
        before = features.pop(feature_id, None)
        digest -= _share(before)
        texts -= _texts(before)
    for state in data.states:
        before = features.get(state.id)
        digest += state.row_digest - _share(before)
        texts += state.text_bytes - _texts(before)
        features[state.id] = state
    return EnvironmentSnapshot(
        id=held.id,
        revision=event.revision,
        digest=digest % DIGEST_MODULUS,
        features=features,
        info=held.info,
        tombstones=_tombstones(held.tombstones, data, event.time),
        organization_id=held.organization_id,
        portfolio_id=held.portfolio_id,
        application_id=held.application_id,
        _text_bytes=texts,
    )


def _share(state: FeatureState | None) -> int:
    return 0 if state is None else state.row_digest


def _texts(state: FeatureState | None) -> int:
    return 0 if state is None else state.text_bytes


def _tombstones(held: tuple[Tombstone, ...], data: FeaturesChanged, now: float) -> tuple[Tombstone, ...]:
    """Those still wanted: not expired, not replaced, and their key not delivered again."""
    if not held:
        return data.tombstones
    ended = {state.key for state in data.states} | {each.key for each in data.tombstones}
    kept = tuple(each for each in held if each.until > now and each.key not in ended)
    return kept + data.tombstones
