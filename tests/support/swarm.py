"""Many clients that poll once each, all at the same time, from several addresses of this machine.

Raw connections, so that thousands are cheap. Edge limits what one address may look up, so a swarm has
several: the whole of 127/8 is this machine's.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httptools

LOOPBACK = "127.0.0.1"


class Visit(asyncio.Protocol):
    """One poll on a connection of its own."""

    def __init__(self, request: bytes) -> None:
        self.status = 0
        self.body = b""
        self.seconds = 0.0
        self.done = asyncio.Event()
        self._request = request
        self._began = time.monotonic()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self) -> None:
        """Send the poll."""
        if self._transport is not None and not self.done.is_set():
            self._began = time.monotonic()
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def leave(self) -> None:
        """Close without waiting for an answer."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def _end(self) -> None:
        if not self.done.is_set():
            self.seconds = time.monotonic() - self._began
            self.done.set()
            if self._transport is not None:
                self._transport.close()


@dataclass
class Swarm:
    """Visits under way or over."""

    visits: list[Visit]

    def ask(self) -> None:
        """All of them at once."""
        for each in self.visits:
            each.ask()

    def leave(self) -> None:
        for each in self.visits:
            each.leave()

    async def over(self, within_seconds: float) -> None:
        """Wait until everybody has an answer or was cut off."""
        async with asyncio.timeout(within_seconds):
            for visit in self.visits:
                await visit.done.wait()

    @property
    def statuses(self) -> Counter[int]:
        """How many were answered how; 0 = not at all."""
        return Counter(visit.status for visit in self.visits)

    def slowest(self, share: float = 1.0) -> float:
        """The time of the slowest, or of the one at this share of all."""
        times = sorted(visit.seconds for visit in self.visits)
        return times[min(len(times) - 1, int(len(times) * share))]


class Spammer:
    """Polls one key after another on one connection, as fast as answers come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self._reader = reader
        self._writer = writer
        self._port = port

    async def poll(self, key: str) -> int:
        """Answer the status."""
        head = f"GET /features?apiKey={key} HTTP/1.1\r\nhost: {LOOPBACK}:{self._port}\r\n\r\n"
        self._writer.write(head.encode())
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer.lower())
        await self._reader.readexactly(int(length[1]) if length else 0)
        return int(answer[9:12])

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def open_spammers(ports: Sequence[int], count: int, sources: int) -> AsyncIterator[list[Spammer]]:
    """So many connections, spread over the ports and over addresses of this machine."""
    spammers = []
    try:
        for number in range(count):
            port, source = ports[number % len(ports)], f"127.0.0.{2 + number % sources}"
            reader, writer = await asyncio.open_connection(LOOPBACK, port, local_addr=(source, 0))
            spammers.append(Spammer(reader, writer, port))
        yield spammers
    finally:
        for each in spammers:
            each.close()


async def gather(port: int, keys: Sequence[str], *, sources: int = 1) -> Swarm:
    """Connect one client for each key, from so many addresses; nobody has asked anything yet."""
    loop = asyncio.get_running_loop()

    async def one(number: int, key: str) -> Visit:
        request = f"GET /features?apiKey={key} HTTP/1.1\r\nhost: {LOOPBACK}:{port}\r\n\r\n".encode()
        source = (f"127.0.0.{1 + number % sources}", 0)
        _, made = await loop.create_connection(lambda: Visit(request), LOOPBACK, port, local_addr=source)
        return made

    visits: list[Visit] = []
    for start in range(0, len(keys), 200):
        # A listener's backlog is finite, and a full one costs a second.
        batch = keys[start : start + 200]
        visits += await asyncio.gather(*(one(start + offset, key) for offset, key in enumerate(batch)))
    return Swarm(visits)


async def visit(port: int, keys: Sequence[str], *, sources: int = 1) -> Swarm:
    """Connect one client for each key, and let all of them ask."""
    swarm = await gather(port, keys, sources=sources)
    swarm.ask()
    return swarm
