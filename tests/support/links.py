"""Proxies that run in a thread of their own, so that they outlive one test's event loop.

A link stands between two of the processes under test and never waits for the test that watches them.
Every method may be called from any thread; it has had its effect when it returns.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from tests.support.proxy import Proxy, Request, open_proxy

T = TypeVar("T")
ANSWER_SECONDS = 60.0


class Link:
    """One proxy, driven from outside of its event loop."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop) -> None:
        self.proxy = proxy
        self.port = proxy.port
        self._loop = loop

    @property
    def url(self) -> str:
        return self.proxy.url

    def asked(self, matching: Callable[[Request], bool] = lambda _: True) -> int:
        """Answer how many HTTP requests came by so far."""
        return self.proxy.asked(matching)

    def put_in(self, upstream_port: int) -> None:
        """Let this server have connections too, from now on."""
        self._do(lambda: self.proxy.put_in(upstream_port))

    def take_out(self, upstream_port: int) -> None:
        """Give this server no new connection; those it has stay."""
        self._do(lambda: self.proxy.take_out(upstream_port))

    def hold(self) -> None:
        """Accept new connections, but let them wait."""
        self._do(self.proxy.hold)

    def release(self) -> None:
        self._do(self.proxy.release)

    def cut(self) -> None:
        """End every connection at once, in both directions."""
        self._do(self.proxy.cut)

    def stall(self, direction: str) -> None:
        """Keep connections open but let nothing pass "up" (to the server) or "down"."""
        self._do(lambda: self.proxy.stall(direction))

    def resume(self, direction: str) -> None:
        self._do(lambda: self.proxy.resume(direction))

    def refuse(self) -> None:
        """Refuse new connections and cut the open ones."""
        self._run(self.proxy.refuse())
        self.cut()

    def accept(self) -> None:
        self._run(self.proxy.accept())

    def lose(self) -> None:
        """End every connection, and with it what was on its way; let everything pass from now on."""
        self.cut()
        self.mend()

    def mend(self) -> None:
        """Undo every fault; what was held arrives."""
        self.accept()
        self.release()
        self.resume("up")
        self.resume("down")

    def _do(self, action: Callable[[], None]) -> None:
        async def act() -> None:
            action()

        self._run(act())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)


class Links:
    """All links of one world; `close` cuts them."""

    def __init__(self) -> None:
        self.all: list[Link] = []
        self._loop = asyncio.new_event_loop()
        self._proxies = AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._thread.start()

    def open(self, *upstream_ports: int) -> Link:
        """A new link to a server, or to several that take turns as behind a Kubernetes Service."""
        proxy = self._run(self._proxies.enter_async_context(open_proxy(*upstream_ports)))
        self.all.append(Link(proxy, self._loop))
        return self.all[-1]

    def mend(self) -> None:
        for link in self.all:
            link.mend()

    def close(self) -> None:
        self._run(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _finish(self) -> None:
        await self._proxies.aclose()
        # Those that were cut close their sockets; a loop that has ended would leave that to the collector.
        while serving := asyncio.all_tasks() - {asyncio.current_task()}:
            for link in self.all:
                link.proxy.end_all()
            await asyncio.wait(serving, timeout=0.1)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)
