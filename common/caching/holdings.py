"""What a cache holds, within bounds: the replica's listener that evicts, pins, ages and tells watchers.

Eviction is the clock algorithm: a look-up only sets a mark, so the hot way costs one assignment. Does no
I/O; must not know how things are loaded.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, NamedTuple, Protocol

from common.contracts.events import CounterId
from common.revisions.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from common.caching.metrics import CacheMetrics
    from common.contracts.environments import AccountRecord, EnvironmentSnapshot
    from common.revisions.held import AnyHeld

SNAPSHOT_BYTES = 1_000
FEATURE_BYTES = 800
"""Measured with tracemalloc, and a little on the safe side: what both cost beside their texts."""


class Watcher(Protocol):
    """Told of every swap, synchronously and in order; must return at once and never raise."""

    def environment_changed(self, environment_id: str, snapshot: EnvironmentSnapshot | None) -> None:
        """The environment is now ``snapshot``; None = it is gone for good."""

    def account_changed(self, record: AccountRecord) -> None:
        """The account is now ``record``, removed ones and reset keys included."""


class Limits(NamedTuple):
    """How much is held, and for how long what cannot be kept true is still given out.

    Seconds; ``stale_seconds`` None = without limit.
    """

    environments: int
    environment_bytes: int
    accounts: int
    misses: int
    miss_seconds: float
    stale_seconds: float | None
    stale_key_seconds: float | None
    silent_after_seconds: float


class _Shelf:
    """What is held of one kind: how much each weighs, and in which order what nobody pins is to go."""

    __slots__ = ("loose", "weight", "weights")

    def __init__(self) -> None:
        self.weights: dict[CounterId, int] = {}
        self.loose: OrderedDict[CounterId, None] = OrderedDict()
        self.weight = 0

    def put(self, counter: CounterId, weight: int, *, pinned: bool) -> None:
        self.weight += weight - self.weights.get(counter, 0)
        self.weights[counter] = weight
        if not pinned:
            self.loosen(counter)

    def drop(self, counter: CounterId) -> None:
        self.weight -= self.weights.pop(counter, 0)
        self.loose.pop(counter, None)

    def loosen(self, counter: CounterId) -> None:
        """Nobody pins it any more: it goes when its turn comes."""
        if counter in self.weights:
            self.loose.setdefault(counter)

    def fix(self, counter: CounterId) -> None:
        """Somebody pins it."""
        self.loose.pop(counter, None)


class Holdings:
    """The replica and everything around it that is decided without asking anybody.

    `on_wants` is called when there may be something to ask MR, `on_mismatch` when something was found to be
    wrong that is held or that came.
    """

    def __init__(
        self,
        limits: Limits,
        metrics: CacheMetrics,
        *,
        clock: Callable[[], float],
        jitter: Callable[[float, float], float],
    ) -> None:
        self.limits = limits
        self._metrics = metrics
        self._clock = clock
        self._started = clock()
        self._watchers: tuple[Watcher, ...] = ()
        self._environments = _Shelf()
        self._accounts = _Shelf()
        self._pins: Counter[CounterId] = Counter()
        #: Environments that somebody holds on to and that are not here: to be loaded.
        self.awaited: dict[str, None] = {}
        self.on_wants: Callable[[], None] = lambda: None
        self.on_mismatch: Callable[[], None] = lambda: None
        self.replica = Replica(
            self,
            clock=clock,
            miss_seconds=lambda: limits.miss_seconds * jitter(0.5, 1.0),
            miss_limit=limits.misses,
            # Revisions outlive their values, so that what was evicted cannot come back older.
            seen_limit=2 * (limits.environments + limits.accounts) + 10_000,
            keeps=self._keeps,
        )
        self._keys = self.replica.keys
        self._snapshots = self.replica.environments
        self._unsure = False
        #: How often something was swapped.
        self.swaps = 0

    # How things stand

    @property
    def silent_seconds(self) -> float:
        """For how long the log was not heard, once two heartbeats are missing; else 0."""
        heard = self.replica.heard_at
        seconds = self._clock() - (self._started if heard is None else heard)
        return seconds if seconds > self.limits.silent_after_seconds else 0.0

    def look_at_clock(self) -> None:
        """Notice silence and holes: called about every second, so that a look-up need not ask the clock.

        While there is either, what is held grows old.
        """
        self._unsure = self.silent_seconds > 0 or self.replica.heard > self.replica.position

    def fresh_account(self, key_hash: str) -> AccountRecord | None:
        """The record held for a key, unless it is too old to be believed."""
        held = self._keys.get(key_hash)
        if held is None:
            return None
        if (held.suspect or self._unsure) and not self._fresh(held, self.limits.stale_key_seconds):
            return None
        held.used = True
        return held.value

    def fresh_environment(self, environment_id: str) -> EnvironmentSnapshot | None:
        """The snapshot held, unless it is too old to be given out."""
        held = self._snapshots.get(environment_id)
        if held is None:
            return None
        if (held.suspect or self._unsure) and not self._fresh(held, self.limits.stale_seconds):
            return None
        held.used = True
        return held.value

    def is_sure_of(self, held: AnyHeld) -> bool:
        """True when a change of it could not have gone unnoticed."""
        replica = self.replica
        return (
            held.current
            and not held.suspect
            and not self.silent_seconds
            and replica.live
            and replica.heard == replica.position
            and not replica.doubts_epoch
        )

    def was_proven_lately(self, held: AnyHeld) -> bool:
        """True when a load or a change brought it about as recently as silence would be noticed."""
        return self._clock() - held.since <= self.limits.silent_after_seconds

    def gauges(self) -> Mapping[str, tuple[str, float]]:
        replica = self.replica
        return {
            "environments": ("Environments held", len(replica.environments)),
            "accounts": ("Service accounts held", len(replica.accounts)),
            "bytes": ("Estimated bytes of the environments held", self._environments.weight),
            "suspects": (
                "Values that may be behind and are loaded again",
                len(replica.suspects),
            ),
            "complete": ("1 while everything there is is held, in eager mode", float(replica.complete)),
            "position": ("Last position without a hole before it", replica.position),
            "position_lag": ("Positions heard of and missing", replica.heard - replica.position),
            "silent_seconds": ("How long the log was not heard", self.silent_seconds),
        }

    # Watchers and pins

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell ``watcher`` of every swap from now on; the result ends it."""
        self._watchers = (*self._watchers, watcher)

        def stop() -> None:
            self._watchers = tuple(each for each in self._watchers if each is not watcher)

        return stop

    def pin(self, counter: CounterId) -> None:
        """Keep from eviction, once more; an environment that is not here is loaded."""
        self._pins[counter] += 1
        self._shelf(counter).fix(counter)
        if counter.kind == "environment" and counter.id not in self.replica.environments:
            self.awaited[counter.id] = None
            self.on_wants()

    def unpin(self, counter: CounterId) -> None:
        """Undo one `pin`."""
        self._pins[counter] -= 1
        if self._pins[counter] <= 0:
            del self._pins[counter]
            self.awaited.pop(counter.id, None)
            self._shelf(counter).loosen(counter)
            self._shed()

    def give_up(self, environment_id: str) -> None:
        """Tell whoever waits for an environment that it certainly does not exist."""
        if self.awaited.pop(environment_id, self) is not self:
            self._tell_environment(environment_id, None)

    # common.revisions.replica.Listener

    def environment_changed(self, environment_id: str, snapshot: EnvironmentSnapshot | None) -> None:
        self.swaps += 1
        counter = CounterId("environment", environment_id)
        self.awaited.pop(environment_id, None)
        if snapshot is None:
            self._environments.drop(counter)
        else:
            self._environments.put(counter, _weigh(snapshot), pinned=counter in self._pins)
            self._shed()
        self._tell_environment(environment_id, snapshot)

    def account_changed(self, record: AccountRecord) -> None:
        self.swaps += 1
        counter = CounterId("account", record.id)
        if record.removed:
            self._accounts.drop(counter)
        else:
            self._accounts.put(counter, 1, pinned=counter in self._pins)
            self._shed()
        for watcher in self._watchers:
            watcher.account_changed(record)

    def wants_changed(self) -> None:
        self.on_wants()

    def digest_mismatched(self, counter: CounterId) -> None:
        self._metrics.mismatches[counter.kind] += 1
        self.on_mismatch()

    def _tell_environment(self, environment_id: str, snapshot: EnvironmentSnapshot | None) -> None:
        for watcher in self._watchers:
            watcher.environment_changed(environment_id, snapshot)

    # Bounds

    def _keeps(self, counter: CounterId) -> bool:
        """False where no environments are to be held, unless somebody pins this one; it counts as evicted."""
        if self.limits.environments or counter in self._pins:
            return True
        self._metrics.evictions[counter.kind] += 1
        return False

    def _fresh(self, held: AnyHeld, limit: float | None) -> bool:
        return limit is None or self.replica.age(held) <= limit

    def _shed(self) -> None:
        limits, environments, accounts = self.limits, self._environments, self._accounts
        while (
            environments.weight > limits.environment_bytes or len(environments.weights) > limits.environments
        ):
            if not self._evict_one(environments):
                break
        while len(accounts.weights) > limits.accounts:
            if not self._evict_one(accounts):
                break

    def _evict_one(self, shelf: _Shelf) -> bool:
        """Evict what was not used of late; False when nothing may go.

        What somebody pins stays, above the bound too; so does the newest, or a single huge environment would
        be loaded for each request, unless nothing is to be kept at all.
        """
        loose = shelf.loose
        least = 0 if self.limits.environments == 0 and shelf is self._environments else 1
        while len(loose) > least:
            counter = next(iter(loose))
            held = self._held(counter)
            if held is not None and held.used:
                # Each mark is cleared once for each look-up that set it, so this ends.
                held.used = False
                loose.move_to_end(counter)
                continue
            shelf.drop(counter)
            self.replica.evict(counter)
            self._metrics.evictions[counter.kind] += 1
            return True
        return False

    def _shelf(self, counter: CounterId) -> _Shelf:
        return self._environments if counter.kind == "environment" else self._accounts

    def _held(self, counter: CounterId) -> AnyHeld | None:
        if counter.kind == "environment":
            return self.replica.environments.get(counter.id)
        return self.replica.accounts.get(counter.id)


def _weigh(snapshot: EnvironmentSnapshot) -> int:
    """Estimate a snapshot's bytes. Texts count three times: as they came, and in two encoded forms."""
    return SNAPSHOT_BYTES + FEATURE_BYTES * len(snapshot.features) + 3 * snapshot.text_bytes
