"""The relay: gives every committed change its position, in order, exactly one relay per database.

It holds a lease on the database's own clock and stops when it was lost. What has a position is sent to a
bus, where there is one (`mr.sending`), and else is published by having it. It is also the housekeeper: it
notices a restored database before anything else, projects everything again when code or settings make
other states, and forgets what is too old. When the database is away it goes on trying, for ever. Must not
know what the changes are.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry

from common.errors import Unavailable
from mr.db.epoch import settle_epoch
from mr.db.lease import (
    LeaseLost,
    assign,
    check,
    expire,
    hand_over,
    hold,
    is_waiting,
    mark,
    prune,
    release,
    take,
)
from mr.db.notify import hear_commits
from mr.db.reprojection import reproject
from mr.db.snapshots import load_backlog, load_place
from mr.sealing import Sealer
from mr.sending import HEARTBEAT_SECONDS, RelayMetrics, Sender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from common.messaging.bus import Publisher
    from mr.db.lease import Assigned
    from mr.db.session import Database, WriteSession

_log = structlog.get_logger(__name__)

LEASE_SECONDS: Final = 3.0
POLL_SECONDS: Final = 0.2
UPKEEP_SECONDS: Final = 60.0
LONGEST_PAUSE_SECONDS: Final = 5.0
STOP_SECONDS: Final = 5.0
BATCH: Final = 1_000
KEEP_UPDATES_SECONDS: Final = 86_400.0
WITHOUT_BUS_SECONDS: Final = 5.0
"""A leader that has been cut off from the bus for so long lets another try, who may not be."""
LONGEST_WITHOUT_BUS_SECONDS: Final = 60.0
PATIENCE_MILLISECONDS: Final = 1_000
"""How long a lease must be free before somebody takes it who cannot send: the others come first."""


class Relay:
    """One party's attempt to be the relay of its database. Made by `open_relay`."""

    def __init__(
        self,
        database: Database,
        *,
        holder: str,
        publisher: Publisher | None,
        on_positions: Callable[[], None] | None,
        keep_rows: int,
        keep_seconds: float,
        upkeep_seconds: float,
        lease_seconds: float,
        heartbeat_seconds: float,
        registry: CollectorRegistry,
    ) -> None:
        self._database = database
        # A process that starts again is another holder: its own old lease is nobody's.
        self._holder = f"{holder}/{uuid4()}"
        self._on_positions = on_positions
        self._keep_rows = keep_rows
        self._keep_seconds = keep_seconds
        self._upkeep_seconds = upkeep_seconds
        self._lease_milliseconds = int(lease_seconds * 1000)
        self._lease_seconds = lease_seconds
        self._woken = asyncio.Event()
        self._seen_commit = False
        self._stopping = asyncio.Event()
        self._progress = asyncio.Condition()
        self._idle_passes = 0
        self._renew_at = 0.0
        self._sure_until = 0.0
        self._term: int | None = None
        self._position = 0
        self._metrics = RelayMetrics(registry)
        self._without_bus_since: float | None = None
        self._without_bus_seconds = WITHOUT_BUS_SECONDS
        self._sealer = Sealer(database, lambda: self._term)
        self._sender: Sender | None = None
        if publisher is not None:
            self._sender = Sender(
                database,
                publisher,
                leadership=self,
                metrics=self._metrics,
                lease_milliseconds=self._lease_milliseconds,
                heartbeat_seconds=heartbeat_seconds,
            )

    @property
    def term(self) -> int | None:
        """The term while this is the active relay, else None."""
        return self._term

    @property
    def position(self) -> int:
        """The last position that this relay gave or found."""
        return self._position

    @property
    def sending_term(self) -> int | None:
        """The term while nobody else can have taken over, by this process's own clock; else None."""
        return self._term if time.monotonic() < self._sure_until else None

    @property
    def published(self) -> int:
        """The last position up to which everything is known to be published."""
        return self._position if self._sender is None else self._sender.published

    def wake(self) -> None:
        """Something was committed: give it a position now instead of at the next poll."""
        self._seen_commit = True
        self._woken.set()

    async def drained(self) -> None:
        """Wait until everything committed before the call has a position of this relay's."""
        target = self._idle_passes + 2
        async with self._progress:
            while self._idle_passes < target:
                self._woken.set()
                await self._progress.wait()

    def stop(self) -> None:
        """Finish what is being done, and nothing more: cancelling would cut a transaction in half."""
        self._stopping.set()
        self._woken.set()
        self._sealer.stop()
        if self._sender is not None:
            self._sender.stop()

    def lost(self, term: int) -> None:
        """The lease of this term is somebody else's; nothing more is done under it."""
        if self._term == term:
            _log.warning("relay.lease_lost", term=term)
            self._metrics.failures.labels("lease").inc()
            self._leads(None)

    async def lead(self) -> None:
        """Be the relay whenever that is possible, until stopped."""
        failures = 0
        while not self._stopping.is_set():
            # Cleared before looking: a wake-up meanwhile means another look.
            self._woken.clear()
            try:
                more = await self._step()
                failures = 0
            except LeaseLost:
                if self._term is not None:
                    self.lost(self._term)
                more = False
            except Unavailable as error:
                failures += 1
                self._metrics.failures.labels("database").inc()
                if failures == 1:
                    _log.warning("relay.database_unavailable", detail=str(error))
                await self._rest(_pause(failures))
                continue
            if self._term is None:
                # Commits are the leader's business; this one looks whether there still is one.
                await self._rest(POLL_SECONDS)
            elif not more and not self._stopping.is_set():
                await self._wait()

    async def keep_up(self) -> None:
        """Keep house while leading, until stopped; what cannot be done now is done the next time."""
        projected: int | None = None
        failures = 0
        while not self._stopping.is_set():
            term = self._term
            if term is None:
                await self._rest(POLL_SECONDS)
                continue
            try:
                if projected != term:
                    await reproject(self._database, partial(self._check, term))
                    projected = term
                await self._forget(term)
                failures = 0
                await self._rest(self._upkeep_seconds)
            except (LeaseLost, Unavailable) as error:
                failures += 1
                _log.warning("relay.upkeep_interrupted", term=term, detail=repr(error))
                await self._rest(_pause(failures))

    async def leave(self) -> None:
        """Give the lease back, so that the next relay need not wait for its end."""
        if self._term is None:
            return
        term, self._term = self._term, None
        try:
            await release(self._database, term)
        except Unavailable as error:
            _log.info("relay.lease_not_released", detail=str(error))

    async def send(self) -> None:
        """Send to the bus whatever has a position, until stopped; nothing where there is no bus."""
        if self._sender is not None:
            await self._sender.run()

    async def seal(self) -> None:
        """Seal the audit while leading, until stopped."""
        await self._sealer.run()

    async def _step(self) -> bool:
        """Do what there is to do; True when there is more at once."""
        if self._term is None and not await self._begin():
            return False
        term = self._term
        if term is None:
            return False
        if self._is_cut_off():
            await self._stand_back(term)
            return False
        if time.monotonic() >= self._renew_at:
            await self._renew(term)
        seen, self._seen_commit = self._seen_commit, False
        if not seen and not await is_waiting(self._database):
            await self._note_idle()
            return False
        return await self._assign(term)

    async def _assign(self, term: int) -> bool:
        started = time.monotonic()
        assigned = await assign(
            self._database,
            term,
            limit=BATCH,
            lease_milliseconds=self._lease_milliseconds,
            published=self._sender is None,
        )
        self._held_since(started)
        self._moved(assigned.position)
        if assigned.given:
            self._tell(term, assigned)
        if assigned.given == BATCH:
            return True
        await self._note_idle()
        return False

    def _tell(self, term: int, assigned: Assigned) -> None:
        if self._on_positions is not None:
            self._on_positions()
        self._metrics.note_given(each.counter_kind for each in assigned.rows)
        if self._sender is None:
            self._metrics.note_published(each.created.timestamp() for each in assigned.rows)
            self._metrics.published.set(assigned.position)
        else:
            self._sender.offer(term, assigned.rows)

    async def _begin(self) -> bool:
        """Try to take the lease; before anything is assigned under it, the epoch must be right."""
        started = time.monotonic()
        can_send = self._sender is None or self._sender.able
        term = await take(
            self._database,
            self._holder,
            self._lease_milliseconds,
            patience_milliseconds=0 if can_send else PATIENCE_MILLISECONDS,
        )
        if term is None:
            return False
        _log.info("relay.leads", term=term, holder=self._holder)
        await self._settle(term)
        if self._sender is None:
            await self._publish_what_waited_for_a_bus(term)
        self._held_since(started)
        self._leads(term)
        self._renew_at = 0.0
        self._without_bus_since = None
        return True

    async def _publish_what_waited_for_a_bus(self, term: int) -> None:
        """Whoever led before had one: nobody will send what it had not."""
        async with self._database.read() as session:
            place = await load_place(session, self._database)
        await mark(
            self._database, term, after=0, upto=place.position, lease_milliseconds=self._lease_milliseconds
        )

    async def _renew(self, term: int) -> None:
        # A database can also be restored under a relay that never stopped.
        await self._settle(term)
        started = time.monotonic()
        async with self._database.write() as session:
            position = await hold(session, self._database, term, self._lease_milliseconds)
        self._held_since(started)
        self._moved(position)
        self._renew_at = time.monotonic() + self._lease_seconds / 3
        await self._measure()

    async def _measure(self) -> None:
        async with self._database.read() as session:
            place = await load_place(session, self._database)
            backlog = await load_backlog(session, place, min(self.published, place.position))
        self._metrics.backlog.set(backlog.rows)
        self._metrics.oldest.set(0.0 if backlog.oldest is None else max(0.0, time.time() - backlog.oldest))

    def _is_cut_off(self) -> bool:
        """True when this leader cannot send for so long that another should try."""
        if self._sender is None or self._database.dialect == "sqlite":
            return False
        if self._sender.able:
            self._without_bus_since = None
            self._without_bus_seconds = WITHOUT_BUS_SECONDS
            return False
        now = time.monotonic()
        if self._without_bus_since is None:
            self._without_bus_since = now
        return now - self._without_bus_since >= self._without_bus_seconds

    async def _stand_back(self, term: int) -> None:
        """Let another relay take over; if nobody does, this one leads again and is more patient."""
        _log.warning("relay.stands_back", term=term, seconds_without_bus=self._without_bus_seconds)
        self._without_bus_seconds = min(2 * self._without_bus_seconds, LONGEST_WITHOUT_BUS_SECONDS)
        self._leads(None)
        await hand_over(self._database, term)

    async def _settle(self, term: int) -> None:
        if await settle_epoch(self._database, partial(self._fence, term)):
            _log.warning("relay.restored_database", term=term)
            self._metrics.restores.inc()
            if self._sender is not None:
                self._sender.forget()

    async def _fence(self, term: int, session: WriteSession) -> None:
        await hold(session, self._database, term, self._lease_milliseconds)

    async def _check(self, term: int, session: WriteSession) -> None:
        # Not the fence: holding the row for as long as a large application takes would stop positions,
        # and projecting twice does no harm.
        await check(session, term)

    async def _forget(self, term: int) -> None:
        more = True
        while more:
            more = await prune(
                self._database,
                term,
                keep_rows=self._keep_rows,
                keep_seconds=self._keep_seconds,
                lease_milliseconds=self._lease_milliseconds,
            )
        await expire(self._database, now=time.time(), keep_updates_seconds=KEEP_UPDATES_SECONDS)

    async def _note_idle(self) -> None:
        async with self._progress:
            self._idle_passes += 1
            self._progress.notify_all()

    def _leads(self, term: int | None) -> None:
        self._term = term
        self._metrics.leads.set(0 if term is None else 1)
        self._metrics.term.set(term or 0)
        if term is None:
            self._metrics.backlog.set(0)
            self._metrics.oldest.set(0)
        elif self._sender is not None:
            self._sender.wake()

    def _held_since(self, started: float) -> None:
        self._sure_until = started + self._lease_seconds

    def _moved(self, position: int) -> None:
        self._position = position
        self._metrics.position.set(position)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._woken.wait()

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _pause(failures: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, POLL_SECONDS * 2 ** min(failures, 8))
    return random.uniform(POLL_SECONDS / 2, longest)  # noqa: S311 (spreads load, hides nothing)


