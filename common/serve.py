"""Own the servers and the signals of a process: listen, drain, stop accepting, close.

Nothing else installs signal handlers or guesses whether the process is ending: streams end because the
drain hook tells them to. Knows applications only as ASGI callables.
"""

import asyncio
import contextlib
import fcntl
import signal
import socket
import termios
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from common.errors import Mendable
from common.web import Health

log = structlog.stdlib.get_logger(__name__)

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
HEAD_SECONDS = 20.0
HEAD_BYTES = 64 * 1024
REQUESTS_WAITING = 512
CLOSE_SECONDS = 5
CTRL_C_DRAIN_SECONDS = 1.0
STALL_SECONDS = 60.0
LOOK_SECONDS = 5.0
LOOKED_AT_ONCE = 1_000
"""Connections that are looked at before others have their turn."""
# In a request's scope: call it to cut the connection without waiting for what is buffered.
ABORT = "burgee.abort"

# Told how many seconds it has; returns early when everything has left.
Drain = Callable[[float], Awaitable[None]]


class CannotListen(Mendable):
    """An address is taken or not ours; the message names it."""


class GuardedHttp(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 for strangers: bounds on a request's head, and a way to cut a client off.

    A head must be complete `head_seconds` after the connection or its first byte, and may not be longer
    than about `head_bytes`; behind a request that is not answered yet no more than `requests_waiting` may
    wait: uvicorn bounds none of them, and one read may bring ten thousand requests. Who takes nothing of an
    answer for `stall_seconds` is cut off (by the server), and `ABORT` in the scope does so at once. Only
    looks on: framing stays the parser's.
    """

    head_seconds: ClassVar[float] = HEAD_SECONDS
    head_bytes: ClassVar[int] = HEAD_BYTES
    requests_waiting: ClassVar[int] = REQUESTS_WAITING
    stall_seconds: ClassVar[float] = STALL_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._head_due: asyncio.TimerHandle | None = None
        self._head_size = 0
        self._in_head = True
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Afterwards, so that a body in the same piece as its head is not counted with it.
        if self._in_head:
            self._head_goes_on(len(data))

    def _head_goes_on(self, size: int) -> None:
        """Count a piece of a head that is not complete; most are when they arrive, and need no timer."""
        if self.transport.is_closing():
            return
        if self._head_due is None:
            self._expect_head()
        self._head_size += size
        if self._head_size > self.head_bytes:
            self._refuse("The request's head is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[ABORT] = self.transport.abort  # type: ignore[literal-required]
        self._in_head = True

    def on_headers_complete(self) -> None:
        self._head_is_here()
        if len(self.pipeline) < self.requests_waiting:
            super().on_headers_complete()
        elif not self.transport.is_closing():
            # An answer to this one would come before those to the others.
            self.transport.abort()

    def _expect_head(self) -> None:
        self._head_size = 0
        self._head_due = self.loop.call_later(
            self.head_seconds, self._refuse, "The request's head did not arrive in time."
        )

    def _head_is_here(self) -> None:
        self._in_head = False
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _refuse(self, reason: str) -> None:
        self._head_is_here()
        if not self.transport.is_closing():
            self.send_400_response(reason)


@dataclass(frozen=True)
class Listener:
    """One application on one address. Port 0 takes a free one; ``sock`` listens already, in their place.

    ``opens`` returns when connections may be accepted; until then they wait in the socket.
    """

    name: str
    app: ASGIApp
    host: str = "127.0.0.1"
    port: int = 0
    http: type[asyncio.Protocol] = GuardedHttp
    trusted_proxies: tuple[str, ...] = ()
    sock: socket.socket | None = None
    opens: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Bound:
    """A listener with the port it really has."""

    name: str
    host: str
    port: int

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"


async def serve(
    listeners: Sequence[Listener],
    *,
    health: Health | None = None,
    drain: Drain | None = None,
    drain_seconds: float = 0,
    on_listening: Callable[[Sequence[Bound]], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return; a second signal ends it at once.

    Raises CannotListen before anything is served when one address cannot be had. When cancelled (because
    another part of the process failed) it closes everything without draining.
    """
    with _bound(listeners) as sockets, _Signals() as signals:
        bound = [_describe(listener, sock) for listener, sock in zip(listeners, sockets, strict=True)]
        async with _serving(listeners, sockets) as servers:
            for one in bound:
                log.info("listening", listener=one.name, url=one.url)
            if on_listening is not None:
                on_listening(bound)
            await _first(signals.stop.wait(), *(server.ended() for server in servers))
            seconds = min(drain_seconds, CTRL_C_DRAIN_SECONDS) if signals.by_hand else drain_seconds
            log.info("draining", seconds=seconds)
            await _first(_drain(health, drain, seconds), signals.now.wait())
            for server in servers:
                server.finish(force=signals.now.is_set())
    log.info("stopped")


@contextlib.asynccontextmanager
async def running(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    http: type[asyncio.Protocol] = GuardedHttp,
) -> AsyncIterator[str]:
    """Serve inside this event loop for as long as the block lasts; yields the base URL."""
    listeners = [Listener("embedded", app, host, port, http)]
    with _bound(listeners) as sockets:
        async with _serving(listeners, sockets) as servers:
            yield _describe(listeners[0], sockets[0]).url
            for server in servers:
                server.finish(force=True)


class Stalls:
    """Cuts off clients that take nothing of their answers, also of the last one before the connection ends.

    One look over all connections now and then: a timer for each would cost more than what is sent. Those that
    are not HTTP's any more are others' to look after.
    """

    def __init__(self, connections: Collection[object], clock: Callable[[], float] = time.monotonic) -> None:
        self._connections = connections
        self._clock = clock
        #: What waited for whom when, since nothing of it was taken.
        self._waiting: dict[GuardedHttp, tuple[int, float]] = {}

    async def watch(self, seconds: float) -> None:
        """Look so often, for ever."""
        while True:
            await asyncio.sleep(seconds)
            await self.look()

    async def look(self) -> None:
        """Look once."""
        now = self._clock()
        waiting: dict[GuardedHttp, tuple[int, float]] = {}
        for number, each in enumerate(tuple(self._connections), 1):
            if isinstance(each, GuardedHttp):
                self._look_at(each, waiting, now)
            if number % LOOKED_AT_ONCE == 0:
                await asyncio.sleep(0)
        self._waiting = waiting

    def _look_at(self, each: GuardedHttp, waiting: dict[GuardedHttp, tuple[int, float]], now: float) -> None:
        size = each.transport.get_write_buffer_size()
        if not size:
            return
        size += _untaken(each.transport)
        before = self._waiting.get(each)
        if before is None or before[0] != size:
            waiting[each] = (size, now)
        elif now - before[1] < each.stall_seconds:
            waiting[each] = before
        else:
            log.debug("client.stalled", bytes=size)
            each.transport.abort()


def _untaken(transport: asyncio.BaseTransport) -> int:
    """How much the kernel holds that the other side has not taken yet: it takes a lot at a time from us."""
    sock = transport.get_extra_info("socket")
    number = -1 if sock is None else sock.fileno()
    if number < 0:
        # Closed in this very turn: what is buffered is about to be thrown away.
        return 0
    held = array("i", [0])
    try:
        fcntl.ioctl(number, termios.TIOCOUTQ, held)
    except OSError:
        return 0
    return held[0]


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, and with an end that cannot be left half done."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(
            uvicorn.Config(
                listener.app,
                http=listener.http,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(listener.trusted_proxies),
                forwarded_allow_ips=list(listener.trusted_proxies),
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=CLOSE_SECONDS,
                backlog=BACKLOG,
            )
        )
        self._opens = listener.opens
        stall = getattr(listener.http, "stall_seconds", STALL_SECONDS)
        self._look_seconds = min(LOOK_SECONDS, stall / 4)
        self._told = asyncio.Event()
        self._over = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def run_on(self, sock: socket.socket) -> None:
        """Serve on that socket until told to finish; when cancelled, leave nothing open."""
        try:
            if self._opens is not None:
                await _first(self._opens(), self._told.wait())
            if not self.should_exit:
                await self.serve(sockets=[sock])
        finally:
            for server in getattr(self, "servers", ()):
                server.close()
            self._abort_all()
            self._over.set()

    async def cut_off_the_stalled(self) -> None:
        """Get rid of clients that take nothing, for ever."""
        await Stalls(self.server_state.connections).watch(self._look_seconds)

    async def ended(self) -> None:
        """Return when this server has stopped, for whatever reason."""
        await self._over.wait()

    def finish(self, *, force: bool) -> None:
        """Stop accepting, let open requests end within a time; `force` does not wait for them."""
        self.force_exit = force
        self.should_exit = True
        self._told.set()
        if force:
            self._abort_all()

    def _abort_all(self) -> None:
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


