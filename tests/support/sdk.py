"""The published FeatureHub SDKs (JavaScript on Node, Python, Java), each in a process of its own.

An `Sdk` is a conversation with one agent of `tests/e2e/sdk`: what it holds is what a customer's program
would hold. Must not know Burgee: it gets a URL and keys, nothing else. `tests.support.pages` has the one for
browsers.
"""

import asyncio
import json
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tests.support.node import node_binary
from tests.support.waiting import PATIENCE_SECONDS, DeadlineMissed

Language = Literal["js", "python", "java"]
Mode = Literal["stream", "poll"]
Attributes = Mapping[str, Sequence[str]]

ROOT = Path(__file__).resolve().parents[2]
AGENTS = ROOT / "tests" / "e2e" / "sdk"
PYTHON = ROOT / ".venv-sdk" / "bin" / "python"
ANSWER_SECONDS = 60.0
"""An agent that has just been started imports its SDK first."""
LIMIT_SECONDS = 900.0


@dataclass(frozen=True)
class SdkFeature:
    """One feature as an SDK holds it; `value` as it arrived, before any evaluation by the SDK."""

    exists: bool
    id: str | None = None
    type: str | None = None
    value: Any = None
    locked: bool = False
    version: int = -1
    strategy: str | None = None


ABSENT = SdkFeature(exists=False)


@dataclass(frozen=True)
class SdkSnapshot:
    """What an SDK holds at one moment. `features` keeps keys whose feature is gone (`exists` False)."""

    readiness: str
    features: dict[str, SdkFeature]
    history: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return self.readiness == "Ready"

    @property
    def existing(self) -> dict[str, SdkFeature]:
        return {key: feature for key, feature in self.features.items() if feature.exists}

    def feature(self, key: str) -> SdkFeature:
        return self.features.get(key, ABSENT)

    def value(self, key: str) -> Any:
        return self.feature(key).value


@dataclass
class Sdk(ABC):
    """A running SDK, whatever it runs in."""

    name: str
    language: Language
    mode: Mode
    logged: list[tuple[str, str]] = field(default_factory=list, kw_only=True)
    complaints: list[str] = field(default_factory=list, kw_only=True)

    @property
    def errors(self) -> list[str]:
        """What the SDK logged as errors, died of in a thread, or wrote to stderr."""
        serious = [text for level, text in self.logged if level in {"error", "critical", "crash"}]
        return serious + self.complaints

    @property
    @abstractmethod
    def running(self) -> bool:
        """False as soon as it has ended by itself."""

    @abstractmethod
    async def ask(self, operation: str, **parameters: Any) -> Any:
        """Answer the agent's result; raise what it raised, or when it does not answer in time."""

    async def start(
        self, url: str, keys: Sequence[str], attributes: Attributes | None, interval_seconds: float
    ) -> None:
        """Let the SDK connect; it need not be ready yet."""
        await self.ask(
            "start",
            url=url,
            keys=list(keys),
            mode=self.mode,
            interval=interval_seconds,
            attributes=plain(attributes),
        )

    async def snapshot(self) -> SdkSnapshot:
        found = await self.ask("snapshot")
        return SdkSnapshot(
            readiness=found["readiness"],
            features={key: SdkFeature(**each) for key, each in found["features"].items()},
            history=tuple(found.get("history", ())),
        )

    async def evaluate(self, key: str, attributes: Attributes | None = None) -> Any:
        """Answer the value that a program would read, under this context when the SDK evaluates itself."""
        answer = await self.ask("evaluate", keys=[key], attributes=plain(attributes))
        return answer[key]

    async def set_context(self, attributes: Attributes) -> None:
        await self.ask("context", attributes=plain(attributes))

    async def update(self, key: str, update: Mapping[str, Any]) -> bool:
        """Use the SDK's own test client (JavaScript and Java)."""
        done: bool = await self.ask("update", key=key, update=dict(update))
        return done

    async def eventually(
        self,
        predicate: Callable[[SdkSnapshot], object],
        within_seconds: float = PATIENCE_SECONDS,
        *,
        what: str = "what was awaited",
    ) -> SdkSnapshot:
        """Answer the first snapshot that satisfies the predicate; the message shows the last one."""
        deadline = time.monotonic() + within_seconds
        while True:
            snapshot = await self.snapshot()
            if predicate(snapshot):
                return snapshot
            if time.monotonic() > deadline:
                raise DeadlineMissed(
                    f"{self._told()}: {what} did not come true within {within_seconds} s; it holds {snapshot}"
                )
            await asyncio.sleep(0.02)

    async def ready(self, within_seconds: float = 2 * PATIENCE_SECONDS) -> SdkSnapshot:
        return await self.eventually(lambda now: now.ready, within_seconds, what="readiness")

    async def holds(self, key: str, value: Any, within_seconds: float = PATIENCE_SECONDS) -> SdkSnapshot:
        """Wait until the feature exists with exactly this value (type included)."""

        def held(now: SdkSnapshot) -> bool:
            feature = now.feature(key)
            return feature.exists and type(feature.value) is type(value) and feature.value == value

        return await self.eventually(held, within_seconds, what=f"{key} = {value!r}")

    async def lacks(self, key: str, within_seconds: float = PATIENCE_SECONDS) -> SdkSnapshot:
        return await self.eventually(
            lambda now: not now.feature(key).exists, within_seconds, what=f"the end of {key}"
        )

    def _told(self) -> str:
        state = "" if self.running else " (ended)"
        return f"{self.name}{state}, errors {self.errors[-5:]}"


