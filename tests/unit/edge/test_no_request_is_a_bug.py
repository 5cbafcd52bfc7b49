"""Whatever SDKs, proxies and strangers send: an answer, and never a 5xx that is our fault."""

import asyncio
from types import SimpleNamespace
from urllib.parse import unquote_to_bytes

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from common.contracts.features import RolloutStrategy, StrategyAttribute
from common.web import BodyGuard, Surroundings, problem_handlers
from edge.app import open_edge
from tests.support.edges import CLIENT, SERVER
from tests.support.replicas import events_of
from tests.support.sources import (
    CLIENT_KEY,
    ENVIRONMENT,
    SERVER_KEY,
    MemorySink,
    MemorySource,
    account,
    environment,
    feature,
    text_value,
)

OPTIONS = SimpleNamespace(
    cache_control="no-store, max-age=0",
    edge_http="plain",
    stream_seconds=0.001,
    heartbeat_seconds=5.0,
    unknown_key_hold_seconds=0.0,
    stream_stall_seconds=5.0,
)
RULES = tuple(
    RolloutStrategy(
        id=f"r{number}",
        value=text_value("x"),
        percentage=500_000 if number % 2 else None,
        attributes=(
            StrategyAttribute(
                conditional=conditional, field_name="userkey", values=("1.2", "(a+)+$"), type=kind
            ),
        ),
    )
    for number, (conditional, kind) in enumerate(
        [
            ("REGEX", "STRING"),
            ("LESS", "NUMBER"),
            ("EQUALS", "SEMANTIC_VERSION"),
            ("GREATER", "DATETIME"),
            ("EQUALS", "IP_ADDRESS"),
            ("EQUALS", "BOOLEAN"),
            ("INCLUDES", "DATE"),
        ]
    )
)


def source() -> MemorySource:
    made = MemorySource()
    made.put(
        environment(feature("A", "default", feature_type="STRING", strategies=RULES), feature("B", True)),
        account(),
    )
    return made


async def ask(method: str, raw_path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes):
    """One request through everything that stands around Edge, without a socket."""
    sent: list[dict] = []
    received = [{"type": "http.request", "body": body, "more_body": False}]
    gone = asyncio.Event()

    async def receive() -> dict:
        if received:
            return received.pop(0)
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)

    async with open_edge(OPTIONS, source=source(), sink=MemorySink()) as edge:
        inner = Starlette(routes=edge.routes(), exception_handlers=problem_handlers())
        inner.router.redirect_slashes = False
        app = Surroundings(BodyGuard(inner, max_bytes=10_000))
        scope = {
            "type": "http",
            "method": method,
            "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 1),
        }
        await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


wild = st.binary(max_size=60)
tame = st.sampled_from(
    [
        b"a=b",
        b"userkey=fred",
        b"userkey=%",
        b"userkey=%E0%A4",
        b"a=%00&b=,,",
        b"userkey=a,b=c",
        b"=",
        b"%zz=%",
        b"userkey=" + b"a" * 5000,
        b",".join(b"n%d=v" % number for number in range(100)),
        "userkey=naïve☃".encode(),
        b"userkey=1.2,userkey=999999999999999999999e999999999",
    ]
)
contexts = wild | tame
keys = (
    st.sampled_from(
        [
            CLIENT,
            SERVER,
            f"x/{CLIENT}",
            f"{ENVIRONMENT}/nobodynobody",
            "nonsense",
            "",
            "a/b/c/d",
            f"{ENVIRONMENT}%2F{CLIENT_KEY}",
            f"{ENVIRONMENT}/{SERVER_KEY}/",
            "%",
            "%00/%00",
            "//",
            "%C3%28/x",
            "+",
            "x" * 3000,
        ]
    ).map(str.encode)
    | wild
)
header_names = st.sampled_from(
    [
        b"x-featurehub",
        b"if-none-match",
        b"x-sdk",
        b"last-event-id",
        b"idempotency-key",
        b"content-type",
        b"x-request-id",
        b"accept-encoding",
        b"origin",
    ]
)
headers = st.lists(
    st.tuples(header_names, contexts | st.sampled_from([b"Python", b'W/"x"', b'"', b"application/json"])),
    max_size=5,
)
bodies = wild | st.sampled_from(
    [
        b"",
        b"{}",
        b'{"value":1}',
        b'{"value":"\\ud800"}',
        b"[" * 3000,
        b'{"value":' + b"9" * 9000 + b"}",
        b'{"value":1e999999}',
        b'{"lock":"x"}',
        b"\xff\xfe",
        b'{"value":{"value":{}}}',
        b"x" * 20_000,
        b'{"value":-0.0}',
    ]
)
expected = {
    "GET": {200, 304, 400, 404, 405},
    "PUT": {200, 400, 404, 405},
}


@given(st.lists(keys, max_size=4), st.sampled_from([b"apiKey", b"sdkUrl", b"other"]), headers)
@settings(max_examples=200, deadline=None)
def test_polls(some, name, lines):
    query = b"&".join(name + b"=" + key.replace(b"&", b"%26") for key in some)
    status, body = asyncio.run(ask("GET", b"/features", query, lines, b""))
    assert status in expected["GET"], body
    if status == 200:
        assert body.startswith(b'[{"id":')


@given(keys, wild, headers)
@settings(max_examples=200, deadline=None)
def test_streams(key, query, lines):
    status, body = asyncio.run(ask("GET", b"/features/" + key, b"xfeaturehub=" + query, lines, b""))
    assert status in expected["GET"], body
    if status == 200 and key not in {b"", b"?"}:
        names = [event for event, _ in events_of(body)]
        assert names in (["ack", "features", "bye"], ["ack", "failure"])


@given(keys, st.sampled_from([b"A", b"", b"%2F", b"%ff", b"a/b"]), headers, bodies)
@settings(max_examples=200, deadline=None)
def test_updates(key, feature_key, lines, body):
    status, answer = asyncio.run(ask("PUT", b"/features/" + key + b"/" + feature_key, b"", lines, body))
    assert status in expected["PUT"], answer


@given(st.sampled_from(["GET", "PUT"]), wild, headers, bodies)
@settings(max_examples=100, deadline=None)
def test_any_path_below_features(method, path, lines, body):
    status, answer = asyncio.run(ask(method, b"/features/" + path, b"", lines, body))
    assert status in expected[method], answer
