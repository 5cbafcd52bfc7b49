"""A management API on a socket over a fresh database of each kind, checked against the oracle afterwards.

Whatever a test makes it answer is checked against its own OpenAPI document."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from argon2 import PasswordHasher

from common.serve import running
from common.web import Surroundings
from mr.app import mr_app, open_mr
from mr.auth.sessions import Sessions
from mr.db.session import Database, open_database
from mr.settings import MrSettings
from mr.system.schemas import SetupSiteAdmin
from mr.system.service import set_up
from tests.support.admin import EMAIL, PASSWORD, Admin, Application
from tests.support.openapi import Checked, description_of
from tests.support.people import add_person
from tests.support.projection import assert_projection_true


@dataclass(frozen=True)
class Api:
    """The API with its first administrator, and the database below it."""

    admin: Admin
    database: Database
    url: str
    http: aiohttp.ClientSession

    async def status(self, method: str, path: str, body: Any = None, **query: str) -> int:
        return (await self.admin.try_call(method, path, body, **query))[0]

    async def raw(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, str]:
        return await self.admin.try_call(method, path, body, **query)

    async def person(self, portfolio_id: str, **roles: Any) -> "Api":
        """The same API as somebody else."""
        token = await add_person(self.database, portfolio_id, **roles)
        return replace(self, admin=Admin(self.http, self.url, token))

    def stranger(self) -> "Api":
        return replace(self, admin=Admin(self.http, self.url, ""))


@asynccontextmanager
async def serving(url: str, **settings: Any) -> AsyncIterator[Api]:
    async with open_database(url) as database, open_mr(MrSettings(**settings), database) as mr:
        checked = Checked(mr_app(mr), description_of(mr.operations))
        async with running(Surroundings(checked)) as base, aiohttp.ClientSession() as http:
            yield Api(Admin(http, base), database, base, http)
        assert checked.faults == []


@pytest.fixture
def mr_settings() -> dict[str, Any]:
    """Settings of the server; a module that needs others overrides this."""
    return {}


@pytest.fixture
async def fresh(database_url: str, mr_settings: dict[str, Any]) -> AsyncIterator[Api]:
    """Before the first set-up."""
    async with serving(database_url, **mr_settings) as api:
        yield api
        await assert_projection_true(api.database)


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The administrator's, made once: it costs as much as the rest of a short test."""
    return PasswordHasher().hash(PASSWORD)


@pytest.fixture
async def api(fresh: Api, password_hash: str) -> Api:
    """Set up as over the API (which has tests of its own), and signed in as the first administrator."""
    wanted = SetupSiteAdmin(
        portfolio="First portfolio", organizationName="Burgee tests", emailAddress=EMAIL, name="Ada"
    )
    async with fresh.database.write() as session:
        person = await set_up(session, wanted, password_hash=password_hash, suffix="Administrators")
        fresh.admin.token = await Sessions(fresh.database, idle_hours=24, max_hours=168).begin(
            session, person
        )
    return fresh


@pytest.fixture
async def application(api: Api) -> Application:
    """An application in a portfolio of its own."""
    return await api.admin.create_application()


def decoded(text: str) -> Any:
    return json.loads(text)
