"""The admin interface is served where browsers navigate, and stays out of the way of programs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from gzip import compress
from pathlib import Path

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from common.serve import running
from mr.pages import admin_pages

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = "assets/index-abc.js"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / SCRIPT).write_text("console.log('flag')\n" * 20)
    (tmp_path / f"{SCRIPT}.gz").write_bytes(compress((tmp_path / SCRIPT).read_bytes()))
    (tmp_path / "burgee.svg").write_text("<svg/>")
    (tmp_path / "index.html").write_text('<!doctype html><base href="/" /><div id="root"></div>')
    return tmp_path


@asynccontextmanager
async def serving(folder: Path, public_url: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    async def answer(_request):
        return PlainTextResponse("the API")

    routes = [Route("/mr-api/thing", answer), admin_pages(public_url, folder=folder)]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    async with running(app) as url, aiohttp.ClientSession(url, auto_decompress=False) as http:
        yield http


async def test_a_navigation_gets_the_page_whatever_screen_it_names(built):
    async with serving(built) as http:
        for path in ("/", "/users", "/manage-user/1234", "/register-url?token=x"):
            async with http.get(path, headers=BROWSER) as answer:
                assert answer.status == 200
                assert answer.content_type == "text/html"
                assert 'id="root"' in await answer.text()
                assert answer.headers["cache-control"] == "no-cache"


async def test_the_page_allows_nothing_but_this_server(built):
    async with serving(built) as http, http.get("/", headers=BROWSER) as answer:
        policy = dict(each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == policy["base-uri"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_assets_are_kept_for_ever_and_come_compressed(built):
    async with serving(built) as http:
        async with http.get(f"/{SCRIPT}", headers={"accept-encoding": "gzip, br"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.content_type == "text/javascript"
            assert await answer.read() == (built / f"{SCRIPT}.gz").read_bytes()
            etag = answer.headers["etag"]
        async with http.get(f"/{SCRIPT}", headers={"accept-encoding": "identity"}) as answer:
            assert "content-encoding" not in answer.headers
            assert await answer.read() == (built / SCRIPT).read_bytes()
        async with http.get(f"/{SCRIPT}", headers={"if-none-match": etag}) as answer:
            assert answer.status == 304


async def test_programs_never_get_a_page(built):
    async with serving(built) as http:
        for path in ("/mr-api/nothing", "/features/x", "/health/nothing", "/info/x", "/saml/x", "/oauth/x"):
            assert (await http.get(path, headers=BROWSER)).status == 404
        assert (await http.get("/nothing", headers={"accept": "application/json"})).status == 404
        assert (await http.post("/users", headers=BROWSER)).status == 404
        assert (await http.get("/assets/gone.js", headers=BROWSER)).status == 404
        assert await (await http.get("/mr-api/thing", headers=BROWSER)).text() == "the API"


@pytest.mark.parametrize(
    "path", ["/../secrets", "/assets/../../secrets", "/%2e%2e/secrets", "/assets%2f..%2fsecrets"]
)
async def test_nothing_outside_of_the_folder_can_be_had(built, path):
    (built.parent / "secrets").write_text("no")
    async with serving(built) as http:
        answer = await http.get(path, headers={"accept": "*/*"})
        assert answer.status == 404


async def test_below_a_path_all_addresses_begin_with_it(built):
    async with serving(built, "https://flags.example/burgee/") as http:
        assert '<base href="/burgee/"' in await (await http.get("/", headers=BROWSER)).text()


async def test_without_a_built_interface_the_page_says_how_to_build_it(tmp_path):
    async with serving(tmp_path) as http, http.get("/", headers=BROWSER) as answer:
        assert answer.status == 200
        assert "make ui" in await answer.text()
