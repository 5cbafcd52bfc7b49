"""Serving through real sockets: answers that are problems, request ids, CORS, drain and signals."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from common.client import Unreachable, open_client
from common.errors import BadRequest, FieldFault, NotFound, Unavailable
from common.ledger import RequestMetrics
from common.observability import process_registry
from common.serve import CannotListen, GuardedHttp, Listener, running, serve
from common.web import (
    BodyGuard,
    Health,
    SdkCors,
    Surroundings,
    operational_routes,
    problem_handlers,
)
from tests.support.waiting import eventually, eventually_sync

KEY = "6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11/kd8Fq2mPz0sLx7WvY3nT"
ORIGIN = {"Origin": "https://shop.example"}


async def echo(request: Request) -> Response:
    return JSONResponse(await request.json())


async def missing(_request: Request) -> Response:
    raise NotFound("There is no such thing.")


async def unsure(_request: Request) -> Response:
    raise Unavailable("Not now.", retry_after_seconds=7)


async def faulty(_request: Request) -> Response:
    raise BadRequest(fields=[FieldFault("name", "is too long")])


async def broken(_request: Request) -> Response:
    raise ValueError(f"a bug with {KEY}")


async def parameters(request: Request) -> Response:
    return JSONResponse(request.path_params)


async def breaks_in_the_middle(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        raise ValueError("too late for a status")

    return StreamingResponse(parts())


def application(health: Health | None = None) -> ASGIApp:
    metrics = process_registry()
    health = health or Health({})
    routes = [
        *operational_routes(name="house", version="1", health=health, metrics=metrics),
        Route("/echo", echo, methods=["POST"]),
        Route("/missing", missing),
        Route("/unsure", unsure),
        Route("/faulty", faulty),
        Route("/broken", broken),
        Route("/middle", breaks_in_the_middle),
        Route("/features/{environment_id}/{key}", parameters),
        Route("/features/unsure", unsure),
    ]
    inner = Starlette(routes=routes, exception_handlers=problem_handlers())
    return Surroundings(
        SdkCors(BodyGuard(inner, max_bytes=1000), extra_headers=["X-Shop"]),
        routes=routes,
        metrics=RequestMetrics(metrics),
        health=health,
    )


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with running(application()) as url, aiohttp.ClientSession(url) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/missing", 404, "not-found"),
        ("/nowhere", 404, "not-found"),
        ("/faulty", 400, "bad-request"),
        ("/unsure", 503, "unavailable"),
        ("/echo", 405, "method-not-allowed"),
        ("/broken", 500, "internal-server-error"),
    ],
)
async def test_every_error_is_a_problem_document_with_the_requests_id(session, path, status, code):
    async with session.get(path, headers={"X-Request-Id": "asked-12345"}) as answer:
        body = await answer.json(content_type="application/problem+json")
    assert answer.status == body["status"] == status
    assert body["type"] == f"urn:burgee:problem:{code}"
    assert body["instance"] == answer.headers["X-Request-Id"] == "asked-12345"


async def test_a_bug_is_answered_without_its_detail(session):
    async with session.get("/broken") as answer:
        assert "bug" not in await answer.text()


async def test_unavailable_says_when_to_come_back(session):
    async with session.get("/unsure") as answer:
        assert answer.headers["Retry-After"] == "7"


async def test_field_faults_are_listed(session):
    async with session.get("/faulty") as answer:
        body = await answer.json(content_type=None)
    assert body["errors"] == [{"field": "name", "detail": "is too long"}]


@pytest.mark.parametrize("given", ["short", "has spaces in it", "x" * 65, "semi;colon;semi"])
async def test_a_request_id_that_is_not_sane_is_replaced(session, given):
    async with session.get("/missing", headers={"X-Request-Id": given}) as answer:
        assert answer.headers["X-Request-Id"] != given


async def test_a_body_over_the_limit_is_400_with_and_without_a_length(session):
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    for body in (b"x" * 2000, parts()):
        async with session.post("/echo", data=body) as answer:
            assert answer.status == 400
            assert (await answer.json(content_type=None))["type"].endswith("body-too-large")


async def test_the_route_decides_before_the_body_is_looked_at(session):
    async with session.post("/nowhere", data=b"x" * 2000) as answer:
        assert answer.status == 404


async def test_harmful_json_is_400(session):
    async with session.post("/echo", data=b"[" * 100) as answer:
        assert answer.status == 400


async def test_a_failure_in_the_middle_of_an_answer_cuts_it(session):
    async with session.get("/middle") as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


@pytest.mark.parametrize(
    ("path", "status"), [("/features/a/b", 200), ("/features/unsure", 503), ("/features/x", 404)]
)
async def test_browsers_may_read_every_status_below_features(session, path, status):
    async with session.get(path, headers=ORIGIN) as answer:
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Expose-Headers"] == "etag,cache-control"


async def test_a_preflight_allows_what_sdks_send(session):
    async with session.options("/features/a/b", headers=ORIGIN) as answer:
        assert answer.status == 200
        allowed = answer.headers["Access-Control-Allow-Headers"].split(",")
    assert {"x-featurehub", "if-none-match", "content-type", "x-sdk", "last-event-id", "x-shop"} <= set(
        allowed
    )


@pytest.mark.parametrize("path", ["/missing", "/health/liveness", "/featuresque"])
async def test_other_paths_are_closed_to_browsers(session, path):
    async with session.get(path, headers=ORIGIN) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_metrics_count_by_route_template_and_never_by_path(session):
    for path in (f"/features/{KEY}", "/nowhere/at/all"):
        async with session.get(path):
            pass
    async with session.get("/metrics") as answer:
        lines = await answer.text()
    assert 'route="/features/{environment_id}/{key}"' in lines
    assert 'route="(none)"' in lines
    assert KEY not in lines
    assert "nowhere" not in lines


async def test_ready_waits_for_its_checks_once_and_never_again():
    there = False
    health = Health({"database": lambda: there}, start_degraded_after_seconds=60)
    async with running(application(health)) as url, aiohttp.ClientSession(url) as client:
        async with client.get("/health/readiness") as answer:
            assert answer.status == 500
            assert (await answer.json())["waiting_for"] == ["database"]
        there = True
        for path in ("/health/readiness", "/health/readyness", "/health/liveness"):
            async with client.get(path) as answer:
                assert answer.status == 200
        there = False
        async with client.get("/health/readiness") as answer:
            assert answer.status == 200


async def test_a_process_starts_degraded_after_its_time():
    health = Health({"database": lambda: False}, start_degraded_after_seconds=0)
    await eventually(lambda: health.ready)


async def test_a_draining_process_is_not_ready_and_asks_clients_to_leave():
    health = Health({})
    async with running(application(health)) as url, aiohttp.ClientSession(url) as client:
        health.drain()
        async with client.get("/health/readiness") as answer:
            assert answer.status == 500
        async with client.get("/features/a/b") as answer:
            assert answer.status == 200
            assert answer.headers["Connection"] == "close"


async def test_a_taken_address_is_named_before_anything_is_served():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}"):
            await serve([Listener("free", application()), Listener("taken", application(), port=port)])


async def test_serving_ends_when_its_task_is_cancelled():
    listening = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(
            serve([Listener("main", application())], on_listening=lambda _: listening.set(), drain_seconds=60)
        )
        await asyncio.wait_for(listening.wait(), 30)
        serving.cancel()


async def test_the_client_gives_up_at_its_deadline():
    async with open_client() as client:
        with pytest.raises(Unreachable, match="ClientConnectorError"):
            await client.get("http://127.0.0.1:1/", attempts=2, deadline_seconds=5)


async def test_the_client_repeats_what_may_be_repeated_and_answers_the_last():
    async with running(application()) as url, open_client() as client:
        assert (await client.get(f"{url}/unsure", attempts=2)).status == 503
        assert (await client.get(f"{url}/missing")).status == 404


SERVER = """
import asyncio
import uvloop
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.routing import Route
from common.observability import set_up_logs
from common.serve import Listener, serve
from common.web import Health, Surroundings, operational_routes