@dataclass
class SdkProcess(Sdk):
    """One in a process of its own, asked line by line."""

    process: asyncio.subprocess.Process
    _answers: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    _asked: int = 0

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    async def ask(self, operation: str, **parameters: Any) -> Any:
        if self.process.stdin is None:
            raise RuntimeError(f"{self.name} has no stdin")
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        line = json.dumps({"id": number, "op": operation, **parameters}).encode() + b"\n"
        try:
            self.process.stdin.write(line)
            await self.process.stdin.drain()
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer
        except (BrokenPipeError, ConnectionResetError, TimeoutError) as error:
            raise SdkSilent(f"{self._told()} did not answer {operation}") from error
        finally:
            self._answers.pop(number, None)

    async def _listen(self) -> None:
        if self.process.stdout is None:
            raise RuntimeError(f"{self.name} has no stdout")
        async for line in self.process.stdout:
            message = json.loads(line)
            if "log" in message:
                self.logged.append((message["log"], message["text"]))
                continue
            answer = self._answers.get(message["id"])
            if answer is None or answer.done():
                continue
            if "error" in message:
                answer.set_exception(SdkFailed(f"{self.name}: {message['error']}"))
            else:
                answer.set_result(message.get("result"))
        await self.process.wait()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(SdkSilent(f"{self._told()} ended"))

    async def _overhear(self) -> None:
        if self.process.stderr is None:
            raise RuntimeError(f"{self.name} has no stderr")
        async for line in self.process.stderr:
            self.complaints.append(line.decode(errors="replace").rstrip())

    def _told(self) -> str:
        code = self.process.returncode
        state = "" if code is None else f" (ended with {code})"
        return f"{self.name}{state}, errors {self.errors[-5:]}"


class SdkFailed(AssertionError):
    """The SDK raised an exception."""


class SdkSilent(AssertionError):
    """The SDK's process gave no answer."""


@cache
def java_class_path() -> str:
    """Return what the Java programs stand on; Maven fetches it the first time.

    Raises CalledProcessError where it cannot be had, and FileNotFoundError where there is no Maven.
    """
    with tempfile.NamedTemporaryFile("r") as listed:
        command = ["mvn", "-q", "-B", "dependency:build-classpath", f"-Dmdep.outputFile={listed.name}"]
        subprocess.run(command, cwd=AGENTS / "java", capture_output=True, check=True, text=True, timeout=300)
        return listed.read().strip()


@asynccontextmanager
async def open_sdk(
    language: Language,
    mode: Mode,
    *,
    url: str,
    keys: Sequence[str],
    attributes: Attributes | None = None,
    interval_seconds: float = 0.2,
    limit_seconds: float = LIMIT_SECONDS,
    name: str = "",
) -> AsyncIterator[Sdk]:
    """Start an SDK process and its connection; it has ended afterwards, whatever happened."""
    process = await asyncio.create_subprocess_exec(
        *_COMMANDS[language](),
        str(limit_seconds),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
    )
    sdk = SdkProcess(name or f"{language}-{mode}", language, mode, process)
    failure: BaseException | None = None
    async with asyncio.TaskGroup() as listeners:
        listeners.create_task(sdk._listen())
        listeners.create_task(sdk._overhear())
        try:
            await sdk.start(url, keys, attributes, interval_seconds)
            yield sdk
        except BaseException as error:  # noqa: BLE001 - raised below, outside of the group that would wrap it
            failure = error
        finally:
            if process.stdin is not None:
                process.stdin.close()
            if process.returncode is None:
                process.kill()
    if failure is not None:
        raise failure


def _java() -> list[str]:
    return ["java", "-cp", java_class_path(), str(AGENTS / "java" / "Agent.java")]


_COMMANDS: Mapping[Language, Callable[[], list[str]]] = {
    "js": lambda: [str(node_binary()), str(AGENTS / "node" / "agent.cjs")],
    "python": lambda: [str(PYTHON), "-u", str(AGENTS / "python" / "agent.py")],
    "java": _java,
}


def plain(attributes: Attributes | None) -> dict[str, list[str]] | None:
    """Return attributes as agents take them."""
    return None if attributes is None else {name: list(values) for name, values in attributes.items()}
