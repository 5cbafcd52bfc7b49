"""The fast way and the framework's give the same answers to the same bytes, whatever the bytes are."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.contracts.features import RolloutStrategy, StrategyAttribute
from edge.hot import HotProtocol
from tests.support.bytewise import Exchange, converse
from tests.support.edges import CLIENT, NOBODY, SERVER, RunningEdge, edge_over
from tests.support.sources import (
    ENVIRONMENT,
    MemorySink,
    MemorySource,
    SoughtSource,
    account,
    environment,
    feature,
    text_value,
)
from tests.support.waiting import eventually_sync

OTHER = "00000000-0000-4000-8000-000000000001"
GONE = "00000000-0000-4000-8000-000000000002"
"""An account names it still, and there is none."""
STREAM_SECONDS = 0.15
UNTIMED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
COUNTRY = RolloutStrategy(
    id="s1",
    value=text_value("red"),
    attributes=(
        StrategyAttribute(conditional="EQUALS", field_name="country", values=("peru",), type="STRING"),
    ),
)
LAST = b"GET /features?apiKey=%b&last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % CLIENT.encode()


def features(source: MemorySource | None = None) -> MemorySource:
    source = source or MemorySource()
    many = [feature(f"F{number}", True, version=number + 1) for number in range(30)]
    source.put(
        environment(feature("COLOUR", "grey", feature_type="STRING", strategies=(COUNTRY,)), *many),
        environment(feature("B", 5, feature_type="NUMBER"), environment_id=OTHER),
        account(ENVIRONMENT, OTHER, GONE),
    )
    return source


@dataclass
class Way:
    port: int
    edge: RunningEdge[MemorySource, MemorySink]

    def counted(self) -> dict[str, object]:
        """What was counted: hits, and requests by route and status."""
        requests = {
            (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
            for metric in self.edge.registry.collect()
            for sample in metric.samples
            if sample.name == "burgee_http_requests_total" and sample.value
        }
        return {"hits": dict(self.edge.edge.usage.hits), "requests": requests}


@dataclass
class Ways:
    fast: Way
    plain: Way
    loop: asyncio.AbstractEventLoop
    _pool: ThreadPoolExecutor

    def ask(self, *pieces: bytes, silence_seconds: float | None = None, **how: float) -> Exchange:
        """Ask both the same; returns the answer that both gave.

        A busy machine may be silent for long: where the server must close in the end that is waited for, and
        what differs is asked once more, with patience: also between the pieces, that none joins the next.
        """
        if silence_seconds is None:
            silence_seconds = 20.0 if b"".join(pieces).endswith(LAST) else 0.25
        fast, plain = self._asked(pieces, silence_seconds, how)
        if fast != plain:
            slowly = how | {"pause_seconds": 10 * how.get("pause_seconds", 0.0)}
            fast, plain = self._asked(pieces, max(8.0, silence_seconds), slowly)
        if fast != plain:
            assert_same_until_the_fault(fast, plain)
        return fast

    def _asked(
        self, pieces: tuple[bytes, ...], silence_seconds: float, how: dict[str, float]
    ) -> tuple[Exchange, Exchange]:
        fast, plain = (
            self._pool.submit(converse, way.port, pieces, silence_seconds=silence_seconds, **how)  # type: ignore[arg-type]
            for way in (self.fast, self.plain)
        )
        return fast.result(), plain.result()


def assert_counted_alike(ways: Ways) -> None:
    """The framework counts when it has done with a request, which is a moment after its answer."""
    eventually_sync(
        lambda: ways.fast.counted() == ways.plain.counted(), within_seconds=30, what="the same counts"
    )


def assert_same_until_the_fault(fast: Exchange, plain: Exchange) -> None:
    """Whether a request is still answered that came in one piece with a malformed one is a matter of luck.

    The framework's task begins after the whole piece was parsed, and finds the connection closed.
    """
    assert fast.answers
    assert plain.answers
    assert plain.answers[-1].body == b"Invalid HTTP request received."
    assert fast.answers[-1:] == plain.answers[-1:]
    assert (fast.closed, fast.rest) == (plain.closed, plain.rest)
    most = max(fast.answers, plain.answers, key=len)[:-1]
    for answers in (fast.answers[:-1], plain.answers[:-1]):
        assert answers == most[: len(answers)]


@contextmanager
def both(source: MemorySource | None = None, **options: object) -> Iterator[Ways]:
    """Serve both ways, over one source, in a loop of their own."""
    source = source or features()
    started: Future[tuple[Way, Way, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        async with (
            edge_over(
                source, MemorySink(), edge_http="fast", stream_seconds=STREAM_SECONDS, **options
            ) as fast,
            edge_over(
                source, MemorySink(), edge_http="plain", stream_seconds=STREAM_SECONDS, **options
            ) as plain,
        ):
            done = asyncio.Event()
            ways = [Way(int(edge.url.rsplit(":", 1)[1]), edge) for edge in (fast, plain)]
            started.set_result((ways[0], ways[1], asyncio.get_running_loop(), done))
            await done.wait()

    thread = threading.Thread(target=uvloop.run, args=(serve(),))
    thread.start()
    try:
        fast, plain, loop, done = started.result(timeout=60)
        with ThreadPoolExecutor(2) as pool:
            yield Ways(fast, plain, loop, pool)
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(timeout=60)


@pytest.fixture(scope="module")
def ways() -> Iterator[Ways]:
    with both() as served:
        yield served
        assert_counted_alike(served)


@pytest.fixture(scope="module")
def wild_ways() -> Iterator[Ways]:
    """Where malformed requests leave it to luck who is still counted."""
    with both() as served:
        yield served


def get(target: str, *headers: str, version: str = "1.1", method: str = "GET") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def poll(*headers: str, key: str = CLIENT, **how: str) -> bytes:
    return get(f"/features?apiKey={key}", *headers, **how)


ENCODED = CLIENT.replace("/", "%2F").replace("*", "%2A")
POLLS: dict[str, bytes] = {
    "one": poll(),
    "with a slash": get(f"/features/?apiKey={CLIENT}"),
    "server-evaluated": poll("x-featurehub: country=peru", key=SERVER),
    "two lines of context": poll("x-featurehub: country=chile", "X-FeatureHub: country=peru", key=SERVER),
    "python's context": poll("x-sdk: Python", "x-featurehub: a=b&country=peru", key=SERVER),
    "two names": poll("x-sdk: Python", "x-sdk: Ruby", "x-featurehub: a=b&country=peru", key=SERVER),
    "empty and full name": poll("x-sdk:", "x-sdk: Ruby", "x-featurehub: a=b&country=peru", key=SERVER),
    "context of raw bytes": poll("x-featurehub: country=\xff\xfe", key=SERVER),
    "no context": poll("x-featurehub:", key=SERVER),
    "encoded key": get(f"/features?apiKey={ENCODED}"),
    "old name": get(f"/features?sdkUrl=default/{CLIENT}&apiKey=nonsense"),
    "several keys": get(f"/features?apiKey={CLIENT}&apiKey={SERVER}&apiKey={CLIENT}&contextSha=0"),
    "unknown beside known": get(f"/features?apiKey={CLIENT}&apiKey={NOBODY}"),
    "unknown": poll(key=NOBODY),
    "nonsense": poll(key="nonsense"),
    "empty key": get("/features?apiKey="),
    "no key": get("/features"),
    "no key, slash": get("/features/"),
    "no key, question": get("/features?"),
    "fragment": get(f"/features?apiKey={CLIENT}#apiKey={NOBODY}"),
    "fragment alone": get("/features#x"),
    "odd query": get(f"/features?&&=&apiKey={CLIENT}&;%zz=%&%00"),
    "bad UTF-8": get("/features?apiKey=%C3%28/%FF"),
    "very many keys": get("/features?" + "&".join([f"apiKey={CLIENT}"] * 201)),
    "as many keys as may be": get(
        "/features?" + "&".join(f"apiKey={ENVIRONMENT}/{n:020d}" for n in range(200))
    ),
    "absolute form": get(f"http://x/features?apiKey={CLIENT}"),
    "encoded path": get(f"/%66eatures?apiKey={CLIENT}"),
    "double slash": get(f"//features?apiKey={CLIENT}"),
    "dots": get(f"/x/../features?apiKey={CLIENT}"),
    "parameters": get(f"/features;x=1?apiKey={CLIENT}"),
    "another path": get("/featuresx?apiKey=1"),
    "asterisk": get("*"),
    "browser": poll("Origin: https://example.org", "Sec-Fetch-Mode: cors", "Referer: https://example.org/"),
    "unknown from a browser": poll("Origin: null", key=NOBODY),
    "id": poll("X-Request-Id: abcdefgh-1"),
    "insane id": poll("X-Request-Id: a b"),
    "two ids": poll("X-Request-Id: abcdefgh-1", "X-Request-Id: abcdefgh-2"),
    "id and unknown": poll("X-Request-Id: abcdefgh-1", key=NOBODY),
    "gzip": poll("Accept-Encoding: gzip, deflate, br"),
    "gzip refused": poll("Accept-Encoding: gzip;q=0, identity"),
    "gzip less wanted": poll("Accept-Encoding: gzip;q=0.5, identity;q=1"),
    "any coding": poll("Accept-Encoding: *"),
    "odd codings": poll("Accept-Encoding: ;q=1,gzip;q=x,,*;=;"),
    "two lines of codings": poll("Accept-Encoding: br", "Accept-Encoding: gzip"),
    "a header that nobody knows": poll("X-Whatever: 1"),
    "shouted headers": poll("IF-NONE-MATCH: *", "ACCEPT: */*"),
    "cookie and authorization": poll("Cookie: a=b", "Authorization: Bearer x"),
    "kept alive": poll("Connection: keep-alive"),
    "kept alive twice": poll("Connection: keep-alive", "Connection: keep-alive"),
    "kept alive and more": poll("Connection: keep-alive, x"),
    "forwarded": poll("X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https", key=NOBODY),
    "HTTP/1.0 kept alive": poll("Connection: keep-alive", version="1.0"),
    "no body": poll("Content-Length: 0"),
    "star": poll("If-None-Match: *"),
    "HEAD": poll(method="HEAD"),
    "OPTIONS": poll(method="OPTIONS"),
    "preflight": poll("Origin: https://example.org", method="OPTIONS"),
    "DELETE": poll(method="DELETE"),
    "an unheard-of method": poll(method="PROPFIND"),
    "expect": poll("Expect: 100-continue"),
    "other expectation": poll("Expect: something"),
    "trailers": poll("TE: trailers"),
    "space at the end": poll("If-None-Match:   *  \t "),
}
ENDINGS: dict[str, bytes] = {
    "upgrade": poll("Connection: Upgrade", "Upgrade: websocket"),
    "HTTP/2 by upgrade": poll(
        "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
    ),
    "close": poll("Connection: close"),
    "HTTP/1.0": poll(version="1.0"),
    "HTTP/0.9": poll(version="0.9"),
    "HTTP/2.0": poll(version="2.0"),
    "HTTP/1.2": poll(version="1.2"),
    "folded": poll('If-None-Match: *,\r\n "x"'),
    "no version": f"GET /features?apiKey={CLIENT}\r\n\r\n".encode(),
    "bare newlines": poll().replace(b"\r\n", b"\n"),
    "no colon": poll("nonsense"),
    "space before the colon": poll("If-None-Match : *"),
    "null": poll("X-SDK: a\0b"),
    "bad target": get("/features?apiKey= x"),
    "raw bytes in the target": get("/features?apiKey=\xff\xfe"),
    "CONNECT": get("x:80", method="CONNECT"),
    "two lengths": poll("Content-Length: 1", "Content-Length: 2"),
    "length and chunks": poll("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "bad length": poll("Content-Length: -1"),
    "bad chunk": poll("Transfer-Encoding: chunked") + b"zz\r\n\r\n",
    "unknown coding": poll("Transfer-Encoding: gzip"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "nothing": b"",
    "newlines": b"\r\n\r\n\r\n",
    "half a head": poll()[:-2],
}


@pytest.mark.parametrize("name", POLLS)
def test_one_request_and_another_after_it(ways, name):
    exchange = ways.ask(POLLS[name] + LAST)
    assert exchange.closed
    assert exchange.statuses[-1] in {200, 400}


@pytest.mark.parametrize("name", ENDINGS)
def test_what_cannot_go_on(wild_ways, name):
    wild_ways.ask(ENDINGS[name] + LAST, silence_seconds=0.25)
    wild_ways.ask(ENDINGS[name], poll(), pause_seconds=0.02)
    wild_ways.ask(poll(), ENDINGS[name] + poll(), pause_seconds=0.02)


@pytest.mark.parametrize("name", POLLS)
def test_a_request_that_came_before(ways, name):
    """What a connection remembers of one request does not reach the next."""
    assert ways.ask(poll() + POLLS[name] + poll() + POLLS[name] + LAST).closed


def test_the_same_head_in_an_older_version(ways):
    kept = "Connection: keep-alive"
    ways.ask(poll(kept) + poll(kept) + poll(kept, version="1.0") + LAST)
    ways.ask(poll() + poll(version="1.0") + LAST)


def test_tags_match_the_same(ways):
    for accepts in ((), ("Accept-Encoding: gzip",)):
        [answer] = ways.ask(poll(*accepts, "Connection: close")).answers
        etag = dict(answer.headers)[b"etag"].decode()
        for held in (
            etag, f"W/{etag}", f'"x", {etag}', f"{etag}, W/{etag}", f'"x"{etag}', "*", '""', f"{etag},",
            etag.strip('"'),
        ):  # fmt: skip
            ways.ask(poll(*accepts, f"If-None-Match: {held}") + LAST)
        ways.ask(poll(f"If-None-Match: {etag}", 'If-None-Match: "x"') + LAST)
        ways.ask(poll("If-None-Match:", f"If-None-Match: {etag}") + LAST)
        assert ways.ask(poll(*accepts, f"If-None-Match: {etag}") + LAST).statuses == [304, 200]


def test_a_gzipped_answer_is_the_plain_one_packed(ways):
    [plain] = ways.ask(poll("Connection: close")).answers
    [packed, _] = ways.ask(poll("Accept-Encoding: gzip") + LAST).answers
    assert dict(packed.headers)[b"content-encoding"] == b"gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_many_requests_in_one_piece_are_answered_in_order(ways):
    requests = [
        poll(),
        get("/features"),
        poll(key=NOBODY),
        poll(method="HEAD"),
        poll("If-None-Match: *"),
        poll(),
    ]
    exchange = ways.ask(b"".join(requests) * 5 + LAST)
    assert exchange.statuses == [200, 400, 404, 405, 304, 200] * 5 + [200]


def test_requests_that_arrive_byte_by_byte(ways):
    requests = poll("Accept-Encoding: gzip") + poll("X-Whatever: 1") + LAST
    pieces = [requests[index : index + 1] for index in range(len(requests))]
    assert ways.ask(*pieces, pause_seconds=0.0005).statuses == [200, 200, 200]


@pytest.mark.parametrize("cut", [1, 5, 30, 120, 140, 165])
def test_requests_in_two_pieces(ways, cut):
    whole = poll() + LAST
    assert ways.ask(whole[:cut], whole[cut:], pause_seconds=0.02).statuses == [200, 200]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("pause_seconds", [0.0, 0.02])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_looks_like_a_request_is_a_body(ways, method, pause_seconds, chunked):
    """Request smuggling: the number of answers is the number of requests."""
    hidden = poll()
    if chunked:
        head = poll("Transfer-Encoding: chunked", method=method)
        body = [b"%x\r\n" % len(hidden), hidden, b"\r\n0\r\n\r\n"]
    else:
        head, body = poll(f"Content-Length: {len(hidden)}", method=method), [hidden]
    for before in ([], [poll()]):
        exchange = ways.ask(*before, head, *body, LAST, pause_seconds=pause_seconds)
        assert len(exchange.answers) == len(before) + 2, exchange


def test_a_body_longer_than_it_said_is_the_next_request(ways):
    assert len(ways.ask(poll("Content-Length: 3", method="PUT") + b"abc" + LAST).answers) == 2
    ways.ask(poll("Content-Length: 3", method="PUT") + b"abcGE", LAST, pause_seconds=0.02)


def test_a_client_that_half_closes(ways):
    # Long enough for the framework's answer: a client that is gone before it is not counted there.
    ways.ask(poll(), half_close=True, pause_seconds=0.5)
    ways.ask(poll()[:-2], half_close=True, pause_seconds=0.02)


def test_heads_that_are_too_long(ways):
    for size in (60_000, 70_000, 200_000):
        ways.ask(poll("X-Long: " + "a" * size)[:-2], silence_seconds=0.5)
        ways.ask(poll(f"x-featurehub: userkey={'a' * size}", key=SERVER) + LAST, silence_seconds=0.5)


def test_a_client_that_reads_late(ways):
    """Answers beyond what the connection holds wait; none is lost and none is out of turn."""
    many = 400
    exchange = ways.ask(poll() * many + LAST)
    assert exchange.statuses == [200] * (many + 1)


STREAMS: dict[str, bytes] = {
    "two segments": get(f"/features/{CLIENT}"),
    "three segments": get(
        f"/features/default/{CLIENT}", "Accept: text/event-stream", "Cache-Control: no-cache"
    ),
    "one segment": get(f"/features/{ENCODED}"),
    "encoded star": get(f"/features/{CLIENT.replace('*', '%2a')}"),
    "server-evaluated": get(f"/features/{SERVER}?xfeaturehub=country%3Dperu", "x-featurehub: country=chile"),
    "context in a header": get(f"/features/{SERVER}", "x-featurehub: country=peru"),
    "browser": get(f"/features/{CLIENT}", "Origin: https://example.org", "Last-Event-ID: x"),
    "id": get(f"/features/{CLIENT}", "X-Request-Id: abcdefgh-1"),
    "Python": get(f"/features/{CLIENT}", "X-SDK: Python", "X-SDK-Version: 1.1.0"),
    "Python, unknown": get(f"/features/{NOBODY}", "X-SDK: Python"),
    "unknown": get(f"/features/{NOBODY}"),
    "nonsense": get("/features/nonsense"),
    "only slashes": get("/features///"),
    "dots": get("/features/../x"),
    "encoded newline": get("/features/%0A"),
    "bad UTF-8": get("/features/%ff%fe/x"),
    "HTTP/1.0": get(f"/features/{CLIENT}", version="1.0"),
    "close": get(f"/features/{CLIENT}", "Connection: close"),
    "unknown header": get(f"/features/{CLIENT}", "X-Whatever: 1"),
    "gzip": get(f"/features/{CLIENT}", "Accept-Encoding: gzip, deflate"),
    "HEAD": get(f"/features/{CLIENT}", "Connection: close", method="HEAD"),
    "after a poll": poll() + get(f"/features/{CLIENT}"),
    "poll behind it": get(f"/features/{CLIENT}") + poll(),
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams(ways, name):
    exchange = ways.ask(STREAMS[name] + LAST)
    assert exchange.closed
    assert not exchange.rest


def test_what_must_be_looked_up_first():
    source = features()
    source.delay_seconds = 0.02
    with both(source) as ways:
        for request in (
            poll(),
            poll(key=SERVER),
            get(f"/features?apiKey={CLIENT}&apiKey={SERVER}"),
            poll(key=NOBODY),
        ):
            for headers in ((), ("Origin: x", "X-Request-Id: abcdefgh-1")):
                cold = request.replace(b"Host: x", "\r\n".join(("Host: x", *headers)).encode())
                ways.loop.call_soon_threadsafe(source.forget)
                ways.ask(cold + LAST)
                ways.loop.call_soon_threadsafe(source.forget)
                ways.ask(cold * 3 + poll("X-Whatever: 1") + cold + LAST)
        assert_counted_alike(ways)


@pytest.mark.parametrize("delay_seconds", [0.0, 0.005])
@pytest.mark.parametrize("cut_off", [False, True])
def test_an_environment_alone_that_must_be_looked_up_first(delay_seconds: float, cut_off: bool):
    """The fast way has no task for it; an account that is at hand is what most cold polls come with."""
    source = features(sought := SoughtSource())
    source.delay_seconds = delay_seconds
    source.cut_off = cut_off
    with both(source) as ways:
        for request in (
            poll(),
            poll(key=SERVER),
            poll("If-None-Match: *", "Accept-Encoding: gzip"),
            get(f"/features?apiKey={CLIENT}&apiKey={SERVER}"),
            poll(key=CLIENT.replace(ENVIRONMENT, GONE)),
        ):
            for headers in ((), ("Origin: x", "X-Request-Id: abcdefgh-1")):
                cold = request.replace(b"Host: x", "\r\n".join(("Host: x", *headers)).encode())
                for pieces in (
                    (cold + LAST,),
                    (cold, LAST),
                    (cold * 3 + poll("X-Whatever: 1") + cold + LAST,),
                    (poll("X-Whatever: 1") + cold + LAST,),
                    (cold.replace(b"Host: x", b"Host: x\r\nConnection: close"),),
                ):
                    ways.loop.call_soon_threadsafe(sought.forget_environments)
                    ways.ask(*pieces)
        assert_counted_alike(ways)


def test_what_cannot_be_looked_up():
    source = features()
    source.forget()
    source.cut_off = True
    with both(source) as ways:
        assert ways.ask(poll() + poll("Origin: x", key=NOBODY) + LAST).statuses == [503, 503, 503]
        assert_counted_alike(ways)


def test_while_the_server_leaves():
    with both() as ways:
        for way in (ways.fast, ways.plain):
            ways.loop.call_soon_threadsafe(way.edge.health.drain)
        for request in (
            poll(),
            poll("If-None-Match: *"),
            poll(key=NOBODY),
            get("/features"),
            poll("X-Request-Id: abcdefgh"),
        ):
            exchange = ways.ask(request + poll(), silence_seconds=20)
            assert exchange.closed
            assert len(exchange.answers) == 1
        ways.ask(get(f"/features/{CLIENT}") + LAST)


def test_answers_that_may_be_cached():
    source = features()
    source.put(environment(feature("A", True), info={"cacheControl": "max-age=60"}, revision=2))
    with both(source) as ways:
        ways.ask(poll() + poll("If-None-Match: *") + LAST)


def test_the_fast_way_is_what_is_fast(ways):
    """Else all of the above would compare the framework with itself."""
    assert issubclass(ways.fast.edge.edge.protocol(ways.fast.edge.ledger), HotProtocol)
    assert not issubclass(ways.plain.edge.edge.protocol(ways.plain.edge.ledger), HotProtocol)


SHREDS = (
    b"GET ", b"/features", b"?apiKey=", CLIENT.encode(), b" HTTP/1.1\r\n", b"Host: x\r\n", b"\r\n",
    b"\r\n\r\n", b"\n", b"If-None-Match: *\r\n", b"Content-Length: 5\r\n", b"Content-Length: 60\r\n",
    b"5\r\nGET /\r\n",
    b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n", b"x-featurehub: country=peru\r\n", b"Accept-Encoding: gzip\r\n",
    b"Origin: y\r\n", b": \r\n", b" ", b"\0", b"\xff",
)  # fmt: skip
WHOLE = [*POLLS.values(), *(each for each in ENDINGS.values() if len(each) < 500)]
fragments = st.sampled_from([*WHOLE, *SHREDS]) | st.binary(max_size=20)


@settings(max_examples=150, deadline=None, suppress_health_check=UNTIMED)
@given(parts=st.lists(fragments, min_size=1, max_size=8), cuts=st.lists(st.floats(0, 1), max_size=3))
def test_any_bytes_in_any_pieces(wild_ways, parts, cuts):
    whole = b"".join(parts) + LAST
    edges = [0, *sorted(int(cut * len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(edges) if a < b]
    wild_ways.ask(*pieces, pause_seconds=0.003 if len(pieces) > 1 else 0.0, silence_seconds=0.12)


@settings(max_examples=60, deadline=None, suppress_health_check=UNTIMED)
@given(
    st.lists(st.sampled_from([*POLLS.values(), b"\r\n", poll()[:40], poll()[40:]]), min_size=2, max_size=6)
)
def test_requests_that_were_received_before_one_by_one(wild_ways, pieces):
    """What need not be parsed again: whole requests, each alone in what is received, from any state."""
    wild_ways.ask(*(pieces * 2), LAST, pause_seconds=0.004, silence_seconds=0.15)


@pytest.mark.parametrize(
    "before",
    [
        b"", b"\r\n", poll(), poll()[:60], b"\x16\x03\x01", poll("Connection: close"), poll(version="1.0"),
        poll("Content-Length: 200", method="POST"), poll("Transfer-Encoding: chunked", method="PUT"),
        poll("Expect: 100-continue"), poll("Connection: Upgrade", "Upgrade: websocket"), poll(key=NOBODY),
        poll("X-Whatever: 1"),
    ],
)  # fmt: skip
def test_a_known_request_is_one_only_where_a_request_begins(wild_ways, before):
    """Smuggling again, now with bytes that are known as a request."""
    known = poll("Accept: */*")
    for _ in range(2):
        assert wild_ways.ask(known, known, LAST, pause_seconds=0.01).statuses == [200, 200, 200]
        wild_ways.ask(
            *([before] if before else []), known, known, LAST, pause_seconds=0.02, silence_seconds=0.3
        )
