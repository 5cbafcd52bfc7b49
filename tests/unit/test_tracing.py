import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message

from common import tracing
from common.contracts.events import CounterId, Event, LoggedEvent
from common.contracts.traces import TraceContext, trace_context, trace_context_of
from common.exporting import is_wanted, open_tracing
from common.messaging.envelope import event_headers, event_tail, read_event
from common.messaging.traced import traced
from common.settings import ServingSettings
from common.web import Surroundings
from edge.reach import ReachLog
from tests.support.spans import OUTSIDE, TRACE, UNSAMPLED, NotedSpans, noting_spans

PARENT = OUTSIDE.traceparent
COUNTER = CounterId("environment", "6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11")


# ---------------------------------------------------------------------------------------- trace context


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "nonsense",
        PARENT[:-1],
        PARENT + "0",
        PARENT + "-more",
        PARENT.upper(),
        PARENT.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-00f067aa0ba902b7-01\n",
        f"00-{'४' * 32}-00f067aa0ba902b7-01",
    ],
)
def test_what_is_no_traceparent_belongs_to_no_trace(parent: str):
    assert trace_context(parent) is None


def test_a_later_version_of_the_header_is_read_as_far_as_it_is_known():
    assert trace_context(f"01{PARENT[2:]}-what-is-new") == TraceContext(PARENT)


@pytest.mark.parametrize(("state", "kept"), [("a=1,b=2", "a=1,b=2"), ("ä=1", ""), ("x" * 513, ""), ("", "")])
def test_a_state_that_is_none_is_left_out(state: str, kept: str):
    assert trace_context(PARENT, state) == TraceContext(PARENT, kept)


@pytest.mark.parametrize("context", [OUTSIDE, UNSAMPLED, TraceContext(PARENT, "a=1,b=2 3")])
def test_one_line_holds_both_headers(context: TraceContext):
    assert trace_context_of(context.text) == context


@pytest.mark.parametrize("text", [None, "", "junk", "junk a=1"])
def test_a_line_that_holds_no_context_is_none(text: str | None):
    assert trace_context_of(text) is None


# ----------------------------------------------------------------------------------------------- events


def logged(trace: TraceContext | None) -> LoggedEvent:
    return LoggedEvent(
        id="one",
        type="publish-feature-v1",
        counter=COUNTER,
        position=3,
        term=1,
        epoch="epoch",
        revision=2,
        previous=1,
        digest=0,
        time=1_700_000_000.0,
        payload=b"",
        trace=trace,
    )


@pytest.mark.parametrize("trace", [None, OUTSIDE, TraceContext(PARENT)])
def test_an_event_carries_its_place_in_a_trace(trace: TraceContext | None):
    headers = event_headers(logged(trace), "/burgee/test")
    assert ("ce-traceparent" in headers) is (trace is not None)
    assert read_event(event_tail(COUNTER), headers, b"").trace == trace


def test_an_event_with_a_mangled_trace_is_an_event_without_one():
    headers = event_headers(logged(OUTSIDE), "/burgee/test") | {"ce-traceparent": "00-mangled"}
    event = read_event(event_tail(COUNTER), headers, b"")
    assert (event.position, event.trace) == (3, None)


class Ear:
    def __init__(self) -> None:
        self.within: list[TraceContext | None] = []

    def on_event(self, event: Event) -> None:
        self.within.append(tracing.here())

    def on_heartbeat(self, heartbeat: object) -> None: ...
    def on_disconnected(self) -> None: ...


class OneBus:
    heartbeat_seconds = 2.0

    def sync(self) -> None: ...

    def subscribe(self, subscriber):
        self.subscriber = subscriber
        return _Nothing()


class _Nothing:
    async def __aenter__(self) -> None: ...
    async def __aexit__(self, *_: object) -> None: ...


async def test_events_are_applied_within_the_trace_that_they_belong_to():
    bus, ear = OneBus(), Ear()
    with noting_spans() as noted:
        async with traced(bus).subscribe(ear):
            bus.subscriber.on_event(logged(OUTSIDE).event())
            bus.subscriber.on_event(logged(None).event())
    (span,) = noted.spans
    assert (span.name, span.kind, span.under, span.ended) == (
        "apply environment",
        tracing.Kind.CONSUMER,
        OUTSIDE,
        1,
    )
    assert ear.within == [span.context, None]


