"""Events of a stream as bytes: one JSON line each, framed as every SDK reads them.

All of it is ASCII and every `data` is JSON, also where nobody reads it: SDKs parse each one.
"""

from collections.abc import Iterator
from typing import Final

ACK: Final = b'event: ack\ndata: {"status":"discover"}\n\n'
HEARTBEAT: Final = b'event: ack\ndata: "\\u2764\\ufe0f"\n\n'
BYE: Final = b'event: bye\ndata: {"status":"closed"}\n\n'
FAILURE: Final = b'event: failure\ndata: {"status":"unknown API key"}\n\n'

# Big events leave in pieces, so that a slow client's progress shows before the last byte is taken.
PIECE_BYTES: Final = 32 * 1024


LAST_CHUNK: Final = b"0\r\n\r\n"
"""What ends a body that is sent in chunks."""


class Said:
    """What is said to a stream at once: its bytes, and the same as one chunk of HTTP, made once for all."""

    __slots__ = ("_chunk", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._chunk: bytes | None = None

    @property
    def chunk(self) -> bytes:
        """One chunk: some clients wait for much more than one event where a body has no chunks."""
        chunk = self._chunk
        if chunk is None:
            chunk = self._chunk = b"%x\r\n%b\r\n" % (len(self.data), self.data)
        return chunk


def features(tag: str, array: bytes, parting: bytes = b"") -> bytes:
    """Frame the full list, and the frames that follow it; ``tag`` becomes the event's id, unquoted."""
    return b"event: features\nid: %s\ndata: %s\n\n%s" % (tag.encode("ascii"), array, parting)


def feature(payload: bytes) -> bytes:
    """Frame one new or changed feature."""
    return b"event: feature\ndata: %s\n\n" % payload


def delete_feature(payload: bytes) -> bytes:
    """Frame one feature that is no longer visible."""
    return b"event: delete_feature\ndata: %s\n\n" % payload


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut what is to be sent into pieces of bounded size."""
    if len(data) <= PIECE_BYTES:
        yield data
        return
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]
