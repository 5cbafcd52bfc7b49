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

from common.contracts.events import CounterId, Event, Heartbeat
from common.contracts.lookups import AtLeast
from common.revisions.copies import Copies
from common.revisions.environments import proves
from common.revisions.held import UNPROVEN
from common.revisions.memory import Misses, Seen
from common.revisions.saved import Saved
from common.revisions.targets import Loaded, Target, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from common.contracts.lookups import AccountAnswer, Changes, CounterState, EnvironmentAnswer, State
    from common.revisions.held import AnyHeld, Listener


class Comparison(NamedTuple):
    """Compare everything held; afterwards all up to ``position`` is known."""

    epoch: str
    position: int


class Replica(Copies):
    """Copies of environments and accounts that the change log keeps true.

    ``clock`` gives monotonic seconds, ``miss_seconds`` the life of the next confirmed miss; what ``keeps``
    denies is found by a load and not held, as if it were evicted at once. Readers use
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
        keeps: Callable[[CounterId], bool] = lambda _: True,
    ) -> None:
        super().__init__(listener, clock, Seen(seen_limit), Misses(miss_limit, miss_seconds))
        self._keeps = keeps
        self.epoch = ""
        self.wants_state = True
        #: True = somebody spoke of another epoch: ours may be over.
        self.doubts_epoch = False
        self.comparison: Comparison | None = None
        self._term = 0
        self._hole_known = False
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

    def may_be_missed(self, target: Target) -> bool:
        """False when `missed` certainly is: told in less time."""
        if self.complete or self._misses.remembers(target):
            return True
        seen = self._seen.find(target)
        return seen is not None and seen.gone

    def missed(self, target: Target) -> bool:
        """True when it is certain, without asking, that there is no such environment or key.

        Only while the log is heard without a hole: a creation could not go unnoticed. In another history
        it may exist, so not while there may be one. Whether the log is *silent* is the caller's clock to
        know.
        """
        if self.doubts_epoch:
            return False
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

    def known(self, held: AnyHeld) -> int:
        """The position up to which everything about a value is certainly in it."""
        if not held.current or held.suspect:
            return held.position
        return max(held.position, self._positions.last)

    def at_least(self, counter: CounterId) -> int:
        """The highest revision seen, which a load has to reach."""
        return self._seen.revision(counter)

    def is_overtaken(self, counter: CounterId, revision: int) -> bool:
        """True when a later revision was seen, or its end."""
        seen = self._seen.find(counter)
        return seen is not None and (seen.gone or seen.revision > revision)

    def strange(self, target: Target) -> bool:
        """True for what was never seen here, which anybody can make up without end."""
        if target.kind == "key":
            return target.id not in self.keys
        return not self._seen.revision(CounterId("environment", target.id))

    def floor(self, target: Target) -> AtLeast:
        """How new an answer about this has to be to be of use."""
        if target.kind != "key":
            seen = self._seen.find(target)
        else:
            held = self.keys.get(target.id)
            seen = None if held is None else self._seen.find(("account", held.value.id))
        revision = 0 if seen is None else seen.revision
        return AtLeast(self.epoch, revision, max(self._positions.last, self._seen.blind_until))

    def hashes(self, account_id: str) -> tuple[str, ...]:
        """The key hashes under which a held account can be loaded again."""
        held = self.accounts.get(account_id)
        return () if held is None else held.value.key_hashes

    def held(self) -> list[CounterId]:
        """Every counter of which a value is held."""
        return self._values.counters()

    # Over the end of a process

    def save(self) -> Saved:
        """What another replica can go on from; the lists hold what is held itself, to be `copied`."""
        last = self._positions.last
        return Saved(
            epoch=self.epoch,
            term=self._term,
            position=last,
            blind_until=max(last, self._seen.blind_until),
            heard_at=self.whole_at,
            complete=self.complete,
            environments=list(self.environments.values()),
            accounts=list(self.accounts.values()),
            # The others are below the position, and what was read there proves nothing afterwards.
            sightings=self._seen.lasting(last),
        )

    def resume(self, saved: Saved) -> None:
        """Go on, before anything else, from what another replica saved, as after a long disconnection."""
        self.epoch = saved.epoch
        self._term = saved.term
        self._positions.start(saved.position)
        self._seen.start(saved.blind_until)
        self.heard_at = self.whole_at = saved.heard_at
        for counter, seen in saved.sightings:
            self._seen.note(counter, seen.revision, seen.position, gone=seen.gone)
        for environment in saved.environments:
            self._values.put_environment(environment)
            self._resume(CounterId("environment", environment.value.id), environment)
            self._listener.environment_changed(environment.value.id, environment.value)
        for account in saved.accounts:
            self._values.put_account(account)
            self._resume(CounterId("account", account.value.id), account)
            self._listener.account_changed(account.value)
        self.complete = saved.complete and len(self._values) == len(saved.environments) + len(saved.accounts)

    def _resume(self, counter: CounterId, held: AnyHeld) -> None:
        if held.current:
            self._seen.note(counter, held.value.revision, max(0, held.position))
        if held.suspect:
            self.suspects[counter] = None

    def age(self, held: AnyHeld) -> float:
        """Seconds for which nobody could tell whether a value is still true."""
        known = held.since if held.suspect or self.whole_at is None else max(held.since, self.whole_at)
        return max(0.0, self._clock() - known)

    # The change log

    def on_event(self, event: Event) -> None:
        """Apply one event. Satisfies `common.messaging.bus.Subscriber`, as do the next two."""
        if event.epoch != self.epoch:
            self._want_state()
            return
        if event.term < self._term:
            return  # A relay that was replaced; what it says was or will be said by its successor.
        self._term = event.term
        if not self._positions.take(event.position):
            return  # Heard before; that it comes again is no sign of life.
        self.heard_at = self._clock()
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
        """Take over MR's own word on epoch, term and position: the only way another epoch is believed.

        The first one is also taken at second hand, and MR is asked for as long as it takes all the same.
        """
        if state.second_hand and self.epoch:
            return
        self.wants_state = state.second_hand
        self.doubts_epoch = False
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
        self._lapse()
        self._hole_known = False
        self._drop_misses()
        for ticket in self._tickets.values():
            ticket.pending.clear()
        self.live = False
        for counter in self.held():
            held = self._values.find(counter)
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
            self._lapse()
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
        held: AnyHeld | None = None
        if target.kind == "environment":
            held = self.environments.get(target.id)
        elif target.kind == "account":
            held = self.accounts.get(target.id)
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
        target = ticket.target
        held = self.environments.get(target.id)
        if not self._believes(answer.epoch, answer.position, behind=answer.behind):
            return Loaded.AGAIN
        seen = self._seen.find(target)
        gone = seen is not None and seen.gone
        have = 0 if seen is None else seen.revision
        if held is not None and held.current:
            have = max(have, held.value.revision)
        snapshot, proven = answer.snapshot, True
        counter = CounterId("environment", target.id)
        if snapshot is None:
            if answer.revision < have:
                return Loaded.ABSENT if gone else self._again(held)
            return self._environment_absent(ticket, counter, answer)
        if ticket.pending or not proves(snapshot, snapshot.revision, snapshot.digest):
            snapshot, proven = self._replay(counter, snapshot, ticket)
        if gone or snapshot.revision < have:
            return Loaded.ABSENT if gone else self._again(held)
        ticket.value = snapshot
        if held is None and not self._keeps(counter):
            if seen is None or seen.revision < snapshot.revision:
                self._seen.note(counter, snapshot.revision, answer.position)
            self._misses.drop(target)
            self._lapse()
            return Loaded.FOUND
        self._install_environment(snapshot, answer.position, proven=proven, age=answer.age)
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
        ticket.value = record
        self._install_account(record, answer.position, answer.age)
        return Loaded.FOUND

    def evict(self, counter: CounterId) -> None:
        """Drop a value to save memory; its revision stays remembered."""
        self._lapse()
        self._remove(counter)

    # Holes and epochs

    def _believes(self, epoch: str, position: int, *, behind: bool) -> bool:
        if epoch != self.epoch:
            self._want_state()
            return False
        return not behind and position >= self._seen.blind_until

    def _check_hole(self) -> None:
        if not self._positions.hole:
            self._hole_known = False
            self.whole_at = self.heard_at
        elif not self._hole_known:
            self._hole_known = True
            self._drop_misses()
            self._listener.wants_changed()

    def _want_state(self) -> None:
        self.wants_state = True
        self.doubts_epoch = True
        self._listener.wants_changed()
