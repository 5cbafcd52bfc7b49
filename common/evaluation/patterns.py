"""Regular expressions that people write into rules, matched in time linear to the text.

RE2, because Edge evaluates rules for everybody on one thread: a backtracking engine can be made to run
for years by one short pattern, and one with a time limit answers differently under load. The price is
syntax that needs backtracking (look-around, back-references, possessive and atomic groups); such a
pattern is faulty here, and its rule never matches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import re2  # type: ignore[import-untyped]  # it ships no types

# Linear still means program size times length of the text, so both are bounded: about 10 ms at worst.
MAX_TEXT_BYTES: Final = 4096
MAX_PROGRAM: Final = 2000
_MEMORY_BYTES: Final = 1 << 20


class PatternFault(ValueError):
    """The text is not a pattern that rules may use; the message says why."""


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MEMORY_BYTES
    return options


def whole_text(pattern: str) -> Callable[[str], bool]:
    """Return a test whether a text matches ``pattern`` from its beginning to its end.

    Raises `PatternFault`. Longer texts than 4,096 bytes match nothing.
    """
    try:
        # Bytes on both sides: with text the binding computes the offsets of a match, which nobody needs.
        compiled = re2.compile(pattern.encode(), _options())
    except UnicodeEncodeError:
        raise PatternFault("not well-formed text") from None
    except re2.error as fault:
        reason = fault.args[0] if fault.args else ""
        raise PatternFault(
            reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        ) from None
    if compiled.programsize > MAX_PROGRAM:
        raise PatternFault("pattern too large")
    match = compiled.fullmatch

    def matches(text: str) -> bool:
        encoded = text.encode()
        return len(encoded) <= MAX_TEXT_BYTES and match(encoded) is not None

    return matches
