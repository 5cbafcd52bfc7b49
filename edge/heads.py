"""Heads of requests that are plain enough to be answered without a framework, and heads of such answers.

Plain: nothing about framing, connections or expectations, and no header of which it is not known that it
changes nothing or what it changes. Must not know what is asked for, nor the connection.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httptools

from edge.requests import Asked, Said

# What a header does. What is not listed is not plain.
_NOTHING: Final = 0
_CONTEXT: Final = 1
_SDK: Final = 2
_IF_NONE_MATCH: Final = 3
_ACCEPT_ENCODING: Final = 4
_ORIGIN: Final = 5
_REQUEST_ID: Final = 6
_CONNECTION: Final = 7
_FORWARDED: Final = 8
_UNIQUE: Final = 9

_MEANINGS: Final = (
    {
        b"x-featurehub": _CONTEXT,
        b"x-sdk": _SDK,
        b"if-none-match": _IF_NONE_MATCH,
        b"accept-encoding": _ACCEPT_ENCODING,
        b"origin": _ORIGIN,
        b"x-request-id": _REQUEST_ID,
        b"connection": _CONNECTION,
        # Who is asking, where proxies are trusted to say so; it matters only for look-ups.
        b"x-forwarded-for": _FORWARDED,
    }
    | dict.fromkeys(
        # As good as never the same twice.
        (
            b"traceparent",
            b"tracestate",
            b"baggage",
            b"b3",
            b"x-b3-traceid",
            b"x-b3-spanid",
            b"x-correlation-id",
            b"x-amzn-trace-id",
            b"x-cloud-trace-context",
            b"cf-ray",
        ),
        _UNIQUE,
    )
    | dict.fromkeys(
        (
            b"host",
            b"user-agent",
            b"accept",
            b"accept-language",
            b"accept-charset",
            b"cache-control",
            b"pragma",
            b"referer",
            b"cookie",
            b"authorization",
            b"dnt",
            b"priority",
            b"content-type",
            b"last-event-id",
            b"x-sdk-version",
            b"x-fh-extraconfig",
            b"x-requested-with",
            b"sec-fetch-dest",
            b"sec-fetch-mode",
            b"sec-fetch-site",
            b"sec-fetch-user",
            b"sec-gpc",
            b"sec-ch-ua",
            b"sec-ch-ua-mobile",
            b"sec-ch-ua-platform",
            b"save-data",
            b"if-modified-since",
            b"x-b3-sampled",
            b"x-real-ip",
            b"x-forwarded-proto",
            b"x-forwarded-host",
            b"x-forwarded-port",
            b"x-forwarded-server",
            b"x-scheme",
            b"forwarded",
            b"via",
            b"cdn-loop",
            b"cf-connecting-ip",
            b"cf-ipcountry",
            b"cf-visitor",
            b"true-client-ip",
            b"x-envoy-attempt-count",
            b"x-envoy-expected-rq-timeout-ms",
            b"x-envoy-external-address",
            b"x-envoy-original-path",
            b"x-envoy-peer-metadata",
            b"x-envoy-peer-metadata-id",
        ),
        _NOTHING,
    )
)
# As they are usually written, so that most need no folding.
_AS_WRITTEN: Final = _MEANINGS | {
    b"-".join(part.capitalize() for part in name.split(b"-")): meaning for name, meaning in _MEANINGS.items()
}
_NONE: Final[tuple[bytes, ...]] = ()

_ENDS_OF_IDS: Final = tuple(b"%04x" % number for number in range(1 << 16))

# Decoded these are what they look like, or a slash or a star; a router would see the same.
_PLAIN_PATH: Final = re.compile(rb"/features(?:/(?:[A-Za-z0-9/*_.~+-]|%2[FfAa])*)?")


@dataclass(slots=True, eq=False)
class Head:
    """What a plain head says. ``about`` = all that its answer depends on, to remember it by.

    Ordinary: neither a browser nor somebody with an id for the request. It may recur when it names nothing
    that is made for each request.
    """

    about: bytes
    url: bytes
    said: Said
    request_id: bytes
    is_ordinary: bool
    may_recur: bool
    from_browser: bool
    forwarded_for: tuple[bytes, ...]
    names_connection: bool


def read(url: bytes, headers: list[tuple[bytes, bytes]]) -> Head | None:
    """Read a head; None = not plain."""
    sdk = tag = coding = request_id = None
    context = forwarded_for = _NONE
    from_browser = names_connection = is_unique = False
    for name, value in headers:
        meaning = _AS_WRITTEN.get(name)
        if meaning == _NOTHING:
            continue
        if meaning is None:
            meaning = _MEANINGS.get(name.lower())
            if meaning is None:
                return None
        if meaning == _IF_NONE_MATCH:
            if tag is not None:
                return None
            tag = value
        elif meaning == _CONTEXT:
            context += (value,)
        elif meaning == _ACCEPT_ENCODING:
            if coding is not None:
                return None
            coding = value
        elif meaning == _SDK:
            if sdk is not None:
                return None
            sdk = value
        elif meaning == _CONNECTION:
            if names_connection or value.lower() != b"keep-alive":
                return None
            names_connection = True
        elif meaning == _ORIGIN:
            from_browser = True
        elif meaning == _REQUEST_ID:
            if request_id is not None:
                return None
            request_id = value
        elif meaning == _FORWARDED:
            forwarded_for += (value,)
        elif meaning == _UNIQUE:
            is_unique = True
    said = Said(context, sdk or b"", tag or b"", coding or b"")
    # No header and no target holds a newline.
    about = b"\n".join((url, *said[1:], *context))
    return Head(
        about=about,
        url=url,
        said=said,
        request_id=request_id or b"",
        is_ordinary=request_id is None and not from_browser,
        may_recur=request_id is None and not is_unique,
        from_browser=from_browser,
        forwarded_for=forwarded_for,
        names_connection=names_connection,
    )


def asked_by(head: Head) -> Asked | None:
    """Return what a plain head asks for; None = its target is not plain."""
    if not head.url.startswith(b"/features"):
        return None
    try:
        target = httptools.parse_url(head.url)
    except httptools.HttpParserInvalidURLError:
        return None
    path: bytes = target.path
    if not _PLAIN_PATH.fullmatch(path):
        return None
    return Asked(path, target.query or b"", head.said)


class Starts:
    """How answers begin, and how their ids end: what stays the same for a second is encoded once."""

    def __init__(self) -> None:
        #: What the server adds to every answer: a list that it replaces when the date changes.
        self.default_headers: list[tuple[bytes, bytes]] | None = None
        #: Another object whenever what is below has changed.
        self.mark = object()
        self.ok = b""
        self.unchanged = b""
        self.series = b""
        #: Gives the last digits of an id; StopIteration = begin another series.
        self.next_end: Callable[[], bytes] = iter(()).__next__
        self._same = b""

    def renew(self, default_headers: list[tuple[bytes, bytes]], more: bytes, series: bytes) -> None:
        """Take over the server's headers, and ``more`` of them for answers that bring features.

        ``series`` is how the ids of the next answers begin.
        """
        self.default_headers = default_headers
        self.mark = object()
        self._same = lines(default_headers)
        self.ok = self.of(b"HTTP/1.1 200 OK\r\n") + more
        self.unchanged = self.of(b"HTTP/1.1 304 Not Modified\r\n") + more
        self.series = series
        self.next_end = iter(_ENDS_OF_IDS).__next__

    def of(self, status_line: bytes) -> bytes:
        """Begin an answer that brings none."""
        return status_line + self._same


def lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Encode headers."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)
