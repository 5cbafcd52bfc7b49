"""Several processes behind one listening socket: started, watched, replaced and ended by one that owns it.

The socket belongs to the parent, so connections that arrive while a worker is being replaced wait in it and
are lost by nobody (separate sockets on one port would lose those that wait at the dead one). The parent
accepts nothing there itself: it answers for the whole (health, metrics) and passes signals on. Must not
know what a worker serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from burgee.totals import Page, Totals
from common.client import Answer, HttpClient, Unreachable, open_client
from common.errors import Mendable
from common.observability import LoopLag, process_registry
from common.serve import CLOSE_SECONDS, Listener, listening_socket, serve
from common.web import Health, Surroundings, operational_routes

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from common.settings import ServingSettings

_log = structlog.get_logger(__name__)

LOOPBACK: Final = "127.0.0.1"
PARENT: Final = "parent"
LOOK_SECONDS: Final = 0.1
WATCH_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 5.0
SCRAPE_SECONDS: Final = 2.0
FROZEN_SECONDS: Final = 30.0
"""A worker that answers nothing for so long is ended: connections that it holds are lost already."""
STARTING_SECONDS: Final = 120.0
STEADY_SECONDS: Final = 30.0
"""Who lived for so long did not die of how it was started."""
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 10.0
TRIES: Final = 5
"""So many in a row end before any was ever ready: it is not chance, and whoever runs this must know."""
SAVING_SECONDS: Final = 10.0
NOT_STARTED: Final = -1
"""In place of the status of a process that there never was."""


class WorkersFailed(Mendable):
    """Workers do not start, or did not end in order; their own logs say why."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told by the command line: its number, and descriptors that it inherits.

    ``main`` listens for everybody and ``operations`` for the parent alone; ``owner`` ends when the parent
    does. ``whole`` is where the parent answers for all. ``replaces`` = others serve meanwhile, so it
    accepts only when it is ready.
    """

    number: int
    workers: int
    main: int
    operations: int
    owner: int
    whole: str
    replaces: bool


class WorkersMetrics:
    """What the parent counts."""

    def __init__(self, registry: CollectorRegistry, seats: Sequence[Seat]) -> None:
        self.restarts = Counter(
            "burgee_workers_restarts",
            "Workers that ended without being told to, and were replaced.",
            registry=registry,
        )
        Gauge("burgee_workers", "Workers that there should be.", registry=registry).set(len(seats))
        Gauge("burgee_workers_running", "Workers whose process is there.", registry=registry).set_function(
            lambda: sum(seat.process is not None for seat in seats)
        )


class Seat:
    """The place of one worker, whoever takes it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.operations = listening_socket(LOOPBACK, 0)
        self.url = f"http://{LOOPBACK}:{self.operations.getsockname()[1]}"
        self.process: asyncio.subprocess.Process | None = None
        #: Whether who sits here has ever answered.
        self.heard = False
        self.ready = False
        #: True once somebody here was ready.
        self.was_ready = False

    @property
    def member(self) -> str:
        return str(self.number)

    def send(self, sign: signal.Signals) -> None:
        """Pass a signal on to who sits here, if anybody does."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(sign)


class Workers:
    """All workers of one parent; `run` keeps every seat taken until `leave`."""

    def __init__(
        self, command: Sequence[str], main: socket.socket, seats: Sequence[Seat], client: HttpClient
    ) -> None:
        self.seats = seats
        self.whole = ""
        self._command = command
        self._main = main
        self._client = client
        self._totals = Totals()
        self._scraping = asyncio.Lock()
        self._read_at = float("-inf")
        self._lines = b""
        self._leaving = asyncio.Event()
        self._gone = asyncio.Event()
        self._owner_end, self._owner = os.pipe()
        self._own = CollectorRegistry()
        self.registry = process_registry()
        self.metrics = WorkersMetrics(self._own, seats)
        self.killed = 0

    @property
    def ready(self) -> bool:
        """True once every seat had a worker that was ready."""
        return all(seat.was_ready for seat in self.seats)

    @property
    def serving(self) -> bool:
        """True while some worker is ready."""
        return any(seat.ready for seat in self.seats)

    async def run(self) -> None:
        """Keep all seats taken; returns when all have left."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for seat in self.seats:
                    tasks.create_task(self._keep(seat), name=f"worker-{seat.number}")
        finally:
            self._gone.set()

    async def leave(self, sign: signal.Signals, seconds: float) -> None:
        """Tell all workers to drain and end, and give them that time. Cancelled, it hurries them."""
        self._leaving.set()
        for seat in self.seats:
            seat.send(sign)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._gone.wait()
        except asyncio.CancelledError:
            for seat in self.seats:
                seat.send(signal.SIGTERM)
            raise

    async def ended(self, within_seconds: float) -> None:
        """Wait for the end of all, and put one to those that do not come to it."""
        self._leaving.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._gone.wait()
        for seat in self.seats:
            if seat.process is not None:
                self.killed += 1
                _log.error("worker.killed", worker=seat.number)
                seat.send(signal.SIGKILL)
        await self._gone.wait()

    def close(self) -> None:
        """Give back what was opened; workers that are still there see that and end."""
        os.close(self._owner)
        os.close(self._owner_end)
        for seat in self.seats:
            seat.operations.close()

    async def metric_lines(self) -> bytes:
        """The metrics of all; of a worker that does not answer, what it said last.

        All who ask while they are being read share what is read next: anybody may ask, and it is work.
        """
        asked = time.monotonic()
        async with self._scraping:
            began = time.monotonic()
            if self._read_at < asked:
                await asyncio.gather(*(self._scrape(seat) for seat in self.seats))
                self._totals.saw(PARENT, Page(generate_latest(self.registry).decode()))
                self._lines = self._totals.text() + generate_latest(self._own)
                self._read_at = began
            return self._lines

    async def _scrape(self, seat: Seat) -> None:
        process = seat.process
        # Who is still starting has nothing to say, and would say so late.
        if process is None or not seat.heard:
            return
        try:
            answer = await self._ask(seat, "/metrics", seconds=SCRAPE_SECONDS)
        except Unreachable:
            return
        # What a process said that ended meanwhile is part of what it is remembered by.
        if answer.status == 200 and seat.process is process:
            self._totals.saw(seat.member, Page(answer.body.decode()))

    async def _ask(self, seat: Seat, path: str, *, seconds: float = ANSWER_SECONDS) -> Answer:
        return await self._client.get(seat.url + path, deadline_seconds=seconds, attempts=1)

    async def _keep(self, seat: Seat) -> None:
        failures = 0
        while not self._leaving.is_set():
            began = time.monotonic()
            status = await self._sit(seat)
            if self._leaving.is_set():
                return
            self.metrics.restarts.inc()
            failures = 1 if time.monotonic() - began >= STEADY_SECONDS else failures + 1
            _log.error("worker.ended", worker=seat.number, status=status, failures=failures)
            if failures >= TRIES and not any(each.was_ready for each in self.seats):
                raise WorkersFailed(f"Worker {seat.number} ended {failures} times without ever being ready.")
            with suppress(TimeoutError):
                async with asyncio.timeout(_pause(failures)):
                    await self._leaving.wait()

    async def _sit(self, seat: Seat) -> int:
        """Start a worker and stay until it ended; answers its status."""
        place = Place(
            number=seat.number,
            workers=len(self.seats),
            main=self._main.fileno(),
            operations=seat.operations.fileno(),
            owner=self._owner_end,
            whole=self.whole,
            replaces=self.serving,
        )
        try:
            process = seat.process = await asyncio.create_subprocess_exec(
                *self._command,
                msgspec.json.encode(place).decode(),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(place.main, place.operations, place.owner),
                # Ctrl-C is the parent's to pass on.
                start_new_session=True,
            )
        except OSError as error:
            # No memory or no place for one more process, for now: those that are there go on.
            _log.error("worker.not_started", worker=seat.number, detail=error.strerror)
            return NOT_STARTED
        _log.info("worker.started", worker=seat.number, pid=process.pid)
        if self._leaving.is_set():
            seat.send(signal.SIGTERM)
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch(seat), name=f"watch-{seat.number}")
                status = await process.wait()
                watching.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            seat.process = None
            seat.heard = seat.ready = False
            self._totals.ended(seat.member)
        return status

    async def _watch(self, seat: Seat) -> None:
        """See whether a worker is ready, and end it when it answers nothing any more."""
        heard_at, patience = time.monotonic(), STARTING_SECONDS
        while True:
            try:
                answer = await self._ask(seat, "/health/readiness")
            except Unreachable:
                if time.monotonic() - heard_at > patience:
                    _log.error("worker.frozen", worker=seat.number, seconds=patience)
                    seat.send(signal.SIGKILL)
                    return
            else:
                heard_at, patience, seat.heard = time.monotonic(), FROZEN_SECONDS, True
                seat.ready = answer.status == 200
                seat.was_ready = seat.was_ready or seat.ready
            await asyncio.sleep(WATCH_SECONDS if seat.ready else LOOK_SECONDS)


