"""The program that docs/moving-from-featurehub.md prints copies an application, run as it stands."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.admin import attribute, strategy
from tests.support.snippets import ROOT, blocks
from tests.support.world import World

pytestmark = pytest.mark.e2e

PAGE = ROOT / "docs" / "moving-from-featurehub.md"
COMPARED = ("key", "locked", "retired", "value")
SETTLED = {"id", "whenCreated", "whenUpdated", "whoCreated", "whoUpdated"}


async def run(program: str, folder: Path, *arguments: str) -> None:
    path = folder / "move.py"
    path.write_text(program)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(path),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 300)
    assert process.returncode == 0, said.decode()


def essence(value: dict[str, Any]) -> dict[str, Any]:
    rules = [
        {name: held for name, held in each.items() if name not in SETTLED}
        for each in value.get("rolloutStrategies") or []
    ]
    return {name: value.get(name) for name in COMPARED} | {"rules": rules}


async def test_the_printed_program_copies_an_application(world: World, tmp_path: Path) -> None:
    admin, application = world.admin, world.application
    test = await admin.create_environment(application.id, "test")
    rules = [
        strategy("by country", "for turkey", attribute("country", "EQUALS", ["turkey"])),
        strategy("half", "half of them", percentage=500_000),
    ]
    for key, kind, value in (
        ("flag", "BOOLEAN", True),
        ("offer", "STRING", "for everybody"),
        ("limit", "NUMBER", 12.5),
        ("shape", "JSON", '{"a": [1]}'),
    ):
        await world.create(key, kind)
        await admin.set(world.environment_id, key, value)
    await admin.set(test, "offer", "in test", strategies=rules)
    await admin.set(world.environment_id, "limit", locked=True)
    await admin.set(world.environment_id, "shape", retired=True)
    portfolio = await admin.create_portfolio()
    here = (world.url, admin.token)
    (program,) = blocks(PAGE, "python")
    await run(program, tmp_path, *here, application.id, *here, portfolio)

    (copy,) = await admin.call("GET", f"/portfolio/{portfolio}/application")
    environments = await admin.call("GET", f"/application/{copy['id']}/environment")
    copied = {each["name"]: each["id"] for each in environments}
    for environment in await admin.call("GET", f"/application/{application.id}/environment"):
        old = await admin.call("GET", f"/features/{environment['id']}")
        new = await admin.call("GET", f"/features/{copied[environment['name']]}")
        expected = {each["key"]: essence(each) for each in old["featureValues"]}
        assert {each["key"]: essence(each) for each in new["featureValues"]} == expected
        assert expected, "there is something to compare"
