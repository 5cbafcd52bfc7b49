"""Hooks of the documentation site: what the documentation links to outside docs/ becomes part of the site.

Files keep their links as they are read in the repository; here `../compose/party.yaml` becomes
`source/compose/party.yaml`. Documents among those files become pages, everything else is copied as it is.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import TYPE_CHECKING, Final

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = "docs/"
# Where in the site the files outside docs/ are; mkdocs.yml names it.
SOURCE: Final = "source/"
_LINK: Final = re.compile(r"(\]\()([^)\s]+)(\))")
_FENCED: Final = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that documents name: those of docs/, those in mkdocs.yml, and whatever these name."""
    todo = [DOCS + page.src_uri for page in files.documentation_pages()]
    named = [*_named(config.nav), config.theme["logo"], config.theme["favicon"]]
    todo += [_in_repository(each) for each in named if each.startswith(SOURCE)]
    seen: set[str] = set()
    while todo:
        path = todo.pop()
        if path in seen or not (ROOT / path).is_file():
            continue
        seen.add(path)
        if not path.startswith(DOCS):
            files.append(File.generated(config, SOURCE + path, abs_src_path=str(ROOT / path)))
        if path.endswith(".md"):
            todo.extend(target for target, _ in _targets(path, (ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where their targets are in the site."""
    path = _in_repository(page.file.src_uri)

    def led(link: re.Match[str]) -> str:
        target = _target(path, link[2])
        if target is None:
            return link[0]
        place = target[0].removeprefix(DOCS) if target[0].startswith(DOCS) else SOURCE + target[0]
        here = PurePosixPath(page.file.src_uri).parent
        return f"{link[1]}{relpath(place, here)}{target[1]}{link[3]}"

    parts = _FENCED.split(markdown)
    return "".join(part if at % 2 else _LINK.sub(led, part) for at, part in enumerate(parts))


def _named(nav: object) -> Iterator[str]:
    """Yield the files that a navigation names."""
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for inner in nav.values():
            yield from _named(inner)
    elif isinstance(nav, list):
        for inner in nav:
            yield from _named(inner)


def _in_repository(uri: str) -> str:
    return uri.removeprefix(SOURCE) if uri.startswith(SOURCE) else DOCS + uri


def _targets(path: str, markdown: str) -> Iterator[tuple[str, str]]:
    for part in _FENCED.split(markdown)[::2]:
        for link in _LINK.finditer(part):
            target = _target(path, link[2])
            if target is not None:
                yield target


def _target(path: str, link: str) -> tuple[str, str] | None:
    """Return the file of the repository that a link in `path` leads to, and its anchor; None = elsewhere."""
    address, mark, anchor = link.partition("#")
    if not address or re.match(r"[a-z]+:|/", address):
        return None
    return normpath(str(PurePosixPath(path).parent / address)), mark + anchor
