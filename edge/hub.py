"""Open streams by environment: each remembers what it was last sent, and is told that there is news.

There is no queue: a stream holds one reference, and asks for the difference to what is visible now when
it gets round to it. Streams that were sent the same share that reference, and the same bytes lead them
all on. Joining and taking the reference are one synchronous step, so no change can slip between.
Transport-free; runs in one event loop's thread.
"""

import heapq
from collections.abc import Callable
from typing import Final

from common.contracts.environments import AccountRecord, EnvironmentSnapshot, Policy, SdkKey
from common.evaluation.context import EvaluationContext
from edge import frames
from edge.access import Access
from edge.answers import Answers, View, ViewName, context_suffix, is_due
from edge.differences import farewells
from edge.reach import ReachLog
from edge.recent import Recent
from edge.steps import Room, Standing, Step

ENVIRONMENTS_TOLD: Final = 2_000
"""A report has to fit into a message."""
OPENING_BYTES: Final = 64 * 1024 * 1024
# What an entry costs beside its bytes, roughly.
_ENTRY_BYTES: Final = 1024


class Stream:
    """One connection as the hub sees it.

    ``wake`` is called, at once and without I/O, when `take` may have something. A stream that is
    ``revoked`` gets nothing more. ``standing`` is what it was sent in full, ``handed`` the last change that
    is with the transport: who knows the step that others took from there may set both (`Hub.followed`).
    """

    __slots__ = ("_hub", "account_id", "handed", "key", "revoked", "room", "standing", "view", "wake")

    def __init__(
        self,
        hub: "Hub",
        room: "Room[Stream]",
        key: SdkKey,
        account_id: str,
        view: View,
        wake: Callable[[], None],
    ) -> None:
        self.key = key
        self.account_id = account_id
        self.revoked = False
        self.room = room
        self.standing: Standing | None = None
        self.wake = wake
        self._hub = hub
        self.view = view
        # Changes are counted by number: what is in the snapshot already does not concern this stream.
        self.handed = room.number

    @property
    def has_features(self) -> bool:
        """True once the full list was taken."""
        return self.standing is not None

    @property
    def changes_at(self) -> float | None:
        """When to ask again even if nothing wakes the stream: a time rule is due then."""
        return None if self.standing is None else self.standing.sent.changes_at

    def take(self, now: float) -> Step | None:
        """Return everything that is to be sent now, and remember it as sent; None = nothing.

        The caller sends all of it, and says so (`handed_over`), before it takes the next one.
        """
        if self.revoked:
            return None
        standing = self.standing
        if standing is None:
            step = self._hub.opening(self.room, self.view, now)
        elif (
            standing.turn == self.room.turn
            and standing.view is self.view
            and not is_due(standing.sent.changes_at, now)
        ):
            return None
        else:
            step = self.room.step_from(standing, self.view, now)
        self.standing = step.standing
        # Equal to what it was: shared from now on.
        self.view = step.standing.view
        return step if step.events else None

    def handed_over(self) -> None:
        """Note that what was taken last is with the transport, or that it was nothing."""
        standing = self.standing
        if standing is not None and standing.number != self.handed:
            self._hub.reach.sent(self.key.environment_id, self.handed, standing.number)
            self.handed = standing.number

    def left(self) -> None:
        """Note that the connection is gone: what it was not sent yet does not concern it any more."""
        self._hub.reach.left(self.key.environment_id, self.handed)

    def look_through(self, policy: Policy) -> None:
        """See with another policy from now on."""
        if policy != self.view.policy:
            self.view = self.view._replace(policy=policy)
            self.wake()

    def revoke(self) -> None:
        """Send nothing more: the key does not open this environment any longer."""
        self.revoked = True
        self.wake()


class Hub:
    """All open streams. A watcher of the source: what it is told acts on open streams at once."""

    def __init__(self, access: Access, answers: Answers, reach: ReachLog | None = None) -> None:
        self.reach = reach or ReachLog()
        self._access = access
        self._answers = answers
        self._rooms: dict[str, Room[Stream]] = {}
        self._accounts: dict[str, set[Stream]] = {}
        self._openings: Recent[tuple[str, ViewName], Step] = Recent(budget=OPENING_BYTES)
        self._turns = 0
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
        room = self._room(key.environment_id, grant.snapshot)
        view = View.of(grant.policy, client_evaluated=key.client_evaluated, context=context)
        stream = Stream(self, room, key, grant.account.id, view, wake)
        room.streams[stream] = None
        members = self._accounts.get(grant.account.id)
        if members is None:
            members = self._accounts[grant.account.id] = set()
        members.add(stream)
        self._count += 1
        return stream

    def _room(self, environment_id: str, snapshot: EnvironmentSnapshot) -> Room[Stream]:
        room = self._rooms.get(environment_id)
        if room is None:
            room = self._rooms[environment_id] = Room(snapshot, self._next_turn(), self.reach.number)
        elif room.snapshot is not snapshot:
            room.swap(snapshot, self._next_turn(), self.reach.number)
        return room

    def _next_turn(self) -> int:
        self._turns += 1
        return self._turns

    def leave(self, stream: Stream) -> None:
        """Forget the stream."""
        stream.left()
        room = stream.room
        del room.streams[stream]
        if not room.streams:
            del self._rooms[stream.key.environment_id]
        members = self._accounts[stream.account_id]
        members.remove(stream)
        if not members:
            del self._accounts[stream.account_id]
        self._count -= 1

    def opening(self, room: Room[Stream], view: View, now: float) -> Step:
        """Return the full list as an event, with what must be forgotten; the same bytes for equal views."""
        name = (room.snapshot.id, view.name)
        held = self._openings.find(name)
        if (
            held is not None
            and held.standing.turn == room.turn
            and not is_due(held.standing.sent.changes_at, now)
        ):
            return held
        answer = self._answers.get(room.snapshot, view, now)
        parting = farewells(room.snapshot, view, now)
        full = frames.features(answer.tag + context_suffix(view.context), answer.features, parting.data)
        standing = room.stand(view, now, answer.changes_at)
        step = Step(full, 1 + parting.events, standing)
        # As it is, and as a chunk.
        self._openings.put(name, step, weight=2 * len(full) + _ENTRY_BYTES)
        return step

    def followed(self, environment_id: str, before: Standing, after: Standing, streams: int) -> None:
        """Note that so many streams were sent the step from ``before`` to ``after``."""
        if after.number != before.number:
            self.reach.sent(environment_id, before.number, after.number, streams)

    def environment_changed(self, environment_id: str, snapshot: EnvironmentSnapshot | None) -> None:
        """Tell the environment's streams; revoke them when it is gone."""
        room = self._rooms.get(environment_id)
        if room is None:
            return
        if snapshot is None:
            for stream in room.streams:
                stream.revoke()
            return
        self.reach.swapped(environment_id, snapshot.revision, len(room.streams))
        room.swap(snapshot, self._next_turn(), self.reach.number)
        for stream in room.streams:
            stream.wake()

    def account_changed(self, record: AccountRecord) -> None:
        """Apply the account's new policy to its streams; revoke those whose key or environment it lost."""
        for stream in self._accounts.get(record.id, ()):
            policy = record.policy(stream.key.environment_id)
            if policy is None or stream.key.key_hash not in record.key_hashes:
                stream.revoke()
            else:
                stream.look_through(policy)
