"""The C programs that load servers and stand for the least that one can do: built, started and talked to.

`python -m tests.benchmarks.programs` builds them.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.pinning import POLLER, WATCHER, on_server_cpu, put_first
from tests.support.ports import free_port

SOURCES = Path(__file__).parent / "c"
BUILT = Path(__file__).parents[2] / "build" / "bench"
NAMES = ("crowd", "floor", "pollers")
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")
PATIENCE_SECONDS = 120.0

Answer = dict[str, Any]


class NoCompiler(RuntimeError):
    """Nothing here compiles C."""


def compiler() -> list[str]:
    """The command of a C compiler."""
    for name in ("gcc", "cc", "clang"):
        if found := shutil.which(name):
            return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise NoCompiler(
        f"the benchmarks need a C compiler: apt-get install gcc, or {sys.executable} -m pip install ziglang"
    )


def build() -> None:
    """Compile what is older than its source."""
    BUILT.mkdir(parents=True, exist_ok=True)
    command: list[str] = []
    for name in NAMES:
        source, program = SOURCES / f"{name}.c", BUILT / name
        newest = max(each.stat().st_mtime for each in (source, SOURCES / "common.h"))
        if not program.exists() or program.stat().st_mtime < newest:
            command = command or compiler()
            subprocess.run([*command, *FLAGS, "-o", program, source], check=True)


class Program:
    """A running program: a line goes in, a line of JSON comes out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, *words: object) -> Answer:
        """Give a command; answer what it says to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self.hear()

    def hear(self) -> Answer:
        """Answer the next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        answer: Answer = json.loads(line)
        return answer


@contextmanager
def running(name: str, *words: object) -> Iterator[Program]:
    """A program that has said its first line; it has ended afterwards."""
    command = [str(BUILT / name), *map(str, words)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    )
    program = Program(process)
    try:
        program.hear()
        yield program
    finally:
        process.kill()
        process.communicate()


@contextmanager
def running_floor(
    folder: Path, *, poll: bytes, unchanged: bytes, stream: bytes
) -> Iterator[tuple[Program, int]]:
    """The epoll server with these answers, where servers are measured; and its port."""
    port = free_port()
    paths = []
    for name, answer in (("poll", poll), ("unchanged", unchanged), ("stream", stream)):
        paths.append(folder / f"floor-{name}")
        paths[-1].write_bytes(answer)
    with on_server_cpu():
        started = running("floor", port, *paths)
        floor = started.__enter__()
    try:
        yield floor, port
    finally:
        started.__exit__(None, None, None)


@contextmanager
def running_crowd(
    folder: Path, port: int, request: bytes, *, receive_bytes: int = 0, hears: Sequence[object] = ()
) -> Iterator[Program]:
    """SSE clients of a port, none of them connected yet.

    ``hears``: a NATS port and a subject, to tell when a change was there.
    """
    path = folder / f"crowd-{port}"
    path.write_bytes(request)
    with running("crowd", port, path, receive_bytes, *hears) as crowd:
        put_first(crowd.pid, WATCHER)
        yield crowd


def poll(port: int, requests: Path, *, connections: int, seconds: float, rate: float | None = None) -> Answer:
    """Poll for a time; answer what `pollers` says."""
    with polling(port, requests, connections=connections, seconds=seconds, rate=rate) as process:
        return told(process)


@contextmanager
def polling(
    port: int, requests: Path, *, connections: int, seconds: float, rate: float | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Poll beside what the block does; `told` waits for its end."""
    command = [BUILT / "pollers", port, requests, connections, seconds]
    if rate is not None:
        command.append(rate)
    process = subprocess.Popen(
        [str(each) for each in command], stdout=subprocess.PIPE, text=True, process_group=0
    )
    put_first(process.pid, POLLER)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str]) -> Answer:
    """What `polling` says at its end, once that has come."""
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    if process.returncode != 0:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    answer: Answer = json.loads(said)
    return answer


if __name__ == "__main__":
    build()
