"""Ask identity providers over HTTP, under the rules of `common.addresses`, and remember what keeps.

Knows no protocol: JSON objects and texts come in, within a size and a time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from common.addresses import Outgoing, Undeliverable
from mr.auth.external.identity import UNREACHABLE, SignInRefused

LONGEST: Final = 1024 * 1024

T = TypeVar("T")
Json = dict[str, Any]


class Asking:
    """Asks; whatever goes wrong is a `SignInRefused` whose detail holds no secret."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    async def text(self, url: str) -> bytes:
        """Return a document."""
        status, body = await self._send("GET", url, {"Accept": "*/*"}, None)
        if status != 200:
            raise SignInRefused(UNREACHABLE, f"the provider answered {status}")
        return body

    async def json(self, url: str, *, bearer: str | None = None) -> Any:
        """Return a JSON document, asked for with an access token when one is given."""
        headers = {"Accept": "application/json"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        status, body = await self._send("GET", url, headers, None)
        if status != 200:
            raise SignInRefused(UNREACHABLE, f"the provider answered {status}")
        return _decoded(body)

    async def form(self, url: str, body: str, headers: Mapping[str, str]) -> tuple[int, Json]:
        """Send a form and return the status and the JSON object that came back."""
        wanted = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        status, answer = await self._send("POST", url, {**wanted, **headers}, body.encode())
        decoded = _decoded(answer)
        if not isinstance(decoded, dict):
            raise SignInRefused(UNREACHABLE, "the provider's answer is no JSON object")
        return status, decoded

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        try:
            reply = await self._outgoing.send(
                method, url, headers=headers, body=body, longest_answer=LONGEST + 1
            )
        except Undeliverable as error:
            raise SignInRefused(UNREACHABLE, str(error)) from None
        if len(reply.body) > LONGEST:
            raise SignInRefused(UNREACHABLE, "the provider's answer is too long")
        return reply.status, reply.body


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise SignInRefused(UNREACHABLE, "the provider's answer is not JSON") from None


class Remembered(Generic[T]):
    """A document that is fetched when it is needed and kept for a time; one fetch at a time.

    An old one serves on while a new one cannot be had.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[T]],
        *,
        keep_seconds: float = 3600,
        pause_seconds: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._keep = keep_seconds
        self._pause = pause_seconds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._fetched = 0.0
        self._tried: float | None = None
        self._why = ""

    async def get(self) -> T:
        """Return it. Raises SignInRefused when there never was one."""
        if self._value is None or self._clock() - self._fetched > self._keep:
            return await self._renewed(self._value)
        return self._value

    async def newer(self, than: T) -> T:
        """Return one that was fetched after ``than``, unless the last attempt was a moment ago."""
        return await self._renewed(than)

    async def _renewed(self, known: T | None) -> T:
        async with self._lock:
            if self._value is not None and self._value is not known:
                return self._value
            # Strangers with made-up keys, or many people at once, must not make us ask without end.
            waits = self._pause if self._value is not None else min(self._pause, 2)
            if self._tried is None or self._clock() - self._tried >= waits:
                await self._try()
            if self._value is None:
                raise SignInRefused(UNREACHABLE, self._why)
            return self._value

    async def _try(self) -> None:
        self._tried = self._clock()
        try:
            self._value = await self._fetch()
        except SignInRefused as error:
            self._why = error.detail
            return
        self._fetched = self._clock()
