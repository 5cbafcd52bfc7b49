"""What a browser loads before it shows anything is small: counted in the build, as it is sent."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

BUILT = Path(__file__).parents[3] / "mr" / "ui" / "dist"
MOST_BYTES = 500_000


def sent(name: str) -> int:
    """How many bytes a file is on the wire."""
    compressed = BUILT / f"{name}.gz"
    return (compressed if compressed.exists() else BUILT / name).stat().st_size


def imports(name: str) -> set[str]:
    """What a script loads at once, not only when somebody goes somewhere."""
    text = (BUILT / name).read_text()
    found = re.findall(r"""(?:\bfrom|\bimport)\s*["']\./([\w.-]+\.js)["']""", text)
    return {f"assets/{each}" for each in found}


def everything_before(names: set[str]) -> set[str]:
    """The files and all that they cannot do without."""
    done: set[str] = set()
    todo = set(names)
    while todo:
        name = todo.pop()
        done.add(name)
        if name.endswith(".js"):
            todo |= imports(name) - done
    return done


def test_sign_in_and_dashboard_fit() -> None:
    page = (BUILT / "index.html").read_text()
    first = set(re.findall(r"""(?:src|href)="\./([^"]+)\"""", page))
    assert any(name.endswith(".js") for name in first)
    for screen in ("Login-", "Dashboard-"):
        first |= {
            f"assets/{each.name}" for each in (BUILT / "assets").glob(f"{screen}*") if each.suffix != ".gz"
        }
    needed = everything_before(first)
    sizes = {name: sent(name) for name in sorted(needed)}
    assert sum(sizes.values()) < MOST_BYTES, sizes
