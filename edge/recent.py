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


class Generations(Generic[K, V]):
    """Entries in two generations of bounded weight: when the young one is full, the old one is forgotten.

    Coarser than `Recent`, and finding what is in use costs nothing but a look into `young`. Subclasses say
    what an entry weighs.
    """

    def __init__(self, *, budget: int) -> None:
        self.young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._half = budget // 2
        self._spent = 0

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def find(self, key: K) -> V | None:
        """Return the entry, and keep it as one that is in use."""
        found = self.young.get(key)
        if found is None and self._old:
            found = self._old.pop(key, None)
            if found is not None:
                self.hold(key, found)
        return found

    def hold(self, key: K, value: V) -> None:
        """Hold the value; one that outweighs a generation is held alone."""
        weight = self.weight(key, value)
        if self._spent + weight > self._half:
            self._old, self.young, self._spent = self.young, {}, 0
        self.young[key] = value
        self._spent += weight

    def weight(self, _key: K, _value: V, /) -> int:
        """Return what an entry costs."""
        raise NotImplementedError
