"""What a process must remember about counters and keys that it does not hold.

Bounded, and honest about it: what is forgotten leaves a trace (`Seen.blind_until`), so that forgetting
costs a load and never a wrong answer.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.contracts.events import CounterId
    from common.revisions.targets import Target


class Sighting(NamedTuple):
    """The highest revision seen of a counter, the position at which, and whether it ended there."""

    revision: int
    position: int
    gone: bool


class Seen:
    """The highest revision seen per counter, deletions included (`at_least` of a load).

    - Nothing below it may be taken over any more, also after the value itself was evicted.
    - ``blind_until``: up to this position something may have been forgotten. What was read below it
      proves nothing.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counters: OrderedDict[CounterId, Sighting] = OrderedDict()
        # The same; whoever has a name of equal parts need not make a counter of it.
        self._by_name = cast("dict[tuple[str, str], Sighting]", self._counters)
        self.blind_until = 0

    def __len__(self) -> int:
        return len(self._counters)

    def start(self, position: int) -> None:
        """Forget everything; what was read below ``position`` proves nothing from now on."""
        self._counters.clear()
        self.blind_until = position

    def lasting(self, position: int) -> list[tuple[CounterId, Sighting]]:
        """What ended, and what was seen beyond a position."""
        return [each for each in self._counters.items() if each[1].gone or each[1].position > position]

    def note(self, counter: CounterId, revision: int, position: int, *, gone: bool = False) -> bool:
        """Remember a revision; True when this said something new."""
        known = self._counters.get(counter)
        if known is not None and (
            revision < known.revision or (revision == known.revision and gone <= known.gone)
        ):
            return False
        self._counters[counter] = Sighting(revision, position, gone)
        self._counters.move_to_end(counter)
        if len(self._counters) > self._limit:
            _, forgotten = self._counters.popitem(last=False)
            self.blind_until = max(self.blind_until, forgotten.position)
        return True

    def find(self, counter: tuple[str, str]) -> Sighting | None:
        """What was seen last of the counter of this kind and id."""
        return self._by_name.get(counter)

    def revision(self, counter: CounterId) -> int:
        """The revision that a load has to reach; 0 = any."""
        known = self._counters.get(counter)
        return 0 if known is None else known.revision

    def gone(self, counter: CounterId) -> bool:
        """True when the counter is known to have ended."""
        known = self._counters.get(counter)
        return known is not None and known.gone


class Misses:
    """Confirmed misses: bounded, short-lived, and apart from everything that is held.

    ``life`` gives each its seconds (jittered by the owner). Whether one may be *used* now, and when all
    must go, is the replica's to decide.
    """

    def __init__(self, limit: int, life: Callable[[], float]) -> None:
        self._limit = limit
        self._life = life
        self._until: OrderedDict[Target, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, target: Target, now: float) -> None:
        if self._limit <= 0:
            return
        self._until[target] = now + self._life()
        self._until.move_to_end(target)
        if len(self._until) > self._limit:
            self._until.popitem(last=False)

    def holds(self, target: Target, now: float) -> bool:
        until = self._until.get(target)
        if until is None:
            return False
        if until <= now:
            del self._until[target]
            return False
        return True

    def remembers(self, target: Target) -> bool:
        """True when there is a word on it, be it out of date."""
        return target in self._until

    def drop(self, target: Target) -> None:
        self._until.pop(target, None)

    def clear(self) -> None:
        self._until.clear()
