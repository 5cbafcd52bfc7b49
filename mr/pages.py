"""The admin interface as files: what browsers get at `/` and below, where nothing else is served.

Knows no subject: the interface is a client of the operations like any other. What is served was built by
`make ui` and stays in memory, text already compressed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from mimetypes import guess_type
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

BUILT: Final = Path(__file__).parent / "ui" / "dist"

# What programs ask for. A mistake there is answered to programs, never with a page.
_FOR_PROGRAMS: Final = frozenset(
    {"mr-api", "features", "health", "info", "internal", "metrics", "oauth", "saml"}
)
# The component library sets its theme's variables in a style element, hence inline styles.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_GUARDED: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_ASK_AGAIN: Final = {"Cache-Control": "no-cache"}

_NOT_BUILT: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Burgee</title><meta name="viewport" content="width=device-width">
<style>body { font: 1rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto }</style>
</head>
<body>
<h1>Burgee</h1>
<p>This feature-flag server runs, but its web interface was not built. In the folder of the source:</p>
<pre>make ui</pre>
<p>Then start the server again. Everything else works: the management API is described at
<a href="mr-api/openapi.json">mr-api/openapi.json</a>.</p>
</body>
</html>
"""


@dataclass(frozen=True)
class _File:
    body: bytes
    gzipped: bytes | None
    media_type: str
    etag: str
    headers: Mapping[str, str]

    def answer(self, request: Headers) -> Response:
        headers = {**self.headers, "ETag": self.etag}
        if self.gzipped is not None:
            headers["Vary"] = "Accept-Encoding"
        if self.etag in request.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = self.body
        if self.gzipped is not None and "gzip" in request.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = self.gzipped, "gzip"
        return Response(body, headers=headers, media_type=self.media_type)


class AdminPages(Route):
    """One route for everything that a browser may navigate to or load; it matches nothing else.

    A path that is no file is the interface's own and gets its page, if a browser navigates there.
    """

    def __init__(self, files: Mapping[str, _File], page: _File) -> None:
        super().__init__("/{page:path}", self.serve, methods=["GET"])
        self._files = files
        self._page = page

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return Match.NONE, {}
        match, found = super().matches(scope)
        if match is not Match.FULL or self._found(scope) is None:
            return Match.NONE, {}
        return match, {**found, "route": self}

    async def serve(self, request: Request) -> Response:
        file = self._found(request.scope)
        assert file is not None  # noqa: S101 - `matches` has seen it
        return file.answer(request.headers)

    def _found(self, scope: Scope) -> _File | None:
        path = scope["path"].lstrip("/")
        if path in self._files:
            return self._files[path]
        if path.partition("/")[0] in _FOR_PROGRAMS or path.startswith("assets/"):
            return None
        navigating = path == "" or "text/html" in Headers(scope=scope).get("accept", "")
        return self._page if navigating else None


def admin_pages(public_url: str | None, *, folder: Path = BUILT) -> AdminPages:
    """Read the built interface; blocks. Without one, a page says how to build it.

    `public_url`: where people reach this server. Its path, if it has one, is that of all addresses.
    """
    index = folder / "index.html"
    if not index.is_file():
        return AdminPages({}, _page(_NOT_BUILT))
    files = {
        path.relative_to(folder).as_posix(): _file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in {".gz", ".html"} and not path.name.startswith(".")
    }
    base = urlsplit(public_url or "").path.rstrip("/") + "/"
    text = index.read_text().replace('<base href="/"', f'<base href="{escape(base)}"')
    return AdminPages(files, _page(text))


def _page(text: str) -> _File:
    body = text.encode()
    return _File(body, None, "text/html; charset=utf-8", _etag(body), {**_GUARDED, **_ASK_AGAIN})


def _file(path: Path) -> _File:
    body, compressed = path.read_bytes(), path.with_name(path.name + ".gz")
    hashed = path.parent.name == "assets"
    return _File(
        body,
        compressed.read_bytes() if compressed.is_file() else None,
        guess_type(path.name)[0] or "application/octet-stream",
        _etag(body),
        {"X-Content-Type-Options": "nosniff", **(_FOR_EVER if hashed else _ASK_AGAIN)},
    )


def _etag(body: bytes) -> str:
    return f'"{sha256(body).hexdigest()[:32]}"'
