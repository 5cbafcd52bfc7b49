"""Several SDK processes on the same keys, asked as one; what may be expected of each kind.

Streams and polls go through a proxy of their own: a cut connection is an everyday event to a stream,
while the JavaScript poller crashes when one is cut under a request (the SDK's own fault), so pollers are
taken off the network by letting nothing pass instead.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.support.proxy import Proxy, open_proxy
from tests.support.sdk import LIMIT_SECONDS, Attributes, Language, Mode, Sdk, SdkSnapshot, open_sdk
from tests.support.waiting import PATIENCE_SECONDS

# The Python SDK logs this (as an error) when a network cut its stream; nothing a server can prevent.
CUT_STREAM = "failed to communicate with featurehub"


class Kind(NamedTuple):
    """A published SDK and the way it gets its features."""

    language: Language
    mode: Mode


JS_STREAM = Kind("js", "stream")
JS_POLL = Kind("js", "poll")
PYTHON_STREAM = Kind("python", "stream")
PYTHON_POLL = Kind("python", "poll")
# Asked for by name only: it needs Java and Maven.
JAVA_STREAM = Kind("java", "stream")
ALL = (JS_STREAM, JS_POLL, PYTHON_STREAM, PYTHON_POLL)
STREAMS = (JS_STREAM, PYTHON_STREAM)
POLLS = (JS_POLL, PYTHON_POLL)


def forgets(sdk: Sdk) -> bool:
    """True for SDKs that can be told of a feature's end: the Python poller drops nothing, ever."""
    return (sdk.language, sdk.mode) != PYTHON_POLL


@dataclass(frozen=True)
class Fleet:
    """SDKs on the same keys and the two proxies in front of the server."""

    sdks: tuple[Sdk, ...]
    streams: Proxy
    polls: Proxy
    keys: tuple[str, ...]

    async def each(
        self, question: Callable[[Sdk], Awaitable[Any]], *, of: Callable[[Sdk], bool] = lambda _: True
    ) -> list[Any]:
        """Ask all at once; every failure is reported, each with the SDK's name."""
        asked = [sdk for sdk in self.sdks if of(sdk)]
        answers = await asyncio.gather(*(question(sdk) for sdk in asked), return_exceptions=True)
        failures = [each for each in answers if isinstance(each, BaseException)]
        if failures:
            told = "\n".join(f"- {type(each).__name__}: {each}" for each in failures)
            raise AssertionError(f"{len(failures)} of {len(asked)} SDKs failed:\n{told}") from failures[0]
        return list(answers)

    async def ready(self, within_seconds: float = 2 * PATIENCE_SECONDS) -> None:
        await self.each(lambda sdk: sdk.ready(within_seconds))

    async def hold(self, key: str, value: Any, within_seconds: float = PATIENCE_SECONDS) -> None:
        await self.each(lambda sdk: sdk.holds(key, value, within_seconds))

    async def lack(self, key: str, within_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until everybody who can be told has dropped the feature."""
        await self.each(lambda sdk: sdk.lacks(key, within_seconds), of=forgets)

    async def see(
        self,
        predicate: Callable[[SdkSnapshot], object],
        within_seconds: float = PATIENCE_SECONDS,
        *,
        what: str = "",
    ) -> None:
        await self.each(lambda sdk: sdk.eventually(predicate, within_seconds, what=what))

    def disconnect(self) -> None:
        """Take all of them off the network; what they hold stays."""
        self.streams.hold()
        self.streams.cut()
        self.polls.stall("up")

    def reconnect(self) -> None:
        self.streams.release()
        self.polls.resume("up")

    def assert_no_errors(self, *, allow: Iterable[str] = ()) -> None:
        """Fail if any SDK logged an error, wrote to stderr or ended; `allow` names texts to ignore."""
        allowed = tuple(allow)
        for sdk in self.sdks:
            errors = [text for text in sdk.errors if not any(each in text for each in allowed)]
            assert not errors, f"{sdk.name} logged errors: {errors}"
            assert sdk.running, f"{sdk.name} ended"


@asynccontextmanager
async def open_fleet(
    port: int,
    keys: Sequence[str],
    *,
    kinds: Sequence[Kind] = ALL,
    attributes: Attributes | None = None,
    interval_seconds: float = 0.2,
    limit_seconds: float = LIMIT_SECONDS,
) -> AsyncIterator[Fleet]:
    """SDK processes of these kinds against the server on this port; not yet ready.

    Whatever becomes of the test, they end after ``limit_seconds``.
    """
    failure: BaseException | None = None
    over = asyncio.Event()
    async with open_proxy(port) as streams, open_proxy(port) as polls, asyncio.TaskGroup() as holding:
        opened = [
            open_sdk(
                kind.language,
                kind.mode,
                url=(streams if kind.mode == "stream" else polls).url,
                keys=keys,
                attributes=attributes,
                interval_seconds=interval_seconds,
                limit_seconds=limit_seconds,
            )
            for kind in kinds
        ]
        # Side by side: they take longer to start than for anything that they do then.
        ready: list[asyncio.Future[Sdk]] = [asyncio.get_running_loop().create_future() for _ in opened]
        for sdk, known in zip(opened, ready, strict=True):
            holding.create_task(_hold(sdk, known, over))
        try:
            yield Fleet(tuple([await each for each in ready]), streams, polls, tuple(keys))
        except BaseException as error:  # noqa: BLE001 - raised below, outside of the group that would wrap it
            failure = error
        finally:
            over.set()
    if failure is not None:
        raise failure


async def _hold(
    opened: AbstractAsyncContextManager[Sdk], ready: asyncio.Future[Sdk], over: asyncio.Event
) -> None:
    """Keep one SDK open until it is over, in a task of its own: who opens it must close it."""
    async with opened as sdk:
        if not ready.cancelled():
            ready.set_result(sdk)
        await over.wait()
