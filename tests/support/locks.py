"""Write and check the lock files: pinned, hashed, and without the name of any host.

The requirement locks are `uv pip compile`'s, since its own formats record where packages came from.
Checking needs no network: every requirement of pyproject.toml must have a pin that satisfies it.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHON_SDK = ROOT / "tests/e2e/sdk/python/requirements.lock"
PYTHON_SDK_PIN = "featurehub-sdk==1.1.0"
NODE_SDK = ROOT / "tests/e2e/sdk/node/package-lock.json"

# Lock file → whether it holds the runtime dependencies, and which groups.
LOCKS: dict[str, tuple[bool, tuple[str, ...]]] = {
    "requirements.lock": (True, ("build",)),
    "requirements-dev.lock": (True, ("build", "dev")),
    "requirements-node.lock": (False, ("node",)),
    "requirements-ui.lock": (False, ("ui",)),
    "requirements-heavy.lock": (False, ("heavy",)),
    "requirements-docs.lock": (False, ("docs",)),
}
BEFORE: dict[str, tuple[str, ...]] = {
    "requirements-dev.lock": ("requirements.lock",),
    "requirements-ui.lock": ("requirements-dev.lock",),
    "requirements-heavy.lock": ("requirements-dev.lock",),
    "requirements-docs.lock": ("requirements-dev.lock", "requirements-heavy.lock"),
}
COMPILE = (
    *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-header"),
)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def faults() -> Iterator[str]:
    """Yield what is wrong with the locks, in words."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name, (runtime, groups) in LOCKS.items():
        wanted = list(project["project"]["dependencies"]) if runtime else []
        for group in groups:
            wanted += project["dependency-groups"][group]
        yield from _unmet(name, wanted)
        yield from _hosts(ROOT / name)
    yield from _hosts(PYTHON_SDK)
    for later, earlier in BEFORE.items():
        for name in earlier:
            yield from _differences(name, later)
    for path in sorted(ROOT.glob("**/package-lock.json")):
        if "node_modules" not in path.parts:
            yield from _npm_hosts(path)


def write(options: list[str]) -> None:
    """Resolve again; `--upgrade` moves pins, else only what pyproject.toml asks for changes."""
    for name, (runtime, groups) in LOCKS.items():
        sources = ["pyproject.toml"] if runtime else []
        chosen = [part for group in groups for part in ("--group", group)]
        # All go into one environment: the later locks take the pins of those before them.
        same = [part for before in BEFORE.get(name, ()) for part in ("-c", before)]
        _compile([*sources, *chosen, *same, *options, "-o", name])
    _compile([*options, "-", "-o", str(PYTHON_SDK)], given=PYTHON_SDK_PIN)


def _compile(arguments: list[str], *, given: str | None = None) -> None:
    command = [sys.executable, "-m", *COMPILE, *arguments]
    subprocess.run(command, check=True, cwd=ROOT, input=given, text=True, stdout=subprocess.DEVNULL)


def _pins(name: str) -> dict[str, str]:
    return {canonicalize_name(match[1]): match[2] for match in _PIN.finditer((ROOT / name).read_text())}


def _unmet(name: str, wanted: list[str]) -> Iterator[str]:
    pins = _pins(name)
    for text in wanted:
        requirement = Requirement(text)
        pin = pins.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(pin, prereleases=True):
            yield f"{name}: {text} is locked at {pin}; run: make lock"


def _differences(earlier: str, later: str) -> Iterator[str]:
    pins = _pins(later)
    whole = later == "requirements-dev.lock"  # it contains all that is needed to run
    for package, pin in _pins(earlier).items():
        if pins.get(package, None if whole else pin) != pin:
            yield f"{later}: {package} is {pins.get(package)}, but {earlier} has {pin}; run: make lock"


def _hosts(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if "://" in line:
            yield f"{path.relative_to(ROOT)}:{number} names a host"


def _npm_hosts(path: Path) -> Iterator[str]:
    for package, entry in json.loads(path.read_text())["packages"].items():
        shown = {key: value for key, value in entry.items() if key != "funding"}
        if "://" in json.dumps(shown) or "resolved" in entry:
            yield f"{path.relative_to(ROOT)}: {package or 'the root'} names a host"


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["write"]:
        write(arguments[1:])
    found = list(faults())
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
