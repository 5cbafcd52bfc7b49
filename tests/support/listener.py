"""A real HTTP endpoint on the loopback address that remembers what it was sent and answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.waiting import eventually


@dataclass(frozen=True)
class Heard:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The id of the event."""
        return self.headers["ce-id"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Heard) and (self.path, self.body, self.headers) == (
            other.path,
            other.body,
            other.headers,
        )

    def __hash__(self) -> int:
        return hash((self.path, self.body))


@dataclass
class Listener:
    """What was heard, in order; `answer` decides what is said to each request."""

    url: str = ""
    answer: Callable[[Heard], tuple[int, str]] = lambda _: (200, "thanks")
    heard: list[Heard] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    """Requests are answered while this is set: `hold` and `let_go`."""

    def hold(self) -> None:
        self.held.clear()

    def let_go(self) -> None:
        self.held.set()

    def at(self, path: str) -> list[Heard]:
        return [each for each in self.heard if each.path == path]

    async def wait_for(self, count: int, *, path: str = "", within_seconds: float = 30) -> list[Heard]:
        """Wait until at least so many requests came (to a path), and answer them."""

        def enough() -> list[Heard] | None:
            found = self.at(path) if path else list(self.heard)
            return found if len(found) >= count else None

        found = await eventually(enough, within_seconds=within_seconds, what=f"{count} requests")
        assert found is not None
        return found


@asynccontextmanager
async def open_listener(port: int = 0) -> AsyncIterator[Listener]:
    """A listener for the life of the block."""
    listener = Listener()
    listener.let_go()

    async def receive(request: web.Request) -> web.Response:
        headers = {name.lower(): text for name, text in request.headers.items()}
        heard = Heard(request.path, headers, await request.read())
        listener.heard.append(heard)
        await listener.held.wait()
        status, text = listener.answer(heard)
        extra: dict[str, Any] = {"Location": listener.url + "/elsewhere"} if status == 302 else {}
        return web.Response(status=status, text=text, headers=extra | {"Set-Cookie": "session=hush"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, bound = runner.addresses[0][:2]
    listener.url = f"http://{host}:{bound}"
    try:
        yield listener
    finally:
        listener.let_go()
        await runner.cleanup()