class _Signals:
    """SIGTERM and SIGINT for as long as the block lasts: the first one stops, the second one hurries."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.now = asyncio.Event()
        self.by_hand = False

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._received, number)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    def _received(self, number: int) -> None:
        if self.stop.is_set():
            self.now.set()
        self.by_hand = self.by_hand or number == signal.SIGINT
        self.stop.set()


@contextlib.contextmanager
def _bound(listeners: Sequence[Listener]) -> Generator[list[socket.socket], None, None]:
    with contextlib.ExitStack() as stack:
        sockets = []
        for each in listeners:
            sock = each.sock or listening_socket(each.host, each.port)
            sockets.append(stack.enter_context(contextlib.closing(sock)))
        yield sockets


def listening_socket(host: str, port: int) -> socket.socket:
    """Listen there: connections wait from now on until somebody accepts. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, or asyncio would leave small answers to Nagle: 40 ms each.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        reason = error.strerror or "not possible"
        raise CannotListen(f"cannot listen on {host}:{port}: {reason}") from error
    return sock


def _describe(listener: Listener, sock: socket.socket) -> Bound:
    return Bound(listener.name, listener.host, sock.getsockname()[1])


@contextlib.asynccontextmanager
async def _serving(
    listeners: Sequence[Listener], sockets: Sequence[socket.socket]
) -> AsyncIterator[list[_Server]]:
    """Run one server per listener; leaving waits until all have finished, a failing one fails the block."""
    _leave_exit_to_us()
    servers = [_Server(listener) for listener in listeners]
    async with asyncio.TaskGroup() as tasks:
        for server, sock in zip(servers, sockets, strict=True):
            serving = tasks.create_task(server.run_on(sock), name=f"serve {server.config.http}")
            watching = tasks.create_task(server.cut_off_the_stalled(), name="stalls")
            serving.add_done_callback(lambda _, watching=watching: watching.cancel())  # type: ignore[misc]
        yield servers


async def _drain(health: Health | None, drain: Drain | None, seconds: float) -> None:
    """Say that we are leaving, then go on answering for the whole time: balancers take it to notice."""
    until = time.monotonic() + seconds
    if health is not None:
        health.drain()
    if drain is not None:
        try:
            async with asyncio.timeout(seconds + 1):
                await drain(seconds)
        except TimeoutError:
            log.warning("drain.late", seconds=seconds)
    await asyncio.sleep(max(0.0, until - time.monotonic()))


async def _first(*waits: Awaitable[object]) -> None:
    """Return when the first one is done, with its failure if it failed; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # noqa: TID251 - owned: awaited below
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _leave_exit_to_us() -> None:
    """Keep sse-starlette, where it is in use, from ending streams on its own: the drain hook does that."""
    from sse_starlette.sse import AppStatus  # noqa: PLC0415 - importing it patches uvicorn; only when serving

    AppStatus.enable_automatic_graceful_drain = False
