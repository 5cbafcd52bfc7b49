"""HTTP byte by byte: send exactly these bytes, in these pieces, and tell apart what comes back.

For comparing two servers that must not differ: what may differ (dates, ids that were made up) is masked.
"""

import re
import socket
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

SENDING_SECONDS: Final = 60.0
"""Whoever is sent much takes it when its turn comes."""
_REQUEST_ID: Final = re.compile(rb"\b[0-9a-f]{32}\b")
_UNTOLD: Final = frozenset({b"date"})
# A stream's end may be told either way; its bytes are the same.
_FRAMING: Final = frozenset({b"transfer-encoding"})


class Answered(NamedTuple):
    """One answer; header names in lower case, sorted."""

    status: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Exchange(NamedTuple):
    """All that came back, and whether the server closed the connection."""

    answers: tuple[Answered, ...]
    closed: bool
    rest: bytes = b""

    @property
    def statuses(self) -> list[int]:
        """The status of each answer."""
        return [int(answer.status.split(b" ")[1]) for answer in self.answers]


def converse(
    port: int,
    pieces: Iterable[bytes],
    *,
    pause_seconds: float = 0.0,
    silence_seconds: float = 0.25,
    half_close: bool = False,
) -> Exchange:
    """Send the pieces, one by one, and read until the server closes or says nothing for a while."""
    received = bytearray()
    closed = False
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(SENDING_SECONDS)
        try:
            for piece in pieces:
                sock.sendall(piece)
                if pause_seconds:
                    time.sleep(pause_seconds)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            closed = True
        sock.settimeout(silence_seconds)
        try:
            while data := sock.recv(1 << 20):
                received += data
            closed = True
        except TimeoutError:
            pass
        except ConnectionResetError:
            closed = True
    return told_apart(bytes(received), closed=closed)


def told_apart(received: bytes, *, closed: bool) -> Exchange:
    """Split what came into answers; what is no whole answer is the rest."""
    answers: list[Answered] = []
    while received:
        head, end, tail = received.partition(b"\r\n\r\n")
        if not end:
            return Exchange(tuple(answers), closed, _masked(received))
        status, *lines = head.split(b"\r\n")
        headers = [_header(line) for line in lines]
        body, received = _body(status, dict(headers), tail)
        named = sorted(pair for pair in headers if pair[0] not in _UNTOLD | _FRAMING)
        answers.append(
            Answered(status, tuple((name, _masked(value)) for name, value in named), _masked(body))
        )
    return Exchange(tuple(answers), closed)


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b": ")
    return name.lower(), value


def _masked(text: bytes) -> bytes:
    return _REQUEST_ID.sub(b"<id>", text)


def _body(status: bytes, headers: dict[bytes, bytes], tail: bytes) -> tuple[bytes, bytes]:
    code = int(status.split(b" ")[1])
    if code in {204, 304} or code < 200:
        return b"", tail
    if headers.get(b"transfer-encoding") == b"chunked":
        return _unchunked(tail)
    length = headers.get(b"content-length")
    if length is None:
        return tail, b""
    if tail.startswith(b"HTTP/1.1 "):
        # To a HEAD: its length is that of a body which is not sent.
        return b"", tail
    return tail[: int(length)], tail[int(length) :]


def _unchunked(tail: bytes) -> tuple[bytes, bytes]:
    body = b""
    while tail:
        size, _, tail = tail.partition(b"\r\n")
        length = int(size, 16)
        body, tail = body + tail[:length], tail[length + 2 :]
        if not length:
            break
    return body, tail
