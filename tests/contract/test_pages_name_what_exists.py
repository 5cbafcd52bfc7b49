"""Pages that tell operators where to look: every file, log event and metric that they name exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("burgee", "common", "dacha", "edge", "edge_rest", "mr")
PAGES = ("moving-from-featurehub", "scaling", "security", "sdks", "troubleshooting")


@pytest.fixture(scope="module")
def source() -> str:
    return "\n".join(path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    return (ROOT / "docs" / f"{request.param}.md").read_text()


def test_files_that_a_page_names_exist(page: str) -> None:
    named = re.findall(r"`([a-z_]+(?:/[a-z_.]+)+\.(?:py|conf|md|yaml))`", page)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_log_events_that_a_page_names_are_logged(page: str, source: str) -> None:
    events = re.findall(r"`((?:bus|cache|drain|internal_api|relay|schema|worker)\.[a-z_]+)`", page)
    assert [event for event in events if f'"{event}"' not in source] == []


def test_metrics_that_a_page_names_are_measured(page: str, source: str) -> None:
    metrics = {name.removesuffix("_total") for name in re.findall(r"\bburgee_[a-z_]+", page)}
    assert [name for name in sorted(metrics) if name not in source] == []


def test_codes_that_a_page_names_are_answered(source: str) -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    reasons = re.findall(r"`reason=([a-z-]+)`", page)
    codes = [
        "too-many-lookups",
        "stale-version",
        "conflicting-update",
        "secret-cannot-be-opened",
        "foreign-page",
    ]
    assert reasons
    for word in [*reasons, *codes]:
        assert word in page
        assert f'"{word}"' in source, word
