"""A browser's session survives a reload by a cookie that opens one operation, and nothing else."""

from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from sqlalchemy import select, update

from mr.auth.sessions import hash_token
from mr.db.models.base import utc_now
from mr.db.models.people import LoginSession, Person
from tests.integration.mr.conftest import Api
from tests.support.admin import EMAIL

PATH = "/mr-api/burgee/session"


async def ask(api: Api, *, token: str = "", secret: str = "", **headers: str) -> Any:
    """What a page of the server sends, unless `headers` say otherwise."""
    told = {"origin": api.url} | {name.replace("_", "-"): text for name, text in headers.items()}
    if token:
        told["authorization"] = f"Bearer {token}"
    if secret:
        told["cookie"] = f"burgee-session={secret}"
    async with api.http.post(api.url + PATH, headers={k: v for k, v in told.items() if v}) as answer:
        body = await answer.json()
        cookie = SimpleCookie(answer.headers.get("set-cookie", "")).get("burgee-session")
        return answer.status, body, cookie


async def kept(api: Api) -> tuple[str, str]:
    """The token and the secret of somebody who has just signed in."""
    status, body, cookie = await ask(api, token=api.admin.token)
    assert status == 200
    return body["accessToken"], cookie.value


async def status_with(api: Api, token: str, **headers: str) -> int:
    told = headers | ({"authorization": f"Bearer {token}"} if token else {})
    async with api.http.get(f"{api.url}/mr-api/portfolio", headers=told) as answer:
        return answer.status


async def test_a_fresh_sign_in_is_exchanged_for_a_session_that_the_cookie_renews(api):
    status, body, cookie = await ask(api, token=api.admin.token)
    assert status == 200
    assert body["person"]["email"] == EMAIL
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", PATH)
    assert 7 * 24 * 3600 - 60 < int(cookie["max-age"]) <= 7 * 24 * 3600
    assert await status_with(api, body["accessToken"]) == 200
    assert await status_with(api, api.admin.token) == 401, "the first token has seen the page's script"
    status, again, _ = await ask(api, secret=cookie.value)
    assert (status, again["accessToken"]) == (200, body["accessToken"]), "every tab gets the same token"


async def test_the_cookie_authenticates_no_call(api):
    token, secret = await kept(api)
    assert await status_with(api, "", cookie=f"burgee-session={secret}") == 401
    assert await status_with(api, secret) == 401
    assert secret not in token
    async with api.database.read() as session:
        hashes = set(await session.scalars(select(LoginSession.token_hash)))
    assert hash_token(secret) not in hashes


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
async def test_other_pages_are_refused(api, headers):
    token, secret = await kept(api)
    for given in ({"secret": secret}, {"token": token}):
        status, body, cookie = await ask(api, **given, **headers)
        assert (status, body["type"], cookie) == (403, "urn:burgee:problem:foreign-page", None)


async def test_a_secret_is_replaced_after_a_while_and_other_tabs_have_time_to_notice(api):
    token, secret = await kept(api)
    async with api.database.write() as session:
        await session.execute(update(LoginSession).values(created_at=utc_now() - timedelta(minutes=11)))
    status, body, cookie = await ask(api, secret=secret)
    assert status == 200
    assert cookie.value != secret
    assert body["accessToken"] != token
    assert await status_with(api, token) == 200
    async with api.database.read() as session:
        ends = sorted((await session.scalars(select(LoginSession.expires_at))).all())
    assert ends[0] - utc_now() <= timedelta(seconds=60)
    assert ends[-1] - utc_now() > timedelta(days=6), "the absolute end stays"


async def test_two_tabs_that_come_back_at_once_do_not_end_the_session(api):
    _, secret = await kept(api)
    async with api.database.write() as session:
        await session.execute(update(LoginSession).values(created_at=utc_now() - timedelta(minutes=11)))
    _, first, first_cookie = await ask(api, secret=secret)
    status, second, second_cookie = await ask(api, secret=secret)
    assert status == 200
    assert await status_with(api, second["accessToken"]) == 200
    # The browser keeps what it was told last: that has to be what lasts.
    browser = (second_cookie or first_cookie).value
    async with api.database.write() as session:
        in_grace = LoginSession.expires_at < utc_now() + timedelta(minutes=2)
        past = utc_now() - timedelta(seconds=1)
        await session.execute(update(LoginSession).where(in_grace).values(expires_at=past))
    status, later, _ = await ask(api, secret=browser)
    assert status == 200, "after the former secret's time the browser still is signed in"
    assert later["accessToken"] == first["accessToken"]


async def test_renewing_does_not_move_the_absolute_end(api):
    soon = utc_now() + timedelta(hours=1)
    async with api.database.write() as session:
        await session.execute(update(LoginSession).values(expires_at=soon))
    _, secret = await kept(api)
    async with api.database.write() as session:
        await session.execute(update(LoginSession).values(created_at=utc_now() - timedelta(minutes=11)))
    status, _, cookie = await ask(api, secret=secret)
    assert status == 200
    assert int(cookie["max-age"]) <= 3600
    async with api.database.read() as session:
        assert max(await session.scalars(select(LoginSession.expires_at))) == soon


async def test_a_session_that_was_idle_for_too_long_is_not_renewed_and_the_cookie_goes(api):
    _, secret = await kept(api)
    async with api.database.write() as session:
        await session.execute(update(LoginSession).values(last_seen_at=utc_now() - timedelta(hours=25)))
    status, _, cookie = await ask(api, secret=secret)
    assert status == 401
    assert cookie["max-age"] == "0"


async def test_signing_out_ends_the_session_and_drops_the_cookie(api):
    token, secret = await kept(api)
    headers = {"authorization": f"Bearer {token}"}
    async with api.http.get(f"{api.url}/mr-api/logout", headers=headers) as answer:
        assert answer.status == 204
        assert "burgee-session=" in answer.headers["set-cookie"]
        assert f"Path={PATH}" in answer.headers["set-cookie"]
    assert (await ask(api, secret=secret))[0] == 401


async def test_a_temporary_password_is_replaced_before_a_session_is_kept(api):
    async with api.database.write() as session:
        await session.execute(update(Person).values(password_requires_reset=True))
    assert (await ask(api, token=api.admin.token))[0] == 401


async def test_a_permanent_token_is_not_for_browsers(api):
    account = {"name": "robot", "personType": "serviceAccount"}
    token = (await api.admin.call("POST", "/person", account))["token"]
    assert (await ask(api, token=token))[0] == 401


async def test_without_a_cookie_nobody_is_signed_in(api):
    assert (await ask(api))[0] == 401
    assert (await ask(api, secret="made-up"))[0] == 401


class TestBelowAPath:
    """The public address has a path and is encrypted."""

    @pytest.fixture
    def mr_settings(self) -> dict[str, Any]:
        return {"public_url": "https://flags.example/burgee"}

    async def test_the_cookie_is_for_that_path_and_never_sent_in_the_clear(self, api):
        headers = {"origin": "https://flags.example", "authorization": f"Bearer {api.admin.token}"}
        async with api.http.post(api.url + PATH, headers=headers) as answer:
            assert answer.status == 200
            cookie = SimpleCookie(answer.headers["set-cookie"])["__Secure-burgee-session"]
        assert (cookie["path"], cookie["secure"]) == (f"/burgee{PATH}", True)
