"""The image, built for real where buildah and a base are (`make image` brings one).

It runs as in a cluster: as nobody in particular, as process 1, with a root that cannot be written.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.image import MEGABYTE, ROOT, Builder, needs, revision
from tests.support.ports import free_port
from tests.support.waiting import eventually_sync

NOBODY = "65532"
LIMIT = 150 * MEGABYTE
# A container as the kernel knows it: its own mounts and processes; the root read-only, one volume, /tmp.
CONTAINED = """
root=$1 data=$2 inside=$3 user=$4
shift 4
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$data" "$root$inside"
exec chroot --userspec="$user" --groups= "$root" /usr/bin/env -i --chdir="$inside" "$@"
"""


class Image:
    """What was built: what it says of itself, its files, and containers of it."""

    def __init__(self, builder: Builder, root: Path, built_from: str) -> None:
        self.builder = builder
        self.root = root
        self.built_from = built_from
        self.config: dict[str, Any] = builder.described()["Docker"]["config"]

    def command(self, data: Path, *words: str, **settings: str) -> list[str]:
        env = [*self.config["Env"], *(f"{name}={value}" for name, value in settings.items())]
        contained = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-euc", CONTAINED]
        place = [str(self.root), str(data), self.config["WorkingDir"], self.config["User"]]
        return [*contained, "bash", *place, *env, *words]

    def run(self, data: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        command = self.command(data, *words, **settings)
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def burgee(self, data: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return self.run(data, *self.config["Entrypoint"], *words, **settings)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    builder = Builder()
    if missing := needs():
        pytest.skip(missing)
    if not builder.has(builder.base()):
        pytest.skip(f"{builder.base()} is not here: `make image` brings it")
    built_from = revision()
    builder.build(version="0.1.0", revision=built_from)
    with builder.root() as root:
        yield Image(builder, root, built_from)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    volume = tmp_path / "data"
    volume.mkdir()
    os.chown(volume, int(NOBODY), int(NOBODY))
    return volume


def test_what_we_add_to_the_base_is_small(image: Image) -> None:
    below = image.builder.layers(image.builder.base())
    layers = image.builder.layers()
    assert layers[: len(below)] == below
    ours = sum(layers[len(below) :])
    print(f"{ours / MEGABYTE:.1f} MB of our own on {sum(below) / MEGABYTE:.1f} MB")
    assert ours <= LIMIT


def test_it_says_what_it_is_and_how_to_run_it(image: Image) -> None:
    config = image.config
    assert config["User"] == f"{NOBODY}:{NOBODY}"
    assert config["Entrypoint"] == ["burgee"]
    assert config["Cmd"] == ["party"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "burgee", "health"]
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert labels["revision"] == image.built_from
    assert labels["version"] == "0.1.0"
    assert labels["licenses"] == "Apache-2.0"
    assert {"title", "description", "vendor"} <= set(labels)


def test_nothing_that_builds_is_in_it(image: Image) -> None:
    tools = {"gcc", "cc", "g++", "make", "ld", "as", "strip", "node", "npm", "npx", "pip", "pip3", "git"}
    folders = [
        image.root / part for part in ("opt/burgee/bin", "usr/local/bin", "usr/bin", "bin", "root/.local/bin")
    ]
    assert not {each.name for folder in folders if folder.exists() for each in folder.iterdir()} & tools
    ours = list((image.root / "opt").rglob("*"))
    suspicious = {"node_modules", "tests", "testing", "setuptools", "wheel", ".cache"}
    assert not {each.name for each in ours} & suspicious
    assert not [each for each in ours if each.suffix in {".c", ".cpp", ".h", ".pyx", ".map"}]
    assert not (image.root / "root/.cache").exists()
    assert not (image.root / "src").exists()
    # What the build was lent by this machine is empty now.
    for lent in ("root/.npmrc", "etc/pip.conf"):
        assert not (image.root / lent).exists() or not (image.root / lent).stat().st_size
    for each in ours:
        assert not each.stat(follow_symlinks=False).st_mode & 0o022 or each.is_symlink(), (
            f"{each} can be changed"
        )


def test_every_module_is_there_and_whole(image: Image, data: Path) -> None:
    """After `strip` and what was taken out: native libraries load, and all that processes import is there."""
    native = (
        "aiohttp cryptography.hazmat.bindings._rust greenlet httptools lxml.etree lxml.objectify mmh3 "
        "msgspec nacl onelogin.saml2.auth psycopg psycopg_binary pydantic_core re2 "
        "sqlalchemy.util.concurrency uvloop xmlsec"
    )
    ours = "alembic.command burgee.cli burgee.seed " + " ".join(
        f"burgee.topologies.{each}" for each in ("party", "party_ish", "mr", "dacha", "edge", "edge_rest")
    )
    program = f"import importlib\nfor name in '{native} {ours}'.split(): importlib.import_module(name)"
    ended = image.run(data, "python", "-W", "ignore", "-c", program)
    assert ended.returncode == 0, ended.stderr
    unready = image.run(data, "python", "-c", "import burgee.cli as m; print(m.__cached__)").stdout.strip()
    assert (image.root / unready.lstrip("/")).exists(), "compiled: nothing can be written at run time"


@contextmanager
def running(command: list[str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Whoever waits for it, and the process's number as this machine has it; in its own world it is 1."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as started:
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
        found = eventually_sync(lambda: children.read_text().split(), within_seconds=60, what="a process")
        try:
            yield started, int(found[0])
        finally:
            started.kill()


def answers(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def test_it_runs_as_nobody_on_a_root_that_cannot_be_written(image: Image, data: Path, tmp_path: Path) -> None:
    port = str(free_port())
    settings = {"BURGEE_PORT": port, "BURGEE_HOST": "127.0.0.1"}
    assert image.burgee(data, "--help").returncode == 0
    refused = image.run(data, "sh", "-c", "id -u; touch /opt/burgee/x")
    assert refused.stdout.strip() == NOBODY
    assert "Read-only file system" in refused.stderr
    assert image.burgee(data, "health", **settings).returncode == 1, "nothing runs yet"
    log = tmp_path / "log"
    with running(image.command(data, "burgee", *image.config["Cmd"], **settings), log) as (parent, process):
        base = f"http://127.0.0.1:{port}"
        eventually_sync(
            lambda: answers(f"{base}/health/readiness") == 200, within_seconds=300, what="the party"
        )
        assert image.burgee(data, "health", **settings).returncode == 0
        assert answers(base) == 200, "the Admin UI is in it"
        assert "NSpid" in (status := Path(f"/proc/{process}/status").read_text())
        assert re.search(r"^NSpid:.*\t1$", status, re.MULTILINE), "it is process 1 of its world"
        assert re.search(rf"^Uid:\t{NOBODY}\t", status, re.MULTILINE)
        os.kill(process, signal.SIGTERM)
        assert parent.wait(60) == 0, "it went in order"
    assert (data / "burgee.db").exists()
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert not [each for each in told if each["level"] in {"error", "critical"}]


# ------------------------------------------------------------------------------------ other machines


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-node.lock"])
def test_every_locked_package_has_a_wheel_for_aarch64(lock: str, tmp_path: Path) -> None:
    """As the Dockerfile installs them, by hash; nothing is downloaded but what the index says of them."""
    source = re.findall(r"--no-binary (\S+)", (ROOT / "Dockerfile").read_text())
    command = [
        *(sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--target", str(tmp_path / "nowhere")),
        *("--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.11"),
        *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
        *(word for name in source for word in ("--no-binary", name)),
        *("-r", str(ROOT / lock)),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if re.search(r"Failed to fetch|error sending request|dns error", ended.stderr):
        pytest.skip("no index of packages can be reached")
    assert ended.returncode == 0, ended.stderr
    wanted = re.findall(r"^(\S+==\S+) \\$", (ROOT / lock).read_text(), re.MULTILINE)
    assert {f" + {each}" for each in wanted} <= set(ended.stderr.splitlines())