set_up_logs(level="warning")
ending = asyncio.Event()

async def stream(request):
    async def events():
        yield {"event": "ack"}
        await ending.wait()
        yield {"event": "bye"}
    return EventSourceResponse(events())

async def drain(seconds):
    ending.set()

async def main():
    health = Health({})
    routes = [*operational_routes(name="x", version="1", health=health), Route("/stream", stream)]
    app = Surroundings(Starlette(routes=routes), routes=routes, health=health)
    await serve(
        [Listener("main", app)],
        health=health,
        drain=drain if DRAINS else None,
        drain_seconds=SECONDS,
        on_listening=lambda bound: print(bound[0].url, flush=True),
    )

uvloop.run(main())
"""


class Served:
    def __init__(self, *, seconds: float, drains: bool = True) -> None:
        code = textwrap.dedent(SERVER).replace("SECONDS", str(seconds)).replace("DRAINS", str(drains))
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONPATH": "."},
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_streams_hear_bye_and_the_process_ends_with_status_0(number):
    with Served(seconds=0.2) as served:
        async with aiohttp.ClientSession(served.url) as client, client.get("/stream") as answer:
            assert b"ack" in await answer.content.readany()
            served.process.send_signal(number)
            assert b"bye" in await answer.content.read()
        assert await asyncio.to_thread(served.process.wait, 60) == 0


async def test_polls_are_answered_for_the_whole_drain():
    with Served(seconds=4) as served:
        async with aiohttp.ClientSession(served.url) as client:
            served.process.send_signal(signal.SIGTERM)

            async def unready() -> bool:
                async with client.get("/health/readiness") as answer:
                    return answer.status == 500

            await eventually(unready)
            async with client.get("/info/version") as answer:
                assert answer.status == 200
        assert await asyncio.to_thread(served.process.wait, 60) == 0


def test_a_second_signal_does_not_wait_for_the_drain():
    with Served(seconds=60) as served:
        served.process.send_signal(signal.SIGTERM)
        assert eventually_sync(lambda: _status(served.url) == 500)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(30) == 0


async def test_a_stream_that_nobody_ends_does_not_keep_the_process():
    with Served(seconds=0, drains=False) as served:
        async with aiohttp.ClientSession(served.url) as client, client.get("/stream") as answer:
            await answer.content.readany()
            served.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(served.process.wait, 60) == 0


def _status(url: str) -> int:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"{url}/health/readiness", timeout=30) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


class Impatient(GuardedHttp):
    head_seconds = 0.3
    head_bytes = 2_000


async def _answer_to(url: str, *pieces: bytes) -> bytes:
    """What comes back until the server closes; the pieces are sent as they are."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("beginning", [b"", b"GET /echo HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_head_that_does_not_arrive_is_not_waited_for(beginning):
    async with running(Starlette(routes=[Route("/echo", echo)]), http=Impatient) as url:
        answer = await _answer_to(url, beginning)
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_second_head_on_the_same_connection_has_its_time_too():
    whole = b"GET /missing HTTP/1.1\r\nHost: x\r\n\r\n"
    async with running(Starlette(), http=Impatient) as url:
        answer = await _answer_to(url, whole, b"GET /echo")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.count(b"HTTP/1.1 400 ") == 1


