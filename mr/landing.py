"""The page at `/`: says what this server is and where its API is described.

Stands here until the web user interface is part of a release. Static, without scripts.
"""

from __future__ import annotations

from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Burgee</title>
<style>
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem;
        color: #1c2733; background: #fbfbf9; }}
h1 {{ font-weight: 600; }}
code {{ background: #eceae3; padding: 0 .3em; border-radius: .2em; }}
a {{ color: #0b5a7d; }}
@media (prefers-color-scheme: dark) {{
  body {{ color: #e6e8ea; background: #14181c; }} code {{ background: #2a3037; }} a {{ color: #7cc4e4; }}
}}
</style>
</head>
<body>
<h1>Burgee</h1>
<p>This is a feature-flag server, version {version}. It is running.</p>
<p>This release is driven through its management API; the web user interface is not part of it yet.</p>
<ul>
<li>Management API: <a href="/mr-api/openapi.json">OpenAPI 3.1</a>,
    <a href="/mr-api/openapi-3.0.json">OpenAPI 3.0</a></li>
<li>Set-up state: <a href="/mr-api/initialize"><code>GET /mr-api/initialize</code></a></li>
<li>Health: <a href="/health/readiness">readiness</a>, <a href="/health/liveness">liveness</a></li>
<li>Version: <a href="/info/version"><code>/info/version</code></a></li>
</ul>
</body>
</html>
"""

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def landing_route(version: str) -> Route:
    """Serve the page at `/`."""
    page = _PAGE.format(version=escape(version))

    async def landing(_request: Request) -> Response:
        return HTMLResponse(page, headers=_HEADERS)

    return Route("/", landing)
