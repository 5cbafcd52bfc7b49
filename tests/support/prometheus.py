"""Prometheus as users run it: a real server over given targets, its rule checker, and what we ask of it.

Must not know the product beyond its files of alerts and dashboards.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.support.ports import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
BOARDS = ROOT / "compose" / "observability"
ALERTS = ROOT / "charts" / "burgee" / "files" / "alerts.yaml"

SERVER = shutil.which("prometheus")
CHECKER = shutil.which("promtool")
ABSENT = "Prometheus is not here (Debian: apt install prometheus)"
STOP_SECONDS = 30.0


def boards() -> dict[str, dict[str, Any]]:
    """Every dashboard by its file's name."""
    return {path.name: json.loads(path.read_text()) for path in sorted(BOARDS.glob("*.json"))}


def board_expressions() -> dict[str, str]:
    """What every panel asks when nothing is chosen, by dashboard, panel and number."""
    return {
        f"{name}: {panel['title']} [{number}]": target["expr"].replace("$namespace", ".*")
        for name, board in boards().items()
        for panel in board["panels"]
        for number, target in enumerate(panel.get("targets", ()))
    }


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str
    http: aiohttp.ClientSession

    async def ask(self, expression: str) -> list[dict[str, Any]]:
        """Answer what an expression finds now; raise when it is none."""
        async with self.http.get(f"{self.url}/api/v1/query", params={"query": expression}) as answer:
            told = await answer.json(content_type=None)
        assert told["status"] == "success", f"{expression}: {told}"
        result = told["data"]["result"]
        return result if told["data"]["resultType"] == "vector" else [{"value": result}]

    async def value(self, expression: str) -> float | None:
        """Answer the one number that it finds; None = nothing."""
        found = await self.ask(expression)
        return float(found[0]["value"][1]) if found else None


@asynccontextmanager
async def prometheus(targets: Mapping[str, Sequence[str]], folder: Path) -> AsyncIterator[Prometheus]:
    """A server that scrapes these addresses every second, by job; with our alerts."""
    assert SERVER is not None
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
            for job, addresses in targets.items()
        ],
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                SERVER,
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as http:
            server = Prometheus(f"http://127.0.0.1:{port}", http)
            ready: Callable[[], bool | Awaitable[bool]] = partial(_ready, server, process)
            await eventually(ready, within_seconds=60, what="Prometheus to be ready")
            yield server
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, STOP_SECONDS)


async def _ready(server: Prometheus, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "Prometheus ended"
    try:
        async with server.http.get(f"{server.url}/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False
