"""The HTTP client of our processes: one pooled session, deadlines everywhere, few and jittered repeats.

Takes no proxy from the environment. Only idempotent requests are repeated, and only when no answer came
or the answer was 502, 503 or 504.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp

from common import tracing

REPEATABLE = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Answer:
    """A complete answer, read within the deadline."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unreachable(Exception):
    """No answer within the deadline; the message says why the last attempt failed."""


class HttpClient:
    """Ask and get the whole answer, or Unreachable."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        deadline_seconds: float = 5,
        attempts: int = 3,
        back_off_seconds: float = 0.1,
    ) -> Answer:
        """Ask up to `attempts` times within one deadline for all of them."""
        why = "no attempt was made"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_seconds):
                for attempt in range(attempts):
                    if attempt:
                        await asyncio.sleep(back_off_seconds * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311
                    try:
                        answer = await self._once(url, headers or {})
                    except aiohttp.ClientError as error:
                        why = type(error).__name__
                        continue
                    if answer.status not in REPEATABLE or attempt == attempts - 1:
                        return answer
                    why = f"status {answer.status}"
                raise Unreachable(why)
        raise Unreachable(f"no answer within {deadline_seconds} s")

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        deadline_seconds: float = 5,
    ) -> Answer:
        """Send once; after Unreachable it is not known whether it arrived."""
        try:
            async with asyncio.timeout(deadline_seconds):
                return await self._once(url, headers or {}, body)
        except aiohttp.ClientError as error:
            raise Unreachable(type(error).__name__) from None
        except TimeoutError:
            raise Unreachable(f"no answer within {deadline_seconds} s") from None

    async def _once(self, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        method = "GET" if body is None else "POST"
        async with self._session.request(
            method, url, headers=tracing.handed_on(headers), data=body, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())


@contextlib.asynccontextmanager
async def open_client(*, connections: int = 20) -> AsyncIterator[HttpClient]:
    """Yield a client; its connections are closed afterwards."""
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=True) as session:
        yield HttpClient(session)
