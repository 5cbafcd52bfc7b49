"""Everybody who looks on while a driver edits: streams and polls through every Edge, and the judgement.

A watcher comes back whenever its connection ends, as an SDK would. It notes every state that it is shown
(`tests.support.history`), and a fault when a version falls on one stream or for one poller of one Edge,
or when a key that exists is refused. `converge` is the end of every row: all of them, and SDK processes,
hold exactly what the database delivers.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support.crowd import Listener, stream_request
from tests.support.driver import Driver
from tests.support.fleet import Fleet
from tests.support.history import History, Stored
from tests.support.judge import Delivered, agrees, as_held
from tests.support.ledger import ledger
from tests.support.scribes import Poller, polled_state
from tests.support.waiting import DeadlineMissed, eventually

POLL_PAUSE_SECONDS = 0.15
RETRY_SECONDS = 0.2
POLL_SECONDS = 20.0
"""One poll of the judge; Edge may hold it for as long as it looks for an answer, which is below five."""
TOLD_CHARACTERS = 1500

Held = dict[str, Delivered]


class _Connection(Listener):
    """One stream, with a sign of its end."""

    def __init__(self, request: bytes, note: Callable[[str, Delivered], None]) -> None:
        super().__init__(request, note)
        self.gone = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gone.set()


class StreamWatcher:
    """A stream that is opened again whenever it ends; what it holds is what its connection was told."""

    def __init__(self, url: str, key: str, history: History) -> None:
        self.url = url
        self.environment_id = key.split("/", 1)[0]
        self.connections = 0
        self._port = int(url.rsplit(":", 1)[1])
        self._request = stream_request(self._port, key)
        self._history = history
        self._current: _Connection | None = None

    @property
    def held(self) -> Held | None:
        """None while not connected, or before the first full list."""
        current = self._current
        return None if current is None or current.ended else current.held

    @property
    def open(self) -> bool:
        return self._current is not None and not self._current.ended and self._current.status == 200

    async def watch(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                connection = await self._connect()
                if connection is not None:
                    self._current = connection
                    self.connections += 1
                    await connection.gone.wait()
                    self._judge(connection)
                await asyncio.sleep(random.uniform(0.3, 1.0) * RETRY_SECONDS)
        finally:
            if self._current is not None:
                self._judge(self._current)
                self._current.close()

    async def _connect(self) -> _Connection | None:
        def note(key: str, held: Delivered) -> None:
            self._history.note_seen(self.environment_id, key, held)

        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self._request, note), "127.0.0.1", self._port
            )
        except OSError:
            return None
        return connection

    def _judge(self, connection: _Connection) -> None:
        for told in connection.fallen:
            self._history.stepped_back(f"a stream of {self.url}", told)
        connection.fallen.clear()
        if connection.failures or connection.status not in {0, 200, 503}:
            self._history.fault(
                f"a stream of {self.url} with a good key was refused: status {connection.status}, "
                f"{connection.failures} failures"
            )


class _EdgePoller(Poller):
    """Polls one Edge with one key for ever, and notes what it is shown."""

    def __init__(self, url: str, key: str, history: History) -> None:
        self.url = url
        self.environment_id = key.split("/", 1)[0]
        super().__init__(
            url,
            key,
            pause_seconds=POLL_PAUSE_SECONDS,
            note=lambda name, held: history.note_seen(self.environment_id, name, held),
        )


@dataclass
class Watch:
    """Watchers of a driver's environments at several Edges."""

    driver: Driver
    urls: tuple[str, ...]
    streams: list[StreamWatcher] = field(default_factory=list)
    pollers: list[_EdgePoller] = field(default_factory=list)

    @property
    def reconnects(self) -> int:
        return sum(max(0, each.connections - 1) for each in self.streams)

    def take_faults(self) -> None:
        """Bring what was noticed so far into the history."""
        for stream in self.streams:
            if stream._current is not None:
                stream._judge(stream._current)
        for poller in self.pollers:
            for told in poller.faults:
                if " fell from " in told:
                    self.driver.history.stepped_back(f"polls of {poller.url}", told)
                else:
                    self.driver.history.fault(f"polls of {poller.url}: {told}")
            poller.faults.clear()

    async def all_open(self, within_seconds: float = 45.0) -> None:
        """Wait until every stream has its first full list and every poller an answer."""
        await eventually(
            lambda: (
                all(each.held is not None for each in self.streams)
                and all(each.polls for each in self.pollers)
            ),
            within_seconds=within_seconds,
            what="every watcher to be served",
        )

    def lagging(self, expected: dict[str, Held]) -> list[str]:
        """Name the streams that do not hold exactly this of their environment."""
        return [
            f"a stream of {each.url} on {each.environment_id} holds {_difference(each.held, wanted)}"
            for each in self.streams
            if each.held != (wanted := expected[each.environment_id])
        ]


