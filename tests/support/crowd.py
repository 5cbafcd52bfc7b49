"""Many SSE clients in one process, each with nothing but what it was last told.

Cheap enough for hundreds on one core: a parser of the library that the server uses for requests, and
every distinct event decoded once. What a client holds is what an SDK that applies every event would hold.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import httptools

from tests.support.judge import Delivered
from tests.support.ledger import ledger


class Told(NamedTuple):
    """One event of a stream, decoded."""

    name: str
    data: Any


Note = Callable[[str, Delivered], None]
"""Told of every state that was heard: its key, and what it is."""


def stream_request(port: int, key: str) -> bytes:
    """The request that opens a stream."""
    return (
        f"GET /features/{key} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: text/event-stream\r\n\r\n"
    ).encode()


class Listener(asyncio.Protocol):
    """One connection: what it holds, and whether a version ever fell."""

    def __init__(self, request: bytes, note: Note | None = None) -> None:
        self.held: dict[str, Delivered] | None = None
        self.status = 0
        self.failures = 0
        self.fallen: list[str] = []
        self.changes = 0
        self.names: list[str] = []
        """The events that say how it goes: all but changes and heartbeats."""
        self.ended = False
        self.on_end: Callable[[], None] = lambda: None
        self._request = request
        self._note = note
        self._versions: dict[str, int] = {}
        self._rest = b""
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self.on_end()

    def stop(self) -> None:
        """Read nothing until told to go on: the client's kernel takes what it has room for."""
        if self._transport is not None and not self.ended:
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if self._transport is not None and not self.ended:
            self._transport.resume_reading()

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        *events, self._rest = (self._rest + body).split(b"\n\n")
        for event in events:
            self._hear(_decoded(event))

    def on_message_complete(self) -> None:
        # The server may keep the connection for a next request; the stream is over.
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _hear(self, told: Told) -> None:
        if told.name in {"features", "failure", "bye"}:
            self.names.append(told.name)
        if told.name == "features":
            self.held = {}
            for state in told.data:
                self._take(state)
        elif told.name == "feature":
            self.changes += 1
            self._take(told.data)
        elif told.name == "delete_feature" and self.held is not None:
            self.changes += 1
            self.held.pop(told.data["key"], None)
        elif told.name == "failure":
            self.failures += 1

    def _take(self, state: dict[str, Any]) -> None:
        key, version = state["key"], state["version"]
        if version < self._versions.get(key, 0):
            self.fallen.append(f"{key} fell from {self._versions[key]} to {version}")
        self._versions[key] = version
        delivered = Delivered(state["type"], state.get("value"), state.get("l", False), version)
        if self.held is not None:
            self.held[key] = delivered
        if self._note is not None:
            self._note(key, delivered)


@lru_cache(maxsize=20_000)
def _decoded(event: bytes) -> Told:
    fields = dict(line.partition(b": ")[::2] for line in event.split(b"\n") if not line.startswith(b":"))
    return Told(fields.get(b"event", b"").decode(), json.loads(fields.get(b"data", b"null")))


class Crowd:
    """Listeners on the same stream address."""

    def __init__(self, port: int) -> None:
        self.listeners: list[Listener] = []
        self._port = port

    async def join(self, key: str, *, note: Note | None = None, receive_bytes: int | None = None) -> Listener:
        """Open one more stream; answer before it has heard anything.

        With ``receive_bytes`` its kernel holds hardly more than that of what was not read.
        """
        request = stream_request(self._port, key)
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await loop.sock_connect(sock, ("127.0.0.1", self._port))
        _, listener = await loop.create_connection(lambda: Listener(request, note), sock=sock)
        self.listeners.append(listener)
        return listener

    def disagreeing(self, expected: dict[str, Delivered]) -> list[Listener]:
        """Those that do not hold exactly this."""
        return [each for each in self.listeners if each.held != expected]

    def assert_unharmed(self) -> None:
        """Every stream is open still, and no version ever fell on any."""
        fallen = [told for each in self.listeners for told in each.fallen]
        ledger().stepped_back(len(fallen))
        assert not fallen, fallen[:10]
        refused = [each.status for each in self.listeners if each.status != 200 or each.ended]
        assert not refused, f"{len(refused)} streams were refused or ended: {refused[:10]}"


@asynccontextmanager
async def open_crowd(port: int) -> AsyncIterator[Crowd]:
    """A crowd in front of this port, at first empty; all have left afterwards."""
    crowd = Crowd(port)
    try:
        yield crowd
    finally:
        for listener in crowd.listeners:
            listener.close()
