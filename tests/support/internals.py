"""MR's internal API on a socket, for tests: whoever asks it as a Dacha, and the truth beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from common.client import open_client
from common.errors import Unavailable
from common.origins.client import HttpOrigin
from common.serve import running
from mr.db.session import Database
from mr.internal import internal_app
from mr.origin import DatabaseOrigin

DACHA_TOKENS = ("dacha-token-before-rotation", "dacha-token-after-rotation")
EDGE_TOKENS = ("edge-token-of-this-cluster",)


@dataclass(frozen=True)
class Internal:
    """The API, whoever asks it as a Dacha, and the truth that it should tell."""

    url: str
    http: aiohttp.ClientSession
    origin: HttpOrigin
    truth: DatabaseOrigin
    database: Database

    async def status(
        self, method: str, path: str, token: str | None = DACHA_TOKENS[0], *, data: bytes | None = None
    ) -> int:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        async with self.http.request(method, self.url + path, headers=headers, data=data) as answer:
            await answer.read()
            return answer.status


@asynccontextmanager
async def serving_internal(database: Database) -> AsyncIterator[Internal]:
    app = internal_app(database, dacha_tokens=DACHA_TOKENS, edge_tokens=EDGE_TOKENS)
    async with running(app) as url, aiohttp.ClientSession() as http, open_client() as client:
        origin = HttpOrigin(url, DACHA_TOKENS[1], client)
        yield Internal(url, http, origin, DatabaseOrigin(database), database)


async def stands(origin: DatabaseOrigin) -> bool:
    """True once a relay has given out positions."""
    try:
        return (await origin.state()).position > 0
    except Unavailable:
        return False
