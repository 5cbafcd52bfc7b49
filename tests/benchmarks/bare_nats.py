"""Request and reply with nats-py and nothing else, for what asks over NATS to be compared with.

    python -m tests.benchmarks.bare_nats answer URL BYTES
    python -m tests.benchmarks.bare_nats ask URL OUTSTANDING SECONDS

The second prints how many were answered in a second.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import nats
import uvloop
from nats.aio.msg import Msg

from tests.benchmarks.pinning import on_server_cpu
from tests.support.waiting import eventually

SUBJECT = "bench.asked"
QUESTION = b"q" * 150
REQUEST_SECONDS = 5.0


async def answer(url: str, size: int) -> None:
    """Answer every question with that many bytes, for ever."""
    client = await nats.connect(url)
    reply = b"a" * size

    async def hear(message: Msg) -> None:
        await client.publish(message.reply, reply)

    await client.subscribe(SUBJECT, cb=hear)
    await client.flush()
    await asyncio.Event().wait()


async def ask(url: str, outstanding: int, seconds: float) -> float:
    """Keep so many questions under way for a time; answer how many were answered in a second."""
    client = await nats.connect(url)

    async def is_there() -> bool:
        try:
            await client.request(SUBJECT, QUESTION, timeout=1)
        except nats.errors.Error:
            return False
        return True

    there: bool = await eventually(is_there, within_seconds=10, what="somebody to answer")
    assert there
    began, answered = time.perf_counter(), 0

    async def keep_asking() -> None:
        nonlocal answered
        while time.perf_counter() - began < seconds:
            await client.request(SUBJECT, QUESTION, timeout=REQUEST_SECONDS)
            answered += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(outstanding):
            tasks.create_task(keep_asking())
    rate = answered / (time.perf_counter() - began)
    await client.close()
    return rate


@contextmanager
def answering(url: str, size: int) -> Iterator[None]:
    """Somebody answers, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.bare_nats", "answer", url, str(size)], process_group=0
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def bare_rate(url: str, *, outstanding: int, seconds: float) -> float:
    """Ask from a process where servers are measured."""
    words = ["ask", url, str(outstanding), str(seconds)]
    with on_server_cpu():
        said = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.bare_nats", *words],
            check=True,
            capture_output=True,
            text=True,
        )
    return float(said.stdout)


def main() -> None:
    what, url, *numbers = sys.argv[1:]
    if what == "answer":
        uvloop.run(answer(url, int(numbers[0])))
    else:
        print(uvloop.run(ask(url, int(numbers[0]), float(numbers[1]))))


if __name__ == "__main__":
    main()
