"""Everybody who is listening to changes at this process, and the one reader that serves them all.

Reads the audit only while somebody listens. What a listener may hear is decided when it is read, by what
they hold at that moment; a sign-in that has ended ends its streams. Nothing is queued without bound: whoever
is too slow is told to look at everything anew. Must not know HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from prometheus_client import Gauge

from common.errors import Unauthenticated, Unavailable
from mr.auth.grants import load_grants
from mr.auth.sessions import Sessions
from mr.live.hearing import TURNS_GRANTS, Change, may_hear
from mr.live.tail import Mark, Tail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from uuid import UUID

    from prometheus_client import CollectorRegistry

    from mr.auth.permissions import Grants
    from mr.db.session import Database

_log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.25
"""Between looks at the audit; a commit of this process is looked at when it happens."""
CHECK_SECONDS: Final = 15.0
"""Between looks whether sign-ins last, and whether the database still is the one it was."""
LONGEST_PAUSE_SECONDS: Final = 5.0
LISTENERS: Final = 2_000
LISTENERS_OF_ONE: Final = 32
"""Tabs of one person; a program that opens more is doing something else."""
PENDING: Final = 500

Key = tuple[str, str]


class TooManyListeners(Unavailable):
    """This process has as many live streams as it takes."""

    code = "too-many-live-streams"

    def __init__(self) -> None:
        super().__init__("Too many live streams are open.")


class Leaving(Unavailable):
    """This process is being stopped; another one takes new streams."""

    code = "leaving"

    def __init__(self) -> None:
        super().__init__("This process is leaving.")


class News(NamedTuple):
    """What a listener has not been told yet, the latest change of each object, in order.

    ``reset``: all may be different. ``access``: what the listener may see is different. ``over``: why this is
    the last news, if it is.
    """

    changes: tuple[Change, ...]
    mark: Mark
    reset: bool
    access: bool
    over: str | None


class Listener:
    """One stream."""

    def __init__(self, token_hash: str, grants: Grants, mark: Mark) -> None:
        self.token_hash = token_hash
        self.grants = grants
        self.mark = mark
        """How far what was heard goes."""
        self._changes: dict[Key, Change] = {}
        self._reset = False
        self._access = False
        self._over: str | None = None
        self._woken = asyncio.Event()

    @property
    def person_id(self) -> UUID:
        return self.grants.person_id

    def hear(self, changes: Iterable[Change]) -> None:
        """Take in what may be heard of these."""
        for change in changes:
            if may_hear(self.grants, change):
                key = (change.object_kind, change.object_id)
                self._changes.pop(key, None)
                self._changes[key] = change
        if len(self._changes) > PENDING:
            self.reset()
        elif self._changes:
            self._woken.set()

    def regrant(self, grants: Grants) -> None:
        """Hold other rights from now on; what was heard under the old ones and not told is judged anew."""
        if grants == self.grants:
            return
        self.grants = grants
        self._changes = {key: change for key, change in self._changes.items() if may_hear(grants, change)}
        self._access = True
        self._woken.set()

    def reset(self) -> None:
        """Let everything be looked at anew."""
        self._changes.clear()
        self._reset = True
        self._woken.set()

    def end(self, why: str) -> None:
        """Let the next news be the last."""
        self._over = self._over or why
        self._woken.set()

    async def news(self) -> News:
        """Wait for something to tell, and return all there is."""
        await self._woken.wait()
        self._woken.clear()
        news = News(tuple(self._changes.values()), self.mark, self._reset, self._access, self._over)
        self._changes, self._reset, self._access = {}, False, False
        return news


class LiveFeed:
    """Tells listeners of changes, while `run` runs."""

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database = database
        self._sessions = sessions
        self._tail = Tail(database)
        self._listeners: set[Listener] = set()
        self._begun = False
        self._missed = False
        self._joining = asyncio.Lock()
        self._look = asyncio.Event()
        self._leaving = False

    def __len__(self) -> int:
        return len(self._listeners)

    def woken(self) -> None:
        """Something was committed in this process: look now."""
        self._look.set()

    async def join(self, person_id: UUID, token_hash: str, after: Mark | None = None) -> Listener:
        """Let somebody hear of all that is committed from now on, or after a mark of an earlier stream.

        Whoever joins has to `leave`. Raises Unavailable, Unauthenticated.
        """
        listener = await self._join(person_id, token_hash)
        if after is None:
            return listener
        try:
            missed = await self._tail.since(after)
        except BaseException:
            self.leave(listener)
            raise
        if missed is None:
            listener.reset()
        else:
            listener.hear(missed)
        return listener

    def leave(self, listener: Listener) -> None:
        """Tell this listener nothing more."""
        self._listeners.discard(listener)

    async def run(self) -> None:
        """Read for everybody, until cancelled; what cannot be read now is read the next time."""
        failures = 0
        checked = time.monotonic()
        while True:
            await self._rest(failures)
            if not await self._is_heard():
                await self._look.wait()
                continue
            try:
                await self._turn()
                if time.monotonic() - checked >= CHECK_SECONDS:
                    await self._check()
                    checked = time.monotonic()
                failures = 0
            except Unavailable as error:
                failures += 1
                if failures == 1:
                    _log.info("live.interrupted", detail=str(error))

    async def drain(self, _seconds: float) -> None:
        """Send everybody away at once: they come again, elsewhere if a balancer says so."""
        self._leaving = True
        for listener in self._listeners:
            listener.end("leaving")

    async def _join(self, person_id: UUID, token_hash: str) -> Listener:
        async with self._joining:
            # Asked where one joins at a time: whoever waited may have come to a full house, or a leaving one.
            if self._leaving:
                raise Leaving
            tabs = Counter(each.person_id for each in self._listeners)
            if len(self._listeners) >= LISTENERS or tabs[person_id] >= LISTENERS_OF_ONE:
                raise TooManyListeners
            if not self._begun:
                await self._tail.begin()
                self._begun = True
            # What is held is read after the reader began: what turns it from now on is noticed.
            async with self._database.read() as session:
                grants = await load_grants(session, person_id)
            # So is a sign-in that ended between its call's first look and this one.
            if not await self._sessions.lasting({token_hash}):
                raise Unauthenticated
            listener = Listener(token_hash, grants, self._tail.mark)
            self._listeners.add(listener)
        self._look.set()
        return listener

    async def _is_heard(self) -> bool:
        """Whether anybody listens; if not, the next one to come begins at the end of that time."""
        async with self._joining:
            self._begun = self._begun and bool(self._listeners)
            return self._begun

    async def _rest(self, failures: int) -> None:
        pause = min(LONGEST_PAUSE_SECONDS, LOOK_SECONDS * 2 ** min(failures, 8))
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._look.wait()
        self._look.clear()

    async def _turn(self) -> None:
        async with self._joining:
            changes = await self._tail.read()
            if self._missed:
                changes = None
            # What follows may fail, and the reader has gone on.
            self._missed = True
            if changes is None or any(each.object_kind in TURNS_GRANTS for each in changes):
                await self._regrant()
                await self._end_what_ended()
            for listener in self._listeners:
                if changes is None:
                    listener.reset()
                elif changes:
                    listener.hear(changes)
                listener.mark = self._tail.mark
            self._missed = False

    async def _check(self) -> None:
        await self._end_what_ended()
        async with self._joining:
            if await self._tail.is_another():
                await self._regrant()
                for listener in self._listeners:
                    listener.reset()
                    listener.mark = self._tail.mark

    async def _regrant(self) -> None:
        people = {each.person_id for each in self._listeners}
        async with self._database.read() as session:
            held = {person_id: await load_grants(session, person_id) for person_id in people}
        for listener in self._listeners:
            if listener.person_id in held:
                listener.regrant(held[listener.person_id])

    async def _end_what_ended(self) -> None:
        hashes = {each.token_hash for each in self._listeners}
        lasting = await self._sessions.lasting(hashes)
        for listener in self._listeners:
            if listener.token_hash in hashes and listener.token_hash not in lasting:
                listener.end("signed-out")


@asynccontextmanager
async def open_live_feed(
    database: Database, sessions: Sessions, *, registry: CollectorRegistry
) -> AsyncIterator[LiveFeed]:
    """Run a feed for the life of the block; at its end all its streams are told that it is over."""
    feed = LiveFeed(database, sessions)
    streams = Gauge("burgee_mr_live_streams", "Open live streams of people.", registry=registry)
    streams.set_function(lambda: len(feed))
    stop_waking = database.on_audit(feed.woken)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(feed.run(), name="live-feed")
            try:
                yield feed
            finally:
                await feed.drain(0)
                running.cancel()
    finally:
        stop_waking()
