from pathlib import Path

import pytest

from burgee.reference import settings_reference
from burgee.settings import PROCESSES, every_name
from common.settings import is_secret

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_reference_is_current():
    assert DOCUMENT.read_text() == settings_reference(), "run: make docs"


@pytest.mark.parametrize("name", sorted(every_name()))
def test_every_setting_stands_in_the_reference(name: str):
    assert f"| `{name}` |" in DOCUMENT.read_text()


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.process)
def test_every_setting_says_what_it_means(process):
    for field, info in process.model_fields.items():
        assert info.description, field
        assert info.description.endswith("."), field


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.process)
def test_what_sounds_secret_is_secret(process):
    for field, info in process.model_fields.items():
        if info.annotation is int:
            continue  # how long a secret is, is none
        if any(word in field for word in ("token", "password", "event_key", "database_url")):
            assert is_secret(info), field
