"""The fast way leans on uvicorn's insides: whoever brings another uvicorn reads edge/hot.py again first.

What a test here names has changed its shape. Look at what became of it, make `edge.hot` and
`common.serve` fit, run tests/contract/test_two_ways_in.py, and only then change the pin and this file.
"""

import asyncio
import inspect
from importlib.metadata import version

import httptools
import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

PINNED = "0.54.0"
CHANGED = "uvicorn changed what edge/hot.py leans on: read the docstring of this file"


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def source(function: object) -> str:
    return " ".join(inspect.getsource(function).split())  # type: ignore[arg-type]


def test_the_version_is_the_one_that_was_read():
    assert version("uvicorn") == PINNED, CHANGED


def test_the_parsers_callbacks_are_these():
    assert [
        name for name in vars(HttpToolsProtocol) if name.startswith("on_")
    ] == [
        "on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body", "on_message_complete",
        "on_response_complete",
    ], CHANGED  # fmt: skip
    assert parameters(HttpToolsProtocol.on_header) == ["self", "name", "value"], CHANGED
    assert parameters(HttpToolsProtocol.on_body) == ["self", "body"], CHANGED


def test_a_protocol_has_what_is_read_and_written():
    async def build() -> HttpToolsProtocol:
        async def app(_scope: object, _receive: object, _send: object) -> None:
            """Never called."""

        config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)  # type: ignore[arg-type]
        return HttpToolsProtocol(config, ServerState(), {})

    protocol = asyncio.run(build())
    for name in (
        "app", "client", "config", "connections", "cycle", "flow", "headers", "loop", "parser", "pipeline",
        "server_state", "tasks", "timeout_keep_alive", "timeout_keep_alive_task", "transport",
    ):  # fmt: skip
        assert hasattr(protocol, name), f"{name}: {CHANGED}"
    assert protocol.cycle is None, CHANGED
    assert protocol.timeout_keep_alive_task is None, CHANGED
    assert isinstance(protocol.parser, httptools.HttpRequestParser), CHANGED
    assert isinstance(protocol.server_state.default_headers, list), CHANGED
    for name in (
        "_unset_keepalive_if_required",
        "timeout_keep_alive_handler",
        "send_400_response",
        "shutdown",
    ):
        assert callable(getattr(protocol, name)), f"{name}: {CHANGED}"


def test_a_message_begins_with_nothing_that_is_kept_from_another():
    """`edge.hot` calls it when the head is complete, and puts what came meanwhile back."""
    text = source(HttpToolsProtocol.on_message_begin)
    begins = 'self.url = b"" self.expect_100_continue = False self.headers = []'
    assert text.startswith(f"def on_message_begin(self) -> None: {begins}"), CHANGED
    assert '"headers": self.headers' in text, CHANGED
    assert source(HttpToolsProtocol.on_url).endswith("self.url += url"), CHANGED


def test_requests_queue_up_behind_one_that_is_not_answered():
    """`edge.hot` puts a stand-in there while it looks something up."""
    text = source(HttpToolsProtocol.on_headers_complete)
    assert "if existing_cycle is None or existing_cycle.response_complete:" in text, CHANGED
    assert "self.pipeline.appendleft((self.cycle, app))" in text, CHANGED
    text = source(HttpToolsProtocol.on_response_complete)
    assert "if self.transport.is_closing(): return" in text, CHANGED
    assert "if self.pipeline: cycle, app = self.pipeline.pop()" in text, CHANGED
    assert parameters(HttpToolsProtocol.on_response_complete) == ["self"], CHANGED
    used = source(HttpToolsProtocol)
    for member in (
        "response_complete", "disconnected", "keep_alive", "message_event", "more_body", "body",
    ):  # fmt: skip
        assert f"self.cycle.{member}" in used, f"{member}: {CHANGED}"
        assert f"self.{member} = " in source(RequestResponseCycle.__init__), f"{member}: {CHANGED}"
    members = {
        part.split("self.cycle.")[1].split(maxsplit=1)[0].rstrip(":,)")
        for part in used.split()
        if "self.cycle." in part
    }
    assert {member.split(".")[0].split("(")[0] for member in members} <= {
        "response_complete", "disconnected", "keep_alive", "message_event", "more_body", "body",
    }, CHANGED  # fmt: skip


def test_the_flow_says_when_writing_must_wait():
    assert "write_paused" in source(FlowControl.__init__), CHANGED
    assert "self.flow.pause_writing()" in source(HttpToolsProtocol.pause_writing), CHANGED


def test_data_goes_to_the_parser_and_its_faults_are_answered():
    text = source(HttpToolsProtocol.data_received)
    assert "self._unset_keepalive_if_required() try: self.parser.feed_data(data)" in text, CHANGED
    assert "except httptools.HttpParserError" in text, CHANGED
    # After a stream was taken over, the parser is let go in the midst of this very call.
    assert text.count("self.parser") == 1, CHANGED


def test_the_date_is_a_new_list_each_time():
    text = source(uvicorn.Server.on_tick)
    assert "self.server_state.default_headers = date_header + self.config.encoded_headers" in text, CHANGED


def test_proxies_are_believed_as_here():
    text = source(ProxyHeadersMiddleware.__call__)
    assert "if client_host in self.trusted_hosts:" in text, CHANGED
    assert "host, port = self.trusted_hosts.get_trusted_client_address(x_forwarded_for)" in text, CHANGED
    assert 'b", ".join(x_forwarded_for_values).decode("latin1")' in text, CHANGED
    assert "self.loaded_app = ProxyHeadersMiddleware(" in source(uvicorn.Config.load), CHANGED
