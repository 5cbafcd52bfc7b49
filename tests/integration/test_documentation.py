"""The documentation says what is: it builds, its links lead somewhere, its commands and settings exist."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

import typer.main
from typer.core import TyperGroup

from burgee.cli import app
from burgee.settings import every_name

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("compose/*.md"),
        *ROOT.glob("charts/*/*.md"),
    ]
)
# What was decided or changed then may have had other names.
PAST: Final = {"CHANGELOG.md", "DECISIONS.md"}
_LINK: Final = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<(https?://[^>\s]+)>")
_FENCED: Final = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`((?:burgee|make)(?: [^`]+)?)`")
_SETTING: Final = re.compile(r"\bBURGEE_[A-Z0-9_]*")
_ASKS_ELSEWHERE: Final = re.compile(r"<(?:script|img|iframe|link)[^>]+(?:src|href)=\"?(?:https?:)?//[^\">]*")
_NOT_RENDERED: Final = re.compile(r"<p>(?:(?!</p>).)*?\n(?:- |\* |\||```)[^\n]*", re.DOTALL)
# Read by the container images of compose/split.yaml, and by tests.
_NOT_OURS: Final = re.compile(r"BURGEE_(TEST_|DACHA_TOKEN$|EDGE_TOKEN$|NATS_(MR|DACHA|EDGE|PARTY)_PASSWORD$)")
# Words between backticks that are no command.
_NO_COMMANDS: Final = {"burgee bus 1 <cluster>"}
# The names that Kubernetes injects for a Service called burgee: settings.md says that they are ignored.
_INJECTED: Final = {"BURGEE_SERVICE_HOST"}


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


class Command(NamedTuple):
    """A command line of a document."""

    document: str
    words: list[str]

    def __str__(self) -> str:
        return f"{self.document}: {' '.join(self.words)}"


def _present() -> Iterator[Path]:
    yield from (path for path in DOCUMENTS if path.name not in PAST)


def _commands() -> Iterator[Command]:
    """Yield the calls of burgee and make in shell blocks and between backticks."""
    for path in _present():
        text = path.read_text()
        lines = [line for _, language, block in _FENCED.findall(text) for line in _lines(language, block)]
        inline = set(_INLINE.findall(_FENCED.sub("", text))) - _NO_COMMANDS
        for line in [*lines, *sorted(inline)]:
            for words in _calls(line):
                name = words[0].rsplit("/", 1)[-1]
                if name in ("burgee", "make"):
                    yield Command(_named(path), [name, *words[1:]])


def _lines(language: str, block: str) -> list[str]:
    whole = block.replace("\\\n", " ").splitlines()
    if language == "console":
        return [line.strip()[2:] for line in whole if line.strip().startswith("$ ")]
    return whole if language in ("sh", "bash") else []


def _calls(line: str) -> Iterator[list[str]]:
    """Split a line into its commands; what is no shell (a placeholder in brackets) stays a word."""
    words = re.sub(r"#.*", "", line).replace("$(", " ; ").replace("<", "'<").replace(">", ">'")
    try:
        lexer = shlex.shlex(words, posix=True, punctuation_chars=";|&")
        lexer.whitespace_split = True
        tokens = list(lexer)
    except ValueError:  # a text over several lines
        tokens = line.split()
    call: list[str] = []
    for token in [*tokens, ";"]:
        if token and set(token) <= set(";|&"):
            if call:
                yield call
            call = []
        elif call or not (re.match(r"[A-Za-z_]+=", token) or token in ("exec", "sudo", "time")):
            call.append(token)


def _fault(words: list[str]) -> str | None:
    """Walk through the command line as the command itself would, and say what it does not know."""
    command = typer.main.get_command(app)
    rest = [word for word in words if not word.startswith(("<", "[", "…", "|"))]
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    unknown = [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]
    return f"no option {unknown[0]}" if unknown else None


def test_every_command_that_a_document_names_exists() -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong, tried = [], 0
    for command in _commands():
        tried += 1
        if command.words[0] == "make":
            missing = [
                word for word in command.words[1:] if re.fullmatch(r"[a-z-]+", word) and word not in verbs
            ]
            wrong += [f"{command}: no verb {word}" for word in missing]
        elif fault := _fault(command.words[1:]):
            wrong.append(f"{command}: {fault}")
    assert tried > 50
    assert not wrong, "\n".join(wrong)


def test_every_setting_that_a_document_names_exists() -> None:
    known = every_name() | _INJECTED
    wrong = []
    for path in _present():
        for name in set(_SETTING.findall(path.read_text())):
            is_family = name.endswith("_") and any(each.startswith(name) for each in known)
            if name not in known and not is_family and not _NOT_OURS.match(name):
                wrong.append(f"{_named(path)}: {name}")
    assert not wrong, "\n".join(sorted(wrong))


def test_every_file_that_a_command_names_exists() -> None:
    wrong = [
        f"{_named(path)}: {name}"
        for path in _present()
        for _, language, block in _FENCED.findall(path.read_text())
        for line in _lines(language, block)
        for name in re.findall(r"(?:^|\s)((?:compose|charts|docs)/[\w./-]+)", line)
        if not (ROOT / name).exists()
    ]
    assert not wrong, "\n".join(wrong)


@cache
def _anchors(path: Path) -> frozenset[str]:
    """Name the anchors of a document: its headings, numbered where they repeat."""
    text = _FENCED.sub("", path.read_text())
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        ascii_alone = normalize("NFKD", plain).encode("ascii", "ignore").decode()
        slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_alone).strip().lower())
        found[slug] = found.get(slug, -1) + 1
    numbered = {f"{slug}_{number}" for slug, most in found.items() for number in range(1, most + 1)}
    return frozenset(found) | numbered


def _lost(path: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        parts = urlsplit(link)
        return not (parts.scheme in ("http", "https", "mailto") and (parts.netloc or parts.path))
    address, _, anchor = link.partition("#")
    target = path if not address else (path.parent / unquote(address)).resolve()
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in _anchors(target)


def test_every_link_leads_to_a_file_and_a_heading_that_exist() -> None:
    wrong, tried = [], 0
    for path in DOCUMENTS:
        for pair in _LINK.findall(_FENCED.sub("", path.read_text())):
            link = pair[0] or pair[1]
            tried += 1
            if _lost(path, link):
                wrong.append(f"{_named(path)}: {link}")
    assert tried > 300
    assert not wrong, "\n".join(wrong)


def test_the_site_builds_without_a_warning_reads_as_meant_and_asks_nobody_else(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {page.relative_to(tmp_path): page.read_text() for page in tmp_path.rglob("*.html")}
    assert len(pages) > 30
    asking = [f"{page}: {asks}" for page, text in pages.items() for asks in _ASKS_ELSEWHERE.findall(text)]
    assert not asking, "\n".join(asking)
    # The site's Markdown wants an empty line before lists and tables; without it they are read as text.
    raw = [f"{page}: {found}" for page, text in pages.items() for found in _NOT_RENDERED.findall(text)]
    assert not raw, "\n".join(raw)
