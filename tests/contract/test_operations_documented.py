from pathlib import Path

from burgee.reference import operations_reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


async def test_the_table_of_operations_is_current():
    assert DOCUMENT.read_text() == await operations_reference(), "run: make docs"
