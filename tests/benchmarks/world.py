"""What is measured: real MR, NATS, PostgreSQL and Dacha with real data, and Edges on their own processor.

An Edge is started for each group, with the defaults that users have unless the group is about a setting.
"""

import asyncio
import hashlib
import json
import re
import socket
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from tests.benchmarks.pinning import on_server_cpu
from tests.support.admin import ALL_ROLES, Account, Admin, open_admin
from tests.support.crowd import stream_request
from tests.support.processes import LOOPBACK, BurgeeProcess
from tests.support.split import QUICK, Shape, Split

T = TypeVar("T")

NOTE = "NOTE"
"""The feature whose value changes while changes are measured."""
TOKEN_WIDTH = 12
ANSWER_SECONDS = 60.0
AT_ONCE = 200
"""Values in one request, which may not be longer than MR allows."""


@dataclass(frozen=True)
class Place:
    """An environment, and its two keys."""

    application_id: str
    environment_id: str
    account: Account

    @property
    def client_key(self) -> str:
        return self.account.sdk_key(self.environment_id, client=True)

    @property
    def server_key(self) -> str:
        return self.account.sdk_key(self.environment_id, client=False)


class World:
    """One split world; `start` before and `stop` after everything else."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder = folder
        self.quick = quick
        folder.mkdir(mode=0o711)
        shape = Shape(mr=1, dacha=1, edge=0, edge_rest=0, common=QUICK)
        self.split = Split(folder, shape)
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._parts = AsyncExitStack()
        self._tokens = count(1)
        self._edges = count(0)

    def start(self) -> None:
        self.split.start()
        self.admin: Admin = self.run(self._parts.enter_async_context(open_admin(self.split.mrs[0].url)))

    def stop(self) -> None:
        try:
            self.run(self._parts.aclose())
            self._runner.close()
        finally:
            self.split.stop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what an administrator does."""
        return self._runner.run(work)

    @property
    def bus(self) -> tuple[int, str]:
        """Where changes can be heard: NATS's port, and the subject of environments."""
        return self.split.nodes[0].port, "burgee.split.c.e.>"

    @contextmanager
    def edge(
        self, settings: Mapping[str, str] | None = None, *, cores: set[int] | None = None
    ) -> Iterator[BurgeeProcess]:
        """An Edge of its own, where servers are measured or on these; ready, and ended afterwards."""
        edge = self.split.outpost("edge", next(self._edges), self.split.nodes[0].url)
        edge.settings |= settings or {}
        with on_server_cpu(cores):
            edge.launch()
        try:
            edge.wait_until_ready()
            yield edge
        finally:
            edge.stop()

    # ------------------------------------------------------------------ data

    @cached_property
    def place(self) -> Place:
        """Twenty features as teams have them, about 3 KB for a client-evaluated key."""
        return self.run(self._ordinary_place())

    async def _ordinary_place(self) -> Place:
        application = await self.admin.create_application()
        await fill(self.admin, application.id, application.environment_id, ordinary_features())
        account = await self.admin.create_account(
            application.portfolio_id, {application.environment_id: ALL_ROLES}
        )
        return Place(application.id, application.environment_id, account)

    def change(self, place: Place, token: str) -> None:
        """Give `NOTE` this value; returns when MR has answered."""
        self.run(self.admin.set(place.environment_id, NOTE, token))

    def token(self) -> str:
        """A text that has been nowhere before."""
        return f"note-{next(self._tokens):0{TOKEN_WIDTH - 5}}"


async def fill(
    admin: Admin, application_id: str, environment_id: str, features: list[dict[str, Any]]
) -> None:
    """Make the features, some at a time, and set all of their values at once."""
    at_once = asyncio.Semaphore(8)

    async def make(key: str, kind: str) -> None:
        async with at_once:
            await admin.create_feature(application_id, key, kind)

    async with asyncio.TaskGroup() as tasks:
        for feature in features:
            tasks.create_task(make(feature["key"], feature["kind"]))
    await set_values(admin, environment_id, features)


async def set_values(admin: Admin, environment_id: str, features: list[dict[str, Any]]) -> None:
    """Set the values of all of these features in one environment."""
    path = f"/features/{environment_id}"
    held = {row["key"]: row for row in (await admin.call("GET", path))["featureValues"]}
    values = [
        {name: part for name, part in each.items() if name != "kind"}
        | {"version": held.get(each["key"], {}).get("version", 0)}
        for each in features
    ]
    for first in range(0, len(values), AT_ONCE):
        await admin.call("PUT", path, values[first : first + AT_ONCE])


