"""A small typed client of the management API, as an administrator's script would use it.

Speaks the wire alone (contract: docs of the management API) and imports nothing of the product, so it
can drive any process. Methods raise `Refused` with the status unless told which statuses to expect, and
every answer is held against the document that the server itself publishes.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

from tests.support.description import Description
from tests.support.ledger import changes_of, ledger

EMAIL = "ada@burgee.example"
PASSWORD = "correct horse battery"
ALL_ROLES = ("READ", "LOCK", "UNLOCK", "CHANGE_VALUE", "EXTENDED_DATA")
UNSET: Any = object()

Json = dict[str, Any]
_names = count(1)
_description: Description | None = None


class Refused(AssertionError):
    """The API answered with an unexpected status."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path} answered {status}: {body[:400]}")
        self.status = status


@dataclass(frozen=True)
class Account:
    """A service account with both of its keys."""

    id: str
    client_key: str
    server_key: str

    def sdk_key(self, environment_id: str, *, client: bool) -> str:
        return f"{environment_id}/{self.client_key if client else self.server_key}"


@dataclass(frozen=True)
class Application:
    """An application of its own portfolio, with the environment that came with it."""

    portfolio_id: str
    id: str
    environment_id: str


@dataclass
class Admin:
    """A signed-in administrator."""

    http: aiohttp.ClientSession
    url: str
    token: str = ""
    _headers: dict[str, str] = field(default_factory=dict)

    # ------------------------------------------------------------------ the wire

    async def call(self, method: str, path: str, body: Any = None, *, expect: int = 200, **query: str) -> Any:
        """Answer the decoded body (None when there is none)."""
        status, answer = await self.try_call(method, path, body, **query)
        if status != expect:
            raise Refused(method, path, status, answer)
        return json.loads(answer) if answer else None

    async def try_call(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, str]:
        """Answer status and text, whatever they are."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["content-type"] = "application/json"
        async with self.http.request(
            method, f"{self.url}/mr-api{path}", data=data, headers=headers, params=query
        ) as answer:
            if answer.status < 300:
                ledger().changed(changes_of(method, body))
            text = await answer.text()
            description = await self._describe()
            fault = description.fault(
                method, f"/mr-api{path}", answer.status, answer.content_type if text else "", text.encode()
            )
            assert fault is None, fault
            return answer.status, text

    async def _describe(self) -> Description:
        """What the server says of its answers; all servers of a run are of one version."""
        global _description  # noqa: PLW0603
        if _description is None:
            async with self.http.get(f"{self.url}/mr-api/openapi.json") as answer:
                answer.raise_for_status()
                _description = Description(await answer.json())
        return _description

    async def initialize(self) -> Json:
        """Set the organisation up; the answer's token is used from now on."""
        answer: Json = await self.call(
            "POST",
            "/initialize",
            {
                "portfolio": "First portfolio",
                "organizationName": "Burgee tests",
                "emailAddress": EMAIL,
                "password": PASSWORD,
                "name": "Ada",
            },
        )
        self.token = answer["accessToken"]
        return answer

    async def login(self) -> None:
        answer = await self.call("POST", "/login", {"email": EMAIL, "password": PASSWORD})
        self.token = answer["accessToken"]

    async def enter(self) -> None:
        """Set up or sign in, whichever this server needs."""
        status, _ = await self.try_call("GET", "/initialize")
        await (self.login() if status == 200 else self.initialize())

    # ------------------------------------------------------------------ structure

    async def create_portfolio(self, name: str = "") -> str:
        name = name or f"Portfolio {next(_names)}"
        answer = await self.call("POST", "/portfolio", {"name": name, "description": name})
        portfolio_id: str = answer["id"]
        return portfolio_id

    async def create_application(self, portfolio_id: str = "", name: str = "") -> Application:
        """Create an application, in a portfolio of its own unless one is named."""
        portfolio_id = portfolio_id or await self.create_portfolio()
        name = name or f"Application {next(_names)}"
        answer = await self.call(
            "POST",
            f"/portfolio/{portfolio_id}/application",
            {"name": name, "description": name},
            includeEnvironments="true",
        )
        return Application(portfolio_id, answer["id"], answer["environments"][0]["id"])

    async def create_environment(self, application_id: str, name: str = "") -> str:
        name = name or f"environment-{next(_names)}"
        answer = await self.call(
            "POST", f"/application/{application_id}/environment", {"name": name, "description": name}
        )
        environment_id: str = answer["id"]
        return environment_id

    async def delete_environment(self, environment_id: str) -> None:
        await self.call("DELETE", f"/environment/{environment_id}")

    async def create_filter(self, portfolio_id: str, name: str = "") -> str:
        name = name or f"filter-{next(_names)}"
        answer = await self.call(
            "POST", f"/portfolio/{portfolio_id}/feature-filter", {"name": name}, expect=201
        )
        filter_id: str = answer["id"]
        return filter_id

    async def delete_filter(self, portfolio_id: str, filter_id: str) -> None:
        path = f"/portfolio/{portfolio_id}/feature-filter/{filter_id}"
        found = await self.call("GET", path)
        await self.call("DELETE", path, version=str(found["version"]))

    # ------------------------------------------------------------------ features

    async def create_feature(
        self, application_id: str, key: str, kind: str = "BOOLEAN", *, filters: Sequence[str] = ()
    ) -> str:
        """Create a feature definition; answer its id."""
        body: Json = {"key": key, "name": f"Feature {key}", "valueType": kind}
        if filters:
            body["featureFilter"] = list(filters)
        features = await self.call("POST", f"/application/{application_id}/features", body)
        return next(str(each["id"]) for each in features if each["key"] == key)

    async def feature(self, application_id: str, key: str) -> Json:
        found: Json = await self.call(
            "GET", f"/application/{application_id}/features/{key}", includeFilters="true"
        )
        return found

    async def change_feature(self, application_id: str, key: str, **changes: Any) -> None:
        """Change the definition: `key` renames it under `to`."""
        definition = await self.feature(application_id, key)
        if "to" in changes:
            changes["key"] = changes.pop("to")
        await self.call("PUT", f"/application/{application_id}/features/{key}", definition | changes)

    async def rename(self, application_id: str, key: str, to: str) -> None:
        await self.change_feature(application_id, key, to=to)

    async def delete_feature(self, application_id: str, key: str) -> None:
        await self.call("DELETE", f"/application/{application_id}/features/{key}")

    # ------------------------------------------------------------------ values

    async def value(self, environment_id: str, key: str) -> Json | None:
        """The value row as the API shows it; None when there is none yet."""
        status, text = await self.try_call("GET", f"/features/{environment_id}/feature/{key}")
        if status == 404:
            return None
        if status != 200:
            raise Refused("GET", f"/features/{environment_id}/feature/{key}", status, text)
        row: Json = json.loads(text)
        return row

    async def put(self, environment_id: str, key: str, row: Json, *, expect: int = 200) -> Json:
        answer: Json = await self.call("PUT", f"/features/{environment_id}/feature/{key}", row, expect=expect)
        return answer

    async def set(
        self,
        environment_id: str,
        key: str,
        value: Any = UNSET,
        *,
        locked: bool | None = None,
        retired: bool | None = None,
        strategies: Sequence[Mapping[str, Any]] | None = None,
    ) -> Json:
        """Change parts of a value on top of its current version; a new or locked one ends unlocked
        unless told otherwise."""
        row = await self.value(environment_id, key) or {"key": key, "version": 0}
        typed = ("valueString", "valueNumber", "valueBoolean", "valueJson")
        body: Json = {name: held for name, held in row.items() if name not in typed}
        body["locked"] = False if locked is None else locked
        if value is not UNSET:
            body["value"] = value
        if retired is not None:
            body["retired"] = retired
        if strategies is not None:
            body["rolloutStrategies"] = [dict(each) for each in strategies]
        return await self.put(environment_id, key, body)

    # ------------------------------------------------------------------ service accounts

    async def create_account(
        self,
        portfolio_id: str,
        environments: Mapping[str, Sequence[str]],
        *,
        filters: Sequence[str] = (),
        name: str = "",
    ) -> Account:
        """Create a service account with these roles per environment."""
        name = name or f"account-{next(_names)}"
        body: Json = {"name": name, "description": name, "permissions": _permissions(environments)}
        if filters:
            body["featureFilter"] = list(filters)
        answer = await self.call(
            "POST", f"/portfolio/{portfolio_id}/service-account", body, includePermissions="true"
        )
        return _account(answer)

    async def account(self, account_id: str) -> Json:
        found: Json = await self.call(
            "GET", f"/service-account/{account_id}", includePermissions="true", includeFilters="true"
        )
        return found

    async def change_account(
        self,
        account_id: str,
        *,
        environments: Mapping[str, Sequence[str]] | None = None,
        filters: Sequence[str] | None = None,
    ) -> None:
        """Replace roles and/or filters of an account."""
        body = await self.account(account_id)
        if environments is not None:
            body["permissions"] = _permissions(environments)
        if filters is not None:
            body["featureFilters"] = list(filters)
        await self.call(
            "PUT", f"/portfolio/{body['portfolioId']}/service-account", body, includePermissions="true"
        )

    async def reset_keys(self, account_id: str) -> Account:
        return _account(await self.call("POST", f"/service-account/{account_id}/reset-api-key"))

    async def delete_account(self, account_id: str) -> None:
        await self.call("DELETE", f"/service-account/{account_id}")


