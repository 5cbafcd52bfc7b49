"""What the fast way owes its connections: time limits, order, bounds, and an end."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from common.serve import running
from edge.hot import HotProtocol
from tests.support.edges import CLIENT, NOBODY, Response, running_edge
from tests.support.sources import MemorySource, account, environment, feature
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

POLL = f"GET /features?apiKey={CLIENT} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
PLAIN = POLL.replace(b"Host: x\r\n", b"Host: x\r\nX-Whatever: 1\r\n")


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    port = int(url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one answer."""
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        return int(head.split(b" ")[1]), await reader.readexactly(int(lines.get(b"content-length", b"0")))


@asynccontextmanager
async def impatient(source: MemorySource, *, idle: float = 1.0, head: float = 1.0) -> AsyncIterator[str]:
    """An Edge in the fast way with shorter times."""
    async with running_edge(source) as edge:
        protocol = edge.edge.protocol(edge.ledger, edge.health)

        class Impatient(protocol):  # type: ignore[misc, valid-type]
            head_seconds = head

            def connection_made(self, transport: asyncio.Transport) -> None:
                super().connection_made(transport)
                self.timeout_keep_alive = idle

        assert issubclass(Impatient, HotProtocol)

        async def nothing_else(scope, receive, send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

        async with running(nothing_else, http=Impatient) as url:
            yield url


@pytest.mark.parametrize("requests", [[POLL], [PLAIN], [POLL, PLAIN], [PLAIN, POLL], [POLL, PLAIN, POLL]])
async def test_a_connection_that_nobody_uses_is_closed_after_its_last_answer(source, requests):
    async with impatient(source) as url, connection(url) as (reader, writer):
        # For longer than it may be idle, with pauses that are much shorter.
        began = time.monotonic()
        while time.monotonic() - began < 1.2:
            for request in requests:
                asked = time.monotonic()
                writer.write(request)
                assert (await answer(reader))[0] == 200
                await asyncio.sleep(0.1)
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        assert time.monotonic() - asked > 0.95


@pytest.mark.parametrize("before", [POLL, PLAIN])
async def test_half_a_head_after_an_answer_has_its_own_time_and_is_told(source, before):
    async with impatient(source, idle=1.0, head=2.0) as url, connection(url) as (reader, writer):
        writer.write(before)
        await answer(reader)
        began = time.monotonic()
        writer.write(POLL[:30])
        assert await answer(reader) == (400, b"The request's head did not arrive in time.")
        assert time.monotonic() - began > 1.9
        assert await reader.read() == b""


async def test_a_slow_head_that_arrives_in_time_is_answered(source):
    async with impatient(source, idle=1.0, head=10.0) as url, connection(url) as (reader, writer):
        for _ in range(2):
            writer.write(POLL[:30])
            await asyncio.sleep(1.3)
            writer.write(POLL[30:])
            assert (await answer(reader))[0] == 200


async def test_all_who_ask_the_same_at_once_cost_one_look_up(source):
    source.delay_seconds = 0.1
    source.forget()
    async with running_edge(source) as edge:
        answers = await asyncio.gather(*(edge.poll(CLIENT) for _ in range(100)))
        assert {each.status for each in answers} == {200}
        assert set(source.lookups.values()) == {1}
        assert sum(edge.edge.usage.hits.values()) == 100


async def test_a_client_that_leaves_before_its_answer_harms_nobody(source):
    source.gate.clear()
    source.forget()
    async with running_edge(source) as edge:
        async with connection(edge.url) as (_, writer):
            writer.write(POLL)
            await eventually(lambda: source.lookups)
        source.gate.set()
        async with connection(edge.url) as (reader, writer):
            writer.write(POLL)
            assert (await answer(reader))[0] == 200


async def test_requests_behind_a_look_up_wait_for_it_and_keep_their_turn(source):
    source.delay_seconds = 0.1
    source.forget()
    unknown = POLL.replace(CLIENT.encode(), NOBODY.encode())
    async with running_edge(source) as edge, connection(edge.url) as (reader, writer):
        writer.write(POLL + unknown + PLAIN + POLL.replace(b"GET", b"HEAD"))
        assert [(await answer(reader))[0] for _ in range(3)] == [200, 404, 200]
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 405 ")


async def test_a_server_that_ends_gives_answers_that_are_still_looked_up(source):
    source.gate.clear()
    source.forget()
    async with running_edge(source) as edge, connection(edge.url) as (reader, writer):
        writer.write(POLL)
        await eventually(lambda: source.lookups)
        edge.health.drain()
        source.gate.set()
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close\r\n" in head
        assert b"features" in await reader.read()


async def test_a_client_that_asks_without_end_and_never_reads_is_held_back(source):
    source.put(
        environment(*(feature(f"F{number}", True) for number in range(2_000)), revision=2),
        account(revision=2),
    )
    async with running_edge(source) as edge:
        size = len((await edge.poll(CLIENT)).body)
        with socket.create_connection(("127.0.0.1", int(edge.url.rsplit(":", 1)[1]))) as sock:
            sock.setblocking(False)
            sent = 0
            deadline = time.monotonic() + 3
            while time.monotonic() < deadline and sent < 1_000_000:
                try:
                    sent += sock.send(POLL * 100)
                except BlockingIOError:
                    await asyncio.sleep(0.05)
            answered = edge.metric(
                "burgee_http_requests_total", listener="main", method="GET", route="/features", status="200"
            )
            # What the kernel takes, and a few answers; not one for each of the thousands of requests.
            assert answered * size < 30_000_000
            assert (await edge.poll(CLIENT)).status == 200


async def test_a_big_answer_arrives_whole(source):
    source.put(
        environment(*(feature(f"F{number}", True) for number in range(20_000)), revision=2),
        account(revision=2),
    )
    async with running_edge(source) as edge:
        plain = await edge.poll(CLIENT, x_whatever="1")
        fast = await edge.poll(CLIENT)
        assert len(fast.body) > 1_000_000
        assert fast.body == plain.body


async def test_callers_who_asked_too_much_are_told_so_like_everywhere(source):
    async with running_edge(source) as edge:
        junk = [f"{number:08x}-0000-4000-8000-000000000000/{number:040d}" for number in range(200)]

        async def refusal(**headers: str) -> Response | None:
            answer = await edge.poll(*junk, x_request_id="abcdefgh", **headers)
            return answer if answer.status == 503 else None

        # As often as it takes: a little is allowed again with every second.
        fast = await eventually(refusal, every_seconds=0)
        plain = await eventually(lambda: refusal(x_whatever="1"), every_seconds=0)
        assert (fast.status, fast.body) == (plain.status, plain.body)
        assert set(fast.headers) == set(plain.headers)
