"""Order of versions as Maven sorts them, which is what the reference server uses for SEMANTIC_VERSION.

A version becomes one flat sort key, so comparing is comparing tuples. Nothing nests and no number is
converted: texts come from callers, and neither deep nesting nor a thousand digits may cost more than
their length.
"""

from __future__ import annotations

import re
from typing import Final

Token = tuple[int, int, str]
Version = tuple[Token, ...]

_PIECES = re.compile(r"[0-9]+|[^0-9.\-]+|[.\-]")
_DIGITS: Final = frozenset("0123456789")

_QUALIFIERS: Final = {
    "alpha": 0,
    "beta": 1,
    "milestone": 2,
    "rc": 3,
    "cr": 3,
    "snapshot": 4,
    "ga": 5,
    "final": 5,
    "release": 5,
    "sp": 6,
}
_SHORT: Final = {"a": "alpha", "b": "beta", "m": "milestone"}
_OTHER, _HYPHEN_NUMBER, _DOT_NUMBER = 7, 8, 9

# Stands where a version ends. "1" against "1-rc" compares the release with rc, "1" against "1-sp" the
# release with sp, and "1" against "1.1" a release with a number, which is always more.
_RELEASE: Final[Token] = (5, 0, "")
_NOTHING: Final = frozenset({_RELEASE, (_HYPHEN_NUMBER, 0, ""), (_DOT_NUMBER, 0, "")})


def parse_version(text: str) -> Version:
    """Return the sort key of a version; every text is one, as for Maven."""
    segments: list[list[Token]] = [[]]
    separator, expecting = ".", True
    lowered = text.lower()
    for match in _PIECES.finditer(lowered):
        piece = match.group()
        if piece in {".", "-"}:
            if expecting:
                _add(segments, separator, "0", before_digit=False)
            separator, expecting = piece, True
            continue
        if not expecting:  # a change between letters and digits counts as a hyphen
            separator = "-"
        following = lowered[match.end() : match.end() + 1]
        _add(segments, separator, piece, before_digit=following in _DIGITS)
        expecting = False
    key: list[Token] = []
    for segment in segments:
        while segment and segment[-1] in _NOTHING:
            segment.pop()
        key.extend(segment)
    return (*key, _RELEASE)


def _add(segments: list[list[Token]], separator: str, piece: str, *, before_digit: bool) -> None:
    """Append a token; a hyphen or a qualifier begins a segment, whose trailing zeros do not count."""
    if piece[0] in _DIGITS:
        digits = piece.lstrip("0")
        # Equal lengths compare as text, so the length first gives the order of numbers.
        token = (_DOT_NUMBER if separator == "." else _HYPHEN_NUMBER, len(digits), digits)
        fresh = separator == "-"
    else:
        name = _SHORT.get(piece, piece) if before_digit else piece
        rank = _QUALIFIERS.get(name, _OTHER)
        token = (rank, 0, name if rank == _OTHER else "")
        fresh = True
    if fresh:
        segments.append([token])
    else:
        segments[-1].append(token)
