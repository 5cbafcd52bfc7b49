"""A poll from question to answer: keys to grants, grants to bytes, bytes with their headers.

Both ways in ask here. An answer that was made is remembered with its question and with what it was made
of, and holds only as long as looking the keys up again gives these very values: what a key opens is decided
at every request. Knows no transport.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple
from weakref import ref

from common.codings import takes_gzip
from common.contracts.environments import AccountRecord, EnvironmentSnapshot, SdkKey
from common.errors import AppError, Unavailable
from common.evaluation.context import EvaluationContext
from common.ledger import Page
from edge import requests
from edge.access import Access, Grant, Outrun, TooManyLookups
from edge.answers import Answer, Answers, View, answer_poll, cache_control, earliest, is_due, unknown
from edge.codings import Packed, is_worth_packing
from edge.requests import Asked, UnknownKey
from edge.source import FeatureSource
from edge.usage import Tally, Usage

SILENT_HEADER: Final = "Burgee-Silent-Seconds"
# An operator may let answers be cached; what they depend on beside the URL is this.
VARIES_BY: Final = "x-featurehub, x-sdk, accept-encoding"

QUESTION_BYTES: Final = 2_000
"""What a remembered poll costs beside its answer's bytes, roughly."""


@dataclass(slots=True, eq=False)
class Reply:
    """How a poll is answered, but for what changes from request to request.

    ``headers`` in the order they are sent, the body's own among them, and ``head`` the same as bytes;
    ``tallies`` count who was answered; ``until`` = when it may become untrue by itself. The last four are
    for whoever sends it very often: what counts its requests, how it begins and ends, and what that was
    made from.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    tallies: tuple[Tally, ...]
    until: float | None
    head: bytes
    page: Page = field(default_factory=Page)
    front: bytes = b""
    tail: bytes = b""
    mark: object = None


class Proof(NamedTuple):
    """What a key opened when an answer was made.

    The snapshot may be large and the answer a 304: what no cache holds any more is not held here.
    """

    key_hash: str
    environment_id: str
    account: AccountRecord
    snapshot: ref[EnvironmentSnapshot]


class Question:
    """A poll as it was asked, and the last answer that it got with what proves it."""

    __slots__ = ("accept_gzip", "context", "if_none_match", "keys", "proofs", "reply", "weighed", "weight")

    def __init__(self, asked: Asked) -> None:
        self.keys = requests.poll_keys(asked)
        self.context: EvaluationContext = requests.poll_context(asked)
        self.if_none_match = asked.said.if_none_match.decode("latin-1")
        self.accept_gzip = takes_gzip(asked.said.accept_encoding)
        self.proofs: tuple[Proof, ...] = ()
        self.reply: Reply | None = None
        #: For whoever remembers it: the answer that was taken into account.
        self.weighed: Reply | None = None
        self.weight = QUESTION_BYTES + 200 * len(self.keys)

    def is_proven_by(self, grants: Sequence[Grant | None]) -> bool:
        """Return whether its answer was made of these very values."""
        for grant, proof in zip(grants, self.proofs, strict=True):
            if grant is None or grant.account is not proof.account or grant.snapshot is not proof.snapshot():
                return False
        return True


class Polls:
    """What polls are answered with."""

    def __init__(
        self,
        *,
        source: FeatureSource,
        access: Access,
        answers: Answers,
        usage: Usage,
        packed: Packed,
        cache_control_setting: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._access = access
        self._answers = answers
        self._usage = usage
        self._packed = packed
        self._cache_control = cache_control_setting
        self._clock = clock
        self._peek_account = source.peek_account
        self._peek_environment = source.peek_environment

    def at_hand(self, question: Question) -> Reply | None:
        """Return the answer if everything is at hand, without I/O; None says nothing.

        Counts nothing yet: whoever sends it does (`count`).
        """
        reply = question.reply
        if reply is not None and (reply.until is None or self._clock() < reply.until):
            for key_hash, environment_id, account, snapshot in question.proofs:
                if self._peek_account(key_hash) is not account:
                    break
                held = self._peek_environment(environment_id)
                if held is None:
                    return None
                if held is not snapshot():
                    break
            else:
                return reply
        grants = [self._access.peek(key) for key in question.keys]
        if not grants or None in grants:
            return None
        return self._answered(question, grants)

    async def find(self, question: Question, caller: str) -> Reply:
        """Return the answer; look up what is not at hand, as far as this caller may.

        All environments or none: SDKs read a missing one as deleted features. Raises UnknownKey, and
        Unavailable unless each key is known or certainly unknown.
        """
        try:
            self.admit(question, caller)
            return await self.find_admitted(question)
        except AppError as error:
            self.refused(error)
            raise

    def admit(self, question: Question, caller: str | Callable[[], str]) -> None:
        """Raise TooManyLookups if the caller may not look these keys up now.

        Who that is need not be found out for those that everybody may.
        """
        for key in question.keys:
            if self._access.is_free(key):
                continue
            if not self._access.admit(key, caller if isinstance(caller, str) else caller()):
                raise TooManyLookups

    async def find_admitted(self, question: Question) -> Reply:
        """Do what `find` does for callers who were admitted, and count nothing."""
        grants = await self._grants(question.keys)
        if not any(grants):
            raise UnknownKey
        return self._answered(question, grants)

    def seek(self, question: Question, told: Callable[[Reply | Exception], None]) -> bool:
        """Do the same without a task, where one environment is all that is missing; False = it is more.

        ``told`` hears the answer or what prevents it, perhaps at once. `Outrun` = it has to be found.
        """
        if len(question.keys) != 1:
            return False

        return self._access.seek(question.keys[0], partial(self._sought, question, told))

    def _sought(
        self,
        question: Question,
        told: Callable[[Reply | Exception], None],
        outcome: Grant | Unavailable | Outrun | None,
    ) -> None:
        answer: Reply | Exception
        if outcome is None:
            answer = UnknownKey()
        elif isinstance(outcome, Exception):
            answer = outcome
        else:
            try:
                answer = self._answered(question, (outcome,))
            except Exception as error:  # noqa: BLE001 - nobody else would tell those who wait
                answer = error
        told(answer)

    def refused(self, error: AppError) -> None:
        """Count a poll that is answered with an error."""
        self._usage.hit("poll", "unavailable" if isinstance(error, Unavailable) else "unknown")

    def knows(self, key: SdkKey | None) -> bool:
        """Return whether a key is known without asking anybody; False says nothing."""
        return key is not None and self._access.peek(key) is not None

    async def _grants(self, keys: Sequence[SdkKey]) -> list[Grant | None]:
        """Look all keys up at once; raises Unavailable unless each is known or certainly unknown."""
        found = [self._access.peek(key) for key in keys]
        await self._look_up(keys, [index for index, grant in enumerate(found) if grant is None], found)
        if len(keys) > 1:
            # While some were looked up others may have changed: for each the newest decides.
            is_newest = self._access.is_newest
            changed = [
                index
                for index, grant in enumerate(found)
                if grant is not None and not is_newest(keys[index], grant)
            ]
            await self._look_up(keys, changed, found)
        return found

    async def _look_up(
        self, keys: Sequence[SdkKey], wanted: Sequence[int], found: list[Grant | None]
    ) -> None:
        """Look these keys up at once, into their places in ``found``."""
        if len(wanted) == 1:
            found[wanted[0]] = await self._access.find(keys[wanted[0]])
        elif wanted:
            lookups = (self._access.find(keys[index]) for index in wanted)
            for index, grant in zip(
                wanted, await asyncio.gather(*lookups, return_exceptions=True), strict=True
            ):
                if isinstance(grant, BaseException):
                    raise grant
                found[index] = grant

    def _answered(self, question: Question, grants: Sequence[Grant | None]) -> Reply:
        now = self._clock()
        reply = question.reply
        if reply is not None and not is_due(reply.until, now) and question.is_proven_by(grants):
            return reply
        keys, context = question.keys, question.context
        answers = [self._answer(key, grant, context, now) for key, grant in zip(keys, grants, strict=True)]
        packed = self._packed if question.accept_gzip else None
        poll = answer_poll(answers, context, question.if_none_match, packed)
        until: float | None = None
        for answer in answers:
            until = earliest(until, answer.changes_at)
        snapshots = [grant.snapshot for grant in grants if grant is not None]
        headers = [
            ("ETag", poll.etag),
            ("Cache-Control", cache_control(snapshots, self._cache_control)),
            ("Vary", VARIES_BY),
        ]
        if poll.coding:
            headers.append(("Content-Encoding", poll.coding))
        changed = poll.body is not None
        if changed:
            headers.append(("Content-Length", str(len(poll.body or b""))))
            headers.append(("Content-Type", "application/json"))
        reply = Reply(
            status=200 if changed else 304,
            headers=tuple(headers),
            body=poll.body or b"",
            tallies=self._tallies(keys, grants, changed=changed),
            until=until,
            head=b"".join(b"%b: %b\r\n" % (n.lower().encode(), v.encode("latin-1")) for n, v in headers),
        )
        # An unknown key is nothing to be sure of without asking again; nor is a body that may be packed soon.
        if all(grants) and not (question.accept_gzip and not poll.coding and is_worth_packing(reply.body)):
            question.proofs = tuple(
                Proof(key.key_hash, key.environment_id, grant.account, ref(grant.snapshot))
                for key, grant in zip(keys, grants, strict=True)
                if grant is not None
            )
            question.reply = reply
        return reply

    def _answer(self, key: SdkKey, grant: Grant | None, context: EvaluationContext, now: float) -> Answer:
        if grant is None:
            return unknown(key.environment_id)
        # Decided per key: a client-evaluated key must not open the strategies to the others.
        view = View.of(grant.policy, client_evaluated=key.client_evaluated, context=context)
        return self._answers.get(grant.snapshot, view, now)

    def _tallies(
        self, keys: Sequence[SdkKey], grants: Sequence[Grant | None], *, changed: bool
    ) -> tuple[Tally, ...]:
        result = "found" if changed else "unchanged"
        return tuple(
            self._usage.tally("poll", "unknown")
            if grant is None
            else self._usage.tally(
                "poll", result, environment_id=key.environment_id, account_id=grant.account.id
            )
            for key, grant in zip(keys, grants, strict=True)
        )

    def silent_seconds(self) -> int:
        """For how long the log was not heard: what is served may be that old."""
        return int(self._source.silent_seconds)


def count(reply: Reply) -> None:
    """Count an answer that is sent."""
    for tally in reply.tallies:
        tally.count += 1
