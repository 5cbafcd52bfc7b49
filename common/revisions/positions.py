"""Which positions were heard, and up to where without a hole.

Position is the total order of everything that leaves MR, so what is missing here was missed. Knows
nothing of what the events say.
"""

from __future__ import annotations

AHEAD_LIMIT = 65_536


class Positions:
    """`last` is the last position before the first hole; `heard` the highest one known to exist."""

    __slots__ = ("_ahead", "heard", "last")

    def __init__(self) -> None:
        self.start(0)

    def start(self, position: int) -> None:
        """Begin anew: everything up to ``position`` counts as heard."""
        self.last = position
        self.heard = position
        self._ahead: set[int] = set()

    @property
    def hole(self) -> bool:
        """True while something up to `heard` is missing."""
        return self.heard > self.last

    def take(self, position: int) -> bool:
        """Note the position of an event; False when it was taken before.

        Beyond the limit positions ahead of a hole are forgotten: a repetition then passes for new,
        which the rule of its counter makes harmless.
        """
        if position <= self.last or position in self._ahead:
            return False
        self.heard = max(self.heard, position)
        if position == self.last + 1:
            self.last = position
            self._join()
        elif len(self._ahead) < AHEAD_LIMIT:
            self._ahead.add(position)
        return True

    def hear(self, position: int) -> None:
        """Note that everything up to ``position`` exists."""
        self.heard = max(self.heard, position)

    def fill(self, position: int) -> None:
        """Note that whatever happened up to ``position`` is known by other means."""
        self.hear(position)
        if position > self.last:
            self.last = position
            self._ahead = {each for each in self._ahead if each > position}
            self._join()

    def _join(self) -> None:
        while self.last + 1 in self._ahead:
            self.last += 1
            self._ahead.remove(self.last)