def test_nothing_stands_between_bus_and_cache_while_traces_are_off():
    bus = OneBus()
    assert traced(bus) is bus


# --------------------------------------------------------------------------------------------- fan-out


def test_a_fan_out_is_one_span_however_many_streams_there_are():
    reach = ReachLog()
    with noting_spans() as noted:
        reach.heard(logged(OUTSIDE).event())
        reach.swapped(COUNTER.id, 2, 1000)
        for _ in range(9):
            reach.sent(COUNTER.id, 0, reach.number, 100)
        assert not noted.spans[0].ended
        reach.left(COUNTER.id, 0)
        reach.sent(COUNTER.id, 0, reach.number, 99)
    (span,) = noted.spans
    assert (span.name, span.ended, span.under) == ("fan out", 1, OUTSIDE)
    assert span.attributes["burgee.streams"] == 1000
    assert span.attributes["burgee.streams.reached"] == 999


@pytest.mark.parametrize("its_own", [True, False])
def test_a_fan_out_is_below_what_applies_the_change_and_below_no_other_trace(its_own: bool):
    reach = ReachLog()
    elsewhere = TraceContext(PARENT.replace(TRACE, TRACE[::-1]))
    with noting_spans() as noted:
        reach.heard(logged(OUTSIDE).event())
        applying = noted.begin("apply", tracing.Kind.CONSUMER, OUTSIDE if its_own else elsewhere, {})
        # A change also comes with a load that somebody's look-up began.
        with tracing.inside(applying):
            reach.swapped(COUNTER.id, 2, 1)
    assert applying is not None
    assert noted.spans[-1].under == (applying.context if its_own else OUTSIDE)


def test_a_fan_out_that_nobody_remembers_is_over():
    reach = ReachLog(changes_remembered=1)
    with noting_spans() as noted:
        reach.heard(logged(OUTSIDE).event())
        reach.swapped(COUNTER.id, 2, 5)
        reach.swapped(COUNTER.id, 3, 5)
    assert [each.ended for each in noted.spans] == [1]


def test_a_change_of_no_trace_begins_none():
    reach = ReachLog()
    with noting_spans() as noted:
        reach.heard(logged(None).event())
        reach.swapped(COUNTER.id, 2, 5)
    assert noted.spans == []


# -------------------------------------------------------------------------------------------- requests


async def fine(_request: object) -> Response:
    return PlainTextResponse(tracing.here().span_id if tracing.here() else "-")


async def fails(_request: object) -> Response:
    raise ValueError("with a secret in it")


async def streams(_request: object) -> Response:
    async def lines():
        yield b": one\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


ROUTES = [
    Route(path, fine, methods=["GET", "PUT", "POST"])
    for path in (
        "/mr-api/thing/{id}",
        "/features",
        "/features/{key:path}",
        "/internal/state",
        "/health/liveness",
        "/assets/{name}",
    )
]
ROUTES += [Route("/mr-api/failing", fails), Route("/mr-api/live", streams)]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str
    ended_at_start: bool | None


async def ask(method: str, path: str, headers: Mapping[str, str], noted: NotedSpans) -> Answer:
    """Ask an application with what stands around it, without a socket."""
    app = Surroundings(Starlette(routes=ROUTES), routes=ROUTES)
    path, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    answer = Answer(0, {}, "", None)

    sent = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        for message in sent:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            answer.ended_at_start = bool(noted.spans and noted.spans[0].ended)
        else:
            answer.text += message.get("body", b"").decode()

    await app(scope, receive, send)
    return answer


HEADERS = {"traceparent": PARENT, "tracestate": OUTSIDE.tracestate}


