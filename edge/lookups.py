"""Look-ups of keys for whoever waits: one for each key, however many wait for it.

Those that wait are woken; nobody has a task of its own. Knows neither streams nor transports.
"""

import asyncio
from enum import Enum, auto
from typing import Protocol

import structlog

from common.contracts.environments import SdkKey
from common.errors import Unavailable
from edge.access import Access

log = structlog.stdlib.get_logger(__name__)


class Outcome(Enum):
    """What is known of a key."""

    PENDING = auto()
    FOUND = auto()
    ABSENT = auto()
    UNKNOWN = auto()


class Waiter(Protocol):
    """Whoever waits for a look-up."""

    def wake(self) -> None:
        """Hear that it has ended; must return at once."""


class Lookup:
    """One look-up; `outcome` says how it ended, `account_id` whose key it is once that is found."""

    __slots__ = ("account_id", "key", "outcome", "task", "waiters")

    def __init__(self, key: SdkKey) -> None:
        self.key = key
        self.outcome = Outcome.PENDING
        self.account_id = ""
        self.waiters: set[Waiter] = set()
        self.task: asyncio.Task[None] | None = None


class Lookups:
    """The look-ups under way. Their tasks belong to ``tasks``; `close` ends them."""

    def __init__(self, access: Access, tasks: asyncio.TaskGroup) -> None:
        self._access = access
        self._tasks = tasks
        self._lookups: dict[SdkKey, Lookup] = {}

    def __len__(self) -> int:
        return len(self._lookups)

    def ask(self, key: SdkKey, waiter: Waiter) -> Lookup:
        """Look the key up, or join the look-up that is under way; the waiter is woken when it has ended."""
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = Lookup(key)
            lookup.task = self._tasks.create_task(self._run(lookup), name="stream look-up")
        lookup.waiters.add(waiter)
        return lookup

    def leave(self, lookup: Lookup, waiter: Waiter) -> None:
        """Wait no longer; a look-up that nobody waits for is given up."""
        lookup.waiters.discard(waiter)
        if not lookup.waiters and self._lookups.get(lookup.key) is lookup:
            self._end(lookup, Outcome.UNKNOWN)

    def close(self) -> None:
        """Give all up."""
        for lookup in tuple(self._lookups.values()):
            self._end(lookup, Outcome.UNKNOWN)

    def _end(self, lookup: Lookup, outcome: Outcome) -> None:
        del self._lookups[lookup.key]
        lookup.outcome = outcome
        if lookup.task is not None:
            lookup.task.cancel()

    async def _run(self, lookup: Lookup) -> None:
        try:
            grant = await self._access.find(lookup.key)
            outcome = Outcome.ABSENT if grant is None else Outcome.FOUND
            lookup.account_id = grant.account.id if grant is not None else ""
        except Unavailable:
            outcome = Outcome.UNKNOWN
        except Exception:
            # Whoever waits asks again; a bug must not end all other streams with this task's group.
            log.exception("stream.look_up_failed")
            outcome = Outcome.UNKNOWN
        del self._lookups[lookup.key]
        lookup.outcome = outcome
        waiters, lookup.waiters = lookup.waiters, set()
        for waiter in waiters:
            waiter.wake()