class WholeHealth(Health):
    """Ready once every worker was, and from then on while some worker is."""

    def __init__(self, workers: Workers, *, start_degraded_after_seconds: float) -> None:
        super().__init__(
            {"workers": lambda: workers.ready}, start_degraded_after_seconds=start_degraded_after_seconds
        )
        self._workers = workers

    @property
    def ready(self) -> bool:
        return super().ready and self._workers.serving

    def missing(self) -> list[str]:
        missing = super().missing()
        return missing if missing or self._workers.serving else ["workers"]


async def serve_workers(
    settings: ServingSettings,
    command: Sequence[str],
    *,
    name: str,
    release: str,
    workers: int,
    start_degraded_after: float,
) -> None:
    """Serve by so many workers until a signal; ``command`` starts one, given its `Place` as one more word.

    Raises CannotListen before anything is started, and WorkersFailed.
    """
    async with _opened(settings, command, workers) as crew:
        health = WholeHealth(crew, start_degraded_after_seconds=start_degraded_after)
        app = _whole(crew, health, name, release)
        # Its port is known before the first worker is told of it.
        ours = listening_socket(LOOPBACK, 0)
        crew.whole = f"http://{LOOPBACK}:{ours.getsockname()[1]}"
        listeners = [Listener("whole", app, sock=ours)]
        if settings.monitor_port is not None:
            listeners.append(Listener("monitor", app, settings.host, settings.monitor_port))

        async def drain(seconds: float) -> None:
            # Less time than was set: somebody pressed Ctrl-C, and the workers cut it as short themselves.
            await crew.leave(signal.SIGINT if seconds < settings.drain_seconds else signal.SIGTERM, seconds)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(crew.run(), name="workers")
            lag = tasks.create_task(LoopLag(crew.registry).watch(), name="loop-lag")
            await serve(listeners, health=health, drain=drain, drain_seconds=settings.drain_seconds)
            await crew.ended(CLOSE_SECONDS + SAVING_SECONDS)
            lag.cancel()
    if crew.killed:
        raise WorkersFailed(f"{crew.killed} of {workers} workers did not end in time.")


