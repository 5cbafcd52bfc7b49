"""A collector of traces: takes OTLP over HTTP as real ones do, and remembers the spans.

A thread, not a task: processes send to it also while no event loop runs. Must not know the product.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

PATH = "/v1/traces"


@dataclass(frozen=True)
class CollectedSpan:
    """One span as it came, and the process that sent it."""

    service: str
    instance: str
    version: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    began: int
    ended: int
    failed: bool
    attributes: dict[str, str]

    def __hash__(self) -> int:
        return hash(self.span_id)


@dataclass
class Collector:
    """What was received: the requests' bytes, and the spans in them."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    spans: list[CollectedSpan] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        self.requests.append(body)
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {each.key: each.value.string_value for each in sent.resource.attributes}
            self.spans += [_span(span, about) for scope in sent.scope_spans for span in scope.spans]

    def trace(self, trace_id: str) -> list[CollectedSpan]:
        """Its spans, in the order in which they began."""
        return sorted((each for each in self.spans if each.trace_id == trace_id), key=lambda each: each.began)

    def one(self, trace_id: str, service: str, name: str) -> CollectedSpan | None:
        """The span of that name that a process sent; None = not here yet."""
        found = [
            each for each in self.trace(trace_id) if (each.service, each.name) == (f"burgee-{service}", name)
        ]
        assert len(found) <= 1, found
        return found[0] if found else None


def _span(span: WireSpan, about: dict[str, str]) -> CollectedSpan:
    return CollectedSpan(
        service=about["service.name"],
        instance=about["service.instance.id"],
        version=about["service.version"],
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.kind,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        failed=span.status.code == 2,
        attributes={
            each.key: str(getattr(each.value, each.value.WhichOneof("value") or "string_value"))
            for each in span.attributes
        },
    )


@contextmanager
def running_collector() -> Iterator[Collector]:
    """A collector for the life of the block."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = 200 if self.path == PATH else 404
            if status == 200:
                collector.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