def ordinary_features() -> list[dict[str, Any]]:
    """Flags, texts, numbers and a JSON value; four of them with strategies. `NOTE` is among them."""
    features: list[dict[str, Any]] = [
        _feature(f"FLAG_{number:02}", "BOOLEAN", number % 2 == 0) for number in range(11)
    ]
    features += [
        _feature(f"TEXT_{number}", "STRING", f"a text of some length {number}") for number in range(3)
    ]
    features += [_feature(f"NUMBER_{number}", "NUMBER", number * 2.5) for number in range(2)]
    features.append(_feature("LAYOUT", "JSON", json.dumps({"columns": [1, 2, 3], "dense": True})))
    features.append(_feature(NOTE, "STRING", "note-0000000"))
    features.append(_feature("ROLLED_OUT", "BOOLEAN", False, [percentage(True, 250_000)]))
    features.append(
        _feature("BY_COUNTRY", "STRING", "worldwide", [by_attribute("country", ["turkey"], "near")])
    )
    return features


def _feature(
    key: str, kind: str, value: object, strategies: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    feature = {"key": key, "kind": kind, "locked": False, "value": value}
    if strategies:
        feature["rolloutStrategies"] = strategies
    return feature


def percentage(value: object, parts_of_a_million: int) -> dict[str, Any]:
    """A strategy that gives a share of the users this value."""
    return {"name": "a share", "percentage": parts_of_a_million, "value": value, "attributes": []}


def by_attribute(field: str, values: list[str], value: object) -> dict[str, Any]:
    """A strategy that gives whoever matches this value."""
    rule = {"fieldName": field, "type": "STRING", "conditional": "EQUALS", "values": values}
    return {"name": f"by {field}", "value": value, "attributes": [rule]}


# ------------------------------------------------------------------ the wire


def poll_request(port: int, key: str, *, context: str = "", etag: str = "") -> bytes:
    """A poll as an SDK sends it."""
    sha = hashlib.sha256(context.encode()).hexdigest() if context else "0"
    lines = [
        f"GET /features?apiKey={key}&contextSha={sha} HTTP/1.1",
        f"host: {LOOPBACK}:{port}",
        "connection: keep-alive",
        "accept: */*",
        "user-agent: node",
    ]
    if context:
        lines.append(f"x-featurehub: {context}")
    if etag:
        lines.append(f"if-none-match: {etag}")
    return "\r\n".join([*lines, "", ""]).encode()


def asked(port: int, request: bytes) -> bytes:
    """The whole answer to a request, head included, as its bytes came."""
    with socket.create_connection((LOOPBACK, port), timeout=ANSWER_SECONDS) as wire:
        wire.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _some(wire)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        wanted = int(length[1]) if length is not None and b" 304 " not in head[:16] else 0
        while len(body) < wanted:
            body += _some(wire)
        return head + b"\r\n\r\n" + body


def head_of(answer: bytes, name: str) -> str:
    """One header of an answer."""
    found = re.search(rf"\r\n{name}: *([^\r]*)\r".encode(), answer, re.IGNORECASE)
    if found is None:
        raise RuntimeError(f"an answer without {name}: {answer[:300]!r}")
    return found[1].decode()


class Ear:
    """One stream, read by hand: for the very bytes that a stream is sent."""

    def __init__(self, port: int, key: str) -> None:
        self._wire = socket.create_connection((LOOPBACK, port), timeout=ANSWER_SECONDS)
        self._wire.sendall(stream_request(port, key))
        self.opening = self._until(b"event: features\n")

    def event(self, token: str) -> bytes:
        """The bytes from now on to the end of the event that has this text."""
        return self._until(token.encode())

    def close(self) -> None:
        self._wire.close()

    def _until(self, text: bytes) -> bytes:
        """Read on until a piece of text and then the end of its event."""
        found = b""
        while (place := found.find(text)) < 0 or b"\n\n" not in found[place:]:
            found += _some(self._wire)
        # What ends the chunk, and whatever else was sent in the same breath.
        self._wire.settimeout(0.2)
        try:
            found += self._wire.recv(1 << 20)
        except TimeoutError:
            pass
        finally:
            self._wire.settimeout(ANSWER_SECONDS)
        return found


def _some(wire: socket.socket) -> bytes:
    data = wire.recv(1 << 20)
    if not data:
        raise RuntimeError("the server closed the connection in the middle of an answer")
    return data


def settled(seconds: float) -> None:
    """Let what follows a burst of work come to its end before the next measurement begins."""
    time.sleep(seconds)
