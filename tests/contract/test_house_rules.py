"""What holds for the project as a whole."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.locks import faults

ROOT = Path(__file__).parents[2]
OURS = ("burgee", "common", "dacha", "edge", "edge_rest", "mr")
COMMANDS = (
    "party",
    "party-ish",
    "mr",
    "dacha",
    "edge",
    "edge-rest",
    "migrate",
    "seed",
    "check",
    "health",
    "backup",
    "restore",
)
WITH_ARGUMENTS = {"backup", "restore"}


def burgee(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BURGEE_")}
    return subprocess.run(
        [sys.executable, "-m", "burgee", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=inherited | environment,
    )


@pytest.mark.parametrize("package", OURS)
def test_no_dependency_brings_a_package_named_like_ours(package: str):
    """The names are generic; another `common` on the path would shadow ours."""
    assert set(importlib.metadata.packages_distributions().get(package, [])) <= {"burgee"}


def test_the_locks_match_the_project_and_name_no_hosts():
    assert list(faults()) == []


@pytest.mark.parametrize("package", OURS)
def test_the_front_of_every_package_is_its_docstring_alone(package: str):
    lines = (ROOT / package / "__init__.py").read_text().strip()
    assert lines.startswith('"""')
    assert lines.endswith('"""')
    assert lines.count('"""') == 2


NEEDED = {"dacha": ["BURGEE_MR_URL"], "edge": ["BURGEE_NATS_URLS"]}
"""What a process of its own cannot do without."""


def test_help_names_every_command():
    shown = burgee("--help").stdout
    assert [name for name in COMMANDS if f"\n  {name} " not in shown] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str):
    answer = burgee(command, "--help")
    assert answer.returncode == 0
    assert "Usage: " in answer.stdout


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in {"migrate", *WITH_ARGUMENTS}])
def test_every_command_reports_all_faults_before_anything_starts(command: str):
    answer = burgee(command, BURGEE_PORT="x", BURGEE_LOG_LEVEL="loud", BURGEE_HOSTS="a")
    assert answer.returncode == 2
    faulty = ["BURGEE_HOSTS", "BURGEE_LOG_LEVEL", "BURGEE_PORT", *NEEDED.get(command, [])]
    assert [line.split(":")[0] for line in answer.stderr.splitlines()] == sorted(faulty)
    assert "did you mean BURGEE_HOST?" in answer.stderr


def test_check_shows_what_would_be_used_and_no_secret(tmp_path: Path):
    answer = burgee(
        "check",
        BURGEE_DATA_DIR=str(tmp_path),
        BURGEE_EVENT_KEY="lemon-tree-lemon-tree",
        BURGEE_STREAM_SECONDS="15m",
    )
    assert answer.returncode == 0
    assert "BURGEE_STREAM_SECONDS=900" in answer.stdout
    assert "BURGEE_EVENT_KEY=set (secret)" in answer.stdout
    assert "lemon" not in answer.stdout + answer.stderr


def test_check_fails_for_a_database_that_is_not_there():
    answer = burgee("check", BURGEE_DATABASE_URL="postgresql://burgee:lemon-tree@127.0.0.1:1/burgee")
    assert answer.returncode == 1
    assert "FAIL database: " in answer.stdout
    assert "cannot be reached" in answer.stdout
    assert "lemon" not in answer.stdout + answer.stderr


def test_health_fails_where_nothing_listens():
    answer = burgee("health", "--url", "http://127.0.0.1:1")
    assert answer.returncode == 1
    assert "does not answer" in answer.stderr


def test_make_without_a_verb_prints_the_verbs():
    shown = subprocess.run(["make"], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    for verb in ("setup", "party", "demo", "test", "check"):
        assert f"make {verb} " in shown
