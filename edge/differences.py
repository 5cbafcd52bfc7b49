"""What an SDK must hear so that what it holds becomes what it should see now.

Pure: functions of what was sent, what is visible now, and the time. Live changes, slow clients, changed
policies and repaired gaps are all this one difference. It goes by key, since SDKs hold features by key:
a rename is a deletion and a feature, and a key that came back under another id is just a feature.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from common.contracts.environments import EnvironmentSnapshot, Policy
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


class Moves(NamedTuple):
    """What came between two snapshots as one policy saw the former and another sees the latter.

    No matter for whom it is evaluated: ``kept`` are the features that did not change, ``changed`` those
    that did, each with what it was before, if anything.
    """

    deletions: tuple[bytes, ...]
    changed: tuple[tuple[FeatureState | None, FeatureState], ...]
    kept: tuple[FeatureState, ...]


def moves(
    former: EnvironmentSnapshot, former_policy: Policy, snapshot: EnvironmentSnapshot, policy: Policy
) -> Moves:
    """Compare what is visible."""
    before = {state.key: state for state in visible(former, former_policy)}
    after = {state.key: state for state in visible(snapshot, policy)}
    gone = [state for key, state in before.items() if key not in after]
    deletions = tuple(
        frames.delete_feature(deletion(state.id, state.key, state.type, version))
        for state, version in zip(gone, _last_versions(snapshot, gone), strict=True)
    )
    changed: list[tuple[FeatureState | None, FeatureState]] = []
    kept: list[FeatureState] = []
    for key, state in after.items():
        was = before.get(key)
        if was is not None and _is_same(was, state):
            kept.append(state)
        else:
            changed.append((was, state))
    return Moves(deletions, tuple(changed), tuple(kept))


def difference(sent: Sent, moved: Moves, view: View, now: float) -> Difference:
    """Return what leads from ``sent`` to what ``view`` sees now, given what moved in between.

    Deletions come first: an SDK that holds features by id must not lose one that was renamed.
    """
    then, moment = instant(sent.at), instant(now)
    compared = moved.changed
    if is_due(sent.changes_at, now) or sent.view.policy.extended != view.policy.extended:
        compared = (*compared, *((state, state) for state in moved.kept))
    changes_at: float | None = None
    changed: list[bytes] = []
    for former, state in compared:
        encoded, changes = payload(state, view, moment)
        changes_at = earliest(changes_at, changes)
        if former is None or encoded != payload(former, sent.view, then).json:
            changed.append(frames.feature(encoded))
    events = len(moved.deletions) + len(changed)
    return Difference(b"".join((*moved.deletions, *changed)), events, changes_at)


def _is_same(former: FeatureState, state: FeatureState) -> bool:
    return former is state or (former.version == state.version and former.fingerprint == state.fingerprint)


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
            yield state.key, deletion(state.id, state.key, state.type, state.version)


def _last_versions(snapshot: EnvironmentSnapshot, gone: Sequence[FeatureState]) -> Iterator[int]:
    """Yield what each of these keys came to: what was sent of it here may be older than what others sent."""
    if not gone:
        return
    known = {tombstone.key: tombstone.version for tombstone in snapshot.tombstones}
    known.update((state.key, state.version) for state in snapshot.ordered)
    for state in gone:
        yield known.get(state.key, 0)
