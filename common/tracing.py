"""Traces: one change followed from the request that made it, over the log and the bus, to open streams.

Off unless a setting or the standard variables of OpenTelemetry name where spans go. While off its SDK is not
imported, no thread runs, and what is asked here is one look at a variable. As with logs there is one sink
per process, for what belongs to a trace is said deep inside of what was done.

Names and attributes of spans are route templates, kinds and numbers: never paths, queries, headers, values or
messages of exceptions, for those may carry keys. Must not know what is traced, nor how spans travel.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from common.contracts.traces import TraceContext, trace_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping, Sequence

Attributes = dict[str, str | int | float | bool]

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"


class Kind(Enum):
    """What a span is, in OpenTelemetry's words."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Span(Protocol):
    """Something that is being done, and is recorded. Whoever began it ends it, once."""

    @property
    def context(self) -> TraceContext:
        """What is handed on, so that others come below this."""

    def rename(self, name: str) -> None:
        """Give it its name, where that is known only now."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""

    def fail(self, kind: str) -> None:
        """It went wrong; ``kind`` is a status or the name of an exception's class."""

    def end(self) -> None:
        """It is over."""


class Sink(Protocol):
    """Records spans and sends them off. Never blocks: what it cannot take is lost."""

    def begin(self, name: str, kind: Kind, under: TraceContext | None, attributes: Attributes) -> Span | None:
        """Begin a span; None when this trace is not recorded."""


_here: ContextVar[Span | None] = ContextVar("burgee.span", default=None)
_sink: Sink | None = None


def is_on() -> bool:
    """True while this process records traces."""
    return _sink is not None


def here() -> TraceContext | None:
    """Where in a trace the caller is; None outside of any that is recorded."""
    span = _here.get()
    return None if span is None else span.context


def begin(
    name: str, kind: Kind, *, under: TraceContext | None, attributes: Attributes | None = None
) -> Span | None:
    """Begin a span below another one, or with None a trace of its own; None when nothing is recorded."""
    return None if _sink is None else _sink.begin(name, kind, under, attributes or {})


@contextmanager
def inside(span: Span | None) -> Iterator[None]:
    """Let the block be where that span is; with None in no trace, wherever the caller is."""
    token = _here.set(span)
    try:
        yield
    finally:
        _here.reset(token)


@contextmanager
def recorded(
    name: str, kind: Kind, *, under: TraceContext | None, attributes: Attributes | None = None
) -> Iterator[Span | None]:
    """Record the block as a span below ``under``, if that is part of a trace; else nothing.

    For steps of something that somebody else began: they begin no trace of their own.
    """
    span = None if under is None else begin(name, kind, under=under, attributes=attributes)
    if span is None:
        yield None
        return
    try:
        with inside(span):
            yield span
    except Exception as error:
        span.fail(type(error).__name__)
        raise
    finally:
        span.end()


# ------------------------------------------------------------------------------------------ on the way


def handed_on(headers: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return the headers of a request that goes out, with where the caller is in a trace."""
    given = headers or {}
    context = here()
    return given if context is None else {**given, **written(context)}


def written(context: TraceContext) -> dict[str, str]:
    """Return the headers that say where that is."""
    named = {TRACEPARENT: context.traceparent}
    if context.tracestate:
        named[TRACESTATE] = context.tracestate
    return named


def arrived(headers: Sequence[tuple[bytes, bytes]]) -> TraceContext | None:
    """Read where a request belongs from its headers, names in lower case; None = nowhere."""
    parents = [value for name, value in headers if name == b"traceparent"]
    if len(parents) != 1:
        return None
    states = b",".join(value for name, value in headers if name == b"tracestate")
    return trace_context(parents[0].decode("latin-1"), states.decode("latin-1"))


def name_trace(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """Add the trace to a line of the log, where there is one (a processor of structlog)."""
    context = here()
    if context is not None:
        event["trace_id"] = context.trace_id
        event["span_id"] = context.span_id
    return event


# ---------------------------------------------------------------------------------------------- set up


@contextmanager
def recording_to(sink: Sink) -> Iterator[None]:
    """Give what this process records to that sink for the life of the block."""
    global _sink  # noqa: PLW0603 - one sink per process, as with logs
    before, _sink = _sink, sink
    try:
        yield
    finally:
        _sink = before