@asynccontextmanager
async def _opened(settings: ServingSettings, command: Sequence[str], workers: int) -> AsyncIterator[Workers]:
    async with AsyncExitStack() as parts:
        main = parts.enter_context(contextlib.closing(listening_socket(settings.host, settings.port)))
        _log.info("listening", listener="main", port=main.getsockname()[1], workers=workers)
        client = await parts.enter_async_context(open_client())
        crew = Workers(command, main, [Seat(number) for number in range(workers)], client)
        parts.callback(crew.close)
        yield crew


def _whole(crew: Workers, health: Health, name: str, release: str) -> ASGIApp:
    """What is answered for all workers together."""

    async def metric_lines(_request: Request) -> Response:
        return Response(await crew.metric_lines(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    routes = [
        *operational_routes(name=name, version=release, health=health),
        Route("/metrics", metric_lines),
    ]
    return Surroundings(Starlette(routes=routes), listener="monitor", routes=routes)


# A worker's side


def routes_to_whole(client: HttpClient, whole: str) -> list[Route]:
    """What a worker answers on the main port in place of its own health and metrics: the parent's."""

    async def passed_on(request: Request) -> Response:
        try:
            answer = await client.get(whole + request.url.path, deadline_seconds=ANSWER_SECONDS + 1)
        except Unreachable:
            return Response("The workers' parent does not answer.\n", 500, media_type="text/plain")
        return Response(answer.body, answer.status, headers=_content_type(answer.headers))

    paths = ("/health/readiness", "/health/readyness", "/metrics")
    return [Route(path, passed_on) for path in paths]


@asynccontextmanager
async def owned(place: Place) -> AsyncIterator[None]:
    """End this process as a SIGTERM does when the parent is no more, for as long as the block lasts."""
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(place.owner)
        _log.warning("worker.orphaned", worker=place.number)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(place.owner, orphaned)
    try:
        yield
    finally:
        loop.remove_reader(place.owner)


def _content_type(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Content-Type": headers.get("Content-Type", "text/plain")}


def _pause(failures: int) -> float:
    """Seconds until the next worker is started: the first one at once, or nearly so."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load


def worker_command() -> tuple[str, ...]:
    """How this program starts one more of itself."""
    return sys.executable, "-m", "burgee"
