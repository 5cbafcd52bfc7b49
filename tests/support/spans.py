"""A double of what records traces: spans in a list."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from common.contracts.traces import TraceContext
from common.tracing import Attributes, Kind, recording_to

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OUTSIDE = TraceContext(f"00-{TRACE}-00f067aa0ba902b7-01", "vendor=1")
UNSAMPLED = TraceContext(f"00-{TRACE}-00f067aa0ba902b7-00")


@dataclass
class NotedSpan:
    """Satisfies `common.tracing.Span`."""

    name: str
    kind: Kind
    under: TraceContext | None
    attributes: Attributes
    context: TraceContext
    failed: str | None = None
    ended: int = 0

    def rename(self, name: str) -> None:
        self.name = name

    def note(self, attributes: Attributes) -> None:
        self.attributes |= attributes

    def fail(self, kind: str) -> None:
        self.failed = kind

    def end(self) -> None:
        self.ended += 1


@dataclass
class NotedSpans:
    """Satisfies `common.tracing.Sink`; a trace that its beginner does not record is not recorded."""

    spans: list[NotedSpan] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def begin(
        self, name: str, kind: Kind, under: TraceContext | None, attributes: Attributes
    ) -> NotedSpan | None:
        if under is not None and not under.sampled:
            return None
        trace = TRACE if under is None else under.trace_id
        context = TraceContext(f"00-{trace}-{next(self._ids):016x}-01", under.tracestate if under else "")
        span = NotedSpan(name, kind, under, dict(attributes), context)
        self.spans.append(span)
        return span

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.spans]


@contextmanager
def noting_spans() -> Iterator[NotedSpans]:
    """Record to a list for the life of the block."""
    noted = NotedSpans()
    with recording_to(noted):
        yield noted