def _permissions(environments: Mapping[str, Sequence[str]]) -> list[Json]:
    return [
        {"environmentId": environment_id, "permissions": list(roles)}
        for environment_id, roles in environments.items()
    ]


def _account(answer: Json) -> Account:
    return Account(answer["id"], answer["apiKeyClientSide"], answer["apiKeyServerSide"])


@asynccontextmanager
async def open_admin(url: str, token: str = "") -> AsyncIterator[Admin]:
    """A client of the API at `url`; signs in unless a token is given."""
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        admin = Admin(http, url.rstrip("/"), token)
        if not token:
            await admin.enter()
        yield admin


def sign_in(url: str) -> str:
    """The token of a set-up administrator, for fixtures without an event loop."""

    async def enter() -> str:
        async with open_admin(url) as admin:
            return admin.token

    return asyncio.run(enter())


def strategy(
    name: str,
    value: Any,
    *attributes: Mapping[str, Any],
    percentage: int | None = None,
    percentage_attributes: Sequence[str] = (),
) -> Json:
    """A custom strategy as the API takes it; `percentage` in 1/10,000 of a percent."""
    made: Json = {"name": name, "value": value, "attributes": [dict(each) for each in attributes]}
    if percentage is not None:
        made["percentage"] = percentage
    if percentage_attributes:
        made["percentageAttributes"] = list(percentage_attributes)
    return made


def attribute(field_name: str, conditional: str, values: Sequence[Any], kind: str = "STRING") -> Json:
    """A condition of a strategy."""
    return {"fieldName": field_name, "conditional": conditional, "values": list(values), "type": kind}
