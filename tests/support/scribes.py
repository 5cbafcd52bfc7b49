"""Editors whose server may die under them: each keeps an exact account of what was acknowledged.

An edit without an answer may or may not have happened; an edit with one must be there for ever. One
scribe edits one thing, one step at a time, so both can be told from what is stored afterwards.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp

from tests.support.admin import Admin, Refused
from tests.support.crowd import Note
from tests.support.judge import Delivered
from tests.support.ledger import ledger
from tests.support.world import World

PAUSE_SECONDS = 0.1


class Scribe(Protocol):
    """Edits one thing, step by step."""

    async def step(self, admin: Admin) -> None:
        """Make one edit; raises what the server or the network answered instead."""

    def check(self, stored: Mapping[str, Delivered]) -> None:
        """Fail if an acknowledged edit is not in what is stored, or something is that nobody wrote."""


@dataclass
class ValueScribe:
    """Counts upwards in one NUMBER feature."""

    world: World
    key: str
    sent: int = 0
    acknowledged: int = 0
    version: int = 0

    async def step(self, admin: Admin) -> None:
        number = self.sent + 1
        row = await admin.value(self.world.environment_id, self.key) or {"key": self.key, "version": 0}
        body = {name: each for name, each in row.items() if name != "value"}
        self.sent = number
        answer = await admin.put(
            self.world.environment_id, self.key, body | {"valueNumber": number, "locked": False}
        )
        self.acknowledged, self.version = number, answer["version"]

    def check(self, stored: Mapping[str, Delivered]) -> None:
        found = stored[self.key]
        value = found.value or 0
        assert self.acknowledged <= value <= self.sent, (
            f"{self.key} is {value}, acknowledged was {self.acknowledged}, sent {self.sent}"
        )
        assert found.version >= self.version, f"{self.key} fell from {self.version} to {found.version}"


@dataclass
class BuilderScribe:
    """Creates features and deletes every third."""

    world: World
    prefix: str
    made: int = 0
    there: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    async def step(self, admin: Admin) -> None:
        self.made += 1
        key = f"{self.prefix}-{self.made}"
        self.unknown.add(key)
        await admin.create_feature(self.world.application.id, key)
        self.unknown.discard(key)
        if self.made % 3:
            self.there.add(key)
            return
        self.unknown.add(key)
        await admin.delete_feature(self.world.application.id, key)
        self.unknown.discard(key)
        self.gone.add(key)

    def check(self, stored: Mapping[str, Delivered]) -> None:
        mine = {key for key in stored if key.startswith(f"{self.prefix}-")}
        assert self.there <= mine, f"created and lost: {self.there - mine}"
        assert not self.gone & mine, f"deleted and back: {self.gone & mine}"
        assert mine <= self.there | self.unknown, f"never created: {mine - self.there - self.unknown}"


@dataclass
class Office:
    """Scribes at work; `unanswered` counts what the server did not live to answer."""

    scribes: Sequence[Scribe]
    edits: int = 0
    unanswered: int = 0
    _closing: bool = False

    def close(self) -> None:
        self._closing = True

    async def work(self, scribe: Scribe, admins: Sequence[Admin], dice: random.Random) -> None:
        """Step until closed, each time through any of the servers; a dead one is tried again."""
        while not self._closing:
            try:
                await scribe.step(dice.choice(admins))
                self.edits += 1
            except Refused as error:
                # While it dies or starts a server may refuse; anything else is not its right.
                if error.status != 503:
                    raise
                self.unanswered += 1
                await asyncio.sleep(PAUSE_SECONDS)
            except (aiohttp.ClientError, TimeoutError):
                self.unanswered += 1
                await asyncio.sleep(PAUSE_SECONDS)

    def check(self, stored: Mapping[str, Delivered]) -> None:
        for scribe in self.scribes:
            scribe.check(stored)


@asynccontextmanager
async def open_office(
    scribes: Sequence[Scribe], admins: Sequence[Admin], dice: random.Random
) -> AsyncIterator[Office]:
    """All of them at work until the block ends; what they were doing then is finished first."""
    office = Office(scribes)
    async with asyncio.TaskGroup() as desks:
        for scribe in scribes:
            desks.create_task(office.work(scribe, admins, dice))
        try:
            yield office
        finally:
            office.close()


class Poller:
    """Polls one address over and over, also while nobody answers: no version may ever fall.

    ``stalled`` counts polls without an answer, ``refused`` those of them that heard 503; any other than
    200 or 304 is a fault.
    """

    def __init__(self, url: str, key: str, *, pause_seconds: float = 0.03, note: Note | None = None) -> None:
        self.polls = 0
        self.stalled = 0
        self.refused = 0
        self.faults: list[str] = []
        self._pause_seconds = pause_seconds
        self._note_state = note
        self._url = url
        self._key = key
        self._etag = ""
        self._versions: dict[str, int] = {}

    async def poll(self) -> None:
        """Poll for ever; cancel to end."""
        timeout = aiohttp.ClientTimeout(total=3)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                try:
                    await self._once(http)
                except (aiohttp.ClientError, TimeoutError):
                    self.stalled += 1
                await asyncio.sleep(self._pause_seconds)

    async def _once(self, http: aiohttp.ClientSession) -> None:
        headers = {"if-none-match": self._etag} if self._etag else {}
        async with http.get(f"{self._url}/features", params={"apiKey": self._key}, headers=headers) as answer:
            if answer.status == 503:
                self.stalled += 1
                self.refused += 1
                return
            self.polls += 1
            if answer.status == 304:
                return
            if answer.status != 200:
                self.faults.append(f"a poll was answered {answer.status}")
                return
            self._etag = answer.headers["etag"]
            for environment in await answer.json():
                self._note(environment["features"])

    def _note(self, features: Sequence[Mapping[str, object]]) -> None:
        for feature in features:
            key, version = str(feature["key"]), feature["version"]
            assert isinstance(version, int)
            if version < self._versions.get(key, 0):
                ledger().stepped_back()
                self.faults.append(f"{key} fell from {self._versions[key]} to {version}")
            self._versions[key] = version
            if self._note_state is not None:
                self._note_state(key, polled_state(feature))


def polled_state(feature: Mapping[str, object]) -> Delivered:
    """One feature of a poll's answer, in the judge's terms."""
    version = feature["version"]
    assert isinstance(version, int)
    return Delivered(str(feature["type"]), feature.get("value"), bool(feature.get("l", False)), version)


@asynccontextmanager
async def open_poller(url: str, key: str) -> AsyncIterator[Poller]:
    """A poller at work; after the block it has heard of no version that fell."""
    poller = Poller(url, key)
    async with asyncio.TaskGroup() as polling:
        task = polling.create_task(poller.poll())
        try:
            yield poller
        finally:
            task.cancel()
    assert not poller.faults, poller.faults[:10]
    assert poller.polls > 3, "nothing was polled"
