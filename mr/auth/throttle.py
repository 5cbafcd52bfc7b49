"""Slow down guessing: after some failures a name is locked for a while, longer each time.

Kept in memory, bounded, one per process: a guess that lands on another process starts anew there, which
still leaves far too few guesses for a password. Knows no people.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_FREE_FAILURES: Final = 5
_FIRST_PAUSE_SECONDS: Final = 15.0
_LONGEST_PAUSE_SECONDS: Final = 900.0
_FORGOTTEN_AFTER_SECONDS: Final = 3600.0


@dataclass
class _Record:
    failures: int
    last: float


class Throttle:
    """Counts failures by name. A locked name is answered like a wrong password, so nobody can tell."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, capacity: int = 10_000) -> None:
        self._clock = clock
        self._capacity = capacity
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def locked(self, name: str) -> bool:
        """True while the name's pause lasts."""
        record = self._records.get(name)
        if record is None or record.failures < _FREE_FAILURES:
            return False
        pause = _FIRST_PAUSE_SECONDS * 2.0 ** min(record.failures - _FREE_FAILURES, 20)
        return self._clock() - record.last < min(pause, _LONGEST_PAUSE_SECONDS)

    def failed(self, name: str) -> None:
        """Count a failure; the least recent names are forgotten when there are too many."""
        now = self._clock()
        record = self._records.pop(name, None)
        if record is None or now - record.last > _FORGOTTEN_AFTER_SECONDS:
            record = _Record(0, now)
        record.failures += 1
        record.last = now
        self._records[name] = record
        while len(self._records) > self._capacity:
            self._records.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Forget the name's failures."""
        self._records.pop(name, None)
