"""Where the streams of one environment stand, and the steps that lead each of them to what is true now.

Streams that were sent the same stand at the same place, and one step leads them all on: computed and
encoded once, however many they are. Pure: knows neither streams nor transports.
"""

from typing import Final, Generic, TypeVar
from weakref import WeakValueDictionary

from common.contracts.environments import EnvironmentSnapshot, Policy
from edge.answers import View, ViewName, earliest, is_due
from edge.differences import NOTHING, Difference, Moves, Sent, difference, moves
from edge.frames import Said

_STEPS_HELD: Final = 4_096
STEP_BYTES_HELD: Final = 16 * 1024 * 1024
"""Of one room, as they are and as chunks: where each context has its own step, nobody else takes it."""
_MOVES_HELD: Final = 256

S = TypeVar("S")


class Standing:
    """What some streams were sent in full; `turn` is the room's when it was all there was.

    ``number`` is the last change that it contains.
    """

    __slots__ = ("__weakref__", "number", "sent", "turn", "view")

    def __init__(self, sent: Sent, turn: int, number: int) -> None:
        self.sent = sent
        self.view = sent.view
        self.turn = turn
        self.number = number


class Step(Said):
    """What to send next to all who stand at one place, and where they stand then. May be no bytes at all."""

    __slots__ = ("events", "standing")

    def __init__(self, data: bytes, events: int, standing: Standing) -> None:
        super().__init__(data)
        self.events = events
        self.standing = standing


class Room(Generic[S]):
    """The streams of one environment, the snapshot that is true now, and the steps that lead to it.

    A ``turn`` is never given twice, to no room: whoever stands at the room's turn has all there is.
    """

    __slots__ = ("_bytes", "_moves", "_standings", "_steps", "number", "snapshot", "streams", "turn")

    def __init__(self, snapshot: EnvironmentSnapshot, turn: int, number: int) -> None:
        self.snapshot = snapshot
        self.turn = turn
        self.number = number
        # In the order in which they came, which is how they lie in memory: a quarter less for each change.
        self.streams: dict[S, None] = {}
        # A place is remembered for as long as somebody stands there.
        self._standings: WeakValueDictionary[tuple[ViewName, float | None], Standing] = WeakValueDictionary()
        self._steps: dict[Standing | tuple[Standing, ViewName], Step] = {}
        self._bytes = 0
        self._moves: dict[tuple[EnvironmentSnapshot, Policy, Policy], Moves] = {}

    def swap(self, snapshot: EnvironmentSnapshot, turn: int, number: int) -> None:
        """Take the newer snapshot; steps to the former one are of no use any more."""
        self.snapshot = snapshot
        self.turn = turn
        self.number = number
        self._standings = WeakValueDictionary()
        self._forget_steps()
        self._moves.clear()

    def stand(self, view: View, now: float, changes_at: float | None) -> Standing:
        """Return where those stand who were sent all that this view sees now."""
        name = (view.name, changes_at)
        standing = self._standings.get(name)
        if standing is None:
            standing = Standing(Sent(self.snapshot, view, now, changes_at), self.turn, self.number)
            self._standings[name] = standing
        return standing

    def known_step(self, standing: Standing) -> Step | None:
        """Return the step that somebody took from there with an unchanged view, since the last swap."""
        return self._steps.get(standing)

    def step_from(self, standing: Standing, view: View, now: float) -> Step:
        """Return the step from there to what ``view`` sees now."""
        same = view is standing.view or view == standing.view
        key = standing if same else (standing, view.name)
        step = self._steps.get(key)
        if step is None or is_due(step.standing.sent.changes_at, now):
            step = self._step(standing, view, now)
            size = 2 * len(step.data)
            if len(self._steps) >= _STEPS_HELD or self._bytes + size > STEP_BYTES_HELD:
                self._forget_steps()
            self._steps[key] = step
            self._bytes += size
        return step

    def _forget_steps(self) -> None:
        self._steps.clear()
        self._bytes = 0

    def _step(self, standing: Standing, view: View, now: float) -> Step:
        sent = standing.sent
        now = max(now, sent.at)
        due = is_due(sent.changes_at, now)
        if sent.snapshot is self.snapshot and sent.view == view and not due:
            found = NOTHING
        else:
            found = self._difference(sent, view, now)
        # Unless they were all evaluated again, the others still change when they would have.
        kept = None if due else sent.changes_at
        return Step(found.data, found.events, self.stand(view, now, earliest(kept, found.changes_at)))

    def _difference(self, sent: Sent, view: View, now: float) -> Difference:
        """Encode it; what moved is found once for all contexts."""
        key = (sent.snapshot, sent.view.policy, view.policy)
        moved = self._moves.get(key)
        if moved is None:
            moved = moves(sent.snapshot, sent.view.policy, self.snapshot, view.policy)
            if len(self._moves) >= _MOVES_HELD:
                self._moves.clear()
            self._moves[key] = moved
        return difference(sent, moved, view, now)
