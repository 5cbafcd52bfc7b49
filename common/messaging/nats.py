"""The bus between processes: NATS, without its memory.

What was sent while somebody was away is not kept for him: MR's log is the memory, and whoever missed
something notices by position. This module keeps one connection up for ever, gives each message its subject
and its seal, and lets nothing in whose seal does not hold. Must not know caches, databases or what a
question means.
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from common import tracing
from common.contracts.reports import Report
from common.errors import Unavailable
from common.messaging.envelope import (
    CHECK,
    Malformed,
    Message,
    Seal,
    event_headers,
    event_tail,
    heartbeat_headers,
    read_event,
    read_heartbeat,
)
from common.messaging.freshness import Freshness, Numbers, Stamp
from common.messaging.nats_answers import (
    Answering,
    Question,
    answer_parts,
    nobody_serves,
    question_headers,
)
from common.messaging.nats_line import Congested, Line, LineBroken, Listening, Told
from common.messaging.nats_metrics import BusCollector, BusMetrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from prometheus_client import CollectorRegistry

    from common.contracts.events import Heartbeat, LoggedEvent
    from common.messaging.bus import Handler, Subscriber
    from common.settings import BusSettings

_log = structlog.get_logger(__name__)

BACK_OFF_SECONDS: Final = 1.0
FIRST_BACK_OFF_SECONDS: Final = 0.05
UNCONFIRMED_BYTES: Final = 4 * 1024 * 1024
"""A batch larger than this is confirmed in several steps."""

FINISH_SECONDS: Final = 1.0
MOST_COMPLAINTS: Final = 20

ASK_AGAIN_SECONDS: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""A new subscription is known to a cluster's other servers a little later, and a heartbeat asked for
before that is lost. So it is asked for again until one came."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64})?")


@asynccontextmanager
async def open_nats_bus(
    settings: BusSettings,
    *,
    instance: str,
    registry: CollectorRegistry | None = None,
    heartbeat_seconds: float = 2.0,
    pending_messages: int = 16_384,
) -> AsyncIterator[NatsBus]:
    """A bus that connects in the background, and again for ever; opens at once whether NATS is there or not.

    ``instance`` names this process: letters, digits, ``-`` and ``_``, unique in the cluster.
    ``pending_messages`` may wait for the subscribers; more are dropped, which they are told. Raises
    ValueError when the settings have no servers or no key, or the instance cannot be a name.
    """
    bus = NatsBus(
        settings, instance=instance, heartbeat_seconds=heartbeat_seconds, pending_messages=pending_messages
    )
    if registry is not None:
        registry.register(BusCollector(bus.metrics))
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(bus.keep_connected(), name="nats-bus")
        try:
            yield bus
        finally:
            await bus.finish()
            keeper.cancel()


class NatsBus:
    """Satisfies `Bus`, `Publisher` and `Requests` of `common.messaging.bus`."""

    def __init__(
        self, settings: BusSettings, *, instance: str, heartbeat_seconds: float, pending_messages: int
    ) -> None:
        if not settings.nats_urls or settings.event_key is None:
            raise ValueError("a NATS bus needs servers and an event key")
        if not _TOKEN.fullmatch(instance):
            raise ValueError(f"{instance!r} cannot be the name of an instance")
        self.instance = instance
        self.metrics = BusMetrics()
        self._settings = settings
        self._heartbeat_seconds = heartbeat_seconds
        self._pending_messages = pending_messages
        self._root = f"burgee.{settings.cluster}"
        self._seal = Seal(settings.event_key.get_secret_value().encode(), settings.cluster)
        self._source = f"/burgee/{settings.cluster}/{instance}"
        self._release = version("burgee")
        self._line: Line | None = None
        self._finished = False
        self._subscribers: list[Subscriber] = []
        self._wishes: dict[Listening, None] = {}
        self._active: set[Listening] = set()
        self._leaving: set[Listening] = set()
        self._changed = asyncio.Event()
        self._heartbeat_came = asyncio.Event()
        self._overflow_told = False
        self._sync_wanted = asyncio.Event()
        self._questions: dict[str, Question] = {}
        self._complaints: set[str] = set()
        self._thrown_away = False
        self._beats = Numbers(time.time)
        self._freshness = Freshness(time.time)
        self._events: Listening | None = None
        self._wish(Listening(f"{self._root}.inbox.{instance}.*", self._hear_answer))

    @property
    def connected(self) -> bool:
        """True while sending makes sense at all."""
        return self._line is not None and self._line.up

    @property
    def heartbeat_seconds(self) -> float:
        return self._heartbeat_seconds

    # Bus

    @asynccontextmanager
    async def subscribe(self, subscriber: Subscriber) -> AsyncIterator[None]:
        self._subscribers.append(subscriber)
        if len(self._subscribers) == 1:
            self._events = Listening(f"{self._root}.c.>", self._hear, messages=self._pending_messages)
            self._wish(self._events)
        self.sync()
        try:
            yield
        finally:
            self._subscribers.remove(subscriber)
            if not self._subscribers and self._events is not None:
                self._forget(self._events)
                self._events = None

    def sync(self) -> None:
        self._sync_wanted.set()

    # Publisher

    async def publish(self, events: Sequence[LoggedEvent]) -> None:
        with _unavailable():
            line = self._up()
            self._thrown_away = False
            for some in self._in_bounds(events, line.payload_at_most):
                await line.send(*some)
                self.metrics.messages["out", "event"] += len(some)
                await self._confirm(line)

    async def beat(self, heartbeat: Heartbeat) -> None:
        stamp = Stamp(self._source, self._beats.next(), time.time())
        headers = heartbeat_headers(heartbeat, stamp, secrets.token_hex(16), release=self._release)
        self._thrown_away = False
        await self._send("heartbeat", f"{self._root}.c.hb", headers, b"")
        with _unavailable():
            await self._confirm(self._up())

    async def _confirm(self, line: Line) -> None:
        """Return when the servers have what was published; raises `Unavailable` when they threw it away."""
        await line.confirm()
        # The server confirms also what it threw away, after it has said so.
        if self._thrown_away:
            raise Unavailable("the bus does not let this process publish")

    def on_sync(self, wake: Callable[[], None]) -> Callable[[], None]:
        async def heard(message: Message) -> None:
            if self._admit("sync", message):
                wake()

        listening = Listening(f"{self._root}.sync", heard, messages=256)
        self._wish(listening)
        return lambda: self._forget(listening)

    # Requests

    async def request(self, word: str, question: bytes, *, seconds: float) -> bytes:
        _checked(word)
        nonce = secrets.token_urlsafe(16)
        asked = Question()
        self._questions[nonce] = asked
        try:
            async with asyncio.timeout(seconds):
                await self._send(
                    "question",
                    f"{self._root}.q.{word}",
                    question_headers(tracing.here()),
                    question,
                    reply=f"{self._root}.inbox.{self.instance}.{nonce}",
                )
                return await asked.answer
        except TimeoutError as error:
            raise Unavailable(f"no answer from {word} within {seconds:g} s") from error
        finally:
            del self._questions[nonce]
            asked.close()

    @asynccontextmanager
    async def serve(self, word: str, handler: Handler, *, at_once: int = 64) -> AsyncIterator[None]:
        _checked(word)
        answering = Answering(word, handler, at_once=at_once, reply=self._reply)

        async def heard(message: Message) -> None:
            if self._admit("question", message):
                await answering.take(message)

        listening = Listening(
            f"{self._root}.q.{word}", heard, queue=word, messages=16 * at_once, size=64 * 1024 * 1024
        )
        async with answering.open():
            self._wish(listening)
            try:
                yield
            finally:
                self._forget(listening)
                await listening.left.wait()

    async def report(self, report: Report) -> None:
        try:
            signed = msgspec.structs.replace(report, release=self._release)
            await self._send("report", f"{self._root}.r.{self.instance}", {}, msgspec.json.encode(signed))
        except Unavailable:
            return

    @asynccontextmanager
    async def on_report(self, told: Callable[[Report], None]) -> AsyncIterator[None]:
        async def heard(message: Message) -> None:
            if not self._admit("report", message):
                return
            try:
                report = msgspec.json.decode(message.payload, type=Report)
            except msgspec.MsgspecError:
                self._drop("malformed", message.subject)
                return
            told(report)

        listening = Listening(f"{self._root}.r.*", heard)
        self._wish(listening)
        try:
            yield
        finally:
            self._forget(listening)

    # The connection

    async def keep_connected(self) -> None:
        """Be connected to one of the servers until finished; ends otherwise only by a defect."""
        addresses = list(self._settings.nats_urls)
        random.shuffle(addresses)
        failures = 0
        # The flag beside the cancellation: a task group that fails meanwhile, and nats-py while it connects,
        # may forget the latter.
        while not self._finished:
            line = Line(addresses[0], Told(self._overflowed, self._forbidden))
            try:
                await line.connect(self._settings, self.instance)
                self._note_connected(line, failures)
                failures = 0
                if not self._finished:
                    await self._use(line)
            except* LineBroken as broken:
                if failures in {0, 3}:
                    _log.warning("bus.not_connected", server=line.place, detail=str(broken.exceptions[0]))
                self.metrics.failures += 1
                failures += 1
            finally:
                await self._give_up(line)
            addresses.append(addresses.pop(0))
            await asyncio.sleep(_pause(failures))

    async def finish(self) -> None:
        """Let what was sent last arrive, within reason; called before the connection is given up."""
        self._finished = True
        line = self._line
        if line is None or not line.up:
            return
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                await line.confirm()
        except (LineBroken, TimeoutError) as error:
            _log.debug("bus.last_words_lost", detail=str(error))

    async def _use(self, line: Line) -> None:
        """Everything that one connection carries; ends with `LineBroken` in a group."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(line.watch(), name="nats-watch")
            self._line = line
            self.metrics.connected = True
            self._lost()
            tasks.create_task(self._ask_for_heartbeats(line), name="nats-sync")
            await self._listen(line, tasks)

    async def _listen(self, line: Line, tasks: asyncio.TaskGroup) -> None:
        """Keep the connection's subscriptions to what is wished for."""
        while True:
            self._changed.clear()
            for wish in [each for each in self._wishes if each not in self._active]:
                self._active.add(wish)
                await line.listen(wish)
                if wish is self._events:
                    self.sync()
            for gone in [each for each in self._active if each not in self._wishes]:
                self._active.remove(gone)
                self._leaving.add(gone)
                tasks.create_task(self._leave(line, gone), name="nats-leave")
            await self._changed.wait()

    async def _leave(self, line: Line, gone: Listening) -> None:
        await line.leave(gone)
        self._leaving.discard(gone)
        gone.left.set()

    async def _ask_for_heartbeats(self, line: Line) -> None:
        while True:
            await self._sync_wanted.wait()
            self._sync_wanted.clear()
            if not self._subscribers:
                continue
            self._heartbeat_came.clear()
            for patience in ASK_AGAIN_SECONDS:
                message = Message(f"{self._root}.sync", "", {}, b"")
                with suppress(Congested):
                    await line.send(self._seal.sealed(message))
                    self.metrics.messages["out", "sync"] += 1
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await self._heartbeat_came.wait()
                        break

    async def _give_up(self, line: Line) -> None:
        """The connection is over: nobody waits for it, nothing is believed any more."""
        was_in_use = self._line is line
        self._line = None
        self.metrics.connected = False
        await line.discard()
        for gone in (self._active | self._leaving) - self._wishes.keys():
            gone.left.set()
        self._active.clear()
        self._leaving.clear()
        for asked in self._questions.values():
            asked.fail("the connection to the bus was lost")
        if was_in_use:
            self._lost()

    def _note_connected(self, line: Line, failures: int) -> None:
        self.metrics.connections += 1
        self._complaints.clear()
        _log.info("bus.connected", server=line.place, failures=failures)

    def _lost(self) -> None:
        for each in self._subscribers:
            each.on_disconnected()

    def _wish(self, listening: Listening) -> None:
        self._wishes[listening] = None
        self._changed.set()

    def _forget(self, listening: Listening) -> None:
        """Stop hearing; ``listening.left`` says when nothing more is heard."""
        del self._wishes[listening]
        if listening in self._active:
            self._changed.set()
        else:
            listening.left.set()

    # What comes in

    def _admit(self, kind: str, message: Message) -> bool:
        """Count a message and look at its seal; False = it must not be used."""
        self.metrics.messages["in", kind] += 1
        if self._seal.holds(message):
            return True
        self._drop("forged", message.subject)
        return False

    async def _hear(self, message: Message) -> None:
        tail = message.subject.removeprefix(f"{self._root}.c.")
        try:
            if tail == CHECK:
                self._admit("check", message)
            elif tail == "hb":
                if self._admit("heartbeat", message):
                    self._hear_heartbeat(*read_heartbeat(message.headers))
            elif self._admit("event", message):
                event = read_event(tail, message.headers, message.payload)
                for each in self._subscribers:
                    each.on_event(event)
        except Malformed as error:
            # The next heartbeat shows the hole that this leaves.
            self._drop("malformed", message.subject, str(error))

    def _hear_heartbeat(self, heartbeat: Heartbeat, stamp: Stamp) -> None:
        if not self._freshness.is_news(stamp):
            self._drop(
                "repeated", f"{self._root}.c.hb", "a heartbeat that is no news, or a clock that is off"
            )
            return
        self._overflow_told = False
        self._heartbeat_came.set()
        for each in self._subscribers:
            each.on_heartbeat(heartbeat)

    async def _hear_answer(self, message: Message) -> None:
        asked = self._questions.get(message.subject.rpartition(".")[2])
        if asked is None:
            self._drop("late", "")
        elif nobody_serves(message):
            asked.fail("nobody is there to answer")
        elif self._admit("answer", message):
            try:
                asked.take(message)
            except ValueError as error:
                self._drop("malformed", message.subject, str(error))

    def _overflowed(self, subject: str) -> None:
        self._drop("overflow", subject.rpartition(".")[0])
        if subject.startswith(f"{self._root}.c.") and not self._overflow_told:
            self._overflow_told = True
            self._lost()
            self.sync()

    def _forbidden(self, detail: str) -> None:
        self.metrics.violations += 1
        # nats-py tells it in lower case.
        if f'publish to "{self._root}.c.'.lower() in detail.lower():
            self._thrown_away = True
        self._complain("bus.forbidden", detail)

    def _drop(self, reason: str, subject: str, detail: str = "") -> None:
        self.metrics.dropped[reason] += 1
        if reason != "late":
            self._complain("bus.dropped", f"{reason}: {subject} {detail}".rstrip())

    def _complain(self, what: str, detail: str) -> None:
        """Log each complaint once per connection, and not without end."""
        if detail not in self._complaints and len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.add(detail)
            _log.warning(what, detail=detail)

    # What goes out

    def _up(self) -> Line:
        if self._line is None or not self._line.up:
            raise Unavailable("not connected to the bus")
        return self._line

    async def _send(
        self, kind: str, subject: str, headers: dict[str, str], payload: bytes, *, reply: str = ""
    ) -> None:
        with _unavailable():
            line = self._up()
            if len(payload) > line.payload_at_most:
                raise Unavailable(f"the {kind} is too big for the bus")
            await line.send(self._seal.sealed(Message(subject, reply, headers, payload)))
            self.metrics.messages["out", kind] += 1

    async def _reply(self, subject: str, outcome: str, answer: bytes) -> None:
        try:
            with _unavailable():
                line = self._up()
                for headers, part in answer_parts(outcome, answer, line.payload_at_most):
                    if line.unsent_bytes > UNCONFIRMED_BYTES:
                        await line.confirm()
                    await line.send(self._seal.sealed(Message(subject, "", headers, part)))
                    self.metrics.messages["out", "answer"] += 1
        except Unavailable:
            # Whoever asked sees that the connection is gone, or that no answer comes.
            self._drop("unanswered", "")

    def _in_bounds(self, events: Sequence[LoggedEvent], payload_at_most: int) -> Iterator[list[Message]]:
        """The events' messages, in the portions that are confirmed together."""
        portion: list[Message] = []
        size = 0
        for event in events:
            message = self._event_message(event, payload_at_most)
            portion.append(message)
            size += len(message.payload)
            if size > UNCONFIRMED_BYTES:
                yield portion
                portion, size = [], 0
        if portion:
            yield portion

    def _event_message(self, event: LoggedEvent, payload_at_most: int) -> Message:
        payload = event.payload
        if len(payload) > payload_at_most:
            self.metrics.pointers += 1
            payload = b""
        subject = f"{self._root}.c.{event_tail(event.counter)}"
        return self._seal.sealed(Message(subject, "", event_headers(event, self._source), payload))


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (LineBroken, Congested) as error:
        raise Unavailable(str(error)) from error


def _checked(word: str) -> None:
    if not _WORD.fullmatch(word):
        raise ValueError(f"{word!r} cannot be asked or served")


def _pause(failures: int) -> float:
    longest = min(BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2.0 ** min(failures, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311 (spreads load, hides nothing)
