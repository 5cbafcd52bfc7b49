"""The apply rule of one process: what it holds, how far it is, and what it still wants.

One `Replica` serves any cache of environments and accounts. It does no I/O: events, heartbeats and the
answers to loads are handed in; what has to be asked is read off its *wants*, which stay until they are
satisfied, so a driver that fails simply tries again:

- `wants_state`: an unknown epoch was heard; ask MR where it stands, then `adopt`.
- `hole`: changes are missing; ask for them, then `fill`.
- `comparison`: the log no longer reaches back; compare everything held, then `compared`.
- `suspects`: counters that may be behind; load each (`begin`, `finish_…`). They serve on meanwhile.

Nothing held ever steps backwards within an epoch. Must not know transports, clocks or bounds of the
cache that uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from common.contracts.environments import AccountRecord, EnvironmentSnapshot
from common.contracts.events import AccountChanged, CounterId, EnvironmentChanged, Event, Heartbeat
from common.contracts.lookups import AtLeast
from common.revisions.environments import Verdict, advance, fresh_digest, proves
from common.revisions.held import UNPROVEN, Held
from common.revisions.memory import Misses, Seen
from common.revisions.positions import Positions
from common.revisions.targets import Loaded, Target, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from common.contracts.lookups import AccountAnswer, Changes, CounterState, EnvironmentAnswer, State
    from common.revisions.held import Listener


class Comparison(NamedTuple):
    """Compare everything held; afterwards all up to ``position`` is known."""

    epoch: str
    position: int


class Replica:
    """Copies of environments and accounts that the change log keeps true.

    ``clock`` gives monotonic seconds, ``miss_seconds`` the life of the next confirmed miss. Readers use
    `environments`, `accounts` and `keys` directly, and never change them.
    """

    def __init__(
        self,
        listener: Listener,
        *,
        clock: Callable[[], float],
        miss_seconds: Callable[[], float],
        miss_limit: int = 100_000,
        seen_limit: int = 100_000,
    ) -> None:
        self.environments: dict[str, Held[EnvironmentSnapshot]] = {}
        self.accounts: dict[str, Held[AccountRecord]] = {}
        self.keys: dict[str, Held[AccountRecord]] = {}
        self.epoch = ""
        self.live = False
        #: Set by the owner once all there is was loaded; ends when something may be missing again.
        self.complete = False
        self.wants_state = True
        self.comparison: Comparison | None = None
        self.suspects: dict[CounterId, None] = {}
        self.heard_at: float | None = None
        self._listener = listener
        self._clock = clock
        self._term = 0
        self._positions = Positions()
        self._seen = Seen(seen_limit)
        self._misses = Misses(miss_limit, miss_seconds)
        self._tickets: dict[Target, Ticket] = {}
        self._fence = 0
        self._hole_known = False
        self._unmarked: dict[CounterId, None] = {}
        self._parked: Heartbeat | None = None

    # What is known

    @property
    def position(self) -> int:
        """The last position up to which nothing is missing."""
        return self._positions.last

    @property
    def heard(self) -> int:
        """The highest position known to exist."""
        return self._positions.heard

    @property
    def hole(self) -> int | None:
        """The position after which changes are missing, None when none are (or a comparison is due)."""
        if not self.epoch or self.comparison is not None or not self._positions.hole:
            return None
        return self._positions.last

    def missed(self, target: Target) -> bool:
        """True when it is certain, without asking, that there is no such environment or key.

        Only while the log is heard without a hole: a creation could not go unnoticed. Whether the log
        is *silent* is the caller's clock to know.
        """
        if target.kind == "environment" and self.gone(CounterId("environment", target.id)):
            return True
        if not self.live or self._positions.hole:
            return False
        return self._lacks(target) or self._misses.holds(target, self._clock())

    def _lacks(self, target: Target) -> bool:
        """True when everything that exists is held, and this is not."""
        if not self.complete:
            return False
        if target.kind == "environment":
            return target.id not in self.environments
        # An account that may be behind may have got another key.
        return not self.suspects and target.id not in self.keys

    def gone(self, counter: CounterId) -> bool:
        """True when this is known to have ended, for good within the epoch."""
        return self._seen.gone(counter)

    def known(self, held: Held[EnvironmentSnapshot] | Held[AccountRecord]) -> int:
        """The position up to which everything about a value is certainly in it."""
        if not held.current or held.suspect:
            return held.position
        return max(held.position, self._positions.last)

    def at_least(self, counter: CounterId) -> int:
        """The highest revision seen, which a load has to reach."""
        return self._seen.revision(counter)

    def strange(self, target: Target) -> bool:
        """True for what was never seen here, which anybody can make up without end."""
        if target.kind == "key":
            return target.id not in self.keys
        return not self._seen.revision(CounterId("environment", target.id))

    def floor(self, target: Target) -> AtLeast:
        """How new an answer about this has to be to be of use."""
        counter = self._counter(target)
        revision = 0 if counter is None else self._seen.revision(counter)
        return AtLeast(self.epoch, revision, max(self._positions.last, self._seen.blind_until))

    def _counter(self, target: Target) -> CounterId | None:
        if target.kind != "key":
            return CounterId(target.kind, target.id)
        held = self.keys.get(target.id)
        return None if held is None else CounterId("account", held.value.id)

    def hashes(self, account_id: str) -> tuple[str, ...]:
        """The key hashes under which a held account can be loaded again."""
        held = self.accounts.get(account_id)
        return () if held is None else held.value.key_hashes

    def held(self) -> list[CounterId]:
        """Every counter of which a value is held."""
        environments = [CounterId("environment", each) for each in self.environments]
        return environments + [CounterId("account", each) for each in self.accounts]

    # The change log

    def on_event(self, event: Event) -> None:
        """Apply one event. Satisfies `common.messaging.bus.Subscriber`, as do the next two."""
        if event.epoch != self.epoch:
            self._want_state()
            return
        if event.term < self._term:
            return  # A relay that was replaced; what it says was or will be said by its successor.
        self._term = event.term
        self.heard_at = self._clock()
        if not self._positions.take(event.position):
            return
        if event.counter.kind == "environment":
            self._environment_event(event)
        else:
            self._account_event(event)
        self._check_hole()

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Note how far the relay is. The first one since a (re)connection is the marker."""
        if heartbeat.epoch != self.epoch:
            self._parked = heartbeat
            self._want_state()
            return
        if heartbeat.term < self._term:
            return
        self._term = heartbeat.term
        self.heard_at = self._clock()
        self._positions.hear(heartbeat.position)
        if not self.live:
            self.live = True
            unmarked, self._unmarked = self._unmarked, {}
            for counter in unmarked:
                self._suspect(counter)
        self._check_hole()

    def on_disconnected(self) -> None:
        """Nothing loaded from now on is trusted until a heartbeat is heard again."""
        self.live = False
        self._parked = None

    # What was asked of MR

    def adopt(self, state: State) -> None:
        """Take over MR's own word on epoch, term and position: the only way an epoch is believed."""
        self.wants_state = False
        if state.epoch == self.epoch:
            self._term = max(self._term, state.term)
            self._positions.hear(state.position)
            self._check_hole()
            return
        self.epoch = state.epoch
        self._term = state.term
        self._positions.start(state.position)
        self._seen.start(state.position)
        self.comparison = None
        self.complete = False
        self._hole_known = False
        self._drop_misses()
        for ticket in self._tickets.values():
            ticket.pending.clear()
        self.live = False
        for counter in self.held():
            held = self._find(counter)
            if held is not None:
                held.current = False
                held.position = UNPROVEN
                self._suspect(counter)
        parked, self._parked = self._parked, None
        if parked is not None and parked.epoch == self.epoch:
            self.on_heartbeat(parked)

    def fill(self, changes: Changes) -> None:
        """Close the hole with MR's list of what moved."""
        if changes.epoch != self.epoch:
            self._want_state()
            return
        self._term = max(self._term, changes.term)
        for counter, revision in changes.counters:
            self._learn(counter, revision, changes.position)
        if not changes.complete:
            # Set before the driver lists what is held: a load that ends later and read less is refused.
            self._seen.blind_until = max(self._seen.blind_until, changes.position)
            self.complete = False
            self.comparison = Comparison(self.epoch, changes.position)
            self._listener.wants_changed()
            return
        self._positions.fill(changes.position)
        self._hole_known = False
        self._check_hole()

    def compare(self, asked: Iterable[CounterId], states: Iterable[CounterState], *, reached: bool) -> None:
        """Compare what is held with where MR's counters stand; what differs becomes suspect.

        Different content at an equal revision is certainly wrong and reported as a mismatch. Being
        behind is so only when everything up to MR's position was ``reached``; else it is mere lag.
        """
        known = {each.counter: each for each in states}
        for counter in asked:
            self._compare(counter, known.get(counter), reached=reached)

    def compared(self, comparison: Comparison) -> None:
        """Note that everything held was compared for `comparison`: the hole is closed."""
        if comparison != self.comparison:
            return
        self.comparison = None
        self._positions.fill(comparison.position)
        self._hole_known = False
        self._check_hole()

    def begin(self, target: Target) -> Ticket:
        """Note that a load begins; one per target at a time. It ends by a ``finish_…`` or `abandon`."""
        if target in self._tickets:
            msg = f"{target.kind} {target.id} is already being loaded"
            raise ValueError(msg)
        held = None if target.kind == "key" else self._find(CounterId(target.kind, target.id))
        ticket = Ticket(
            target, self._fence, self._positions.last, -1 if held is None else held.value.revision
        )
        self._tickets[target] = ticket
        return ticket

    def abandon(self, ticket: Ticket) -> None:
        """End a load without an answer."""
        self._tickets.pop(ticket.target, None)

    def finish_environment(self, ticket: Ticket, answer: EnvironmentAnswer) -> Loaded:
        """Take over an answer, with the events that arrived while it was on its way."""
        self.abandon(ticket)
        counter = CounterId("environment", ticket.target.id)
        held = self.environments.get(counter.id)
        if not self._believes(answer.epoch, answer.position, behind=answer.behind):
            return Loaded.AGAIN
        have = held.value.revision if held is not None and held.current else 0
        if answer.snapshot is None:
            if answer.revision < max(have, self._seen.revision(counter)):
                gone = self._seen.gone(counter)
                return Loaded.ABSENT if gone else self._again(held)
            return self._environment_absent(ticket, counter, answer)
        snapshot, proven = self._replay(counter, answer.snapshot, ticket)
        if snapshot.revision < max(have, self._seen.revision(counter)) or self._seen.gone(counter):
            return Loaded.ABSENT if self._seen.gone(counter) else self._again(held)
        self._install_environment(snapshot, answer.position, proven=proven)
        return Loaded.FOUND

    def finish_account(self, ticket: Ticket, answer: AccountAnswer) -> Loaded:
        """Take over an answer about an account; None for one held means both its keys were refused."""
        self.abandon(ticket)
        target = ticket.target
        held = self.keys.get(target.id) if target.kind == "key" else self.accounts.get(target.id)
        if not self._believes(answer.epoch, answer.position, behind=answer.behind):
            return Loaded.AGAIN
        record = answer.record
        if record is None or record.removed:
            if answer.position < ticket.position:
                # Somebody in between who is behind us: it may have come to be since.
                return self._again(held)
            return self._account_absent(ticket, held)
        counter = CounterId("account", record.id)
        own = self.accounts.get(record.id)
        have = own.value.revision if own is not None and own.current else 0
        if record.revision < max(have, self._seen.revision(counter)) or self._seen.gone(counter):
            return self._again(held)
        if target.kind == "key" and target.id not in record.key_hashes:
            return Loaded.AGAIN
        self._install_account(record, answer.position)
        return Loaded.FOUND

    def evict(self, counter: CounterId) -> None:
        """Drop a value to save memory; its revision stays remembered."""
        self.complete = False
        self._remove(counter)

    # Environments

    def _environment_event(self, event: Event) -> None:
        counter = event.counter
        target = Target("environment", counter.id)
        self._misses.drop(target)
        ticket = self._tickets.get(target)
        if ticket is not None:
            ticket.keep(event)
        held = self.environments.get(counter.id)
        if held is None and not self._may_insert(event):
            self._note_unheld(event)
            return
        step = advance(held.value if held is not None and held.current else None, event)
        self._seen.note(counter, event.revision, event.position, gone=step.verdict is Verdict.GONE)
        if step.verdict is Verdict.GONE:
            self._end_environment(counter)
        elif step.verdict is Verdict.APPLIED and step.snapshot is not None:
            self._install_environment(step.snapshot, event.position, proven=True)
        elif step.verdict is not Verdict.STALE:
            if step.verdict is Verdict.UNPROVEN:
                self._mismatched(counter)
            self._suspect(counter)

    def _may_insert(self, event: Event) -> bool:
        """True for a full state of something not held that is not older than what was seen of it."""
        return (
            isinstance(event.data, (EnvironmentChanged, AccountChanged))
            and event.position >= self._seen.blind_until
            and event.revision >= self._seen.revision(event.counter)
            and not self._seen.gone(event.counter)
        )

    def _note_unheld(self, event: Event) -> None:
        gone = isinstance(event.data, EnvironmentChanged) and event.data.snapshot is None
        self._seen.note(event.counter, event.revision, event.position, gone=gone)
        self._miss_one(event.counter)

    def _miss_one(self, counter: CounterId) -> None:
        """Note that something exists, perhaps, that is not held."""
        if not self._seen.gone(counter):
            self.complete = False

    def _replay(
        self, counter: CounterId, snapshot: EnvironmentSnapshot, ticket: Ticket
    ) -> tuple[EnvironmentSnapshot, bool]:
        """Apply what arrived during the load.

        An answer that does not prove itself is still MR's word: it is taken, under the digest that it
        really has, and asked for again.
        """
        proven = proves(snapshot, snapshot.revision, snapshot.digest)
        if not proven:
            self._listener.digest_mismatched(counter)
            snapshot = msgspec.structs.replace(snapshot, digest=fresh_digest(snapshot))
        for event in ticket.pending:
            step = advance(snapshot, event)
            if step.verdict is Verdict.APPLIED and step.snapshot is not None:
                snapshot, proven = step.snapshot, True
        return snapshot, proven

    def _install_environment(self, snapshot: EnvironmentSnapshot, position: int, *, proven: bool) -> None:
        counter = CounterId("environment", snapshot.id)
        held = self.environments.get(snapshot.id)
        self._seen.note(counter, snapshot.revision, position)
        if held is None:
            held = self.environments[snapshot.id] = Held(snapshot, self._clock())
            changed = True
        else:
            same = held.current and held.value.revision == snapshot.revision
            changed = not (same and fresh_digest(held.value) == snapshot.digest)
            if changed:
                held.value = snapshot
        self._misses.drop(Target("environment", snapshot.id))
        self._settle(counter, held, position, proven=proven)
        if changed:
            self._listener.environment_changed(snapshot.id, snapshot)

    def _environment_absent(self, ticket: Ticket, counter: CounterId, answer: EnvironmentAnswer) -> Loaded:
        if answer.position < ticket.position:
            return Loaded.AGAIN
        if answer.revision > 0:
            self._seen.note(counter, answer.revision, answer.position, gone=True)
            self._end_environment(counter)
            return Loaded.ABSENT
        if ticket.fence != self._fence:
            return Loaded.AGAIN
        if counter.id in self.environments:
            self._end_environment(counter)
        self._remember_miss(ticket.target)
        return Loaded.ABSENT

    def _end_environment(self, counter: CounterId) -> None:
        self._remove(counter)
        self._listener.environment_changed(counter.id, None)

    # Accounts

    def _account_event(self, event: Event) -> None:
        data = event.data
        if not isinstance(data, AccountChanged):
            # No word on which keys it is about: any load of a key may be about this account.
            self._drop_misses()
            self._learn(event.counter, event.revision, event.position)
            return
        record = data.record
        held = self.accounts.get(record.id)
        may = self._may_insert(event) if held is None else True
        have = held.value.revision if held is not None and held.current else -1
        if record.removed:
            if self._seen.note(event.counter, event.revision, event.position, gone=True):
                self._end_account(event.counter, record)
            return
        self._seen.note(event.counter, event.revision, event.position)
        if event.revision <= have or self._seen.gone(event.counter):
            return
        if not may:
            self._drop_misses()
            self._miss_one(event.counter)
            return
        if record.digest != event.digest or record.revision != event.revision:
            self._mismatched(event.counter)
            self._drop_misses()
            self._suspect(event.counter)
            return
        self._install_account(record, event.position)

    def _install_account(self, record: AccountRecord, position: int) -> None:
        counter = CounterId("account", record.id)
        held = self.accounts.get(record.id)
        self._seen.note(counter, record.revision, position)
        if held is None:
            held = self.accounts[record.id] = Held(record, self._clock())
            changed = True
        else:
            # A record that was loaded does not say how it came to be; that alone is no change.
            same = held.current and held.value.revision == record.revision
            changed = not (same and held.value.digest == record.digest)
            if changed:
                self._unindex(held)
                held.value = record
        for key_hash in record.key_hashes:
            self.keys[key_hash] = held
            self._no_miss(Target("key", key_hash))
        self._settle(counter, held, position, proven=True)
        if changed:
            self._listener.account_changed(record)

    def _account_absent(self, ticket: Ticket, held: Held[AccountRecord] | None) -> Loaded:
        if held is None:
            if ticket.fence != self._fence:
                return Loaded.AGAIN
            self._remember_miss(ticket.target)
            return Loaded.ABSENT
        if ticket.target.kind == "key":
            # It came to be known while the question was on its way.
            return Loaded.FOUND
        if held.current and held.value.revision > ticket.revision:
            return self._again(held)
        # Refused under the keys that it had: it may live on under others.
        self.complete = False
        record = held.value
        self._end_account(
            CounterId("account", record.id),
            msgspec.structs.replace(record, removed=True, former_key_hashes=record.key_hashes),
        )
        return Loaded.ABSENT

    def _end_account(self, counter: CounterId, record: AccountRecord) -> None:
        self._remove(counter)
        self._listener.account_changed(record)

    def _unindex(self, held: Held[AccountRecord]) -> None:
        for key_hash in held.value.key_hashes:
            if self.keys.get(key_hash) is held:
                del self.keys[key_hash]

    # Suspicion, holes, misses

    def _find(self, counter: CounterId) -> Held[EnvironmentSnapshot] | Held[AccountRecord] | None:
        if counter.kind == "environment":
            return self.environments.get(counter.id)
        return self.accounts.get(counter.id)

    def _remove(self, counter: CounterId) -> None:
        self.suspects.pop(counter, None)
        self._unmarked.pop(counter, None)
        if counter.kind == "environment":
            self.environments.pop(counter.id, None)
            return
        held = self.accounts.pop(counter.id, None)
        if held is not None:
            self._unindex(held)

    def _settle(
        self,
        counter: CounterId,
        held: Held[EnvironmentSnapshot] | Held[AccountRecord],
        position: int,
        *,
        proven: bool,
    ) -> None:
        """Decide, after a value was taken over, whether it may be believed."""
        held.position = max(held.position, position) if proven else UNPROVEN
        held.current = True
        held.since = self._clock()
        held.suspect = False
        self.suspects.pop(counter, None)
        if not proven or held.value.revision < self._seen.revision(counter):
            self._suspect(counter)
        elif not self.live:
            held.suspect = True
            self._unmarked[counter] = None

    def _suspect(self, counter: CounterId) -> None:
        held = self._find(counter)
        if held is None:
            return
        if not held.suspect:
            held.suspect = True
            held.since = max(held.since, self.heard_at or 0.0)
        self._unmarked.pop(counter, None)
        self.suspects[counter] = None
        self._listener.wants_changed()

    def _mismatched(self, counter: CounterId) -> None:
        """Note that what is held, or what came for it, is not what MR says it is."""
        held = self._find(counter)
        if held is not None:
            held.position = UNPROVEN
        self._miss_one(counter)
        self._listener.digest_mismatched(counter)

    def _learn(self, counter: CounterId, revision: int, position: int) -> None:
        """Note that a counter moved, without knowing how."""
        if counter.kind == "environment":
            self._misses.drop(Target("environment", counter.id))
        self._seen.note(counter, revision, position)
        held = self._find(counter)
        if held is None:
            self._miss_one(counter)
        elif held.value.revision < revision:
            self._suspect(counter)

    def _compare(self, counter: CounterId, state: CounterState | None, *, reached: bool) -> None:
        held = self._find(counter)
        if held is None or not held.current or counter in self.suspects:
            return
        if state is None or state.revision > held.value.revision:
            if reached and state is not None:
                self._mismatched(counter)
            self._suspect(counter)
        elif state.revision == held.value.revision and self._content(held.value) != state.digest:
            self._mismatched(counter)
            self._suspect(counter)

    def _content(self, value: EnvironmentSnapshot | AccountRecord) -> int:
        return fresh_digest(value) if isinstance(value, EnvironmentSnapshot) else value.digest

    def _believes(self, epoch: str, position: int, *, behind: bool) -> bool:
        if epoch != self.epoch:
            self._want_state()
            return False
        return not behind and position >= self._seen.blind_until

    def _again(self, held: Held[EnvironmentSnapshot] | Held[AccountRecord] | None) -> Loaded:
        """An answer that is too old: fine when events made what is held true meanwhile."""
        return Loaded.FOUND if held is not None and not held.suspect else Loaded.AGAIN

    def _remember_miss(self, target: Target) -> None:
        if self.live and not self._positions.hole:
            self._misses.add(target, self._clock())

    def _no_miss(self, target: Target) -> None:
        """This exists: no miss may say otherwise, nor any answer that was read before."""
        self._misses.drop(target)
        ticket = self._tickets.get(target)
        if ticket is not None:
            ticket.fence = -1

    def _drop_misses(self) -> None:
        self._misses.clear()
        self._fence += 1

    def _check_hole(self) -> None:
        if not self._positions.hole:
            self._hole_known = False
        elif not self._hole_known:
            self._hole_known = True
            self._drop_misses()
            self._listener.wants_changed()

    def _want_state(self) -> None:
        if not self.wants_state:
            self.wants_state = True
        self._listener.wants_changed()
