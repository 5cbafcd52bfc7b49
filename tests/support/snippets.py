"""The programs that people paste: as the interface shows and docs/sdks prints them, run as they stand.

Knows texts and processes; what a program prints is all that it learns of it.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.node import node_binary
from tests.support.sdk import AGENTS, PYTHON
from tests.support.waiting import DeadlineMissed

ROOT: Final = Path(__file__).parents[2]
GUIDES: Final = ROOT / "docs" / "sdks"
SOURCE: Final = ROOT / "mr/ui/src/areas/applications/snippets.ts"
ADDRESS: Final = "https://flags.example.com"
CLIENT_KEY: Final = "ENVIRONMENT/CLIENT*KEY"
SERVER_KEY: Final = "ENVIRONMENT/SERVER-KEY"
FEATURE: Final = "NEW_CART"
TRUE: Final = re.compile(r'^(true|True|bool\(true\))$|"key":"NEW_CART".*"value":true', re.MULTILINE)
"""How the programs tell that the feature is on."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """What the interface offers for one SDK."""

    id: str
    install: str | None
    code: str


def shown() -> dict[str, Snippet]:
    """Return the interface's own texts for the example values of the guides, by id."""
    values = {
        "edgeUrl": ADDRESS,
        "clientKey": CLIENT_KEY,
        "serverKey": SERVER_KEY,
        "featureKey": FEATURE,
        "featureType": "BOOLEAN",
    }
    program = (
        f"import {{ snippets }} from {json.dumps(SOURCE.as_uri())};"
        f"process.stdout.write(JSON.stringify(snippets({json.dumps(values)})));"
    )
    command = [str(node_binary()), "--no-warnings", "--input-type=module", "--eval", program]
    told = subprocess.run(command, capture_output=True, check=True, timeout=120)
    return {
        each["id"]: Snippet(each["id"], each["install"], each["code"]) for each in json.loads(told.stdout)
    }


def blocks(page: Path, language: str) -> list[str]:
    """Return the programs of one language on a page."""
    return [code for kind, code in _BLOCK.findall(page.read_text()) if kind == language]


def filled(code: str, url: str, client_key: str, server_key: str) -> str:
    """Return the program with a real address and keys in place of the example's."""
    return code.replace(ADDRESS, url).replace(CLIENT_KEY, client_key).replace(SERVER_KEY, server_key)


def command_of(language: str, code: str, folder: Path) -> list[str]:
    """Write a program where its SDK is found; return what starts it."""
    if language == "js":
        modules = folder / "node_modules"
        if not modules.exists():
            modules.symlink_to(AGENTS / "node" / "node_modules")
        return [str(node_binary()), str(_written(folder / "program.mjs", code))]
    if language == "python":
        return [str(PYTHON), "-u", str(_written(folder / "program.py", code))]
    if language == "php":
        return ["php", str(_written(folder / "program.php", code))]
    return ["sh", "-e", str(_written(folder / "program.sh", code))]


def _written(path: Path, code: str) -> Path:
    path.write_text(code)
    return path


async def run_until(
    command: Sequence[str],
    wanted: re.Pattern[str],
    folder: Path,
    *,
    within_seconds: float = 60.0,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program until it has printed what is wanted, then end it and all of its children.

    Many of these programs listen for ever, so an end of their own is not awaited; one that ends without
    having printed it fails with everything that it said.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        limit=1024 * 1024,
    )
    assert process.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(within_seconds):
            while not wanted.search(said):
                part = await process.stdout.read(65536)
                if not part:
                    await process.wait()
                    raise DeadlineMissed(
                        f"{command[0]} ended with {process.returncode} and had said:\n{said}"
                    )
                said += part.decode(errors="replace")
    except TimeoutError as error:
        raise DeadlineMissed(f"{command[0]} had said after {within_seconds} s:\n{said}") from error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return said
