"""Spans leave over OTLP without holding anybody up, also when nobody takes them."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from common import tracing
from common.exporting import open_tracing
from common.otlp import CLOSE_SECONDS
from common.settings import ServingSettings
from tests.support.collector import running_collector
from tests.support.ports import free_port
from tests.support.spans import OUTSIDE, TRACE, UNSAMPLED

pytestmark = pytest.mark.integration

GIVEN_UP_SECONDS = 10.0
"""After so long whoever exports gives one request up."""


def opened(url: str):
    return open_tracing(
        ServingSettings(trace_endpoint=url), service="edge", instance="edge-1", environment={}
    )


async def test_what_was_recorded_arrives_before_the_process_ends():
    with running_collector() as collector:
        async with opened(collector.url):
            with (
                tracing.recorded("outer", tracing.Kind.CONSUMER, under=OUTSIDE, attributes={"burgee.n": 1}),
                tracing.recorded("inner", tracing.Kind.INTERNAL, under=tracing.here()),
            ):
                handed = tracing.handed_on()
            assert tracing.begin("not recorded", tracing.Kind.SERVER, under=UNSAMPLED) is None
        inner, outer = sorted(collector.trace(TRACE), key=lambda each: each.name)
    assert (outer.name, outer.service, outer.instance) == ("outer", "burgee-edge", "edge-1")
    assert outer.parent_id == OUTSIDE.span_id
    assert inner.parent_id == outer.span_id
    assert outer.attributes == {"burgee.n": "1"}
    assert handed == {"traceparent": f"00-{TRACE}-{inner.span_id}-01", "tracestate": "vendor=1"}
    assert len(collector.spans) == 2


@contextmanager
def silent_collector() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def no_collector() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@pytest.mark.parametrize("collector", [silent_collector, no_collector])
async def test_a_collector_that_is_away_costs_neither_work_nor_the_end(collector):
    with collector() as url:
        async with opened(url):
            began = time.perf_counter()
            for _ in range(5_000):
                span = tracing.begin("lost", tracing.Kind.INTERNAL, under=OUTSIDE)
                assert span is not None
                span.end()
            # Sending one alone would take longer, if it were waited for.
            assert time.perf_counter() - began < GIVEN_UP_SECONDS
            began = time.monotonic()
        assert time.monotonic() - began < CLOSE_SECONDS + GIVEN_UP_SECONDS / 2
    assert not tracing.is_on()
