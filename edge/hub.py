"""Open streams by environment: each remembers what it was last sent, and is told that there is news.

There is no queue: a stream holds one reference, and asks for the difference to what is visible now when
it gets round to it. Joining and taking the reference are one synchronous step, so no change can slip
between. Transport-free; runs in one event loop's thread.
"""

import heapq
from collections.abc import Callable
from typing import Final, NamedTuple

from common.contracts.environments import AccountRecord, EnvironmentSnapshot, Policy, SdkKey
from common.evaluation.context import EvaluationContext
from edge import frames
from edge.access import Access
from edge.answers import Answers, View, ViewName, context_suffix, earliest, is_due
from edge.differences import NOTHING, Difference, Sent, difference, farewells
from edge.reach import ReachLog

ENVIRONMENTS_TOLD: Final = 2_000
"""A report has to fit into a message."""
_DIFFERENCES_HELD: Final = 256


class Batch(NamedTuple):
    """What is to be sent next, in order."""

    parts: tuple[bytes, ...]
    events: int


class Room:
    """The streams of one environment, the snapshot that is true now, and differences that lead to it."""

    def __init__(self, snapshot: EnvironmentSnapshot) -> None:
        self.snapshot = snapshot
        self.streams: set[Stream] = set()
        self._differences: dict[tuple[EnvironmentSnapshot, ViewName, ViewName], Difference] = {}

    def swap(self, snapshot: EnvironmentSnapshot) -> None:
        """Take the newer snapshot; differences to the former one are of no use any more."""
        if snapshot is not self.snapshot:
            self.snapshot = snapshot
            self._differences.clear()

    def difference_for(self, sent: Sent, view: View, now: float) -> Difference:
        """Return the difference, computed once for all streams that were sent the same."""
        if sent.snapshot is self.snapshot and sent.view == view and not is_due(sent.changes_at, now):
            return NOTHING
        if is_due(sent.changes_at, now):
            # Depends on when exactly the stream was last evaluated: nobody else's.
            return difference(sent, self.snapshot, view, now)
        key = (sent.snapshot, sent.view.name, view.name)
        held = self._differences.get(key)
        if held is None or is_due(held.changes_at, now):
            held = difference(sent, self.snapshot, view, now)
            if len(self._differences) >= _DIFFERENCES_HELD:
                self._differences.clear()
            self._differences[key] = held
        return held


class Stream:
    """One connection as the hub sees it.

    ``wake`` is called, at once and without I/O, when `take` may have something. A stream that is
    ``revoked`` gets nothing more.
    """

    def __init__(
        self,
        room: Room,
        key: SdkKey,
        account_id: str,
        view: View,
        *,
        answers: Answers,
        reach: ReachLog,
        wake: Callable[[], None],
    ) -> None:
        self.key = key
        self.account_id = account_id
        self.revoked = False
        self._room = room
        self._view = view
        self._answers = answers
        self._reach = reach
        self._wake = wake
        self._sent: Sent | None = None
        # Changes are counted by number: what is in the snapshot already does not concern this stream.
        self._taken = self._handed = reach.number

    @property
    def has_features(self) -> bool:
        """True once the full list was taken."""
        return self._sent is not None

    @property
    def changes_at(self) -> float | None:
        """When to ask again even if nothing wakes the stream: a time rule is due then."""
        return None if self._sent is None else self._sent.changes_at

    def take(self, now: float) -> Batch | None:
        """Return everything that is to be sent now, and remember it as sent; None = nothing.

        The caller sends the whole batch, and says so (`handed_over`), before it takes the next one.
        """
        if self.revoked:
            return None
        self._taken = self._reach.number
        if self._sent is None:
            return self._take_all(now)
        now = max(now, self._sent.at)
        found = self._room.difference_for(self._sent, self._view, now)
        # Unless they were all evaluated again, the others still change when they would have.
        due = is_due(self._sent.changes_at, now)
        kept = None if due else self._sent.changes_at
        self._sent = Sent(self._room.snapshot, self._view, now, earliest(kept, found.changes_at))
        return Batch((found.data,), found.events) if found.events else None

    def handed_over(self) -> None:
        """Note that what was taken last is with the transport, or that it was nothing."""
        if self._taken != self._handed:
            self._reach.sent(self.key.environment_id, self._handed, self._taken)
            self._handed = self._taken

    def left(self) -> None:
        """Note that the connection is gone: what it was not sent yet does not concern it any more."""
        self._reach.left(self.key.environment_id, self._handed)

    def _take_all(self, now: float) -> Batch:
        snapshot, view = self._room.snapshot, self._view
        answer = self._answers.get(snapshot, view, now)
        parting = farewells(snapshot, view, now)
        self._sent = Sent(snapshot, view, now, answer.changes_at)
        full = frames.features(answer.tag + context_suffix(view.context), answer.features)
        return Batch((full, parting.data), 1 + parting.events)

    def look_through(self, policy: Policy) -> None:
        """See with another policy from now on."""
        if policy != self._view.policy:
            self._view = self._view._replace(policy=policy)
            self._wake()

    def revoke(self) -> None:
        """Send nothing more: the key does not open this environment any longer."""
        self.revoked = True
        self._wake()

    def tell(self) -> None:
        """Say that the environment changed."""
        self._wake()


