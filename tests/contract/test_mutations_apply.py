"""Each patch of `make guarantees-selftest` fits today's tree and names a test that exists."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUTATIONS = sorted((ROOT / "tests/guarantees/mutations").glob("*.patch"))


@pytest.mark.parametrize("patch", MUTATIONS, ids=lambda path: path.stem)
def test_a_mutation_applies_and_names_its_test(patch: Path) -> None:
    header = dict(line.split(": ", 1) for line in patch.read_text().split("\n\n", 1)[0].splitlines())
    module, _, test = header["Test"].partition("::")
    assert f"def {test.partition('[')[0]}(" in (ROOT / module).read_text()
    applied = subprocess.run(
        ["git", "apply", "--check", str(patch)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert applied.returncode == 0, applied.stderr


def test_there_are_mutations() -> None:
    assert MUTATIONS
