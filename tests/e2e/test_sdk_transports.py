"""What SDKs stand on, used as they use it: OkHttp for Java, the event source of Go.

Only with `BURGEE_TEST_SDKS=all` (`make sdks`), and skipped with a reason where the tool is missing.
"""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.e2e.test_sdk_snippets import EVERYTHING
from tests.support.admin import attribute, strategy
from tests.support.party import PartyProcess, running_party
from tests.support.sdk import AGENTS, java_class_path
from tests.support.snippets import FEATURE
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not EVERYTHING, reason="set BURGEE_TEST_SDKS=all to run what SDKs stand on"),
]

FOR_FRED = strategy("fred", True, attribute("userkey", "EQUALS", ["fred"]))
# The longest silence that OkHttp bears by its defaults.
SILENCE_SECONDS = 10
STREAM_SECONDS = 2


def needs(tool: str, package: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool}; on Debian or Ubuntu: apt-get install -y {package}")


@pytest.fixture(scope="module")
def okhttp() -> list[str]:
    """What starts the Java program, with OkHttp from Maven Central."""
    needs("mvn", "maven")
    needs("java", "openjdk-17-jdk-headless")
    try:
        return ["java", "-cp", java_class_path(), str(AGENTS / "java" / "Transport.java")]
    except subprocess.CalledProcessError as error:
        pytest.skip(f"OkHttp could not be had: {error.stdout[-300:]}")


@pytest.fixture(scope="module")
def eventsource(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The Go program, built with its library from the module proxy."""
    needs("go", "golang-go")
    program = tmp_path_factory.mktemp("go") / "transport"
    command = ["go", "build", "-o", str(program), "."]
    done = subprocess.run(
        command, cwd=AGENTS / "go", capture_output=True, check=False, text=True, timeout=300
    )
    if done.returncode:
        pytest.skip(f"the event source could not be had: {done.stderr[-300:]}")
    return [str(program)]


@asynccontextmanager
async def listening(command: list[str]) -> AsyncIterator[list[str]]:
    """A program that tells what it hears, line by line; ended afterwards."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    heard: list[str] = []

    async def hear(stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            heard.append(line.decode().strip())

    async with asyncio.TaskGroup() as group:
        group.create_task(hear(process.stdout))
        try:
            yield heard
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def has(heard: list[str], pattern: str, times: int = 1) -> bool:
    return len([line for line in heard if re.search(pattern, line)]) >= times


async def test_a_java_stream_lives_through_silence_and_hears_a_change(
    world: World, okhttp: list[str]
) -> None:
    await world.create(FEATURE)
    async with listening([*okhttp, "stream", world.url, world.client_key]) as heard:
        await eventually(lambda: has(heard, "^event features"), within_seconds=20)
        await asyncio.sleep(SILENCE_SECONDS + 4)  # nothing may happen meanwhile: there is nothing to wait for
        await world.admin.set(world.environment_id, FEATURE, True)
        await eventually(lambda: has(heard, '^event feature .*"value":true'), within_seconds=30)
    assert not has(heard, "^(closed|failed)"), heard
    assert len([line for line in heard if line.startswith("event features")]) == 1, heard


async def test_java_is_evaluated_for_its_context_by_stream_and_by_poll(
    world: World, okhttp: list[str]
) -> None:
    await world.create(FEATURE)
    await world.admin.set(world.environment_id, FEATURE, False, strategies=[FOR_FRED])
    for context, value in (("userkey=fred", "true"), ("userkey=mary", "false")):
        told = f'"value":{value}'
        async with listening([*okhttp, "stream", world.url, world.server_key, context]) as heard:
            await eventually(lambda: has(heard, f"^event features .*{told}"), within_seconds=20)  # noqa: B023
        async with listening([*okhttp, "poll", world.url, world.server_key, context]) as heard:
            await eventually(lambda: has(heard, "^polled 304"), within_seconds=20)
        assert has(heard, f"^polled 200 .*{told}"), heard


async def test_a_java_program_sets_a_feature(world: World, okhttp: list[str]) -> None:
    await world.create(FEATURE)
    body = '{"lock": false, "updateValue": true, "value": true}'
    async with listening([*okhttp, "update", world.url, world.server_key, FEATURE, body]) as heard:
        await eventually(lambda: has(heard, "^updated 200"), within_seconds=20)
    held = await world.admin.value(world.environment_id, FEATURE)
    assert held is not None
    assert held["value"] is True


@pytest.fixture
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    """A server whose streams end every two seconds."""
    settings = {"BURGEE_STREAM_SECONDS": str(STREAM_SECONDS)}
    with running_party(tmp_path_factory.mktemp("hasty"), settings=settings) as party:
        yield party


async def test_a_go_stream_comes_back_after_bye_and_hears_changes(
    hasty: PartyProcess, eventsource: list[str]
) -> None:
    async with open_world(hasty.url, hasty.port, hasty.token) as world:
        await world.create(FEATURE)
        async with listening([*eventsource, world.url, world.client_key]) as heard:
            await eventually(lambda: has(heard, "^event features"), within_seconds=30)
            await eventually(lambda: has(heard, "^event features", times=2), within_seconds=30)
            await world.admin.set(world.environment_id, FEATURE, True)
            await eventually(lambda: has(heard, '^event features? .*"value":true'), within_seconds=30)
        assert has(heard, "^event bye"), heard
