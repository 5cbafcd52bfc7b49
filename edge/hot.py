"""The fast way in: plain requests are answered inside the parser's callbacks, without a framework.

Framing stays the parser's and everything unusual the framework's: a request that is not plain, or comes
while another one on its connection is not answered yet, goes on as if this module were not there. What is
answered, and to whom, is `edge.polls`' to say.
"""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Final, Protocol

import httptools
import structlog
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from common.errors import AppError, Unavailable
from common.ledger import PROMPT_SECONDS, Ledger
from common.serve import GuardedHttp
from common.web import REQUEST_ID, Health, open_to_browsers, problem_of, problem_of_status
from edge import heads, requests
from edge.answers import DEFAULT_CACHE_CONTROL
from edge.heads import Head, Starts
from edge.limits import Address, caller_of
from edge.polls import SILENT_HEADER, Polls, Question, Reply
from edge.requests import Asked
from edge.streams import Visitor

log = structlog.stdlib.get_logger(__name__)

QUESTION_BYTES: Final = 64 * 1024 * 1024
"""What all remembered questions may cost together with the answers that they hold on to."""
_SHARED_BYTES: Final = 64 * 1024
"""Bodies above this are written by themselves: copying them costs more than a second call."""

_POLL: Final = "/features"
_POLL_SLASH: Final = "/features/"
_STREAM: Final = "/features/{key:path}"
_FOR_BROWSERS: Final = heads.lines([(n.lower().encode(), v.encode()) for n, v in open_to_browsers().items()])
_CLOSE: Final = b"connection: close\r\n"
_SILENT: Final = SILENT_HEADER.lower().encode()
_STREAM_HEAD: Final = heads.lines(
    [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", DEFAULT_CACHE_CONTROL.encode()),
        (b"x-accel-buffering", b"no"),
        # Without chunks, some clients wait until there is much more than one event.
        (b"transfer-encoding", b"chunked"),
    ]
)


class TakesStreams(Protocol):
    """Where streams go on once their request was read."""

    def open(
        self, transport: asyncio.Transport, visitor: Visitor, *, head: bytes, connections: set[Any]
    ) -> object:
        """Take the connection over: become its protocol, a member of ``connections``, and begin."""


class Questions:
    """Polls by what was asked, with their last answers: those not asked for longest are forgotten.

    Two generations of bounded weight: finding one costs a look into a mapping.
    """

    def __init__(self, *, max_bytes: int = QUESTION_BYTES) -> None:
        self.young: dict[bytes, Question] = {}
        self._old: dict[bytes, Question] = {}
        self._half = max_bytes // 2
        self._spent = 0

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def find(self, about: bytes) -> Question | None:
        """Return a question that was asked before, as one that is asked now."""
        found = self.young.get(about)
        if found is None:
            found = self._old.pop(about, None)
            if found is not None:
                self.put(about, found)
        return found

    def put(self, about: bytes, question: Question) -> None:
        """Remember it; call again when its answer has changed."""
        if question.weighed is question.reply and self.young.get(about) is question:
            return
        question.weighed = question.reply
        weight = question.weight + len(about)
        if question.reply is not None:
            # Small bodies are held once more, ready to be sent.
            weight += len(question.reply.body) + min(len(question.reply.body), _SHARED_BYTES)
        if self._spent + weight > self._half:
            self._old, self.young, self._spent = self.young, {}, 0
        self.young[about] = question
        self._spent += weight


