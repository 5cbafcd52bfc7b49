"""Where in a trace something happened, as W3C Trace Context writes it: what is handed on with a change.

Must not know who records traces.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_PARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII
)
_STATE: Final = re.compile(r"[\t\x20-\x7e]{1,512}")
_MEMBER: Final = re.compile(
    r"([a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MEMBERS_AT_MOST: Final = 32
_SAMPLED: Final = 1


class TraceContext(NamedTuple):
    """A place in a trace: the headers `traceparent` and `tracestate`."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        return self.traceparent[36:52]

    @property
    def sampled(self) -> bool:
        """True when whoever began the trace wants it recorded."""
        return bool(int(self.traceparent[53:55], 16) & _SAMPLED)

    @property
    def text(self) -> str:
        """Both in one line, for where there is one place."""
        return f"{self.traceparent} {self.tracestate}".rstrip()


def trace_context(traceparent: str | None, tracestate: str | None = None) -> TraceContext | None:
    """Read the two headers; None where there is no sound `traceparent`, for nothing may fail over a trace."""
    found = _PARENT.fullmatch(traceparent or "")
    if found is None or (found[1] == "00" and found[5]):
        return None
    # What later versions of the header add is theirs; this much of them is as it always was.
    return TraceContext(f"00-{found[2]}-{found[3]}-{found[4]}", _sound_state(tracestate or ""))


def _sound_state(text: str) -> str:
    """A `tracestate` as it may be handed on; all of it or nothing.

    Strangers send it: what is not exactly one would be complained of in the log, in their words.
    """
    if _STATE.fullmatch(text) is None:
        return ""
    members = [member for each in text.split(",") if (member := each.strip(" \t"))]
    found = [_MEMBER.fullmatch(each) for each in members]
    keys = {each[1] for each in found if each is not None}
    return ",".join(members) if len(members) == len(keys) <= _MEMBERS_AT_MOST else ""


def trace_context_of(text: str | None) -> TraceContext | None:
    """Read what `TraceContext.text` wrote."""
    if not text:
        return None
    parent, _, state = text.partition(" ")
    return trace_context(parent, state)
