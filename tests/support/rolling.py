"""One release takes the place of another, process by process, behind Services and under load.

A Service does what Kubernetes' does: connections take turns, a process that is asked to end gets its SIGTERM
at once and is taken out a moment later, a new one is put in when it says that it is ready. Clients repeat
nothing: what fails is counted. Knows two releases by their trees, and of both only what clients know.
"""

import asyncio
import io
import json
import subprocess
import tarfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from tests.support.admin import Account, Admin
from tests.support.history import History
from tests.support.ledger import ledger
from tests.support.links import Link
from tests.support.processes import BurgeeProcess
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.watchers import StreamWatcher

ROOT = Path(__file__).parents[2]
SLOTS = 12
EDGE_POLLERS = 6
REST_POLLERS = 2
NOTICE_SECONDS = 0.2
"""So much later than the process itself, a Service hears that it ends."""
ANSWER_SECONDS = 30.0

HISTORY = """
    SELECT feature.key, past.version, past.value
    FROM feature_value_version AS past
    JOIN feature_value ON feature_value.id = past.feature_value_id
    JOIN feature ON feature.id = feature_value.feature_id
    WHERE feature_value.environment_id = %s
"""


class NotInThisClone(LookupError):
    """There is no such commit here; the message is git's."""


def tree_of(commit: str, folder: Path) -> Path:
    """Lay out a commit's files in a folder. Raises `NotInThisClone`."""
    archived = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=ROOT, capture_output=True, check=False
    )
    if archived.returncode != 0:
        raise NotInThisClone(archived.stderr.decode(errors="replace").strip())
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


@dataclass
class Figures:
    """What an upgrade was like for those who used the installation meanwhile."""

    polls_sent: int = 0
    polls_failed: int = 0
    changes_made: int = 0
    changes_failed: int = 0
    changes_lost: int = 0
    updates_sent: int = 0
    updates_failed: int = 0
    slowest_change_seconds: float = 0.0
    streams: int = 0
    streams_opened_again: int = 0
    steps_back: int = 0
    processes_replaced: int = 0
    seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    """What failed, and what was being done then."""
    doing: str = "nothing"
    steps: list[tuple[str, float]] = field(default_factory=list)
    """What was done, and at what time of `time.monotonic` it began."""

    def begin(self, what: str) -> None:
        self.doing = what
        self.steps.append((what, time.monotonic()))

    def lasted(self) -> list[tuple[str, float]]:
        """How many seconds each step took."""
        ends = [*(began for _, began in self.steps[1:]), time.monotonic()]
        return [(what, round(end - began, 1)) for (what, began), end in zip(self.steps, ends, strict=True)]

    def __str__(self) -> str:
        return (
            f"polls sent {self.polls_sent}, polls failed {self.polls_failed}, "
            f"changes made {self.changes_made}, changes lost {self.changes_lost} "
            f"({self.changes_failed} refused; SDK updates {self.updates_sent}, failed {self.updates_failed}; "
            f"{self.streams} streams, opened again {self.streams_opened_again} times, "
            f"steps back {self.steps_back}; {self.processes_replaced} processes in {self.seconds:.0f} s)"
        )

    def save(self, path: Path, **more: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        told = asdict(self) | {"steps": self.lasted(), "failures": dict(self.failures)}
        path.write_text(json.dumps(more | told, indent=2) + "\n")


class Service:
    """One address for several processes of a kind."""

    def __init__(self, split: Split, *members: BurgeeProcess) -> None:
        self.link: Link = split.links.open(*(each.port for each in members))
        self.link.proxy.passes_over = False

    @property
    def url(self) -> str:
        return self.link.url

    @property
    def port(self) -> int:
        return self.link.port


class Stranger(Admin):
    """An administrator's script that takes any release's answers, whatever their document says."""

    async def try_call(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, str]:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        async with self.http.request(
            method, f"{self.url}/mr-api{path}", json=body, headers=headers, params=query
        ) as answer:
            return answer.status, await answer.text()


def plain_session() -> aiohttp.ClientSession:
    """Requests as they are: nothing is repeated, also not what a kept connection lost."""
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS))
    session._retry_connection = False
    return session


