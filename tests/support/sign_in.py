"""A management API that knows identity providers, at an address that they know too."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from common.serve import running
from common.web import Surroundings
from mr.app import mr_app, open_mr
from mr.auth.sessions import Sessions
from mr.db.session import Database, open_database
from mr.settings import MrSettings
from mr.system.schemas import SetupSiteAdmin
from mr.system.service import set_up
from tests.support.admin import EMAIL, Admin
from tests.support.identity import Page, Visitor

LOOPBACK = "127.0.0.0/8"


@dataclass(frozen=True)
class SignInServer:
    """The API, its first administrator (signed in when there is one), and browsers for everybody else."""

    url: str
    database: Database
    http: aiohttp.ClientSession
    admin: Admin

    def visitor(self) -> Visitor:
        return Visitor(self.http)

    async def ask(self, visitor: Visitor, path: str) -> dict[str, Any]:
        """GET JSON as the visitor's page would, cookies included."""
        page = await visitor.get(f"{self.url}{path}")
        assert page.status == 200, page
        answer: dict[str, Any] = json.loads(page.text)
        return answer

    async def exchange(self, visitor: Visitor, page: Page) -> tuple[int, dict[str, Any]]:
        return await exchange_code(self.url, visitor, page)

    async def group(self, name: str, portfolio_id: str) -> UUID:
        made = await self.admin.call("POST", f"/portfolio/{portfolio_id}/group", {"name": name})
        return UUID(made["id"])


async def exchange_code(url: str, visitor: Visitor, page: Page) -> tuple[int, dict[str, Any]]:
    """Do what the user interface of the server at ``url`` does with the code in its address."""
    code = page.parameter("code")
    assert code is not None, page
    held = visitor.cookies.get(url.removeprefix("http://"), {})
    cookies = "; ".join(f"{name}={value}" for name, value in held.items())
    async with visitor.http.post(
        f"{url}/mr-api/burgee/sign-in-code", json={"code": code}, headers={"cookie": cookies}
    ) as answer:
        return answer.status, await answer.json(content_type=None)


@asynccontextmanager
async def sign_in_server(
    database_url: str, folder: Path, port: int, providers: str, *, new: bool = False, **settings: Any
) -> AsyncIterator[SignInServer]:
    """Serve on this port with these providers (TOML); ``new`` leaves the first set-up to the test."""
    file = folder / "providers.toml"
    file.write_text(providers)
    url = f"http://127.0.0.1:{port}"
    given = {
        "public_url": url,
        "sign_in_file": file,
        "outgoing_private_networks": (LOOPBACK,),
        **settings,
    }
    read = MrSettings(**given)
    assert [str(fault) for fault in read.contradictions()] == []
    async with (
        open_database(database_url) as database,
        open_mr(read, database) as mr,
        running(Surroundings(mr_app(mr)), port=port),
        aiohttp.ClientSession() as http,
    ):
        admin = Admin(http, url)
        if not new:
            await _first_administrator(database, admin)
        yield SignInServer(url, database, http, admin)


async def _first_administrator(database: Database, admin: Admin) -> None:
    wanted = SetupSiteAdmin(portfolio="First", organizationName="Acme", emailAddress=EMAIL, name="Ada")
    async with database.write() as session:
        person = await set_up(session, wanted, password_hash=None, suffix="Administrators")
        admin.token = await Sessions(database, idle_hours=24, max_hours=168).begin(session, person)
