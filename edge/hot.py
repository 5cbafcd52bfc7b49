"""The fast way in: plain requests are answered inside the parser's callbacks, without a framework.

Framing stays the parser's and everything unusual the framework's: a request that is not plain, or comes
while another one on its connection is not answered yet, goes on as if this module were not there. What is
answered, and to whom, is `edge.polls`' to say.
"""

import asyncio
import time
from functools import partial
from http import HTTPStatus
from typing import ClassVar, Final

import httptools
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from common import tracing
from common.errors import AppError
from common.ledger import PROMPT_SECONDS
from common.serve import GuardedHttp
from common.web import REQUEST_ID, open_to_browsers, problem_of, problem_of_status
from edge import heads, requests
from edge.answers import DEFAULT_CACHE_CONTROL
from edge.heads import Head
from edge.limits import Address, caller_of
from edge.parts import LONGEST_READ_BYTES, SHARED_BYTES, STREAM, Parts
from edge.polls import Question, Reply
from edge.requests import Asked
from edge.streams import Visitor

_FOR_BROWSERS: Final = heads.lines([(n.lower().encode(), v.encode()) for n, v in open_to_browsers().items()])
_CLOSE: Final = b"connection: close\r\n"
_STREAM_HEAD: Final = heads.lines(
    [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", DEFAULT_CACHE_CONTROL.encode()),
        (b"x-accel-buffering", b"no"),
        # Without chunks, some clients wait until there is much more than one event.
        (b"transfer-encoding", b"chunked"),
    ]
)


class _Pending:
    """Stands where uvicorn looks for the request that is being answered, so that it queues what follows."""

    __slots__ = ("body", "disconnected", "keep_alive", "more_body", "response_complete")

    #: Nobody waits for a body, so one is enough for all.
    message_event: ClassVar[asyncio.Event] = asyncio.Event()

    def __init__(self) -> None:
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True
        self.more_body = False
        self.body = bytearray()