@asynccontextmanager
async def open_relay(
    database: Database,
    *,
    holder: str,
    publisher: Publisher | None = None,
    on_positions: Callable[[], None] | None = None,
    keep_rows: int = 100_000,
    keep_seconds: float = 86_400.0,
    upkeep_seconds: float = UPKEEP_SECONDS,
    lease_seconds: float = LEASE_SECONDS,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[Relay]:
    """Run a relay for the life of the block; ``on_positions`` is called after each batch of positions.

    With a ``publisher`` changes are published when it has confirmed them, and heartbeats follow them at least
    every ``heartbeat_seconds``; without one they are published by having a position. Whatever goes wrong for
    good inside breaks the block too.
    """
    relay = Relay(
        database,
        holder=holder,
        publisher=publisher,
        on_positions=on_positions,
        keep_rows=keep_rows,
        keep_seconds=keep_seconds,
        upkeep_seconds=upkeep_seconds,
        lease_seconds=lease_seconds,
        heartbeat_seconds=heartbeat_seconds,
        registry=registry or CollectorRegistry(),
    )
    stop_waking = database.on_commit(relay.wake)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(relay.lead(), name="relay"),
                tasks.create_task(relay.send(), name="relay-sender"),
                tasks.create_task(relay.keep_up(), name="relay-upkeep"),
                tasks.create_task(relay.seal(), name="audit-sealer"),
            ]
            listening = _listen(tasks, database, relay)
            try:
                yield relay
            finally:
                relay.stop()
                await asyncio.wait(running, timeout=STOP_SECONDS)
                for task in (*running, *listening):
                    task.cancel()
    finally:
        stop_waking()
        await relay.leave()


def _listen(tasks: asyncio.TaskGroup, database: Database, relay: Relay) -> list[asyncio.Task[None]]:
    """Hear of other processes' commits, where a database can tell."""
    if database.dialect != "postgresql":
        return []
    hearing = hear_commits(database.url, relay.wake, but_not=database.name)
    return [tasks.create_task(hearing, name="relay-listener")]
