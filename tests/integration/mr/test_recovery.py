"""`burgee admin recover`: the way back in for whoever has the database."""

import os
import subprocess
import sys

import pytest

from mr.settings import MrSettings
from mr.signin.recovery import NotRecovered, recover
from tests.support.admin import EMAIL, PASSWORD

LIN = {"email": "lin@burgee.example", "name": "Lin", "personType": "person"}


@pytest.fixture
def settings(database_url):
    return MrSettings(database_url=database_url)


async def exchange(api, code):
    body = {"code": code}
    return await api.http.post(f"{api.url}/mr-api/burgee/sign-in-code", json=body)


@pytest.fixture
def database_url(postgresql_url):
    """Beside a running server, which on SQLite must be stopped."""
    return postgresql_url


async def test_the_last_superuser_comes_back_by_a_link_that_works_once(api, settings):
    old = api.admin.token
    done = await recover(settings, None, None)
    assert (done.email, done.promoted, done.password_set) == (EMAIL, False, False)
    assert await api.status("GET", "/portfolio") == 401, "whoever was signed in is not any more"
    answer = await exchange(api, done.code)
    assert answer.status == 200
    api.admin.token = (await answer.json())["accessToken"]
    assert api.admin.token != old
    assert await api.status("GET", "/portfolio") == 200
    assert (await exchange(api, done.code)).status == 404
    assert (await api.raw("POST", "/login", {"email": EMAIL, "password": PASSWORD}))[0] == 200


async def test_anybody_can_be_made_a_superuser_with_a_new_password(api, settings):
    with pytest.raises(NotRecovered, match=f"Superusers: {EMAIL}"):
        await recover(settings, LIN["email"], None)
    lin = (await api.admin.call("POST", "/person", LIN))["personId"]
    await api.admin.call("DELETE", f"/person/{lin}")
    with pytest.raises(NotRecovered, match="at least 7"):
        await recover(settings, LIN["email"], "short")
    done = await recover(settings, LIN["email"].upper(), "another long one")
    assert done.promoted
    assert done.password_set
    credentials = {"email": LIN["email"], "password": "another long one"}
    signed_in = await api.admin.call("POST", "/login", credentials)
    assert "org_admin" in {each["name"] for each in signed_in["person"]["groups"]}
    with pytest.raises(NotRecovered, match="Name whom to let in"):
        await recover(settings, None, None)


async def test_the_command_prints_a_link(api, database_url):
    environment = {**os.environ, "BURGEE_DATABASE_URL": database_url, "BURGEE_LOG_LEVEL": "error"}
    ended = subprocess.run(
        [sys.executable, "-m", "burgee", "admin", "recover"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    link, _, code = ended.stdout.strip().partition("#code=")
    assert link == "http://localhost:8085/login"
    assert (await exchange(api, code)).status == 200


async def test_before_a_set_up_there_is_nobody_to_let_in(fresh, settings):
    with pytest.raises(NotRecovered, match="Nothing was set up"):
        await recover(settings, None, None)
