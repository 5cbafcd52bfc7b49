"""What people paste works: the interface's beginnings are the guides', and those are run as they stand.

Node, Python and curl always; `BURGEE_TEST_SDKS=all` (`make sdks`) runs every program of docs/sdks for which
there is a tool, and skips the others with a reason. Those for browsers and Java have files of their own.
"""

import os
import re
import shutil
from pathlib import Path

import aiohttp
import pytest

from tests.support.snippets import (
    ADDRESS,
    CLIENT_KEY,
    FEATURE,
    GUIDES,
    SERVER_KEY,
    TRUE,
    blocks,
    command_of,
    filled,
    run_until,
    shown,
)
from tests.support.waiting import eventually
from tests.support.world import World

pytestmark = pytest.mark.e2e

PAGES = {
    "node": "node",
    "browser": "browser",
    "react": "react",
    "python": "python",
    "java": "java",
    "go": "go",
    "csharp": "dotnet",
    "ruby": "ruby",
    "php": "http",
    "swift": "swift",
    "android": "android",
    "dart": "dart",
    "curl": "http",
}
DONE = re.compile(r"^(true|HTTP/1.1 200 .*)$", re.MULTILINE)
"""How a program tells that it has set the feature."""
EVERYTHING = os.environ.get("BURGEE_TEST_SDKS") == "all"
FIRST = [("node", "js", 0), ("python", "python", 0), ("http", "sh", 0)]
OTHERS = [
    ("node", "js", 1),
    ("node", "js", 2),
    ("node", "js", 3),
    ("python", "python", 1),
    ("python", "python", 2),
    ("http", "sh", 1),
    ("http", "php", 0),
]


def programs(page: str, language: str) -> list[str]:
    """The programs of a page: what installs is none, whatever its language."""
    return [code for code in blocks(GUIDES / f"{page}.md", language) if ADDRESS in code]


def test_the_interface_shows_what_the_guides_print() -> None:
    offered = shown()
    assert set(offered) == set(PAGES), "an SDK without a guide, or a guide without its SDK"
    for name, page in PAGES.items():
        text = (GUIDES / f"{page}.md").read_text()
        assert f"\n{offered[name].code}```\n" in text, f"docs/sdks/{page}.md has another beginning"
        install = offered[name].install
        assert install is None or f"\n{install}\n```\n" in text, f"docs/sdks/{page}.md installs otherwise"


def test_every_program_of_the_guides_that_can_be_run_is_run() -> None:
    tried = {(page, language): 0 for page, language, _ in FIRST + OTHERS}
    for page, language, _ in FIRST + OTHERS:
        tried[page, language] += 1
    for (page, language), count in tried.items():
        assert len(programs(page, language)) == count, f"docs/sdks/{page}.md, {language}"


@pytest.mark.parametrize(("page", "language", "number"), FIRST)
async def test_a_pasted_beginning_reads_the_feature(
    world: World, tmp_path: Path, page: str, language: str, number: int
) -> None:
    await runs(world, tmp_path, page, language, number)


@pytest.mark.skipif(not EVERYTHING, reason="set BURGEE_TEST_SDKS=all to run every program of docs/sdks")
@pytest.mark.parametrize(("page", "language", "number"), OTHERS)
async def test_every_other_program_of_a_guide_works(
    world: World, tmp_path: Path, page: str, language: str, number: int
) -> None:
    if language == "php" and shutil.which("php") is None:
        pytest.skip("there is no php; on Debian or Ubuntu: apt-get install -y php-cli")
    await runs(world, tmp_path, page, language, number)


async def runs(world: World, folder: Path, page: str, language: str, number: int) -> None:
    """A program tells that the feature is on; one that sets features finds it off and leaves it on."""
    code = programs(page, language)[number]
    sets = re.search(r"updateKey|-X PUT", code) is not None
    await world.create(FEATURE)
    await world.admin.set(world.environment_id, FEATURE, not sets)

    async def served() -> bool:
        return await at_edge(world) == [not sets]

    # Some programs tell what they find first, and only that.
    there: bool = await eventually(served, within_seconds=30, what="the value at Edge")
    assert there
    command = command_of(language, filled(code, world.url, world.client_key, world.server_key), folder)
    await run_until(command, DONE if sets else TRUE, folder)
    if sets:

        async def on() -> bool:
            held = await world.admin.value(world.environment_id, FEATURE)
            return held is not None and bool(held["value"])

        stored: bool = await eventually(on, within_seconds=30, what="the new value")
        assert stored


async def at_edge(world: World) -> list[object]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{world.url}/features", params={"apiKey": world.server_key}) as answer,
    ):
        (environment,) = await answer.json()
        return [each.get("value") for each in environment["features"]]


def test_the_examples_hold_no_real_key() -> None:
    for guide in GUIDES.glob("*.md"):
        for key in re.findall(r"ENVIRONMENT/[^\s'\"/]+", guide.read_text()):
            assert key in {CLIENT_KEY, SERVER_KEY}, guide
