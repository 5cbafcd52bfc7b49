"""Connections that are taken over at once: streams on real sockets without an HTTP server in front.

The protocol reads a request up to its blank line and hands the connection over, as the fast way does;
clients are bare sockets, which read when they are told to.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from prometheus_client import CollectorRegistry

from common.contracts.environments import SdkKey
from common.evaluation.context import EMPTY
from edge.access import Access
from edge.answers import Answers
from edge.hub import Hub
from edge.limits import ColdLookups, Holds
from edge.settings import EdgeSettings
from edge.streams import Streams, Visitor
from edge.taken import TakenStreams
from edge.usage import Usage
from tests.support.sources import MemorySource
from tests.support.waiting import PATIENCE_SECONDS

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


class Taker(asyncio.Protocol):
    """Hands its connection over at the first request: the path is the key."""

    def __init__(self, taking: "Taking") -> None:
        self._taking = taking
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        assert data.endswith(b"\r\n\r\n")
        key = SdkKey.parse(data.split(b" ")[1].decode())
        visitor = Visitor(key, EMPTY, "somebody")
        self._taking.taken.open(self._transport, visitor, head=HEAD, connections=self._taking.connections)


@dataclass
class Taking:
    """A server of taken streams, and what is to be known of it."""

    port: int
    streams: Streams
    taken: TakenStreams
    registry: CollectorRegistry
    connections: set[Any] = field(default_factory=set)
    clients: list["Client"] = field(default_factory=list)

    async def connect(self, key: str, *, receive_bytes: int | None = None) -> "Client":
        """Open a stream on a bare socket."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", self.port))
        await loop.sock_sendall(sock, f"GET {key} HTTP/1.1\r\nhost: edge\r\n\r\n".encode())
        client = Client(sock)
        self.clients.append(client)
        return client

    def metric(self, name: str) -> float:
        return self.registry.get_sample_value(name) or 0.0


@dataclass
class Client:
    """A bare socket that reads when it is told to."""

    sock: socket.socket
    unread: bytes = b""

    async def until(self, mark: bytes, *, within_seconds: float = PATIENCE_SECONDS) -> bytes:
        """Everything not read yet, up to and including the mark."""
        loop = asyncio.get_running_loop()
        searched = 0
        async with asyncio.timeout(within_seconds):
            while (found := self.unread.find(mark, searched)) < 0:
                searched = max(0, len(self.unread) - len(mark))
                piece = await loop.sock_recv(self.sock, 1 << 20)
                assert piece, f"the connection ended after {self.unread[-200:]!r}"
                self.unread += piece
        end = found + len(mark)
        heard, self.unread = self.unread[:end], self.unread[end:]
        return heard

    async def rest(self, *, within_seconds: float = PATIENCE_SECONDS) -> bytes:
        """Everything not read yet, up to the end of the connection."""
        loop = asyncio.get_running_loop()
        pieces = [self.unread]
        async with asyncio.timeout(within_seconds):
            while piece := await loop.sock_recv(self.sock, 1 << 20):
                pieces.append(piece)
        return b"".join(pieces)


def body_of(heard: bytes) -> bytes:
    """Take the head and the chunks' framing off; checks that the last one is whole, and whether it ends."""
    rest, pieces = heard.removeprefix(HEAD), []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n", "a chunk is not whole"
        pieces.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(pieces)


@asynccontextmanager
async def open_taking(source: MemorySource, **settings: Any) -> AsyncIterator[Taking]:
    """Serve taken streams over a source in memory; settings by name."""
    chosen = EdgeSettings(**{"unknown_key_hold_seconds": 0.3} | settings)
    registry = CollectorRegistry()
    usage = Usage(registry)
    access = Access(source, ColdLookups())
    hub = Hub(access, Answers())
    loop = asyncio.get_running_loop()
    failure: BaseException | None = None
    async with asyncio.TaskGroup() as tasks:
        streams = Streams(
            source=source, access=access, hub=hub, holds=Holds(), usage=usage, times=chosen, tasks=tasks
        )
        taken = TakenStreams(streams, usage, stall_seconds=chosen.stream_stall_seconds)
        taking = Taking(0, streams, taken, registry)
        server = await loop.create_server(lambda: Taker(taking), "127.0.0.1", 0, backlog=2048)
        taking.port = server.sockets[0].getsockname()[1]
        stop_watching = source.watch(hub)
        try:
            yield taking
        except BaseException as error:  # noqa: BLE001 - raised below, outside of the group that would wrap it
            failure = error
        finally:
            stop_watching()
            server.close()
            for client in taking.clients:
                client.sock.close()
            for connection in tuple(taking.connections):
                connection.cut()
            taken.close()
            streams.close()
    if failure is not None:
        raise failure
