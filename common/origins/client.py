"""MR's or a Dacha's internal API as an origin, over HTTP.

Only a whole answer with status 200 that could be read says anything; all else (no connection, another
status, a refused token, bytes that are not the answer) is `Unavailable`, so that nothing that is merely
down or badly set up looks absent. Must not know caches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote, urlencode

import structlog
from prometheus_client import CollectorRegistry, Counter

from common.client import HttpClient, Unreachable
from common.contracts.lookups import (
    ANY,
    AccountAnswer,
    AtLeast,
    Changes,
    CounterState,
    EnvironmentAnswer,
    Listing,
    Many,
    State,
    decode_account_answer,
    decode_changes,
    decode_environment_answer,
    decode_listing,
    decode_many,
    decode_revisions,
    decode_state,
)
from common.contracts.questions import AskMany, AskRevisions, encode_question
from common.errors import Unavailable
from common.origins.remote import ASK_SECONDS, understood

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from common.client import Answer
    from common.contracts.events import CounterId

_log = structlog.get_logger(__name__)

T = TypeVar("T")

_OK: Final = 200
_REFUSALS: Final = frozenset({401, 403})


class ApiFailures:
    """Counts the questions that got no usable answer; one for all the internal APIs that a process calls."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.counted = Counter(
            "burgee_internal_api_failures_total",
            "Questions to an internal API that got no usable answer, by why.",
            ("why",),
            registry=registry or CollectorRegistry(),
        )


class InternalApi:
    """One internal API, and the token that opens it.

    A refusal of the token is logged when it begins, not at every question.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        client: HttpClient,
        *,
        failures: ApiFailures | None = None,
        seconds: float = ASK_SECONDS,
    ) -> None:
        self._base = base_url.rstrip("/") + "/internal/"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._client = client
        self._seconds = seconds
        self._refused = False
        self._failures = (failures or ApiFailures()).counted

    async def get(self, path: str, query: Mapping[str, str | int] | None = None) -> bytes:
        """Ask; returns the body of a 200. Raises `Unavailable`."""
        url = self._base + path + (f"?{urlencode(query)}" if query else "")
        return await self._body(
            self._client.get(url, headers=self._headers, deadline_seconds=self._seconds, attempts=2)
        )

    async def post(self, path: str, body: bytes, *, seconds: float | None = None) -> bytes:
        """Send once; returns the body of a 200. Raises `Unavailable`: it may have arrived all the same."""
        return await self._body(
            self._client.post(
                self._base + path,
                body,
                headers=self._headers | {"Content-Type": "application/json"},
                deadline_seconds=self._seconds if seconds is None else min(seconds, self._seconds),
            )
        )

    async def _body(self, sending: Awaitable[Answer]) -> bytes:
        try:
            answer = await sending
        except Unreachable as error:
            self._failures.labels("unreachable").inc()
            raise Unavailable(f"The internal API gave no answer: {error}.") from None
        if answer.status in _REFUSALS:
            self._note_refusal(answer.status)
        elif answer.status != _OK:
            self._failures.labels(str(answer.status)).inc()
        else:
            self._refused = False
            return answer.body
        raise Unavailable(
            f"The internal API answered {answer.status}.", retry_after_seconds=_retry_after(answer)
        )

    def _note_refusal(self, status: int) -> None:
        self._failures.labels("refused").inc()
        if not self._refused:
            self._refused = True
            _log.error("internal_api.token_refused", api=self._base, status=status)


class HttpOrigin:
    """Satisfies `common.caching.loader.Origin` and `common.origins.remote.Lister`."""

    def __init__(
        self,
        base_url: str,
        token: str,
        client: HttpClient,
        *,
        failures: ApiFailures | None = None,
        seconds: float = ASK_SECONDS,
    ) -> None:
        self._api = InternalApi(base_url, token, client, failures=failures, seconds=seconds)

    async def load_environment(self, environment_id: str, at_least: AtLeast = ANY, /) -> EnvironmentAnswer:
        path = f"environments/{quote(environment_id, safe='')}"
        return await self._asked(path, _members(at_least), decode_environment_answer)

    async def load_account(self, key_hash: str, at_least: AtLeast = ANY, /) -> AccountAnswer:
        path = f"accounts/{quote(key_hash, safe='')}"
        return await self._asked(path, _members(at_least), decode_account_answer)

    async def load_many(self, question: AskMany, /) -> Many:
        return understood(await self._api.post("many", encode_question(question)), decode_many)

    async def changes(self, after: int) -> Changes:
        return await self._asked("changes", {"after": after}, decode_changes)

    async def revisions(self, counters: Sequence[CounterId]) -> list[CounterState]:
        body = await self._api.post("revisions", encode_question(AskRevisions(tuple(counters))))
        return understood(body, decode_revisions)

    async def state(self) -> State:
        return await self._asked("state", {}, decode_state)

    async def listing(self, after: str | None, limit: int) -> Listing:
        page: dict[str, str | int] = {"limit": limit} if after is None else {"after": after, "limit": limit}
        return await self._asked("listing", page, decode_listing)

    async def _asked(self, path: str, query: Mapping[str, str | int], decode: Callable[[bytes], T]) -> T:
        return understood(await self._api.get(path, query), decode)


def _members(at_least: AtLeast) -> dict[str, str | int]:
    return {} if at_least == ANY else at_least._asdict()


def _retry_after(answer: Answer) -> int:
    told = answer.headers.get("Retry-After", "")
    return min(int(told), 60) if told.isdecimal() and len(told) < 10 else 1
