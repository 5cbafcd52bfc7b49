"""Do the guarantee tests notice when what they guard is gone? `make guarantees-selftest`.

Each patch in `mutations/` removes one mechanism from a copy of the tree and names the test that must turn
red. The copy without any patch must pass those same tests. The tree itself is never touched, and the
product holds no switch for any of this.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = Path(__file__).parent / "mutations"
# What `make setup` installs and git does not know: used from where it is.
INSTALLED = (".venv", ".venv-sdk", "tests/e2e/sdk/node/node_modules")
TEST_SECONDS = 300
# What a guarantee's test may fail of: its own judgement, or a server that ended or refused under it.
JUDGEMENTS = ("AssertionError", "DeadlineMissed", "Refused", "ExceptionGroup", "SdkFailed", "SdkSilent")
PACKAGES = ("burgee", "common", "dacha", "edge", "edge_rest", "mr", "tests")


class Mutation(NamedTuple):
    """One patch and its header."""

    path: Path
    guarantee: str
    test: str
    removes: str

    @classmethod
    def read(cls, path: Path) -> "Mutation":
        lines = path.read_text().splitlines()
        header = dict(line.split(": ", 1) for line in lines[: lines.index("")])
        return cls(path, header["Guarantee"], header["Test"], header["Removes"])


class Outcome(NamedTuple):
    """How one run of one test ended."""

    passed: bool
    judged: bool
    told: str
    seconds: float


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of what git knows or would add, with the installed things linked into it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    with tempfile.TemporaryDirectory(prefix="burgee-mutation-") as name:
        copy = Path(name) / "tree"
        for entry in filter(None, listed.decode().split("\0")):
            if (ROOT / entry).is_file():
                (copy / entry).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / entry, copy / entry)
        for entry in INSTALLED:
            (copy / entry).parent.mkdir(parents=True, exist_ok=True)
            (copy / entry).symlink_to(ROOT / entry)
        _require_own_packages(copy)
        yield copy


def _environment(copy: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


def _require_own_packages(copy: Path) -> None:
    """Fail unless the copy's code is what runs there, whatever is installed."""
    asked = f"import {', '.join(PACKAGES)}; print(*(each.__path__[0] for each in ({', '.join(PACKAGES)})))"
    answer = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=copy,
        env=_environment(copy),
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    strangers = [path for path in answer if not Path(path).is_relative_to(copy)]
    if strangers:
        raise SystemExit(f"The copy would run {strangers}, not itself.")


def _patch(copy: Path, mutation: Mutation, *flags: str) -> None:
    subprocess.run(["git", "apply", *flags, str(mutation.path)], cwd=copy, check=True)


def run(copy: Path, tests: Sequence[str], log: Path) -> Outcome:
    """Run tests in the copy, their output going to `log`."""
    report, start = copy / "report.xml", time.monotonic()
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-x", f"--junitxml={report}", "--no-header", *tests]
    limit = TEST_SECONDS * len(tests)
    with log.open("w") as out:
        pytest = subprocess.Popen(
            [*command, "-p", "no:cacheprovider", f"--basetemp={copy.parent / 'basetemp'}"],
            cwd=copy,
            env=_environment(copy),
            stdout=out,
            stderr=out,
        )
        try:
            ended = pytest.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            # It ends the servers that it started; killed, it would leave them behind.
            pytest.terminate()
            pytest.wait()
            return Outcome(passed=False, judged=False, told=f"no end after {limit} s", seconds=limit)
    seconds = time.monotonic() - start
    failures = list(ET.parse(report).iter("failure")) if report.exists() else []  # noqa: S314 - ours
    message = " ".join(failures[0].get("message", "").split()) if failures else f"exit code {ended}"
    judged = ended == 1 and (message.startswith("assert ") or any(name in message for name in JUDGEMENTS))
    return Outcome(ended == 0, judged, message[:160], seconds)


def main() -> int:
    """Prove every mutation (or those whose name contains an argument); answer an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of patches; all by default")
    names = parser.parse_args().names
    mutations = [Mutation.read(path) for path in sorted(MUTATIONS.glob("*.patch"))]
    chosen = [each for each in mutations if not names or any(name in each.path.stem for name in names)]
    logs = Path(tempfile.mkdtemp(prefix="burgee-selftest-"))
    with copied_tree() as copy:
        tests = list(dict.fromkeys(mutation.test for mutation in chosen))
        sound = run(copy, tests, logs / "unpatched.log")
        _say("unpatched", sound.passed, f"{len(tests)} tests in {sound.seconds:.0f} s", sound.told)
        unproven = [] if sound.passed else ["unpatched"]
        unproven += [each.path.stem for each in chosen if not _is_noticed(copy, each, logs)]
    _print(f"\n{len(chosen)} mutations, not proven: {', '.join(unproven) or 'none'}. Logs: {logs}")
    return bool(unproven)


def _is_noticed(copy: Path, mutation: Mutation, logs: Path) -> bool:
    _patch(copy, mutation)
    try:
        outcome = run(copy, [mutation.test], logs / f"{mutation.path.stem}.log")
    finally:
        _patch(copy, mutation, "--reverse")
    noticed = outcome.judged and not outcome.passed
    _say(mutation.path.stem, noticed, f"{mutation.guarantee}, {outcome.seconds:.0f} s", outcome.told)
    return noticed


def _say(name: str, good: bool, facts: str, told: str) -> None:
    _print(f"{'ok  ' if good else 'BAD '} {name} ({facts}): {told}")


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