class Hub:
    """All open streams. A watcher of the source: what it is told acts on open streams at once."""

    def __init__(self, access: Access, answers: Answers, reach: ReachLog | None = None) -> None:
        self._access = access
        self._answers = answers
        self._reach = reach or ReachLog()
        self._rooms: dict[str, Room] = {}
        self._accounts: dict[str, set[Stream]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def streams(self) -> dict[str, int]:
        """How many streams each environment has; of very many environments, those with the most."""
        counts = ((environment_id, len(room.streams)) for environment_id, room in self._rooms.items())
        if len(self._rooms) <= ENVIRONMENTS_TOLD:
            return dict(counts)
        return dict(heapq.nlargest(ENVIRONMENTS_TOLD, counts, key=lambda each: each[1]))

    def join(self, key: SdkKey, context: EvaluationContext, wake: Callable[[], None]) -> Stream | None:
        """Open a stream on what is true at this moment; None = it is not at hand, look it up first.

        Whoever joins must `leave`.
        """
        grant = self._access.peek(key)
        if grant is None:
            return None
        room = self._rooms.setdefault(key.environment_id, Room(grant.snapshot))
        room.swap(grant.snapshot)
        view = View.of(grant.policy, client_evaluated=key.client_evaluated, context=context)
        stream = Stream(
            room, key, grant.account.id, view, answers=self._answers, reach=self._reach, wake=wake
        )
        room.streams.add(stream)
        self._accounts.setdefault(grant.account.id, set()).add(stream)
        self._count += 1
        return stream

    def leave(self, stream: Stream) -> None:
        """Forget the stream."""
        stream.left()
        room = self._rooms[stream.key.environment_id]
        room.streams.remove(stream)
        if not room.streams:
            del self._rooms[stream.key.environment_id]
        members = self._accounts[stream.account_id]
        members.remove(stream)
        if not members:
            del self._accounts[stream.account_id]
        self._count -= 1

    def environment_changed(self, environment_id: str, snapshot: EnvironmentSnapshot | None) -> None:
        """Tell the environment's streams; revoke them when it is gone."""
        room = self._rooms.get(environment_id)
        if room is None:
            return
        if snapshot is not None:
            room.swap(snapshot)
            self._reach.swapped(environment_id, snapshot.revision, len(room.streams))
        for stream in room.streams:
            if snapshot is None:
                stream.revoke()
            else:
                stream.tell()

    def account_changed(self, record: AccountRecord) -> None:
        """Apply the account's new policy to its streams; revoke those whose key or environment it lost."""
        for stream in self._accounts.get(record.id, ()):
            policy = record.policy(stream.key.environment_id)
            if policy is None or stream.key.key_hash not in record.key_hashes:
                stream.revoke()
            else:
                stream.look_through(policy)
