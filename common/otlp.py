"""Spans as OpenTelemetry records them, sent in batches over OTLP/HTTP. Imported only where traces are on.

The queue is bounded and a thread of the exporter's empties it: whoever works waits for nobody, and what does
not fit is lost. What the settings do not say, the standard `OTEL_*` variables do: sampling, sizes, headers of
the exporter, more attributes of the process. Must not know what is traced.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from common.contracts.traces import TraceContext
from common.tracing import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from opentelemetry.trace import Span, Tracer

    from common.tracing import Attributes

_log = structlog.get_logger(__name__)

CLOSE_SECONDS: Final = 2.0
"""How long a process that ends waits for its last spans: a collector may be away, and pods are killed."""

_KINDS: Final = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}


class OtlpSpan:
    """Satisfies `common.tracing.Span`."""

    def __init__(self, span: Span) -> None:
        self._span = span
        told = span.get_span_context()
        self.context = TraceContext(
            f"00-{told.trace_id:032x}-{told.span_id:016x}-{int(told.trace_flags):02x}",
            told.trace_state.to_header(),
        )

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        self._span.end()


class OtlpSink:
    """Satisfies `common.tracing.Sink`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(
        self, name: str, kind: Kind, under: TraceContext | None, attributes: Attributes
    ) -> OtlpSpan | None:
        # Named each time: what the library takes for the present span is nobody's business here.
        context = Context() if under is None else set_span_in_context(_remote(under), Context())
        span = self._tracer.start_span(name, context, _KINDS[kind], attributes)
        return OtlpSpan(span) if span.is_recording() else None


def _remote(context: TraceContext) -> NonRecordingSpan:
    return NonRecordingSpan(
        SpanContext(
            trace_id=int(context.trace_id, 16),
            span_id=int(context.span_id, 16),
            is_remote=True,
            trace_flags=TraceFlags(int(context.traceparent[53:55], 16)),
            trace_state=TraceState.from_header([context.tracestate]),
        )
    )


@asynccontextmanager
async def open_otlp(endpoint: str | None, about: Mapping[str, str]) -> AsyncIterator[OtlpSink]:
    """Send to an OTLP/HTTP address, or with None where the standard variables say."""
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    if protocol != "http/protobuf":
        _log.warning("tracing.other_protocol", asked=protocol, used="http/protobuf")
    provider = TracerProvider(
        # What operators say of the process wins over what it says of itself.
        resource=Resource.create(dict(about)).merge(OTELResourceDetector().detect()),
        # Ended below, within a time.
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(None if endpoint is None else f"{endpoint}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _log.info("tracing.on", service=about["service.name"], instance=about["service.instance.id"])
    try:
        yield OtlpSink(provider.get_tracer("burgee", about["service.version"]))
    finally:
        await _close(provider)


async def _close(provider: TracerProvider) -> None:
    """Send what is left; a thread that does not come to its end keeps nobody from leaving."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        # The loop may be gone by now, and with it whoever waited.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=shut_down, name="tracing-close", daemon=True).start()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await over.wait()
    except TimeoutError:
        _log.warning("tracing.last_spans_lost", waited_seconds=CLOSE_SECONDS)
