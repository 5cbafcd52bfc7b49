"""A bare listener on one SSE stream: every event as it came, nothing interpreted."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp

from tests.support.waiting import PATIENCE_SECONDS, eventually


class SseEvent(NamedTuple):
    """One event; `data` decoded."""

    name: str
    id: str | None
    data: Any


@dataclass
class Stream:
    """What was heard so far on one connection."""

    status: int
    headers: Mapping[str, str]
    events: list[SseEvent] = field(default_factory=list)
    ended: bool = False

    def named(self, name: str) -> list[SseEvent]:
        return [event for event in self.events if event.name == name]

    @property
    def changes(self) -> list[SseEvent]:
        """Everything that concerns features after the first full list."""
        return [event for event in self.events if event.name in {"feature", "delete_feature"}]

    @property
    def keys(self) -> set[str]:
        """Every feature key that was ever mentioned."""
        told = [event.data for event in self.changes]
        for event in self.named("features"):
            told.extend(event.data)
        return {state["key"] for state in told}

    async def heard(self, name: str, within_seconds: float = 20.0) -> SseEvent:
        """Wait for the first event of this name."""
        found = await eventually(
            lambda: self.named(name), within_seconds=within_seconds, what=f"the event {name}"
        )
        return found[0]

    async def changed(self, key: str, within_seconds: float = PATIENCE_SECONDS, **members: Any) -> SseEvent:
        """Wait until the newest word about this key has these members."""

        def newest() -> SseEvent | None:
            told = [event for event in self.changes if event.data["key"] == key]
            if told and all(told[-1].data.get(name) == value for name, value in members.items()):
                return told[-1]
            return None

        found = await eventually(newest, within_seconds=within_seconds, what=f"{key} with {members}")
        assert found is not None
        return found


def open_stream(
    url: str, key: str, *, headers: Mapping[str, str] | None = None, read_seconds: float = 60.0
) -> AbstractAsyncContextManager[Stream]:
    """Connect as an SDK, and listen until the block ends; status and headers are there at once."""
    return open_events(f"{url}/features/{key}", headers=headers, read_seconds=read_seconds)


@asynccontextmanager
async def open_events(
    address: str, *, headers: Mapping[str, str] | None = None, read_seconds: float = 60.0
) -> AsyncIterator[Stream]:
    """Connect, and listen until the block ends; the answer's status and headers are there at once."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=read_seconds)
    failure: BaseException | None = None
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.get(address, headers={"accept": "text/event-stream", **(headers or {})}) as answer,
        asyncio.TaskGroup() as listeners,
    ):
        stream = Stream(answer.status, answer.headers)
        listening = listeners.create_task(_listen(answer, stream))
        try:
            yield stream
        except BaseException as error:  # noqa: BLE001 - raised below, outside of the group that would wrap it
            failure = error
        finally:
            listening.cancel()
    if failure is not None:
        raise failure


async def _listen(answer: aiohttp.ClientResponse, stream: Stream) -> None:
    held: dict[str, str] = {}
    try:
        async for line in answer.content:
            text = line.decode().rstrip("\r\n")
            if text and not text.startswith(":"):
                name, _, value = text.partition(":")
                held[name] = value.removeprefix(" ")
            elif not text and "data" in held:
                stream.events.append(
                    SseEvent(held.get("event", "message"), held.get("id"), json.loads(held["data"]))
                )
                held = {}
    except aiohttp.ClientError:
        pass  # A cut connection: what was heard before it is what counts.
    stream.ended = True
