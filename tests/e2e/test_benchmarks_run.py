"""The benchmarks themselves: in their quick form, which measures nothing, every row is made."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.programs import NoCompiler, compiler

WITHIN_SECONDS = 900
MEMBERS = {"name", "value", "unit", "baseline", "ratio", "goal", "direction"}
SOME = {
    "poll_200_client_evaluated",
    "poll_304",
    "poll_200_server_evaluated",
    "poll_200_starlette",
    "memory_per_idle_stream",
    "streams_accepted",
    "poll_p99_beside_fan_out",
    "live_p99_beside_stopped",
    "poll_that_asks_dacha",
    "commit_to_sdk_p50",
    "herd_served",
    "two_workers",
}


@pytest.mark.slow
def test_every_benchmark_runs_and_tells_its_rows(tmp_path: Path) -> None:
    try:
        compiler()
    except NoCompiler as missing:
        pytest.skip(str(missing))
    output = tmp_path / "bench.json"

    ended = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--quick", "--output", output],
        timeout=WITHIN_SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = json.loads(output.read_text())
    assert {row["name"] for row in rows} >= SOME
    for row in rows:
        assert row.keys() >= MEMBERS
        assert row["direction"] in {"higher", "lower"}
