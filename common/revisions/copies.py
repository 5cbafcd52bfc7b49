"""What becomes of one value when an event or an answer about it comes: applied, refused, ended, suspected.

The part of the apply rule that looks at single counters; how far the log was heard is
`common.revisions.replica`'s, which builds on this. Nothing held ever steps backwards within an epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from common.contracts.environments import AccountRecord, EnvironmentSnapshot
from common.contracts.events import AccountChanged, CounterId, EnvironmentChanged, Event
from common.revisions.environments import Verdict, advance, fresh_digest, proves
from common.revisions.held import UNPROVEN, Held
from common.revisions.positions import Positions
from common.revisions.targets import Loaded, Target, Ticket
from common.revisions.values import Values

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.contracts.lookups import CounterState, EnvironmentAnswer
    from common.revisions.held import AnyHeld, Listener
    from common.revisions.memory import Misses, Seen


class Copies:
    """Values and what is known about each. Readers use `environments`, `accounts` and `keys` directly."""

    def __init__(self, listener: Listener, clock: Callable[[], float], seen: Seen, misses: Misses) -> None:
        self._values = Values()
        self.environments = self._values.environments
        self.accounts = self._values.accounts
        self.keys = self._values.keys
        self.live = False
        #: Set by the owner once all there is was loaded; ends when something may be missing again.
        self.complete = False
        #: How often something may have come to be missing that exists.
        self.lapses = 0
        self.suspects: dict[CounterId, None] = {}
        #: When the log was last heard, and when everything that it held then was known.
        self.heard_at: float | None = None
        self.whole_at: float | None = None
        self._listener = listener
        self._clock = clock
        self._positions = Positions()
        self._seen = seen
        self._misses = misses
        self._tickets: dict[Target, Ticket] = {}
        self._fence = 0
        self._unmarked: dict[CounterId, None] = {}

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

    def _lapse(self) -> None:
        """Note that something may exist from now on that is not held."""
        self.complete = False
        self.lapses += 1

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
            self._lapse()

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

    def _install_environment(
        self, snapshot: EnvironmentSnapshot, position: int, *, proven: bool, age: float = 0.0
    ) -> None:
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
        self._date(held, age, changed=changed)
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

    def _install_account(self, record: AccountRecord, position: int, age: float = 0.0) -> None:
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
                self._values.unindex(held)
                held.value = record
        for key_hash in record.key_hashes:
            self.keys[key_hash] = held
            self._no_miss(Target("key", key_hash))
        self._date(held, age, changed=changed)
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
        self._lapse()
        record = held.value
        self._end_account(
            CounterId("account", record.id),
            msgspec.structs.replace(record, removed=True, former_key_hashes=record.key_hashes),
        )
        return Loaded.ABSENT

    def _end_account(self, counter: CounterId, record: AccountRecord) -> None:
        self._remove(counter)
        self._listener.account_changed(record)

    # Suspicion, holes, misses

    def _remove(self, counter: CounterId) -> None:
        self.suspects.pop(counter, None)
        self._unmarked.pop(counter, None)
        self._values.remove(counter)

    def _date(self, held: AnyHeld, age: float, *, changed: bool) -> None:
        """Note when a value was true; the same one may have been known to be so later already."""
        was_true = self._clock() - age
        held.since = was_true if changed else max(held.since, was_true)

    def _settle(
        self,
        counter: CounterId,
        held: AnyHeld,
        position: int,
        *,
        proven: bool,
    ) -> None:
        """Decide, after a value was taken over, whether it may be believed."""
        # What made it suspect may be forgotten already: then only something read later clears it.
        forgotten = held.suspect and position < self._seen.blind_until
        held.position = max(held.position, position) if proven else UNPROVEN
        held.current = True
        held.suspect = False
        self.suspects.pop(counter, None)
        if not proven or forgotten or held.value.revision < self._seen.revision(counter):
            self._suspect(counter)
        elif not self.live:
            held.suspect = True
            self._unmarked[counter] = None

    def _suspect(self, counter: CounterId) -> None:
        held = self._values.find(counter)
        if held is None:
            return
        if not held.suspect:
            held.suspect = True
            if self.whole_at is not None:
                held.since = max(held.since, self.whole_at)
        self._unmarked.pop(counter, None)
        self.suspects[counter] = None
        self._listener.wants_changed()

    def _mismatched(self, counter: CounterId) -> None:
        """Note that what is held, or what came for it, is not what MR says it is."""
        held = self._values.find(counter)
        if held is not None:
            held.position = UNPROVEN
        self._miss_one(counter)
        self._listener.digest_mismatched(counter)

    def _learn(self, counter: CounterId, revision: int, position: int) -> None:
        """Note that a counter moved, without knowing how."""
        if counter.kind == "environment":
            self._misses.drop(Target("environment", counter.id))
        if self._seen.note(counter, revision, position) and counter.kind == "account":
            # It may have got a key that was looked for in vain, also by a load that is under way.
            self._drop_misses()
        held = self._values.find(counter)
        if held is None:
            self._miss_one(counter)
        elif held.value.revision < revision:
            self._suspect(counter)

    def _compare(self, counter: CounterId, state: CounterState | None, *, reached: bool) -> None:
        held = self._values.find(counter)
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

    def _again(self, held: AnyHeld | None) -> Loaded:
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
