"""What strangers send as `tracestate` is handed on when it is one, and is otherwise nothing to anybody."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import TraceState

from common.contracts.traces import trace_context

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LIKE_ONE = st.text("abz01=,@ \t*/-_Aé\x00\x7f", max_size=40)


def kept(state: str) -> str:
    context = trace_context(PARENT, state)
    assert context is not None
    return context.tracestate


@pytest.mark.parametrize(
    ("state", "as_kept"),
    [
        ("vendor=opaque value", "vendor=opaque value"),
        ("tenant@system=x , b=2,,", "tenant@system=x,b=2"),
        (",".join(f"k{each}=v" for each in range(32)), ",".join(f"k{each}=v" for each in range(32))),
        (",".join(f"k{each}=v" for each in range(33)), ""),
        ("a=1,a=2", ""),
        ("a=b=c", ""),
        ("A=1", ""),
        ("<script>sdk-key=abc", ""),
        ("a=" + "x" * 511, ""),
    ],
)
def test_a_state_is_handed_on_whole_or_not_at_all(state: str, as_kept: str) -> None:
    assert kept(state) == as_kept


@given(LIKE_ONE)
def test_nothing_that_is_kept_makes_the_library_complain(state: str) -> None:
    complaints: list[str] = []
    ear = logging.Handler()
    ear.emit = lambda record: complaints.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("opentelemetry.trace.span")
    log.addHandler(ear)
    try:
        assert TraceState.from_header([kept(state)]).to_header() == kept(state)
    finally:
        log.removeHandler(ear)
    assert not complaints