@pytest.mark.parametrize(
    ("method", "path", "headers", "name"),
    [
        ("GET", "/mr-api/thing/1", {}, "GET /mr-api/thing/{id}"),
        ("GET", "/mr-api/thing/1", HEADERS, "GET /mr-api/thing/{id}"),
        ("GET", "/mr-api/thing/1", {"traceparent": UNSAMPLED.traceparent}, None),
        ("GET", "/mr-api/thing/1", {"traceparent": "junk"}, "GET /mr-api/thing/{id}"),
        ("PUT", "/features/an/api/key", {}, "PUT /features/{key:path}"),
        ("GET", "/features?apiKey=an/api/key", {}, None),
        ("GET", "/features?apiKey=an/api/key", HEADERS, "GET /features"),
        ("GET", "/features/an/api/key", HEADERS, None),
        ("GET", "/internal/state", {}, None),
        ("POST", "/internal/state", {}, None),
        ("GET", "/internal/state", HEADERS, "GET /internal/state"),
        ("GET", "/health/liveness", {}, None),
        ("GET", "/assets/app.js", {}, None),
    ],
)
async def test_what_is_recorded_of_requests(
    method: str, path: str, headers: dict[str, str], name: str | None
):
    with noting_spans() as noted:
        answer = await ask(method, path, headers, noted)
    assert noted.names == ([] if name is None else [name])
    for span in noted.spans:
        assert answer.text == span.context.span_id
        assert span.under == (OUTSIDE if headers == HEADERS else None)
        assert (span.ended, span.failed, span.kind) == (1, None, tracing.Kind.SERVER)
        assert span.attributes["http.response.status_code"] == 200
        assert span.attributes["burgee.request_id"] == answer.headers["x-request-id"]
        assert "an/api/key" not in str(span)


async def test_a_request_that_waited_behind_another_one_is_no_part_of_its_trace():
    with noting_spans() as noted:
        former = noted.begin("former", tracing.Kind.SERVER, None, {})
        # As uvicorn begins what was pipelined: within the task of the request before.
        with tracing.inside(former):
            answer = await ask("GET", "/internal/state", {}, noted)
    assert answer.text == "-"
    assert noted.names == ["former"]


async def test_a_fault_is_told_by_its_status_and_never_by_its_words():
    with noting_spans() as noted:
        await ask("GET", "/mr-api/failing", {}, noted)
    (span,) = noted.spans
    assert (span.failed, span.attributes["http.response.status_code"]) == ("500", 500)
    assert "secret" not in str(span)


async def test_a_stream_is_told_when_it_begins_and_not_when_it_ends():
    with noting_spans() as noted:
        live = await ask("GET", "/mr-api/live", {}, noted)
        assert noted.spans.pop().ended == 1
        other = await ask("GET", "/mr-api/thing/1", {}, noted)
    assert live.ended_at_start
    assert not other.ended_at_start


# ------------------------------------------------------------------------------------------------- off


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
async def test_nothing_runs_and_nothing_is_handed_on_unless_an_address_is_named(environment: dict[str, str]):
    before = set(threading.enumerate())
    settings = ServingSettings()
    async with open_tracing(settings, service="edge", instance="edge-1", environment=environment):
        # Those of tests before this one may end meanwhile.
        assert set(threading.enumerate()) <= before
        assert not tracing.is_on()
        assert tracing.begin("x", tracing.Kind.INTERNAL, under=OUTSIDE) is None
        headers = {"a": "b"}
        assert tracing.handed_on(headers) is headers


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_the_standard_variables_turn_it_on(name: str):
    assert is_wanted(ServingSettings(), {name: "http://collector:4318"})


def test_the_setting_turns_it_on():
    assert is_wanted(ServingSettings(trace_endpoint="http://collector:4318"), {})


def test_log_lines_name_the_trace_that_they_are_part_of():
    with noting_spans(), tracing.recorded("x", tracing.Kind.INTERNAL, under=OUTSIDE) as span:
        assert span is not None
        line = tracing.name_trace(None, "info", {"event": "hello"})
    assert line == {"event": "hello", "trace_id": TRACE, "span_id": span.context.span_id}
    assert tracing.name_trace(None, "info", {"event": "hello"}) == {"event": "hello"}


def test_an_exception_is_told_by_its_kind_alone():
    with (
        noting_spans() as noted,
        pytest.raises(KeyError),
        tracing.recorded("x", tracing.Kind.INTERNAL, under=OUTSIDE),
    ):
        raise KeyError("a secret")
    assert (noted.spans[0].failed, noted.spans[0].ended) == ("KeyError", 1)
    assert "a secret" not in str(noted.spans)
