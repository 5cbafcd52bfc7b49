"""The example organisation of `make demo`, made through the public management API.

Talks to a running server like any other client, so what it shows is what users can do. Running it
again finds what is there and prints the same lines.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from common.errors import Mendable

EMAIL: Final = "demo@burgee.example"
PORTFOLIO: Final = "Example shop"
APPLICATION: Final = "Storefront"
ACCOUNT: Final = "storefront"
FEATURES: Final = (
    ("NEW_CART", "The new cart", "BOOLEAN"),
    ("MAX_ITEMS", "Items in one order", "NUMBER"),
    ("BANNER", "Text over the shop", "STRING"),
    ("SHIPPING", "Shipping options", "JSON"),
)
VALUES: Final[dict[str, Any]] = {
    "MAX_ITEMS": 25,
    "BANNER": "Welcome!",
    "SHIPPING": '{"express": true, "countries": ["new_zealand", "turkey"]}',
}


class SeedRefused(Mendable):
    """The server answered something that leaves no way to go on; the message says what."""


@dataclass(frozen=True)
class Seeded:
    """What a visitor needs to try the server."""

    url: str
    email: str
    password: str
    client_key: str
    server_key: str

    def instructions(self) -> str:
        """Lines to paste into a terminal."""
        return f"""
  Management API   {self.url}/mr-api   (OpenAPI: {self.url}/mr-api/openapi.json)
  Login            {self.email}   password {self.password}
  API keys         {self.client_key}   (the SDK evaluates)
                   {self.server_key}   (the server evaluates)

  Poll:    curl -i '{self.url}/features?apiKey={self.server_key}' \\
             -H 'x-featurehub: country=turkey,userkey=fred'
  Stream:  curl -N '{self.url}/features/{self.client_key}'
  Update:  curl -i -X PUT '{self.url}/features/{self.server_key}/NEW_CART' \\
             -H 'content-type: application/json' -d '{{"lock":false,"updateValue":true,"value":true}}'
  Log in:  curl -s '{self.url}/mr-api/login' -H 'content-type: application/json' \\
             -d '{{"email":"{self.email}","password":"{self.password}"}}'
"""


class _Api:
    """The few calls that seeding needs; anything but success ends it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.token = ""

    async def call(self, method: str, path: str, body: object = None, **query: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with self._session.request(
            method, f"{self._url}/mr-api{path}", json=body, params=query, headers=headers
        ) as answer:
            if answer.status >= 300:
                raise SeedRefused(f"{method} /mr-api{path} answered {answer.status}")
            return await answer.json()

    async def initialized(self) -> bool:
        async with self._session.get(f"{self._url}/mr-api/initialize") as answer:
            return answer.status == 200


async def seed(url: str, data_dir: Path) -> Seeded:
    """Make the example organisation at ``url``, or find the one made before.

    The generated password is kept in ``data_dir``/demo.json, readable by its owner alone. Raises
    `SeedRefused` when the server already belongs to somebody else's organisation.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        api = _Api(session, url.rstrip("/"))
        password = await _sign_in(api, data_dir / "demo.json")
        portfolio = _named(await api.call("GET", "/portfolio"), PORTFOLIO)
        application = await _application(api, portfolio["id"])
        environments = await api.call("GET", f"/application/{application['id']}/environment")
        test = _named(environments, "test")
        account = await _account(api, portfolio["id"], [each["id"] for each in environments])
        return Seeded(
            url=url.rstrip("/"),
            email=EMAIL,
            password=password,
            client_key=f"{test['id']}/{account['apiKeyClientSide']}",
            server_key=f"{test['id']}/{account['apiKeyServerSide']}",
        )


async def _sign_in(api: _Api, notes: Path) -> str:
    if not await api.initialized():
        password = secrets.token_urlsafe(12)
        _write_private(notes, json.dumps({"email": EMAIL, "password": password}))
        setup = {
            "organizationName": "Example Ltd",
            "portfolio": PORTFOLIO,
            "emailAddress": EMAIL,
            "password": password,
            "name": "Demo Admin",
        }
        api.token = (await api.call("POST", "/initialize", setup))["accessToken"]
        return password
    if not notes.exists():
        raise SeedRefused("this server has an organisation already, and it is not the example one")
    password = json.loads(notes.read_text())["password"]
    login = await api.call("POST", "/login", {"email": EMAIL, "password": password})
    api.token = login["accessToken"]
    return str(password)


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _find(items: list[Any], name: str) -> Any | None:
    return next((each for each in items if each["name"] == name), None)


def _named(items: list[Any], name: str) -> Any:
    found = _find(items, name)
    if found is None:
        raise SeedRefused(f"{name} is gone; remove the data folder to start again")
    return found


async def _application(api: _Api, portfolio_id: str) -> Any:
    path = f"/portfolio/{portfolio_id}/application"
    found = _find(await api.call("GET", path), APPLICATION)
    if found is not None:
        return found
    application = await api.call("POST", path, {"name": APPLICATION, "description": "An example"})
    await api.call(
        "POST",
        f"/application/{application['id']}/environment",
        {"name": "test", "description": "Where changes are tried", "production": False},
    )
    for key, name, value_type in FEATURES:
        await api.call(
            "POST",
            f"/application/{application['id']}/features",
            {"key": key, "name": name, "valueType": value_type, "description": name},
        )
    environments = await api.call("GET", f"/application/{application['id']}/environment")
    await _values(api, _named(environments, "test")["id"])
    return application


async def _values(api: _Api, environment_id: str) -> None:
    for key, value in VALUES.items():
        await api.call(
            "PUT",
            f"/features/{environment_id}/feature/{key}",
            {"key": key, "locked": False, "value": value, "version": 0},
        )
    cart = await api.call("GET", f"/features/{environment_id}/feature/NEW_CART")
    cart["locked"] = False
    cart["rolloutStrategies"] = [
        {
            "name": "Turkey first",
            "value": True,
            "attributes": [
                {"conditional": "EQUALS", "fieldName": "country", "type": "STRING", "values": ["turkey"]}
            ],
        },
        {"name": "and a fifth of everybody", "percentage": 200_000, "value": True, "attributes": []},
    ]
    await api.call("PUT", f"/features/{environment_id}/feature/NEW_CART", cart)


async def _account(api: _Api, portfolio_id: str, environment_ids: list[str]) -> Any:
    path = f"/portfolio/{portfolio_id}/service-account"
    found = _find(await api.call("GET", path), ACCOUNT)
    if found is None:
        found = await api.call(
            "POST",
            path,
            {
                "name": ACCOUNT,
                "description": "Keys of the example storefront",
                "permissions": [
                    {"environmentId": each, "permissions": ["READ", "CHANGE_VALUE", "LOCK", "UNLOCK"]}
                    for each in environment_ids
                ],
            },
            includePermissions="true",
        )
    return await api.call("GET", f"/service-account/{found['id']}", includePermissions="true")