@dataclass
class Load:
    """Everybody who works with the installation meanwhile; `over` ends them."""

    admin: Stranger
    environment_id: str
    figures: Figures
    history: History = field(default_factory=History)
    acknowledged: dict[tuple[str, int], Any] = field(default_factory=dict)
    over: bool = False
    at_work: int = 0

    @property
    def resting(self) -> bool:
        """True when nothing will change any more."""
        return self.over and not self.at_work

    async def poll(self, service: Service, key: str, pause_seconds: float) -> None:
        async with plain_session() as http:
            while not self.over:
                self.figures.polls_sent += 1
                try:
                    async with http.get(f"{service.url}/features", params={"apiKey": key}) as answer:
                        body = await answer.read()
                        if answer.status != 200 or not json.loads(body):
                            self._failed("polls", f"poll: {answer.status}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    self._failed("polls", f"poll: {error!r}")
                await asyncio.sleep(pause_seconds)

    async def change(self, pause_seconds: float) -> None:
        """Set one feature after the other, again and again."""
        with self._working():
            await self._change(pause_seconds)

    async def _change(self, pause_seconds: float) -> None:
        for number in count(1):
            if self.over:
                return
            key = f"slot-{number % SLOTS}"
            began = time.monotonic()
            try:
                told = await self.admin.set(self.environment_id, key, f"change {number}")
            except (aiohttp.ClientError, TimeoutError, AssertionError) as error:
                self._failed("changes", f"change: {error!r}")
            else:
                self.figures.changes_made += 1
                self.acknowledged[key, told["version"]] = told["value"]
                self.history.note_acknowledged(self.environment_id, key, told["version"], told["value"])
            took = time.monotonic() - began
            self.figures.slowest_change_seconds = max(self.figures.slowest_change_seconds, took)
            self.history.note_sent(self.environment_id, f"change {number}")
            await asyncio.sleep(pause_seconds)

    async def update(self, service: Service, key: str, pause_seconds: float) -> None:
        """Change a feature as an SDK in a test does."""
        with self._working():
            await self._update(service, key, pause_seconds)

    async def _update(self, service: Service, key: str, pause_seconds: float) -> None:
        async with plain_session() as http:
            for number in count(1):
                if self.over:
                    return
                value = f"update {number}"
                self.history.note_sent(self.environment_id, value)
                self.figures.updates_sent += 1
                try:
                    async with http.put(
                        f"{service.url}/features/{key}/updated",
                        json={"lock": False, "value": value, "updateValue": True},
                    ) as answer:
                        told = await answer.text()
                        if answer.status != 200:
                            self._failed("updates", f"update: {answer.status} {told}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    self._failed("updates", f"update: {error!r}")
                await asyncio.sleep(pause_seconds)

    @contextmanager
    def _working(self) -> Iterator[None]:
        self.at_work += 1
        try:
            yield
        finally:
            self.at_work -= 1

    def _failed(self, what: str, told: str) -> None:
        setattr(self.figures, f"{what}_failed", getattr(self.figures, f"{what}_failed") + 1)
        self.figures.failures[f"{told} while {self.figures.doing}"] += 1

    def count_lost(self, database_url: str) -> None:
        """An acknowledged change is in the history for ever, at its version."""
        with psycopg.connect(database_url) as connection:
            rows = connection.execute(HISTORY.encode(), (self.environment_id,)).fetchall()
        kept = {(key, version): json.loads(value) for key, version, value in rows if value is not None}
        lost = [each for each, value in self.acknowledged.items() if kept.get(each) != value]
        ledger().missed(len(lost))
        self.figures.changes_lost = len(lost)


@dataclass
class Upgrade:
    """A split installation behind its Services, and the release that comes next."""

    split: Split
    figures: Figures
    mr: Service
    edge: Service
    edge_rest: Service

    async def migrate(self) -> None:
        """Bring the schema to this clone's, while the release before goes on working."""
        self.figures.begin("migrating")
        first = self.split.mrs[0]
        command = BurgeeProcess(first.kind, first.folder, first.settings)
        await asyncio.to_thread(command.command, "migrate")

    async def replace(self, process: BurgeeProcess, service: Service | None, tree: Path | None) -> None:
        """End a process and start it again with another release's code, as a rollout does."""
        self.figures.begin(f"ending {process.name}")
        process.ask_to_stop()
        if service is not None:
            await asyncio.sleep(NOTICE_SECONDS)
            await asyncio.to_thread(service.link.take_out, process.port)
        await _ended(process)
        await self._start(process, service, tree)

    async def replace_only(self, number: int, service: Service, tree: Path | None) -> None:
        """The same for an Edge-REST that may be the only one: the next is there before it goes."""
        leaving = self.split.edge_rests[number]
        name = f"edge-rest-after-{self.figures.processes_replaced}"
        coming = BurgeeProcess(leaving.kind, leaving.folder, leaving.settings, name=name)
        # From now on the split world ends this one; the other ends here.
        self.split.edge_rests[number] = coming
        try:
            await self._start(coming, service, tree)
        finally:
            self.figures.begin(f"ending {leaving.name}")
            leaving.ask_to_stop()
            await asyncio.sleep(NOTICE_SECONDS)
            await asyncio.to_thread(service.link.take_out, leaving.port)
            await _ended(leaving)

    async def _start(self, process: BurgeeProcess, service: Service | None, tree: Path | None) -> None:
        self.figures.begin(f"starting {process.name}")
        process.tree = tree
        process.launch()

        async def ready() -> bool:
            return await asyncio.to_thread(process.is_ready)

        what = f"{process.name} to be ready"
        answered: bool = await eventually(ready, within_seconds=120, every_seconds=0.1, what=what)
        assert answered
        if service is not None:
            await asyncio.to_thread(service.link.put_in, process.port)
        self.figures.processes_replaced += 1

    async def replace_all(self, tree: Path | None) -> None:
        """MR first, then what polls the database, Dacha, and Edge."""
        for process in self.split.mrs:
            await self.replace(process, self.mr, tree)
        for number in range(len(self.split.edge_rests)):
            await self.replace_only(number, self.edge_rest, tree)
        for process in self.split.dachas:
            await self.replace(process, None, tree)
        for process in self.split.edges:
            await self.replace(process, self.edge, tree)

    async def take_back(self, tree: Path | None) -> None:
        """Bring one of each kind back to the release before, which then works beside the next."""
        await self.replace(self.split.mrs[0], self.mr, tree)
        await self.replace(self.split.dachas[0], None, tree)
        await self.replace(self.split.edges[0], self.edge, tree)


async def _ended(process: BurgeeProcess) -> None:
    await eventually(lambda: not process.running, within_seconds=60, what=f"{process.name} to end")
    code = process._process.returncode if process._process else 0
    assert code == 0, f"{process.name} ended with {code}:\n{process.tail()}"


@asynccontextmanager
async def at_work(
    upgrade: Upgrade, load: Load, account: Account, *, streams: int
) -> AsyncIterator[list[StreamWatcher]]:
    """Polls, streams, changes and updates for as long as the block lasts; what was begun is finished."""
    server, client = (account.sdk_key(load.environment_id, client=each) for each in (False, True))
    watchers = [
        StreamWatcher(upgrade.edge.url, client if number % 2 else server, load.history)
        for number in range(streams)
    ]
    load.figures.streams = streams
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(each.watch()) for each in watchers]
        for number in range(EDGE_POLLERS):
            key = client if number % 2 else server
            tasks.create_task(load.poll(upgrade.edge, key, 0.03))
        for _ in range(REST_POLLERS):
            tasks.create_task(load.poll(upgrade.edge_rest, server, 0.05))
        tasks.create_task(load.change(0.05))
        tasks.create_task(load.update(upgrade.edge, server, 0.2))
        try:
            yield watchers
        finally:
            for task in watching:
                task.cancel()
            load.over = True
    load.figures.seconds += time.monotonic() - began