class HotProtocol(GuardedHttp):
    """uvicorn's protocol that answers plain requests by itself; each Edge has a class (`protocol_for`)."""

    parts: ClassVar[Parts]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # True from a message's begin to its end when it was answered, or is to be dropped, here.
        self._is_ours = False
        self._is_over = False
        self._idle_since = 0.0
        self._idle_due: asyncio.TimerHandle | None = None
        # True while the parser stands at a message's begin, at first or behind one that was ours.
        self._at_begin = True
        # Messages begun in what was received last, and the last one of ours.
        self._begun = 0
        self._head: Head | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_idleness()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, unless it is known what the parser makes of it; parsed as uvicorn does.

        A parser is a machine: from the same state the same bytes lead to the same callbacks and to the
        same state. So whole requests that were received before are not parsed again, as long as the
        parser stands at a message's begin.
        """
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        at_begin = self._at_begin and len(data) <= LONGEST_READ_BYTES
        if at_begin:
            reads = self.parts.reads
            head = reads.young.get(data) or reads.find(data)
            if head is not None and self._is_at_rest() and self._answer(head, time.perf_counter()):
                if self._in_head:
                    self._head_is_here()
                return
        self._begun = 0
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as fault:
            self._refused_by_parser(fault)
        if self._in_head:
            self._head_goes_on(len(data))
        elif at_begin and self._at_begin and self._begun == 1 and self._head is not None:
            self.parts.reads.put(data, self._head)

    def _refused_by_parser(self, fault: Exception) -> None:
        if isinstance(fault, httptools.HttpParserUpgrade):
            # Nobody here speaks WebSocket (`ws="none"`).
            self._unsupported_upgrade_warning()
            return
        reason = "Invalid HTTP request received."
        self.logger.warning(reason)
        self.send_400_response(reason)

    # Parser callbacks

    def on_message_begin(self) -> None:
        # What the framework needs for this message is made when it turns out that it is for it.
        self.url = b""
        self.headers = []
        self._is_ours = False
        self._at_begin = False
        self._begun += 1
        self._in_head = not self._is_over

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        began = time.perf_counter()
        self._in_head = False
        if self._head_due is not None:
            self._head_is_here()
        if self._is_over:
            self._is_ours = True
            return
        parser = self.parser
        # Without words about the connection, only HTTP/1.1 keeps it.
        if self._is_at_rest() and parser.get_method() == b"GET" and parser.should_keep_alive():
            head = heads.read(self.url, self.headers)
            if (
                head is not None
                and (not head.names_connection or parser.get_http_version() == "1.1")
                and self._answer(head, began)
            ):
                self._is_ours = True
                self._head = head
                return
        self._leave_to_framework()

    def on_body(self, body: bytes) -> None:
        if not self._is_ours:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_ours:
            self._at_begin = not self._is_over
        else:
            super().on_message_complete()

    def _is_at_rest(self) -> bool:
        """True when nothing else is going on: answers leave in the order of their requests."""
        cycle: RequestResponseCycle | None = self.cycle
        return (
            (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _leave_to_framework(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    # Answers

    def _answer(self, head: Head, began: float, found: Reply | None = None) -> bool:
        """Answer the request, now or later; False = it is not for us after all.

        ``found``: what was looked up for it. One function, for a call costs a hundredth of a poll.
        """
        parts = self.parts
        reply = found
        if reply is None:
            question = parts.questions.young.get(head.about) or parts.questions.find(head.about)
            if question is None:
                asked = heads.asked_by(head)
                if asked is None:
                    return False
                if asked.path not in {b"/features", b"/features/"}:
                    return self._hand_on(asked, head, began)
                try:
                    question = Question(asked)
                except AppError:
                    return False
            former = question.reply
            reply = parts.polls.at_hand(question)
            if reply is None:
                self._answer_later(question, head, began)
                return True
            if reply is not former:
                parts.questions.put(head.about, question)
        if not head.is_ordinary or parts.health.draining or parts.tells_all:
            self._send_with_care(reply, head, began)
            return True
        # From here on nothing is done twice in a second that need not be.
        starts, default_headers = parts.starts, self.server_state.default_headers
        if reply.mark is starts.mark and starts.default_headers is default_headers:
            try:
                end = starts.next_end()
            except StopIteration:
                end = parts.dress(reply, head.url, default_headers)
        else:
            end = parts.dress(reply, head.url, default_headers)
        self.transport.write(b"".join((reply.front, end, reply.tail)))
        if len(reply.body) > SHARED_BYTES:
            self.transport.write(reply.body)
        for tally in reply.tallies:
            tally.count += 1
        page = reply.page
        page.count += 1
        self._idle_since = ended = time.perf_counter()
        seconds = ended - began
        page.seconds += seconds
        if seconds > PROMPT_SECONDS:
            page.late(seconds)
        if self._idle_due is None:
            self._idle_due = self.loop.call_later(self.timeout_keep_alive, self._look_for_idleness)
        return True

    def _send_with_care(self, reply: Reply, head: Head, began: float, *, last: bool = False) -> None:
        """Do the same for somebody special, or late; while the server leaves, and as the ``last``, close."""
        parts = self.parts
        starts = parts.begun(self.server_state.default_headers)
        for tally in reply.tallies:
            tally.count += 1
        closes = last or parts.health.draining
        request_id = parts.ids.of(head.request_id.decode("latin-1"))
        start = starts.ok if reply.status == 200 else starts.unchanged
        rest = self._rest(head, request_id.encode(), closes=closes)
        if not self.transport.is_closing():
            self.transport.write(b"%b%b%b\r\n" % (start, reply.head, rest))
            if reply.body:
                self.transport.write(reply.body)
        self._idle_since = ended = time.perf_counter()
        route = parts.route(head.url)
        parts.pages[route, reply.status].tell(ended - began)
        if parts.tells_all:
            parts.ledger.line("GET", route, reply.status, ended - began, request_id=request_id)
        self._go_on(closes=closes)

    @staticmethod
    def _rest(head: Head, request_id: bytes, *, closes: bool) -> bytes:
        """The headers that an answer owes to who asks and when."""
        browsers = _FOR_BROWSERS if head.from_browser else b""
        return b"%bx-request-id: %b\r\n%b" % (browsers, request_id, _CLOSE if closes else b"")

    def _go_on(self, *, closes: bool) -> None:
        if closes:
            self._is_over = True
            self.transport.close()
        elif self._idle_due is None and not self.transport.is_closing():
            self._idle_due = self.loop.call_later(self.timeout_keep_alive, self._look_for_idleness)

    def _end_idleness(self) -> None:
        if self._idle_due is not None:
            self._idle_due.cancel()
            self._idle_due = None

    def _look_for_idleness(self) -> None:
        """Close a connection that was used by nobody for too long; one timer, whatever passes meanwhile."""
        self._idle_due = None
        cycle: RequestResponseCycle | None = self.cycle
        is_busy = self._in_head or (cycle is not None and not cycle.response_complete)
        if is_busy or self.timeout_keep_alive_task is not None:
            return
        left = self._idle_since + self.timeout_keep_alive - time.perf_counter()
        if left > 0:
            self._idle_due = self.loop.call_later(left, self._look_for_idleness)
        else:
            self.timeout_keep_alive_handler()

    # What is not at hand

    def _answer_later(self, question: Question, head: Head, began: float) -> None:
        """Look up what is missing; what follows on this connection waits in uvicorn's queue."""
        parts = self.parts
        try:
            parts.polls.admit(question, lambda: caller_of(self._client(head)))
        except AppError as error:
            self._send_refusal(error, head, began)
            return
        self.cycle = pending = _Pending()  # type: ignore[assignment]

        answered = partial(self._answered_late, pending, question, head, began)
        parts.cold.ask(head.about, question, answered, self.tasks)

    def _client(self, head: Head) -> Address | None:
        """Who is asking: whom a trusted proxy names, as uvicorn's middleware finds out."""
        app = self.app
        if not head.forwarded_for or not isinstance(app, ProxyHeadersMiddleware):
            return self.client
        trusted = app.trusted_hosts
        if self.client is None or self.client[0] not in trusted:
            return self.client
        host, port = trusted.get_trusted_client_address(b", ".join(head.forwarded_for).decode("latin-1"))
        return (host, port) if host else self.client

    def _answered_late(
        self, pending: "_Pending", question: Question, head: Head, began: float, outcome: Reply | Exception
    ) -> None:
        parts, last = self.parts, not pending.keep_alive
        # Whoever waited with others has no answer of its own to remember.
        if outcome is question.reply and question.weighed is not outcome:
            parts.questions.put(head.about, question)
        pending.response_complete = True
        if not isinstance(outcome, Reply):
            self._send_refusal(outcome, head, began, last=last)
        elif last:
            self._send_with_care(outcome, head, began, last=True)
        elif not self.transport.is_closing():
            self._answer(head, began, outcome)
        if self.pipeline or self.transport.is_closing():
            self.on_response_complete()
        else:
            # What uvicorn does then, but for its timer: there is one here already.
            self.server_state.total_requests += 1
            self.flow.resume_reading()

    def _send_refusal(self, error: Exception, head: Head, began: float, *, last: bool = False) -> None:
        parts = self.parts
        request_id = parts.ids.of(head.request_id.decode("latin-1"))
        scope = {REQUEST_ID: request_id}
        if isinstance(error, AppError):
            parts.polls.refused(error)
            answer = problem_of(error, scope)
            answer.headers["Cache-Control"] = DEFAULT_CACHE_CONTROL
        else:
            answer = problem_of_status(500, scope)
        closes = last or parts.health.draining
        if not self.transport.is_closing():
            status_line = b"HTTP/1.1 %d %b\r\n" % (
                answer.status_code,
                HTTPStatus(answer.status_code).phrase.encode(),
            )
            self.transport.write(
                parts.begun(self.server_state.default_headers).of(status_line)
                + heads.lines(answer.raw_headers)
                + self._rest(head, request_id.encode(), closes=closes)
                + b"\r\n"
                + bytes(answer.body)
            )
        self._idle_since = ended = time.perf_counter()
        route = parts.route(head.url)
        parts.ledger.tell("GET", route, answer.status_code, ended - began, request_id=request_id)
        self._go_on(closes=closes)

    # Streams

    def _hand_on(self, asked: Asked, head: Head, began: float) -> bool:
        """Let a stream begin on this connection, which is not HTTP's any more; False = not here."""
        parts = self.parts
        key = requests.stream_key(asked)
        # Python wants a status where others want an event, which may take a while to find out.
        if parts.streams is None or (asked.said.sdk_name == "python" and not parts.polls.knows(key)):
            return False
        visitor = Visitor(
            key, requests.stream_context(asked), caller_of(self._client(head)), asked.said.patience_seconds
        )
        request_id = parts.ids.of(head.request_id.decode("latin-1"))
        start = parts.begun(self.server_state.default_headers).ok
        rest = self._rest(head, request_id.encode(), closes=True)
        # From here on the connection's data and end are the stream's to hear of.
        self._is_over = True
        self._unset_keepalive_if_required()
        self._end_idleness()
        self.connections.discard(self)
        parts.streams.open(
            self.transport,
            visitor,
            head=b"%b%b%b\r\n" % (start, _STREAM_HEAD, rest),
            connections=self.connections,
        )
        # Parser and protocol hold each other: let both go.
        self.parser = None  # type: ignore[assignment]
        seconds = time.perf_counter() - began
        parts.opened.tell(seconds)
        if parts.tells_all:
            parts.ledger.line("GET", STREAM, 200, seconds, request_id=request_id)
        return True


class TracedHotProtocol(HotProtocol):
    """The same, where traces are recorded: who is part of one is the framework's, which records it."""

    def on_headers_complete(self) -> None:
        trace = None if self._is_over else tracing.arrived([(n.lower(), v) for n, v in self.headers])
        if trace is None or not trace.sampled:
            super().on_headers_complete()
            return
        self._in_head = False
        if self._head_due is not None:
            self._head_is_here()
        self._leave_to_framework()


def protocol_for(parts: Parts, stall_seconds: float) -> type[HotProtocol]:
    """Return the class of one Edge's connections."""
    base = TracedHotProtocol if tracing.is_on() else HotProtocol
    return type("EdgeHttp", (base,), {"parts": parts, "stall_seconds": stall_seconds})
