"""A setting that nothing reads is a promise that nobody keeps."""

import re
from pathlib import Path

import pytest

from burgee.settings import PROCESSES

ROOT = Path(__file__).parents[2]
PACKAGES = ("burgee", "common", "dacha", "edge", "edge_rest", "mr")

# Names of the processes that the NATS bus will split off. They are declared now, so that an environment
# file can be written once; `burgee dacha` and `burgee edge` check them and say that they cannot run yet.
FOR_SPLIT_PROCESSES = {
    "cluster",
    "dacha_tokens",
    "dacha_url",
    "edge_tokens",
    "event_key",
    "internal_port",
    "internal_token",
    "mr_url",
    "nats_urls",
}
# Nothing is kept encrypted before webhooks come; the name is part of the product from the start.
FOR_LATER = {"encryption_password"}


def product_code() -> str:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return "\n".join(path.read_text() for path in files if path.name != "settings.py")


@pytest.mark.parametrize(
    "field",
    sorted(
        {field for process in PROCESSES for field in process.model_fields} - FOR_SPLIT_PROCESSES - FOR_LATER
    ),
)
def test_every_setting_has_a_reader(field: str):
    # The database's address has one reader for both of its settings.
    read = "database_address" if field in {"data_dir", "database_url"} else field
    assert re.search(rf"\.{read}\b", product_code())
