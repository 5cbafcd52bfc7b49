"""Every row of docs/outages.md names a test that does it, and that test is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [line for line in (ROOT / "docs" / "outages.md").read_text().splitlines() if line.startswith("| **")]
PROOF = re.compile(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)")


@pytest.mark.parametrize("row", ROWS, ids=[row.split("**")[1] for row in ROWS])
def test_each_outage_is_shown_by_tests_that_exist(row: str) -> None:
    proofs = PROOF.findall(row.rsplit(" | ", maxsplit=1)[-1])
    assert proofs, "no test is named"
    for name, path in proofs:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), (
            f"{path}: {name}"
        )


def test_the_rows_are_found() -> None:
    assert len(ROWS) > 20
