"""What is shipped beside the code: compose files, the Dockerfile, alerts and dashboards.

Judged by the tools that users run; containers are not started here, for that needs an engine.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from burgee.settings import PROCESSES

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
STACKS = ("party.yaml", "party-ish.yaml", "split.yaml", "dev.yaml", "split.yaml observability.yaml")
NAME = re.compile(r"\bburgee_[a-z_]+")
SUFFIX = re.compile(r"_(total|bucket|sum|count)$")


@pytest.fixture(scope="session")
def compose() -> Path:
    found = importlib.util.find_spec("compose")
    if found is None or found.origin is None:
        pytest.skip("Docker Compose is not here: `make charts` installs it")
    # The command in the environment's bin always ends with 0: the real one is in the package.
    return Path(found.origin).parent / "docker-compose"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    filled = re.sub(r"=$", "=pSecret", (COMPOSE / "split.env.example").read_text(), flags=re.MULTILINE)
    path = tmp_path / ".env"
    path.write_text(f"{filled}\nGRAFANA_PASSWORD=pSecret\n")
    return path


def composed(compose: Path, environment: Path, stack: str) -> dict[str, Any]:
    files = [part for name in stack.split() for part in ("-f", str(COMPOSE / name))]
    command = [str(compose), "--env-file", str(environment), *files, "config", "--format", "json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    loaded: dict[str, Any] = json.loads(ended.stdout)
    return loaded


@pytest.mark.parametrize("stack", STACKS)
def test_compose_takes_it(compose: Path, environment: Path, stack: str) -> None:
    composed(compose, environment, stack)


def test_compose_says_which_secret_is_missing(compose: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("")
    command = [str(compose), "--env-file", str(tmp_path / ".env"), "-f", str(COMPOSE / "split.yaml")]
    ended = subprocess.run([*command, "config", "-q"], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "BURGEE_EVENT_KEY" in ended.stderr or "POSTGRES_PASSWORD" in ended.stderr


@pytest.mark.parametrize("stack", ["party.yaml", "party-ish.yaml", "split.yaml"])
def test_every_setting_is_one_that_the_process_reads(compose: Path, environment: Path, stack: str) -> None:
    by_process = {process.process: process for process in PROCESSES}
    for name, service in composed(compose, environment, stack)["services"].items():
        if service.get("image") != "burgee:local" or service["command"] == ["migrate"]:
            continue
        (process,) = service["command"]
        for setting in service["environment"]:
            assert setting.removeprefix("BURGEE_").lower() in by_process[process].model_fields, (
                name,
                setting,
            )
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_metrics_are_not_on_the_address_that_the_proxy_shows(compose: Path, environment: Path) -> None:
    services = composed(compose, environment, "split.yaml")["services"]
    for name in ("mr", "dacha", "edge", "edge-rest"):
        assert services[name]["environment"]["BURGEE_MONITOR_PORT"] == "8701"
    assert "8701" not in (COMPOSE / "proxy" / "nginx.conf").read_text()
    assert "8086" not in (COMPOSE / "proxy" / "nginx.conf").read_text()


def test_the_dockerfile_has_no_fault() -> None:
    linter = ROOT / ".venv" / "bin" / "hadolint"
    if not linter.exists():
        pytest.skip("hadolint is not here: `make charts` installs it")
    command = [str(linter), "--failure-threshold", "warning", str(ROOT / "Dockerfile")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_the_image_runs_as_nobody_in_particular() -> None:
    last = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert "\nUSER 65532:65532\n" in last
    assert "burgee" in last.partition("HEALTHCHECK")[2]
    assert "\nADD " not in last


def known_metrics() -> set[str]:
    """Every name that stands in the code as a metric's."""
    sources = (
        path.read_text()
        for package in ("burgee", "common", "dacha", "edge", "edge_rest", "mr")
        for path in (ROOT / package).rglob("*.py")
    )
    return {SUFFIX.sub("", name) for source in sources for name in re.findall(r'"(burgee_[a-z_]+)"', source)}


def test_alerts_and_dashboards_ask_for_metrics_that_exist() -> None:
    alerts = yaml.safe_load((ROOT / "charts" / "burgee" / "files" / "alerts.yaml").read_text())
    board = json.loads((COMPOSE / "observability" / "burgee.json").read_text())
    asked = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    asked += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    names = {SUFFIX.sub("", name) for expression in asked for name in NAME.findall(expression)}
    assert names
    assert names <= known_metrics()


@pytest.mark.skipif(NGINX is None, reason="nginx is not here")
async def test_the_proxy_sends_an_update_to_one_edge_alone(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        writer.close()

    first = await asyncio.start_server(dies, "127.0.0.1", 0)
    second = await asyncio.start_server(dies, "127.0.0.1", 0)
    ports = [each.sockets[0].getsockname()[1] for each in (first, second)]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    edges = "".join(f"server 127.0.0.1:{each};" for each in ports)
    shipped = (COMPOSE / "proxy" / "nginx.conf").read_text()
    shipped = shipped.replace("listen 8080", f"listen 127.0.0.1:{port}").replace("$edge:8553", "edges")
    paths = "".join(
        f"{each}_temp_path {tmp_path}/{each};"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/errors; events {{}}"
        f" http {{ access_log off; {paths} upstream edges {{ {edges} }} {shipped} }}"
    )
    nginx = await asyncio.create_subprocess_exec(str(NGINX), "-c", str(config), "-p", str(tmp_path))
    try:
        url = f"http://127.0.0.1:{port}/features/a/b/F"
        async with aiohttp.ClientSession() as http:
            async with asyncio.timeout(10):
                while not (status := await _put(http, url)):
                    await asyncio.sleep(0.02)
        assert status == 502
        assert heard == [b"PUT /features/a/b/F HTTP/1.1\r\n"]
    finally:
        nginx.terminate()
        await nginx.wait()
        first.close()
        second.close()


async def _put(http: aiohttp.ClientSession, url: str) -> int:
    try:
        async with http.put(url, data=b"{}") as answered:
            return answered.status
    except aiohttp.ClientConnectorError:
        return 0
