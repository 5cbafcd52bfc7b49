"""A small TCP proxy in front of a server: holds, cuts, refuses, delays, and counts what is asked.

It stands where a network would be, so faults need no switch in the product. It knows no more of HTTP
than the first line of a request, for counting.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.support.ledger import ledger
from tests.support.ports import free_port

CHUNK = 65536
_REQUEST = re.compile(rb"(GET|PUT|POST|OPTIONS|DELETE|HEAD) (\S+) HTTP/1\.[01]\r\n")


class Request(NamedTuple):
    """One request that came by, at a time of `time.monotonic`."""

    method: str
    path: str
    at: float


class Proxy:
    """One listening port of its own in front of a server's port.

    In front of several, connections take turns and those that refuse are passed over, as behind a balancer
    that looks at its servers; with ``passes_over`` False they are not, as behind a Kubernetes Service.
    """

    def __init__(self, *upstream_ports: int) -> None:
        self._turns = deque(upstream_ports)
        self.passes_over = True
        self.requests: list[Request] = []
        # Not one that the kernel gives away: it must be had again after nobody listened on it for a while.
        self.port = free_port()
        self.delay_seconds = 0.0
        self._server: asyncio.Server | None = None
        self._links: list[_Link] = []
        self._over = False
        self._dialling = asyncio.Event()
        self._dialling.set()
        self._passing = {"up": asyncio.Event(), "down": asyncio.Event()}
        for gate in self._passing.values():
            gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._links)

    def asked(self, matching: Callable[[Request], bool] = lambda _: True) -> int:
        """Answer how many requests came by so far."""
        return sum(1 for request in self.requests if matching(request))

    def put_in(self, upstream_port: int) -> None:
        """Let this server have connections too, from now on."""
        self._turns.append(upstream_port)

    def take_out(self, upstream_port: int) -> None:
        """Give this server no new connection; those it has stay."""
        self._turns.remove(upstream_port)

    def hold(self) -> None:
        """Accept new connections, but let them wait: as a port kept open over a restart."""
        self._dialling.clear()

    def release(self) -> None:
        """Connect those that wait, and all later ones."""
        self._dialling.set()

    def cut(self) -> None:
        """End every connection as a network does: at once, in both directions."""
        ledger().fault()
        self.end_all()

    def end_all(self) -> None:
        """The same where it is the end of a test and no fault."""
        for link in list(self._links):
            link.cut()

    def stall(self, direction: str) -> None:
        """Keep connections open but let nothing pass "up" (to the server) or "down"."""
        ledger().fault()
        self._passing[direction].clear()

    def resume(self, direction: str) -> None:
        self._passing[direction].set()

    async def refuse(self) -> None:
        """Stop listening: new connections are refused; open ones stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def accept(self) -> None:
        """Listen (again), on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port, limit=CHUNK)

    async def close(self) -> None:
        """Stop listening and end every connection; returns when nothing of them is left."""
        self._over = True
        self.release()
        await self.refuse()
        self.end_all()
        if tasks := [link.server for link in self._links]:
            await asyncio.wait(tasks)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection at once: one that a task has yet to note would be forgotten at the end."""
        if self._over:
            writer.transport.abort()
            return
        ends = [writer]
        serving = asyncio.get_running_loop().create_task(self._serve(reader, writer, ends))
        link = _Link(serving, ends)
        self._links.append(link)
        serving.add_done_callback(lambda _: self._left(link))

    def _left(self, link: "_Link") -> None:
        self._links.remove(link)
        for end in link.ends:
            end.close()
        if not link.server.cancelled() and (error := link.server.exception()) is not None:
            link.server.get_loop().call_exception_handler({"message": "a proxy failed", "exception": error})

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: list[asyncio.StreamWriter]
    ) -> None:
        try:
            await self._dialling.wait()
            upstream_reader, upstream = await self._dial()
            ends.append(upstream)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump("up", reader, upstream))
                pumps.create_task(self._pump("down", upstream_reader, writer))
        except* (_Ended, ConnectionError):
            # One side is gone, or the server was never there: the other sees an orderly end, with
            # everything that was sent before.
            pass

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(len(self._turns) - 1 if self.passes_over else 0):
            self._turns.rotate(-1)
            try:
                return await asyncio.open_connection("127.0.0.1", self._turns[0])
            except ConnectionRefusedError:
                continue
        self._turns.rotate(-1)
        return await asyncio.open_connection("127.0.0.1", self._turns[0])

    async def _pump(self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            if direction == "up":
                self._note(chunk)
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            await self._passing[direction].wait()
            writer.write(chunk)
            await writer.drain()
        raise _Ended

    def _note(self, chunk: bytes) -> None:
        found = _REQUEST.match(chunk)
        if found:
            method, path = found.groups()
            self.requests.append(Request(method.decode(), path.decode(), time.monotonic()))


class _Ended(Exception):
    """One side closed its connection."""


class _Link(NamedTuple):
    """One connection through the proxy: who serves it, and its ends."""

    server: "asyncio.Task[None]"
    ends: list[asyncio.StreamWriter]

    def cut(self) -> None:
        for end in self.ends:
            end.transport.abort()
        self.server.cancel()


@asynccontextmanager
async def open_proxy(*upstream_ports: int) -> AsyncIterator[Proxy]:
    """A listening proxy; afterwards all of its connections are cut."""
    proxy = Proxy(*upstream_ports)
    await proxy.accept()
    try:
        yield proxy
    finally:
        await proxy.close()