class Parts:
    """What all connections of one Edge answer with."""

    def __init__(
        self, polls: Polls, *, ledger: Ledger, health: Health | None, streams: TakesStreams | None
    ) -> None:
        self.polls = polls
        self.ledger = ledger
        self.ids = ledger.ids
        self.health = health or Health({})
        self.streams = streams
        self.questions = Questions()
        self.starts = Starts()
        #: True when even what went well gets its line in the log.
        self.tells_all = False
        self.cold = ColdPolls(polls)
        #: What counts opened streams.
        self.opened = ledger.page("GET", _STREAM, 200)
        #: What counts answered polls, by route and status.
        self.pages = {
            (route, status): ledger.page("GET", route, status)
            for route in (_POLL, _POLL_SLASH)
            for status in (200, 304)
        }

    def begun(self, default_headers: list[tuple[bytes, bytes]]) -> Starts:
        """Return how answers begin in this second."""
        if self.starts.default_headers is not default_headers:
            self._renew(default_headers)
        return self.starts

    def _renew(self, default_headers: list[tuple[bytes, bytes]]) -> None:
        silent = self.polls.silent_seconds()
        more = b"%b: %d\r\n" % (_SILENT, silent) if silent else b""
        self.starts.renew(default_headers, more, self.ids.series())
        self.tells_all = self.ledger.wants_all()

    def dress(self, reply: Reply, url: bytes, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        """Make the reply's front and tail for what is the same now; returns the end of an id."""
        starts = self.begun(default_headers)
        try:
            end = starts.next_end()
        except StopIteration:
            self._renew(default_headers)
            end = starts.next_end()
        start = starts.ok if reply.status == 200 else starts.unchanged
        reply.front = b"%b%bx-request-id: %b" % (start, reply.head, starts.series)
        if not reply.tail:
            reply.tail = b"\r\n\r\n" + (reply.body if len(reply.body) <= _SHARED_BYTES else b"")
        reply.page = self.pages[self.route(url), reply.status]
        reply.mark = starts.mark
        return end

    @staticmethod
    def route(url: bytes) -> str:
        """Return the route template of a poll."""
        return _POLL_SLASH if url.startswith(b"/features/") else _POLL


class ColdPolls:
    """Polls that must be looked up: one task for all who ask the same at the same time."""

    def __init__(self, polls: Polls) -> None:
        self._polls = polls
        self._waiting: dict[bytes, list[Callable[[Reply | Exception], None]]] = {}

    def ask(
        self,
        about: bytes,
        question: Question,
        answered: Callable[[Reply | Exception], None],
        tasks: set[asyncio.Task[None]],
    ) -> None:
        """Call ``answered`` with the answer or what prevents it.

        ``about`` names the question; ``tasks`` is who owns the work.
        """
        waiting = self._waiting.get(about)
        if waiting is not None:
            waiting.append(answered)
            return
        self._waiting[about] = [answered]
        task = asyncio.get_running_loop().create_task(self._find(about, question), name="cold-poll")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _find(self, about: bytes, question: Question) -> None:
        outcome: Reply | Exception = Unavailable("The server is going away.")
        try:
            outcome = await self._polls.find_admitted(question)
        except AppError as error:
            outcome = error
        except Exception as error:  # the root of a task
            log.exception("request.failed", route=_POLL, method="GET")
            outcome = error
        finally:
            for answered in self._waiting.pop(about):
                answered(outcome)


class _Pending:
    """Stands where uvicorn looks for the request that is being answered, so that it queues what follows."""

    __slots__ = ("body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete")

    def __init__(self) -> None:
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True
        self.more_body = False
        self.body = bytearray()
        self.message_event = asyncio.Event()


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
        # Clients repeat themselves: the last plain head, and what was read from it.
        self._former_url = b""
        self._former_headers: list[tuple[bytes, bytes]] = []
        self._former_head: Head | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_idleness()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Do what uvicorn does, in one step as long as nothing is wrong."""
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as fault:
            self._refused_by_parser(fault)
        if self._in_head:
            self._head_goes_on(len(data))

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
        cycle: RequestResponseCycle | None = self.cycle
        parser = self.parser
        if (
            # Answers leave in the order of their requests: ours only if nothing else is going on.
            (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self.transport.is_closing()
            # Without words about the connection, only HTTP/1.1 keeps it.
            and parser.get_method() == b"GET"
            and parser.should_keep_alive()
        ):
            if self.headers == self._former_headers and self.url == self._former_url:
                head = self._former_head
            else:
                head = self._read_head()
            if (
                head is not None
                and (not head.names_connection or parser.get_http_version() == "1.1")
                and self._answer(head, began)
            ):
                self._is_ours = True
                return
        self._leave_to_framework()

    def on_body(self, body: bytes) -> None:
        if not self._is_ours:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_ours:
            super().on_message_complete()

    def _read_head(self) -> Head | None:
        head = heads.read(self.url, self.headers)
        self._former_url, self._former_headers, self._former_head = self.url, self.headers, head
        return head

    def _leave_to_framework(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    # Answers

    def _answer(self, head: Head, began: float) -> bool:
        """Answer the request, now or later; False = it is not for us after all."""
        parts = self.parts
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
        if len(reply.body) > _SHARED_BYTES:
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
            parts.polls.admit(question, caller_of(self._client(head)))
        except AppError as error:
            self._send_refusal(error, head, began)
            return
        self.cycle = pending = _Pending()  # type: ignore[assignment]

        def answered(outcome: Reply | Exception) -> None:
            # Whoever waited with others has no answer of its own to remember.
            if outcome is question.reply:
                parts.questions.put(head.about, question)
            self._answered_late(pending, outcome, head, began)

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
        self, pending: "_Pending", outcome: Reply | Exception, head: Head, began: float
    ) -> None:
        pending.response_complete = True
        if isinstance(outcome, Reply):
            self._send_with_care(outcome, head, began, last=not pending.keep_alive)
        else:
            self._send_refusal(outcome, head, began, last=not pending.keep_alive)
        self.on_response_complete()

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
        visitor = Visitor(key, requests.stream_context(asked), caller_of(self._client(head)))
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
            parts.ledger.line("GET", _STREAM, 200, seconds, request_id=request_id)
        return True


def protocol_for(parts: Parts) -> type[HotProtocol]:
    """Return the class of one Edge's connections."""
    return type("EdgeHttp", (HotProtocol,), {"parts": parts})
