"""A client that takes nothing of a poll's answer does not keep its connection for ever, whichever way in."""

import asyncio
import socket
from pathlib import Path

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from common.serve import GuardedHttp, Stalls
from tests.support.edges import running_edge
from tests.support.sources import CLIENT_KEY, ENVIRONMENT, MemorySource, account, environment, feature
from tests.support.waiting import eventually

STALL_SECONDS = 0.5
ESTABLISHED = "01"
BIG = "x" * (8 * 1024 * 1024)


@pytest.fixture
def source() -> MemorySource:
    made = MemorySource()
    made.put(environment(feature("BIG", BIG, feature_type="STRING")), account())
    return made


def request(*more: str) -> bytes:
    lines = [f"GET /features?apiKey={ENVIRONMENT}/{CLIENT_KEY} HTTP/1.1", "Host: edge", *more]
    return "\r\n".join([*lines, "", ""]).encode()


async def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    return sock


def is_cut(sock: socket.socket) -> bool:
    """True when the process at the other end has given the connection up, whatever its kernel still holds."""
    ends = f":{sock.getpeername()[1]:04X}", f":{sock.getsockname()[1]:04X}"
    with Path("/proc/net/tcp").open() as connections:
        for line in connections:
            words = line.split()
            if words[1].endswith(ends[0]) and words[2].endswith(ends[1]):
                return words[3] != ESTABLISHED
    return True


@pytest.mark.parametrize("edge_http", ["fast", "plain"])
@pytest.mark.parametrize("more", [(), ("Connection: close",)], ids=["kept alive", "the last one"])
async def test_a_client_that_takes_nothing_is_cut_off(
    source: MemorySource, edge_http: str, more: tuple[str, ...]
) -> None:
    loop = asyncio.get_running_loop()
    async with running_edge(source, edge_http=edge_http, stream_stall_seconds=STALL_SECONDS) as edge:
        with await connected(edge.url) as sock:
            await loop.sock_sendall(sock, request(*more))
            begun = loop.time()
            await eventually(lambda: is_cut(sock), within_seconds=30, what="the end of the connection")
            assert loop.time() - begun >= STALL_SECONDS


@pytest.mark.parametrize("edge_http", ["fast", "plain"])
async def test_a_client_that_takes_a_little_now_and_then_gets_everything(
    source: MemorySource, edge_http: str
) -> None:
    loop = asyncio.get_running_loop()
    # Much longer than its pauses, and for much less than the whole: a machine may have other things to do.
    stall = 1.5
    async with running_edge(source, edge_http=edge_http, stream_stall_seconds=stall) as edge:
        with await connected(edge.url) as sock:
            await loop.sock_sendall(sock, request())
            taken, until = 0, loop.time() + 2 * stall
            while taken < len(BIG):
                some = await asyncio.wait_for(loop.sock_recv(sock, 256 * 1024), 30)
                assert some, "it was cut off"
                taken += len(some)
                if loop.time() < until:
                    await asyncio.sleep(0.1)


async def test_whoever_waits_for_nothing_is_left_alone(source: MemorySource) -> None:
    loop = asyncio.get_running_loop()
    async with running_edge(source, stream_stall_seconds=STALL_SECONDS) as edge:
        source.put(environment(feature("SMALL", True)), account())
        with await connected(edge.url) as sock:
            for _ in range(2):
                await loop.sock_sendall(sock, request())
                heard = b""
                while not heard.endswith(b"}]}]"):
                    some = await loop.sock_recv(sock, 65536)
                    assert some, "it was cut off"
                    heard += some
                assert heard.startswith(b"HTTP/1.1 200")
                await asyncio.sleep(2 * STALL_SECONDS)


async def test_connections_that_are_no_longer_http_are_not_looked_at() -> None:
    stalls = Stalls([object()])
    await stalls.look()


def test_a_connection_that_ends_while_it_is_looked_at_is_nobodys_fault() -> None:
    """uvloop, as in production: its buffers outlive a closed socket for a turn or two of the loop."""
    config = uvicorn.Config(lambda *_: None, http=GuardedHttp, log_config=None)
    config.load()

    async def cut_while_looking() -> None:
        loop = asyncio.get_running_loop()
        connections: list[GuardedHttp] = []

        def accept() -> GuardedHttp:
            connections.append(GuardedHttp(config, ServerState(), {}))
            return connections[-1]

        async with await loop.create_server(accept, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with await connected(f"http://127.0.0.1:{port}"):
                await eventually(lambda: bool(connections), within_seconds=30, what="the connection")
                transport = connections[0].transport
                transport.write(BIG.encode())
                transport.abort()
                for _ in range(5):
                    await Stalls(connections).look()
                    await asyncio.sleep(0)

    uvloop.run(cut_while_looking())
