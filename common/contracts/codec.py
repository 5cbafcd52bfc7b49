"""Bytes and JSON tokens of the data plane: the only JSON (de)serialiser beside the API of MR.

Everything produced here is ASCII, so that a body never depends on a client's idea of encodings,
and canonical: equal values give equal bytes, on every node and after every restart.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_NON_ASCII = re.compile(r"[^\x00-\x7f]")
# Printable, and neither a quote nor a backslash: most keys.
_AS_IT_IS = re.compile(r"[ !#-\[\]-~]*")


def _escape(match: re.Match[str]) -> str:
    point = ord(match.group())
    if point < 0x10000:
        return f"\\u{point:04x}"
    point -= 0x10000
    return f"\\u{0xD800 + (point >> 10):04x}\\u{0xDC00 + (point & 0x3FF):04x}"


def ascii_json(token: bytes) -> bytes:
    """Return the same JSON with every non-ASCII character escaped.

    Outside strings JSON is ASCII, so replacing characters cannot change its structure.
    """
    if token.isascii():
        return token
    return _NON_ASCII.sub(_escape, token.decode("utf-8")).encode("ascii")


def json_text(text: str) -> bytes:
    """Return ``text`` as an ASCII JSON string."""
    if _AS_IT_IS.fullmatch(text):
        return b'"%b"' % text.encode("ascii")
    return json.dumps(text).encode("ascii")


def canonical(value: object) -> bytes:
    """Encode plain data with sorted members, no spaces, ASCII only.

    `msgspec.Raw` members keep their token, so numbers stay as they were written.
    """
    return ascii_json(msgspec.json.encode(value, order="sorted"))


def decode(data: bytes) -> Any:
    """Decode JSON; raises `msgspec.DecodeError` on anything that is not one JSON document."""
    return msgspec.json.decode(data)
