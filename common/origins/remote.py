"""An origin behind a way to ask: bytes there, bytes back. The other side's dispatcher stands beside it.

What cannot be asked, was not answered in time or was not understood is `Unavailable`; *none* is only ever
what the other side said. Must not know what carries the bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, runtime_checkable

import structlog

from common.caching.loader import ManyLoader
from common.contracts.lookups import (
    ANY,
    AccountAnswer,
    AtLeast,
    Changes,
    CounterState,
    EnvironmentAnswer,
    Listing,
    Many,
    Snapshots,
    State,
    decode_account_answer,
    decode_changes,
    decode_environment_answer,
    decode_listing,
    decode_many,
    decode_revisions,
    decode_snapshot,
    decode_state,
    encode_account_answer,
    encode_changes,
    encode_environment_answer,
    encode_listing,
    encode_many,
    encode_revisions,
    encode_state,
    held_form,
)
from common.contracts.questions import (
    MANY_AT_MOST,
    AskAccount,
    AskChanges,
    AskEnvironment,
    AskListing,
    AskMany,
    AskRevisions,
    AskState,
    Question,
    decode_question,
    encode_question,
)
from common.errors import BadRequest, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.caching.loader import Origin
    from common.contracts.events import CounterId

_log = structlog.get_logger(__name__)

T = TypeVar("T")

ASK_SECONDS: Final = 5.0
"""How long a question may take where the asker has no deadline of its own."""
LISTING_LIMIT: Final = 1_000
"""Ids on one page at most, whatever was asked for."""
REVISIONS_LIMIT: Final = 10_000
"""Counters in one question at most."""

Ask = Callable[[bytes, float], Awaitable[bytes]]
"""Send a question, return the answer within so many seconds. Raises `Unavailable`."""


@runtime_checkable
class Lister(Protocol):
    """An origin that can say what there is."""

    async def listing(self, after: str | None, limit: int) -> Listing:
        """The page behind ``after`` (None = the first), about ``limit`` ids of each kind at most.

        Raises `Unavailable`, and `BadRequest` for an ``after`` that no page named.
        """


@runtime_checkable
class Holder(Protocol):
    """An origin that can say at once what it has at hand."""

    def at_hand(self, asked: AskMany) -> bytes:
        """The answers, encoded (`common.contracts.lookups.Many`)."""


async def answer(origin: Origin, question: bytes) -> bytes:
    """Answer one question from ``origin``, as bytes.

    Raises `Unavailable`, also for a question that is not understood: another release's, whose asker tries
    somebody else.
    """
    try:
        asked = decode_question(question)
    except (ValueError, RecursionError):
        _log.warning("question.not_understood", bytes=len(question))
        raise Unavailable("The question was not understood.") from None
    try:
        return await answer_question(origin, asked)
    except BadRequest as error:
        raise Unavailable(error.detail) from None


async def answer_question(origin: Origin, asked: Question) -> bytes:
    """Answer a decoded question; raises `Unavailable`, and `BadRequest` as `Lister` says."""
    match asked:
        case AskEnvironment(id=identity, at_least=at_least):
            return encode_environment_answer(await origin.load_environment(identity, at_least))
        case AskAccount(key_hash=key_hash, at_least=at_least):
            return encode_account_answer(await origin.load_account(key_hash, at_least))
        case AskMany(environments=environments, accounts=accounts):
            if max(len(environments), len(accounts)) > MANY_AT_MOST:
                raise BadRequest(f"At most {MANY_AT_MOST} look-ups in one question.")
            if isinstance(origin, Holder):
                return origin.at_hand(asked)
            if isinstance(origin, ManyLoader):
                many = await origin.load_many(asked)
                return encode_many([held_form(each) for each in many.environments], many.accounts)
            return encode_many([None] * len(environments), [None] * len(accounts))
        case AskChanges(after=after):
            return encode_changes(await origin.changes(after))
        case AskRevisions(counters=counters):
            if len(counters) > REVISIONS_LIMIT:
                raise BadRequest(f"At most {REVISIONS_LIMIT} counters in one question.")
            return encode_revisions(await origin.revisions(counters))
        case AskState():
            return encode_state(await origin.state())
        case AskListing(after=page, limit=limit):
            if not isinstance(origin, Lister):
                raise Unavailable("There is no listing here.")
            return encode_listing(await origin.listing(page, max(1, min(limit, LISTING_LIMIT))))


class RemoteOrigin:
    """Satisfies `common.caching.loader.Origin` and `Lister` over any way to ask."""

    def __init__(
        self, ask: Ask, *, seconds: float = ASK_SECONDS, snapshots: Snapshots = decode_snapshot
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._snapshots = snapshots

    async def load_environment(self, environment_id: str, at_least: AtLeast = ANY, /) -> EnvironmentAnswer:
        question = AskEnvironment(environment_id, at_least)
        return await self._asked(question, lambda data: decode_environment_answer(data, self._snapshots))

    async def load_account(self, key_hash: str, at_least: AtLeast = ANY, /) -> AccountAnswer:
        return await self._asked(AskAccount(key_hash, at_least), decode_account_answer)

    async def many(self, question: AskMany) -> Many:
        """What the other side has at hand of all this."""
        return await self._asked(question, lambda data: decode_many(data, self._snapshots))

    async def changes(self, after: int) -> Changes:
        return await self._asked(AskChanges(after), decode_changes)

    async def revisions(self, counters: Sequence[CounterId]) -> list[CounterState]:
        return await self._asked(AskRevisions(tuple(counters)), decode_revisions)

    async def state(self) -> State:
        return await self._asked(AskState(), decode_state)

    async def listing(self, after: str | None, limit: int) -> Listing:
        return await self._asked(AskListing(after, limit), decode_listing)

    async def _asked(self, question: Question, decode: Callable[[bytes], T]) -> T:
        data = await self._ask(encode_question(question), self._seconds)
        return understood(data, decode)


def understood(data: bytes, decode: Callable[[bytes], T]) -> T:
    """Decode an answer; what is none is `Unavailable`, never *absent*."""
    try:
        return decode(data)
    except (ValueError, RecursionError) as error:
        # Not only msgspec's own errors: bytes that are no UTF-8, nested without end.
        _log.warning("answer.not_understood", bytes=len(data), why=str(error))
        raise Unavailable("The answer was not understood.") from None
