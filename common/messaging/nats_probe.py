"""What a bus is like before anybody works on it: for `burgee check`.

Connects as a process would, asks NATS for each right that it needs, and listens for a moment. Says nothing on
the bus that means something to anybody; what is good or bad about the facts is the asker's affair.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from common.contracts.reports import Report
from common.errors import Unavailable
from common.messaging.envelope import RELEASE, Malformed, Message, Seal, read_heartbeat
from common.messaging.nats_answers import Question, nobody_serves
from common.messaging.nats_line import Line, LineBroken, Listening, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from common.settings import BusSettings

TRIPS: Final = 5
ANSWER_SECONDS: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a process must be able to say and hear, below the installation's own subjects.

    ``says`` may be said without anything coming of it; ``asks`` are questions that change nothing. What is
    heard by queue groups is written as NATS writes it: the subject, a space, the group.
    """

    says: Sequence[str] = ()
    hears: Sequence[str] = ()
    asks: Mapping[str, bytes] = field(default_factory=dict)
    hears_changes: bool = False
    hears_reports: bool = False


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """One server of the settings. ``fault`` says why it is of no use; the rest is empty then."""

    place: str
    fault: str | None = None
    identity: str = ""
    version: str = ""
    cluster: str = ""
    max_payload: int = 0
    round_trip: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A heartbeat that was heard: of whom, its release, and how far its clock is ahead of ours."""

    source: str
    release: str
    clock_ahead: float


@dataclass(kw_only=True)
class BusFacts:
    """All servers, and what was found through the first one that can be used."""

    servers: list[ServerFacts] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    beats: dict[str, Beat] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    answers: dict[str, str | None] = field(default_factory=dict)
    """By question: why there was no answer, None where there was one."""
    forged: int = 0
    """Messages that another key, or another installation, has sealed."""


async def probe_bus(settings: BusSettings, needs: Needs, *, listen_seconds: float) -> BusFacts:
    """Look at every server, and through the first good one at rights and neighbours."""
    facts = BusFacts()
    looked = False
    for address in settings.nats_urls:
        line = Line(address, Told(lambda _: None, facts.forbidden.append))
        try:
            async with _connected(line, settings):
                facts.servers.append(await _server(line))
                if not looked:
                    looked = True
                    await _Visit(line, settings, facts).look(needs, listen_seconds)
        except* LineBroken as broken:
            if facts.servers and facts.servers[-1].place == line.place:
                facts.servers.pop()
            facts.servers.append(ServerFacts(place=line.place, fault=str(_first(broken))))
    return facts


@asynccontextmanager
async def _connected(line: Line, settings: BusSettings) -> AsyncIterator[None]:
    try:
        await line.connect(settings, f"check-{secrets.token_hex(4)}")
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(line.watch(), name="nats-watch")
            yield
            watch.cancel()
    finally:
        await line.discard()


async def _server(line: Line) -> ServerFacts:
    trips = []
    for _ in range(TRIPS):
        began = time.perf_counter()
        await line.confirm()
        trips.append(time.perf_counter() - began)
    told = line.server
    return ServerFacts(
        place=line.place,
        identity=str(told.get("server_id", "")),
        version=str(told.get("version", "")),
        cluster=str(told.get("cluster", "")),
        max_payload=line.payload_at_most,
        round_trip=min(trips),
    )


class _Visit:
    """What is tried and heard on one connection."""

    def __init__(self, line: Line, settings: BusSettings, facts: BusFacts) -> None:
        if settings.event_key is None:
            raise ValueError("a bus needs an event key")
        self._line = line
        self._facts = facts
        self._root = f"burgee.{settings.cluster}"
        self._seal = Seal(settings.event_key.get_secret_value().encode(), settings.cluster)
        self._instance = f"check-{secrets.token_hex(8)}"
        self._questions: dict[str, Question] = {}

    async def look(self, needs: Needs, listen_seconds: float) -> None:
        inbox = f"{self._root}.inbox.{self._instance}"
        for wish in needs.hears:
            await self._try_hearing(wish)
        await self._line.listen(Listening(f"{inbox}.*", self._hear_answer))
        if needs.hears_changes:
            await self._line.listen(Listening(f"{self._root}.c.hb", self._hear_beat))
        if needs.hears_reports:
            await self._line.listen(Listening(f"{self._root}.r.*", self._hear_report))
        await self._line.confirm()
        for tail in needs.says:
            await self._say(tail, b"")
        await self._line.confirm()
        async with asyncio.TaskGroup() as tasks:
            for word, question in needs.asks.items():
                tasks.create_task(self._ask(word, question, f"{inbox}.{word}"), name=f"ask-{word}")
            await asyncio.sleep(listen_seconds)

    async def _try_hearing(self, wish: str) -> None:
        """Subscribe and leave in one breath: what others are asked meanwhile is not taken from them."""
        tail, _, queue = wish.replace("<instance>", self._instance).partition(" ")
        listening = Listening(f"{self._root}.{tail}", _pass_over, queue=queue)
        await self._line.listen(listening)
        await self._line.leave(listening)

    async def _say(self, tail: str, payload: bytes, reply: str = "") -> None:
        said = tail.replace("<instance>", self._instance)
        if said.startswith("r."):
            payload = _farewell(self._instance)
        await self._line.send(self._seal.sealed(Message(f"{self._root}.{said}", reply, {}, payload)))

    async def _ask(self, word: str, question: bytes, inbox: str) -> None:
        asked = self._questions[word] = Question()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._say(f"q.{word}", question, inbox)
                await asked.answer
        except TimeoutError:
            self._facts.answers[word] = f"no answer within {ANSWER_SECONDS:g} s"
        except Unavailable as error:
            self._facts.answers[word] = str(error)
        else:
            self._facts.answers[word] = None
        finally:
            asked.close()

    async def _hear_answer(self, message: Message) -> None:
        asked = self._questions.get(message.subject.rpartition(".")[2])
        if asked is None:
            return
        if nobody_serves(message):
            asked.fail("nobody is there to answer")
        elif not self._seal.holds(message):
            self._facts.forged += 1
        else:
            asked.take(message)

    async def _hear_beat(self, message: Message) -> None:
        if not self._seal.holds(message):
            self._facts.forged += 1
            return
        try:
            _, stamp = read_heartbeat(message.headers)
        except Malformed:
            return
        self._facts.beats[stamp.source] = Beat(
            source=stamp.source.rpartition("/")[2],
            release=message.headers.get(RELEASE, ""),
            clock_ahead=stamp.sent_at - time.time(),
        )

    async def _hear_report(self, message: Message) -> None:
        if not self._seal.holds(message):
            self._facts.forged += 1
            return
        try:
            report = msgspec.json.decode(message.payload, type=Report)
        except msgspec.MsgspecError:
            return
        if not report.leaving:
            self._facts.reports[report.instance] = report


def _farewell(instance: str) -> bytes:
    """A report that nobody counts on."""
    report = Report(instance=instance, role="dacha", epoch="", position=0, live=False, leaving=True)
    return msgspec.json.encode(report)


async def _pass_over(_message: Message) -> None:
    return


def _first(group: BaseExceptionGroup[LineBroken]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
