"""What a browser loads before it shows the first screen stays small, and all of it comes from here."""

import re
from pathlib import Path

import pytest

from mr.pages import BUILT

LIMIT_BYTES = 500_000


@pytest.fixture(scope="module")
def page() -> str:
    index = BUILT / "index.html"
    assert index.is_file(), "run: make ui"
    return index.read_text()


def _loaded(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="\./([^"]+\.(?:js|css))"', page)


def _compressed(path: Path) -> int:
    return path.with_name(path.name + ".gz").stat().st_size


def test_the_first_screen_takes_less_than_500_kilobytes(page: str):
    first = sum(_compressed(BUILT / name) for name in _loaded(page))
    # Whichever screen is the first one, with everything that it might bring.
    lazy = [each for each in (BUILT / "assets").glob("*.js") if f"assets/{each.name}" not in _loaded(page)]
    largest = max(_compressed(each) for each in lazy)
    assert first + 3 * largest < LIMIT_BYTES


def test_the_page_loads_nothing_from_elsewhere(page: str):
    assert _loaded(page)
    assert "//" not in re.sub(r'"\./[^"]*"', "", page)


def test_every_text_asset_is_there_compressed_too():
    missing = [
        path.name
        for path in (BUILT / "assets").iterdir()
        if path.suffix in {".js", ".css"} and not path.with_name(path.name + ".gz").is_file()
    ]
    assert missing == []
