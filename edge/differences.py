"""What an SDK must hear so that what it holds becomes what it should see now.

Pure: functions of what was sent, what is visible now, and the time. Live changes, slow clients, changed
policies and repaired gaps are all this one difference. It goes by key, since SDKs hold features by key:
a rename is a deletion and a feature, and a key that came back under another id is just a feature.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from common.contracts.environments import EnvironmentSnapshot
from common.contracts.features import FeatureState, deletion
from edge import frames
from edge.answers import View, earliest, instant, is_due, payload, visible


class Sent(NamedTuple):
    """What a stream was sent in full: a snapshot, as a view saw it at one moment."""

    snapshot: EnvironmentSnapshot
    view: View
    at: float
    changes_at: float | None


class Difference(NamedTuple):
    """Frames to send, how many events they are, and when what was evaluated for them changes by itself."""

    data: bytes
    events: int
    changes_at: float | None


NOTHING = Difference(b"", 0, None)


def difference(sent: Sent, snapshot: EnvironmentSnapshot, view: View, now: float) -> Difference:
    """Return what leads from ``sent`` to ``snapshot`` as ``view`` sees it now.

    Deletions come first: an SDK that holds features by id must not lose one that was renamed.
    """
    before = {state.key: state for state in visible(sent.snapshot, sent.view.policy)}
    after = {state.key: state for state in visible(snapshot, view.policy)}
    deletions = [
        frames.delete_feature(deletion(state.id, key, state.type))
        for key, state in before.items()
        if key not in after
    ]
    then, moment = instant(sent.at), instant(now)
    recheck = is_due(sent.changes_at, now) or sent.view.policy.extended != view.policy.extended
    changes_at: float | None = None
    changed: list[bytes] = []
    for key, state in after.items():
        former = before.get(key)
        if former is not None and not recheck and _is_same(former, state):
            continue
        encoded, changes = payload(state, view, moment)
        changes_at = earliest(changes_at, changes)
        if former is None or encoded != _as_sent(former, sent.view, then):
            changed.append(frames.feature(encoded))
    return Difference(b"".join(deletions + changed), len(deletions) + len(changed), changes_at)


def _is_same(former: FeatureState, state: FeatureState) -> bool:
    return former is state or (former.version == state.version and former.fingerprint == state.fingerprint)


def _as_sent(state: FeatureState, view: View, then: datetime) -> bytes:
    return payload(state, view, then).json


def farewells(snapshot: EnvironmentSnapshot, view: View, now: float) -> Difference:
    """Return deletions of what an SDK may still hold from an earlier connection.

    Most SDKs never drop what is merely missing from `features`. Only keys that the policy could see
    are named, and none that is visible now.
    """
    current = {state.key for state in visible(snapshot, view.policy)}
    parting = {key: encoded for key, encoded in _parted(snapshot, view, now) if key not in current}
    data = b"".join(frames.delete_feature(encoded) for _, encoded in sorted(parting.items()))
    return Difference(data, len(parting), None)


def _parted(snapshot: EnvironmentSnapshot, view: View, now: float) -> Iterator[tuple[str, bytes]]:
    for tombstone in snapshot.tombstones:
        if tombstone.until > now and view.policy.sees(tombstone.filters):
            yield tombstone.key, tombstone.delete_form()
    for state in snapshot.ordered:
        if state.retired and view.policy.sees(state.filters):
            yield state.key, deletion(state.id, state.key, state.type)
