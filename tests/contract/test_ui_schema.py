"""The interface is a client of our own API document, and of the present one."""

import re
from pathlib import Path

from tests.support.typescript import SCHEMA, schema_module

SOURCES = Path(__file__).parents[2] / "mr/ui/src"


async def test_the_types_of_the_interface_are_those_of_the_api_document():
    assert SCHEMA.read_text() == await schema_module(), "run: make ui-schema"


def test_only_the_client_talks_to_the_server():
    """Everything else goes through operations of the document."""
    own = {SOURCES / "api/client.ts", SOURCES / "api/session.ts"}
    others = [path for path in SOURCES.rglob("*.ts*") if path not in own]
    assert others
    assert [path.name for path in others if re.search(r"(?<![\w.])fetch\(", path.read_text())] == []


def test_nothing_is_loaded_from_elsewhere():
    """No content delivery network, no fonts of others: the interface works without the internet."""
    text = (SOURCES.parent / "index.html").read_text() + "".join(
        path.read_text() for path in SOURCES.rglob("*.css")
    )
    # Pictures inside of a style sheet name the language that they are written in.
    text = re.sub(r'url\("data:[^"]*"\)', "", text)
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", text) == []
