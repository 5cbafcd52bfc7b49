"""The relay: gives every committed change its position, in order, exactly one relay per database.

It holds a lease on the database's own clock and stops when it was lost. It is also the housekeeper:
it notices a restored database before anything else, projects everything again when code or settings
make other states, and forgets what is too old. When the database is away it goes on trying, for ever.
Must not know what the changes are.
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
from prometheus_client import CollectorRegistry, Counter, Gauge

from common.errors import Unavailable
from mr.db.epoch import settle_epoch
from mr.db.lease import LeaseLost, assign, check, expire, hold, is_waiting, prune, release, take
from mr.db.reprojection import reproject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mr.db.session import Database, WriteSession

_log = structlog.get_logger(__name__)

LEASE_SECONDS: Final = 3.0
POLL_SECONDS: Final = 0.2
UPKEEP_SECONDS: Final = 60.0
LONGEST_PAUSE_SECONDS: Final = 5.0
STOP_SECONDS: Final = 5.0
BATCH: Final = 500
KEEP_UPDATES_SECONDS: Final = 86_400.0


class Relay:
    """One party's attempt to be the relay of its database. Made by `open_relay`."""

    def __init__(
        self,
        database: Database,
        *,
        holder: str,
        on_positions: Callable[[], None] | None,
        keep_rows: int,
        keep_seconds: float,
        upkeep_seconds: float,
        lease_seconds: float,
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
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._progress = asyncio.Condition()
        self._idle_passes = 0
        self._renew_at = 0.0
        self._term: int | None = None
        self._position = 0
        self._metrics = _Metrics(registry)

    @property
    def term(self) -> int | None:
        """The term while this is the active relay, else None."""
        return self._term

    @property
    def position(self) -> int:
        """The last position that this relay gave or found."""
        return self._position

    def wake(self) -> None:
        """Look for committed rows now instead of at the next poll."""
        self._woken.set()

    async def drained(self) -> None:
        """Wait until everything committed before the call has a position of this relay's."""
        target = self._idle_passes + 2
        async with self._progress:
            while self._idle_passes < target:
                self.wake()
                await self._progress.wait()

    def stop(self) -> None:
        """Finish what is being done, and nothing more: cancelling would cut a transaction in half."""
        self._stopping.set()
        self._woken.set()

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
                _log.warning("relay.lease_lost", term=self._term)
                self._leads(None)
                more = False
            except Unavailable as error:
                failures += 1
                self._metrics.failures.inc()
                if failures == 1:
                    _log.warning("relay.database_unavailable", detail=str(error))
                await self._rest(_pause(failures))
                continue
            if not more and not self._stopping.is_set():
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

    async def _step(self) -> bool:
        """Do what there is to do; True when there is more at once."""
        if self._term is None and not await self._begin():
            return False
        term = self._term
        if term is None:
            return False
        if time.monotonic() >= self._renew_at:
            await self._renew(term)
        if not await is_waiting(self._database):
            await self._note_idle()
            return False
        assigned = await assign(
            self._database, term, limit=BATCH, lease_milliseconds=self._lease_milliseconds
        )
        self._moved(assigned.position)
        if assigned.given and self._on_positions is not None:
            self._on_positions()
        return True

    async def _begin(self) -> bool:
        """Try to take the lease; before anything is assigned under it, the epoch must be right."""
        term = await take(self._database, self._holder, self._lease_milliseconds)
        if term is None:
            return False
        _log.info("relay.leads", term=term, holder=self._holder)
        await self._settle(term)
        self._leads(term)
        self._renew_at = 0.0
        return True

    async def _renew(self, term: int) -> None:
        # A database can also be restored under a relay that never stopped.
        await self._settle(term)
        async with self._database.write() as session:
            self._moved(await hold(session, self._database, term, self._lease_milliseconds))
        self._renew_at = time.monotonic() + self._lease_milliseconds / 3000

    async def _settle(self, term: int) -> None:
        if await settle_epoch(self._database, partial(self._fence, term)):
            _log.warning("relay.restored_database", term=term)
            self._metrics.restores.inc()

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


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.leads = Gauge("burgee_relay_leads", "1 while this process is the relay", registry=registry)
        self.position = Gauge("burgee_relay_position", "Last position known to be given", registry=registry)
        self.failures = Counter(
            "burgee_relay_failures", "Attempts that found the database away", registry=registry
        )
        self.restores = Counter(
            "burgee_relay_restores", "Restored databases that were noticed", registry=registry
        )


def _pause(failures: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, POLL_SECONDS * 2 ** min(failures, 8))
    return random.uniform(POLL_SECONDS / 2, longest)  # noqa: S311 (spreads load, hides nothing)


@asynccontextmanager
async def open_relay(
    database: Database,
    *,
    holder: str,
    on_positions: Callable[[], None] | None = None,
    keep_rows: int = 100_000,
    keep_seconds: float = 86_400.0,
    upkeep_seconds: float = UPKEEP_SECONDS,
    lease_seconds: float = LEASE_SECONDS,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[Relay]:
    """Run a relay for the life of the block; ``on_positions`` is called after each batch of positions.

    Whatever goes wrong for good inside breaks the block too.
    """
    relay = Relay(
        database,
        holder=holder,
        on_positions=on_positions,
        keep_rows=keep_rows,
        keep_seconds=keep_seconds,
        upkeep_seconds=upkeep_seconds,
        lease_seconds=lease_seconds,
        registry=registry or CollectorRegistry(),
    )
    stop_waking = database.on_commit(relay.wake)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(relay.lead(), name="relay"),
                tasks.create_task(relay.keep_up(), name="relay-upkeep"),
            ]
            try:
                yield relay
            finally:
                relay.stop()
                await asyncio.wait(running, timeout=STOP_SECONDS)
                for task in running:
                    task.cancel()
    finally:
        stop_waking()
        await relay.leave()