async def test_a_head_without_end_is_refused():
    line = b"X-Long: " + b"a" * 500 + b"\r\n"
    async with running(Starlette(), http=Impatient) as url:
        answer = await _answer_to(url, b"GET / HTTP/1.1\r\n", *[line] * 10)
    assert answer.startswith(b"HTTP/1.1 400 ")


def _waiting_for(asked: list[str], may_answer: asyncio.Event) -> ASGIApp:
    async def answer(request: Request) -> Response:
        asked.append(request.url.path)
        await may_answer.wait()
        return JSONResponse(request.url.path)

    return Starlette(routes=[Route("/{number}", answer)])


async def test_requests_that_wait_behind_another_are_answered_in_order():
    asked, may_answer = [], asyncio.Event()
    may_answer.set()
    requests = b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(100))
    last = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"
    async with running(_waiting_for(asked, may_answer)) as url:
        answer = await _answer_to(url, requests + last)
    assert asked == [*(f"/{number}" for number in range(100)), "/last"]
    assert answer.count(b"HTTP/1.1 200 ") == 101


async def test_whoever_sends_thousands_of_requests_without_waiting_is_cut_off():
    asked, may_answer = [], asyncio.Event()
    async with running(_waiting_for(asked, may_answer)) as url:
        # How the end of a connection is told depends on what was under way.
        with suppress(ConnectionError):
            assert await _answer_to(url, b"GET /0 HTTP/1.1\r\n\r\n" * 5_000) == b""
        assert len(asked) <= 1
        may_answer.set()
        # Others are served meanwhile and afterwards.
        async with open_client() as client:
            assert (await client.get(f"{url}/other")).status == 200


async def test_a_long_body_is_no_long_head():
    body = b'"' + b"a" * 50_000 + b'"'
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    app = Starlette(routes=[Route("/echo", echo, methods=["POST"])])
    async with running(app, http=Impatient) as url:
        answer = await _answer_to(url, head + body)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(body)


async def test_a_body_that_does_not_arrive_is_400():
    app = Starlette(routes=[Route("/echo", echo, methods=["POST"])], exception_handlers=problem_handlers())
    guarded = Surroundings(BodyGuard(app, max_bytes=1_000, max_seconds=0.3))
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n"
    async with running(guarded) as url:
        answer = await _answer_to(url, head + b'"half')
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"did not arrive in time" in answer
