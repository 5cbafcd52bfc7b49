"""What all connections of one Edge answer with, and remember together.

Knows polls and how answers look on the wire; must not know connections.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import structlog

from common.errors import AppError, Unavailable
from common.ledger import Ledger
from common.web import Health
from edge.access import Outrun
from edge.heads import Head, Starts
from edge.polls import SILENT_HEADER, Polls, Question, Reply
from edge.recent import Generations
from edge.streams import Visitor

log = structlog.stdlib.get_logger(__name__)

QUESTION_BYTES: Final = 64 * 1024 * 1024
"""What all remembered questions may cost together with the answers that they hold on to."""
READ_BYTES: Final = 8 * 1024 * 1024
"""What all remembered requests may cost."""
LONGEST_READ_BYTES: Final = 4_096
"""Longer requests are not remembered."""
SHARED_BYTES: Final = 64 * 1024
"""Bodies above this are written by themselves: copying them costs more than a second call."""
# Beside its bytes, what a request that was read costs.
_READ_ENTRY_BYTES: Final = 1_500

POLL: Final = "/features"
POLL_SLASH: Final = "/features/"
STREAM: Final = "/features/{key:path}"
_SILENT: Final = SILENT_HEADER.lower().encode()


class TakesStreams(Protocol):
    """Where streams go on once their request was read."""

    def open(
        self, transport: asyncio.Transport, visitor: Visitor, *, head: bytes, connections: set[Any]
    ) -> object:
        """Take the connection over: become its protocol, a member of ``connections``, and begin."""


class Questions(Generations[bytes, Question]):
    """Polls by what was asked, with their last answers."""

    def __init__(self, *, max_bytes: int = QUESTION_BYTES) -> None:
        super().__init__(budget=max_bytes)

    def put(self, about: bytes, question: Question) -> None:
        """Remember it; call again when its answer has changed."""
        if question.weighed is question.reply and self.young.get(about) is question:
            return
        question.weighed = question.reply
        self.hold(about, question)

    def weight(self, key: bytes, value: Question, /) -> int:
        size = 0 if value.reply is None else len(value.reply.body)
        # Small bodies are held once more, ready to be sent.
        return value.weight + len(key) + size + min(size, SHARED_BYTES)


class Reads(Generations[bytes, Head]):
    """Heads by the bytes that they were read from: whole requests, each alone in what was received."""

    def __init__(self, *, max_bytes: int = READ_BYTES) -> None:
        super().__init__(budget=max_bytes)

    def put(self, data: bytes, head: Head) -> None:
        """Remember what the parser made of these bytes when it stood at a message's begin."""
        if head.may_recur:
            self.hold(data, head)

    def weight(self, key: bytes, _head: Head, /) -> int:
        return 2 * len(key) + _READ_ENTRY_BYTES


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
        self.reads = Reads()
        self.starts = Starts()
        #: True when even what went well gets its line in the log.
        self.tells_all = False
        self.cold = ColdPolls(polls)
        #: What counts opened streams.
        self.opened = ledger.page("GET", STREAM, 200)
        #: What counts answered polls, by route and status.
        self.pages = {
            (route, status): ledger.page("GET", route, status)
            for route in (POLL, POLL_SLASH)
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
            reply.tail = b"\r\n\r\n" + (reply.body if len(reply.body) <= SHARED_BYTES else b"")
        reply.page = self.pages[self.route(url), reply.status]
        reply.mark = starts.mark
        return end

    @staticmethod
    def route(url: bytes) -> str:
        """Return the route template of a poll."""
        return POLL_SLASH if url.startswith(b"/features/") else POLL


class ColdPolls:
    """Polls that must be looked up: one look-up for all who ask the same at the same time.

    Most miss no more than one environment. Its look-up tells them when it has landed, without a task of
    theirs; all else has one.
    """

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
        """Call ``answered`` with the answer or what prevents it, perhaps at once.

        ``about`` names the question; ``tasks`` is who owns the work.
        """
        waiting = self._waiting.get(about)
        if waiting is not None:
            waiting.append(answered)
            return
        self._waiting[about] = [answered]

        if not self._polls.seek(question, partial(self._sought, about, question, tasks)):
            self._begin(about, question, tasks)

    def _sought(
        self, about: bytes, question: Question, tasks: set[asyncio.Task[None]], outcome: Reply | Exception
    ) -> None:
        if not isinstance(outcome, Reply):
            if isinstance(outcome, Outrun):
                self._begin(about, question, tasks)
                return
            if not isinstance(outcome, AppError):
                log.error("request.failed", route=POLL, method="GET", exc_info=outcome)
        self._tell(about, outcome)

    def _begin(self, about: bytes, question: Question, tasks: set[asyncio.Task[None]]) -> None:
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
            log.exception("request.failed", route=POLL, method="GET")
            outcome = error
        finally:
            self._tell(about, outcome)

    def _tell(self, about: bytes, outcome: Reply | Exception) -> None:
        for answered in self._waiting.pop(about):
            try:
                answered(outcome)
            except Exception:
                # The others wait for the same, and nobody else would tell them.
                log.exception("request.failed", route=POLL, method="GET")
