"""Questions and answers between processes: work in bounds, answers in parts, one word for "we do not know".

Must not know NATS: messages come in and go out through whoever owns the connection.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog

from common import tracing
from common.contracts.traces import trace_context_of
from common.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from common.contracts.traces import TraceContext
    from common.messaging.bus import Handler
    from common.messaging.envelope import Message

_log = structlog.get_logger(__name__)

PART: Final = "burgee-part"
"""Which part of how many this is: ``2/5``."""

OUTCOME: Final = "burgee-outcome"
ANSWERED: Final = "answered"
UNAVAILABLE: Final = "unavailable"

TRACE: Final = "burgee-trace"
"""Where in a trace somebody asks."""

LARGEST_ANSWER: Final = 64 * 1024 * 1024
_NOBODY: Final = "503"


class Question:
    """Somebody waits for an answer; its parts may come in any order."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._parts: dict[int, bytes] = {}
        self._size = 0

    def fail(self, detail: str) -> None:
        """End the waiting with `Unavailable`."""
        if not self.answer.done():
            self.answer.set_exception(Unavailable(detail))

    def close(self) -> None:
        """Nobody waits any more; what still comes is not kept."""
        if not self.answer.cancel() and not self.answer.cancelled():
            self.answer.exception()
        self._parts.clear()

    def take(self, message: Message) -> None:
        """One part of the answer, whose seal holds. Raises ValueError when it is none."""
        if message.headers.get(OUTCOME) != ANSWERED:
            self.fail(message.payload.decode(errors="replace") or "the other side does not know")
            return
        number, count = (int(word) for word in message.headers.get(PART, "").split("/"))
        if not 1 <= number <= count:
            raise ValueError("not a part of an answer")
        self._size += len(message.payload)
        if self._size > LARGEST_ANSWER:
            self.fail("the answer is too big")
            return
        self._parts[number] = message.payload
        if len(self._parts) == count and not self.answer.done():
            self.answer.set_result(b"".join(self._parts[each] for each in range(1, count + 1)))


def question_headers(trace: TraceContext | None) -> dict[str, str]:
    """Headers of a question: where it is asked, if that is in a trace."""
    return {} if trace is None else {TRACE: trace.text}


def nobody_serves(message: Message) -> bool:
    """True for the server's own word that nobody listens to a question; it has no seal."""
    return message.headers.get("Status") == _NOBODY and not message.payload


def answer_parts(outcome: str, answer: bytes, part_size: int) -> Iterator[tuple[dict[str, str], bytes]]:
    """Headers and payload of each part of an answer."""
    count = max(1, -(-len(answer) // part_size))
    for number in range(count):
        headers = {OUTCOME: outcome, PART: f"{number + 1}/{count}"}
        yield headers, answer[number * part_size : (number + 1) * part_size]


class Answering:
    """Answers questions to one word, at most so many at once.

    ``reply`` sends an outcome and its bytes to a subject. While all places are taken, `take` waits, and so
    does the bus.
    """

    def __init__(
        self,
        word: str,
        handler: Handler,
        *,
        at_once: int,
        reply: Callable[[str, str, bytes], Awaitable[None]],
    ) -> None:
        self._word = word
        self._handler = handler
        self._reply = reply
        self._places = asyncio.Semaphore(at_once)
        self._tasks: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Answer until left; leaving waits for those in work."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None

    async def take(self, message: Message) -> None:
        """Begin to answer; returns when there was a place for it."""
        await self._places.acquire()
        if self._tasks is None:
            self._places.release()
            return
        self._tasks.create_task(self._answer(message), name=f"answer-{self._word}")

    async def _answer(self, message: Message) -> None:
        try:
            # By what is asked for, not by whom: a word may name an instance.
            with tracing.recorded(
                f"answer {self._word.partition('.')[0]}",
                tracing.Kind.SERVER,
                under=trace_context_of(message.headers.get(TRACE)),
            ):
                outcome, answer = await self._outcome(message.payload)
                if message.reply:
                    await self._reply(message.reply, outcome, answer)
        finally:
            self._places.release()

    async def _outcome(self, question: bytes) -> tuple[str, bytes]:
        try:
            answer = await self._handler(question)
        except Unavailable as error:
            return UNAVAILABLE, str(error).encode()
        except Exception:  # noqa: BLE001
            # One question that shows a defect must not take the others down, as with any request.
            _log.exception("bus.question_failed", word=self._word)
            return UNAVAILABLE, b"the other side failed"
        if len(answer) > LARGEST_ANSWER:
            return UNAVAILABLE, b"the answer is too big"
        return ANSWERED, answer
