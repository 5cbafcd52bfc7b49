"""Bodies, paths and problem documents: the rules that hold for every operation."""

import json
import re

import pytest
from yarl import URL

from tests.integration.mr.conftest import serving


async def test_an_odd_path_id_is_404_even_with_an_odd_body(api):
    for odd in ("x", "123", "6f1f7c2e4b0a4f639d6c0d1d9d3b7a11", "{6f1f7c2e-4b0a-4f63-9d6c-0d1d9d3b7a11}"):
        assert await api.status("PUT", f"/portfolio/{odd}", b"{") == 404
        assert await api.status("GET", f"/service-account/{odd}") == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"name":NaN,"description":"d"}',
        b'{"name":"\\ud800","description":"d"}',
        b'{"name":"nul \\u0000","description":"d"}',
        b'{"name":"bell \\u0007","description":"d"}',
        b'{"name":"\xff","description":"d"}',
        b'{"description":"d"}',
        b'{"name":"n","description":"d","x":' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"name":"n","description":"d","x":' + b"9" * 5000 + b"}",
    ],
)
async def test_a_body_that_cannot_be_meant_is_400(api, body):
    status, text = await api.raw("POST", "/portfolio", body)
    assert status == 400
    problem = json.loads(text)
    assert problem["status"] == 400
    assert problem["type"].startswith("urn:burgee:problem:")


async def test_a_body_over_the_limit_is_400(database_url):
    async with serving(database_url, max_body_bytes=2000) as api:
        await api.admin.initialize()
        body = {"name": "n", "description": "d" * 3000}
        assert await api.status("POST", "/portfolio", body) == 400


async def test_nul_in_paths_and_queries_finds_nothing(api, application):
    headers = {"authorization": f"Bearer {api.admin.token}"}
    for path, status in (
        (f"/application/{application.id}/features/%00", 404),
        (f"/features/{application.environment_id}/feature/a%00b", 404),
        ("/portfolio?filter=%00", 400),
    ):
        url = URL(f"{api.url}/mr-api{path}", encoded=True)
        async with api.http.get(url, headers=headers) as answer:
            assert answer.status == status


async def test_answers_are_not_kept_by_caches(api):
    headers = {"authorization": f"Bearer {api.admin.token}"}
    async with api.http.get(f"{api.url}/mr-api/portfolio", headers=headers) as answer:
        assert answer.headers["cache-control"] == "no-store"


async def test_a_version_beyond_any_is_just_not_there(api, application):
    await api.admin.create_feature(application.id, "F")
    for version in (10**25, -(10**25)):
        body = {"key": "F", "locked": False, "value": True, "version": version}
        assert await api.status("PUT", f"/features/{application.environment_id}/feature/F", body) == 409


async def test_an_odd_query_is_400(api):
    assert await api.status("GET", "/portfolio", includeGroups="perhaps") == 400
    assert await api.status("GET", "/portfolio", order="SIDEWAYS") == 400


async def test_faults_are_named_without_repeating_what_was_sent(api):
    status, text = await api.raw("POST", "/portfolio", {"name": {"secret": "s3cret"}, "description": "d"})
    assert status == 400
    assert json.loads(text)["errors"][0]["field"] == "name"
    assert "s3cret" not in text


async def test_null_is_absent_and_unknown_members_are_ignored(api):
    answer = await api.admin.call(
        "POST", "/portfolio", {"name": 5, "description": "d", "organizationId": None, "colour": "red"}
    )
    assert answer["name"] == "5"
    assert "organizationId" in answer


async def test_answers_have_no_nulls_and_all_arrays(api, application):
    status, text = await api.raw("GET", f"/application/{application.id}")
    assert status == 200
    assert "null" not in text
    answer = json.loads(text)
    assert answer["groups"] == answer["features"] == answer["environments"] == []


async def test_paths_are_not_redirected(api):
    async with api.http.get(
        f"{api.url}/mr-api/portfolio/",
        headers={"authorization": f"Bearer {api.admin.token}"},
        allow_redirects=False,
    ) as answer:
        assert answer.status == 404
    assert await api.status("PATCH", "/portfolio") == 405


async def test_the_documents_and_the_page_are_open(api):
    stranger = api.stranger()
    newest = await stranger.admin.call("GET", "/openapi.json")
    assert newest["openapi"].startswith("3.1")
    older = await stranger.admin.call("GET", "/openapi-3.0.json")
    assert older["openapi"].startswith("3.0")
    assert '"null"' not in json.dumps(older)
    async with api.http.get(api.url + "/") as page:
        assert page.status == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        # No script stands in the page itself: its policy would refuse it.
        assert not re.search(r"<script(?![^>]*\bsrc=)", await page.text())
    async with api.http.get(api.url + "/info/version") as info:
        assert (await info.json())["name"] == "management-repository"


async def test_a_database_that_is_gone_is_503(postgresql_url, postgres_server):
    name = postgresql_url.rpartition("/")[2]
    async with serving(postgresql_url) as api:
        await api.admin.initialize()
        postgres_server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        postgres_server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        assert await api.status("GET", "/portfolio") == 503
        postgres_server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert await api.status("GET", "/portfolio") == 200
