"""A cache as its readers see it: found, certainly absent, or unknown, and nothing in between.

What is held is answered at once; the rest is loaded, within limits that junk cannot stretch. Satisfies
Edge's `FeatureSource` without knowing it.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from common.contracts.environments import AccountRecord, EnvironmentSnapshot
from common.contracts.events import CounterId
from common.errors import Unavailable
from common.revisions.targets import Loaded, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from common.caching.holdings import Holdings, Watcher
    from common.caching.loader import Landing, Loader, TokenBucket
    from common.caching.metrics import CacheMetrics

Value = TypeVar("Value", bound=EnvironmentSnapshot | AccountRecord)

LOADS = 2
"""What moved on after it was loaded, before whoever waits could look, is loaded once more."""


class FeatureCache:
    """A cache of environments and accounts that the change log keeps true.

    ``strangers`` limits loads of what was never seen here, so that made-up keys cost MR a bounded rate;
    ``eager`` = it is to hold everything before it is ready;
    ``degraded_at`` is when the process may say that it is ready without having heard the log: at once when
    it goes on from what a former one kept.
    """

    def __init__(
        self,
        holdings: Holdings,
        loader: Loader,
        strangers: TokenBucket,
        metrics: CacheMetrics,
        *,
        clock: Callable[[], float],
        degraded_at: float,
        eager: bool = False,
    ) -> None:
        self._holdings = holdings
        self._replica = holdings.replica
        self._loader = loader
        self._strangers = strangers
        self._metrics = metrics
        self._lookups = metrics.lookups
        self._clock = clock
        self._degraded_at = degraded_at
        self._eager = eager
        self._ready = False

    @property
    def epoch(self) -> str:
        """The epoch of what is held; empty while nothing is known yet."""
        return self._replica.epoch

    @property
    def ready(self) -> bool:
        """True from the first time on that the log was heard, or all is here, or after `degraded_at`."""
        well = self._replica.complete if self._eager else self._replica.live
        self._ready = self._ready or well or self._clock() >= self._degraded_at
        return self._ready

    @property
    def silent_seconds(self) -> float:
        """For how long the log was not heard; 0 while it is."""
        return self._holdings.silent_seconds

    @property
    def position(self) -> int:
        """The last position up to which nothing is missing here."""
        return self._replica.position

    def peek_account(self, key_hash: str) -> AccountRecord | None:
        """The record held for this key, without I/O; None = not held (which says nothing)."""
        record = self._holdings.fresh_account(key_hash)
        if record is not None:
            self._metrics.account_hits += 1
        return record

    def peek_environment(self, environment_id: str) -> EnvironmentSnapshot | None:
        """The snapshot held, without I/O; None = not held (which says nothing)."""
        snapshot = self._holdings.fresh_environment(environment_id)
        if snapshot is not None:
            self._metrics.environment_hits += 1
        return snapshot

    async def find_account(self, key_hash: str) -> AccountRecord | None:
        """The record; None = certainly no such key. Raises `Unavailable`."""
        record = self.peek_account(key_hash)
        if record is not None:
            return record
        for _ in range(LOADS):
            landing = await self._load("account", Target("key", key_hash))
            if landing is None:
                return None
            record = self._holdings.fresh_account(key_hash)
            if record is None and key_hash not in self._replica.keys:
                record = self._not_kept(landing, AccountRecord, self._holdings.limits.stale_key_seconds)
            if record is not None:
                return record
        raise _unreliable()

    def is_sure_of_account(self, key_hash: str) -> bool:
        """True when the record held for this key is MR's latest, as far as the change log tells."""
        held = self._replica.keys.get(key_hash)
        return held is not None and self._holdings.is_sure_of(held)

    async def confirm_account(self, key_hash: str) -> AccountRecord | None:
        """The record as MR has it; None = certainly no such key. Raises `Unavailable`.

        What may be behind is loaded again first, within the limits of what is not known here.
        """
        if self.is_sure_of_account(key_hash):
            return self.peek_account(key_hash)
        target = Target("key", key_hash)
        if not self._loader.loading(target) and not self._strangers.take():
            self._lookups["account", "refused"] += 1
            raise Unavailable("Too many look-ups of what is not known here.", retry_after_seconds=2)
        if await self._load("account", target) is None:
            return None
        held = self._replica.keys.get(key_hash)
        if held is None or not self._holdings.was_proven_lately(held):
            raise Unavailable("What is held here may be behind, and nobody can tell now.")
        return held.value

    async def find_environment(self, environment_id: str) -> EnvironmentSnapshot | None:
        """The snapshot; None = certainly no such environment. Raises `Unavailable`."""
        snapshot = self.peek_environment(environment_id)
        if snapshot is not None:
            return snapshot
        target = Target("environment", environment_id)
        for _ in range(LOADS):
            landing = await self._load("environment", target)
            if landing is None:
                return None
            if (snapshot := self._landed_environment(target, landing)) is not None:
                return snapshot
        raise _unreliable()

    def seek_environment(
        self, environment_id: str, told: Callable[[EnvironmentSnapshot | Unavailable | None], None], /
    ) -> None:
        """Do the same without a task for whoever asks; ``told`` may be told at once."""
        target = Target("environment", environment_id)
        if self._replica.may_be_missed(target) and self._is_missed("environment", target):
            told(None)
        else:
            self._loader.begin(target, partial(self._landed_now, environment_id, told))

    def _landed_now(
        self,
        environment_id: str,
        told: Callable[[EnvironmentSnapshot | Unavailable | None], None],
        result: Landing | Unavailable,
    ) -> None:
        outcome = self._outcome("environment", result)
        if outcome is None or isinstance(outcome, Unavailable):
            told(outcome)
            return
        # Nothing can have come in between: this is the step in which it was taken over.
        if environment_id in self._replica.environments:
            told(self._holdings.fresh_environment(environment_id) or _unreliable())
        elif (limit := self._holdings.limits.stale_seconds) is not None and outcome.age > limit:
            told(_unreliable())
        else:
            value = outcome.value
            told(value if isinstance(value, EnvironmentSnapshot) else _unreliable())

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell ``watcher`` of every swap from now on; call the result to stop."""
        return self._holdings.watch(watcher)

    @contextmanager
    def hold(self, environment_id: str, account_id: str) -> Iterator[None]:
        """Keep both from being evicted; the environment is loaded as soon as can be if it is not here."""
        counters = (CounterId("environment", environment_id), CounterId("account", account_id))
        for counter in counters:
            self._holdings.pin(counter)
        try:
            yield
        finally:
            for counter in counters:
                self._holdings.unpin(counter)

    async def _load(self, kind: str, target: Target) -> Landing | None:
        """Load what is not held; None = certainly absent."""
        if self._is_missed(kind, target):
            return None
        # Keys can be made up without end; environments are those that accounts name.
        if (
            target.kind == "key"
            and self._replica.strange(target)
            and not self._loader.loading(target)
            and not self._strangers.take()
        ):
            self._lookups[kind, "refused"] += 1
            raise Unavailable("Too many look-ups of what is not known here.", retry_after_seconds=2)
        result: Landing | Unavailable
        try:
            result = await self._loader.load(target)
        except Unavailable as error:
            result = error
        outcome = self._outcome(kind, result)
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome

    def _is_missed(self, kind: str, target: Target) -> bool:
        """True when it is certainly absent, as is known without asking."""
        missed = not self._holdings.silent_seconds and self._replica.missed(target)
        if missed:
            self._lookups[kind, "negative_hit"] += 1
        return missed

    def _outcome(self, kind: str, result: Landing | Unavailable) -> Landing | Unavailable | None:
        """What a load brought, counted; None = certainly absent."""
        if isinstance(result, Unavailable):
            self._lookups[kind, "unavailable"] += 1
            return result
        if result.outcome is Loaded.AGAIN:
            self._lookups[kind, "behind"] += 1
            return Unavailable("MR's answers are older than what is known here.")
        found = result.outcome is Loaded.FOUND
        self._lookups[kind, "load" if found else "miss"] += 1
        return result if found else None

    def _landed_environment(self, target: Target, landing: Landing) -> EnvironmentSnapshot | None:
        """The environment as it is known now that it was loaded; None = it is not to be relied on."""
        snapshot = self._holdings.fresh_environment(target.id)
        if snapshot is None and target.id not in self._replica.environments:
            snapshot = self._not_kept(landing, EnvironmentSnapshot, self._holdings.limits.stale_seconds)
        return snapshot

    def _not_kept(self, landing: Landing, kind: type[Value], limit: float | None) -> Value | None:
        """What was loaded and has no place here; None = it is not of now, or too old to be believed."""
        value = landing.value
        if landing.epoch != self._replica.epoch or (limit is not None and landing.age > limit):
            return None
        if not isinstance(value, kind):
            return None
        counter = CounterId("account" if isinstance(value, AccountRecord) else "environment", value.id)
        return None if self._replica.is_overtaken(counter, value.revision) else value


def _unreliable() -> Unavailable:
    """It came and went, or is too old to be believed while it cannot be loaded."""
    return Unavailable("What is held here is not to be relied on now.")
