"""A mapping that forgets: the least recently used entries go when a budget is spent.

Knows nothing of what it holds; whoever puts an entry says what it weighs.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Entries up to a total weight, the least recently used forgotten first."""

    def __init__(self, *, budget: int) -> None:
        self._budget = budget
        self._spent = 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def spent(self) -> int:
        """The weight of all entries; never more than the budget."""
        return self._spent

    def find(self, key: K) -> V | None:
        """Return the entry and remember that it was used."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, *, weight: int = 1) -> None:
        """Hold the value; one that outweighs the whole budget is not held at all."""
        former = self._entries.pop(key, None)
        if former is not None:
            self._spent -= former[1]
        if weight > self._budget:
            return
        self._entries[key] = (value, weight)
        self._spent += weight
        while self._spent > self._budget:
            _, (_, freed) = self._entries.popitem(last=False)
            self._spent -= freed

    def drop(self, key: K) -> None:
        """Forget the entry, if there is one."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._spent -= entry[1]