@asynccontextmanager
async def open_watch(
    driver: Driver, urls: Sequence[str], *, streams: int = 10, pollers: int = 1
) -> AsyncIterator[Watch]:
    """So many streams (client and server keys) and pollers at each Edge, spread over the environments."""
    watch = Watch(driver, tuple(urls))
    grounds = [(ground, each) for ground in driver.grounds for each in ground.environments]
    async with asyncio.TaskGroup() as tasks:
        started = []
        for url in urls:
            for number in range(streams):
                ground, environment = grounds[number % len(grounds)]
                key = ground.key(environment, client=number // len(grounds) % 2 == 0)
                watch.streams.append(StreamWatcher(url, key, driver.history))
            for number in range(pollers):
                ground, environment = grounds[number % len(grounds)]
                watch.pollers.append(_EdgePoller(url, ground.key(environment), driver.history))
        started += [tasks.create_task(each.watch()) for each in watch.streams]
        started += [tasks.create_task(each.poll()) for each in watch.pollers]
        try:
            yield watch
        finally:
            for task in started:
                task.cancel()
    watch.take_faults()


# ---------------------------------------------------------------------------------------- judgement


async def poll(http: aiohttp.ClientSession, url: str, key: str) -> tuple[int, Held]:
    """Answer status and features of one poll; status 0 when there was no answer."""
    try:
        async with (
            asyncio.timeout(POLL_SECONDS),
            http.get(f"{url}/features", params={"apiKey": key}) as answer,
        ):
            if answer.status != 200:
                return answer.status, {}
            features = [each for told in await answer.json() for each in told["features"]]
    except (aiohttp.ClientError, TimeoutError):
        return 0, {}
    return 200, {each["key"]: polled_state(each) for each in features}


async def converge(
    driver: Driver,
    urls: Iterable[str],
    *,
    watch: Watch | None = None,
    fleets: Sequence[Fleet] = (),
    within_seconds: float,
    since: float | None = None,
) -> float:
    """Wait until everybody holds what the database delivers; answer how many seconds that took.

    The driver rests, and every MR answers. Everybody: polls of every Edge, every watcher's stream, SDK
    processes (each fleet on keys of this driver), and the accounts that the driver changed. The time
    counts from ``since`` (of `time.monotonic`), by default from now; ``within_seconds`` from when it is
    known what everybody must hold: finding that out is the driver's own affair.
    """
    began = time.monotonic() if since is None else since
    await driver.settle()
    await driver.check()
    found = {
        environment: states
        for lane in driver.lanes
        for environment, states in (await driver.stored(lane)).items()
    }
    expected = {
        environment: {key: as_held(state) for key, state in states.items() if not state.retired}
        for environment, states in found.items()
    }
    deadline = time.monotonic() + within_seconds
    async with aiohttp.ClientSession() as http:
        waits = [_polls_agree(http, driver, url, expected, deadline) for url in urls]
        if watch is not None:
            waits.append(_streams_agree(watch, expected, deadline))
        waits += [_sdks_agree(fleet, expected, deadline) for fleet in fleets]
        await _all(waits)
        took = time.monotonic() - began
        ledger().converged(took)
        await _all([_accounts_agree(http, driver, url, found, deadline + POLL_SECONDS) for url in urls])
    if watch is not None:
        watch.take_faults()
    driver.history.check()
    return took


async def _all(waits: Iterable[Awaitable[None]]) -> None:
    results = await asyncio.gather(*waits, return_exceptions=True)
    failures = [each for each in results if isinstance(each, BaseException)]
    if failures:
        ledger().missed(len(failures))
        told = "\n".join(f"- {type(each).__name__}: {str(each)[:TOLD_CHARACTERS]}" for each in failures)
        raise DeadlineMissed(f"{len(failures)} of {len(results)} did not converge:\n{told}") from failures[0]


async def _polls_agree(
    http: aiohttp.ClientSession, driver: Driver, url: str, expected: dict[str, Held], deadline: float
) -> None:
    for key in driver.keys:
        wanted = expected[key.split("/", 1)[0]]
        await _polled(http, url, key, 200, wanted, deadline)


async def _polled(
    http: aiohttp.ClientSession, url: str, key: str, status: int, wanted: Held, deadline: float
) -> None:
    """Wait until a poll is answered so; the key itself is not told, only its environment."""
    while True:
        found, held = await poll(http, url, key)
        if found == status and (status != 200 or held == wanted):
            return
        if time.monotonic() > deadline:
            raise DeadlineMissed(
                f"polls of {url} on {key.split('/', 1)[0]} are answered {found} with "
                f"{_difference(held, wanted)}; must be {status}"
            )
        await asyncio.sleep(0.02)


async def _streams_agree(watch: Watch, expected: dict[str, Held], deadline: float) -> None:
    while lagging := watch.lagging(expected):
        if time.monotonic() > deadline:
            raise DeadlineMissed(f"{len(lagging)} of {len(watch.streams)} streams: {lagging[:3]}")
        await asyncio.sleep(0.02)


async def _sdks_agree(fleet: Fleet, expected: dict[str, Held], deadline: float) -> None:
    (environment,) = {key.split("/", 1)[0] for key in fleet.keys}
    wanted = expected[environment]
    left = max(0.5, deadline - time.monotonic())
    await fleet.each(
        lambda sdk: sdk.eventually(
            lambda now: agrees(sdk, now, wanted), left, what=f"agreement on {environment}"
        )
    )


async def _accounts_agree(
    http: aiohttp.ClientSession, driver: Driver, url: str, found: Stored, deadline: float
) -> None:
    """Accounts that were changed see what they may see, and nothing under keys that were reset."""
    for lane in driver.lanes:
        for policy in lane.policies.values():
            for environment in lane.ground.environments:
                allowed = environment in policy.environments
                key = policy.account.sdk_key(environment, client=True)
                wanted = lane.book.visible(policy, environment, found) if allowed else {}
                await _polled(http, url, key, 200 if allowed else 404, wanted, deadline)
        for key in lane.refused[-4:]:
            await _polled(http, url, key, 404, {}, deadline)


def _difference(held: Held | None, wanted: Held) -> Any:
    if held is None:
        return "nothing yet"
    wrong = {key for key in held.keys() | wanted.keys() if held.get(key) != wanted.get(key)}
    return {key: (held.get(key), wanted.get(key)) for key in sorted(wrong)[:3]}
