"""Requests as spans: which of them are recorded, and what is said of them.

What people ask and what changes something begins a trace; polls, probes, questions between processes and
static files only go on with one whose `traceparent` says that it is recorded. Streams are never recorded:
a span of hours tells nothing. Must not know subjects; paths decide here and are never written down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.tracing import Kind, Span, arrived, begin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Scope

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_POLLS: Final = frozenset({"/features", "/features/"})
_STREAMS: Final = "/features/"
_OF_PEOPLE: Final = "/mr-api/"
_BETWEEN_PROCESSES: Final = "/internal/"
_FAILED: Final = 500


class RequestSpan:
    """The span of one request; begins as what it is, and is named when the route is known."""

    def __init__(self, span: Span, scope: Scope, request_id: str) -> None:
        self.span = span
        self._method = scope["method"]
        self._over = False
        span.note({"http.request.method": self._method, "burgee.request_id": request_id})

    def answered(self, headers: Iterable[tuple[bytes, bytes]], route: str, status: int) -> None:
        """The answer begins. That of a stream is all that there is to tell."""
        if any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers):
            self.end(route, status)

    def end(self, route: str, status: int) -> None:
        """The answer is complete; only the first call counts."""
        if self._over:
            return
        self._over = True
        self.span.rename(f"{self._method} {route}")
        self.span.note({"http.route": route, "http.response.status_code": status})
        if status >= _FAILED:
            self.span.fail(str(status))
        self.span.end()


def span_of(scope: Scope, request_id: str) -> RequestSpan | None:
    """Begin the span of a request, if it is to be recorded."""
    method, path = scope["method"], scope["path"]
    reads = method in _READS
    if reads and path.startswith(_STREAMS) and path not in _POLLS:
        return None
    under = arrived(scope["headers"])
    begins = path.startswith(_OF_PEOPLE) or not (reads or path.startswith(_BETWEEN_PROCESSES))
    if under is None and not begins:
        return None
    span = begin(method, Kind.SERVER, under=under)
    return None if span is None else RequestSpan(span, scope, request_id)
