"""Read from a replica of the database what may be as old as the replica, and the rest from the primary.

What was updated through this process is read from the primary until the replica has it, so that nobody
who was told that an update is done sees what was before. What the replica does not know at all is asked
of the primary too: something new looks absent there, and an SDK that hears "absent" gives up for good.
Must not know what a database is.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from common.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from common.contracts.lookups import AccountAnswer, EnvironmentAnswer, SdkUpdate, SdkUpdateOutcome
    from edge.updates import UpdateSink
    from edge_rest.database import Reader

Answer = TypeVar("Answer")

REMEMBERED: Final = 10_000
"""Environments, and keys, with an update that the replica may not have; the oldest are forgotten first."""
_FIRST_REFUSAL: Final = 400


class FollowingReader:
    """Satisfies `edge_rest.database.Reader`.

    While the replica is down the primary answers; while the primary is down, the replica answers what it may.
    """

    def __init__(self, replica: Reader, primary: Reader, *, remembered: int = REMEMBERED) -> None:
        self._environments = _Kind(
            replica.load_environment, primary.load_environment, _environment_revision, remembered
        )
        self._accounts = _Kind(replica.load_account, primary.load_account, _account_revision, remembered)

    async def load_environment(self, environment_id: str) -> EnvironmentAnswer:
        return await self._environments.load(environment_id)

    async def load_account(self, key_hash: str) -> AccountAnswer:
        return await self._accounts.load(key_hash)

    def updated(self, environment_id: str, key_hash: str) -> None:
        """Both are in the primary in a state that the replica may not have."""
        self._environments.mark(environment_id)
        self._accounts.mark(key_hash)


class NotingSink:
    """Tells a reader of every update that may have had an effect (`edge.updates.UpdateSink`)."""

    def __init__(self, sink: UpdateSink, reader: FollowingReader) -> None:
        self._sink = sink
        self._reader = reader

    async def update(self, update: SdkUpdate) -> SdkUpdateOutcome:
        refused = False
        try:
            outcome = await self._sink.update(update)
            refused = outcome.status >= _FIRST_REFUSAL
        finally:
            # Also when nothing is known of the outcome: it may be in the database.
            if not refused:
                self._reader.updated(update.environment_id, update.key_hash)
        return outcome


class _Mark:
    """The replica has to have ``revision``; None = the primary was not asked yet for which one."""

    __slots__ = ("revision",)

    def __init__(self) -> None:
        self.revision: int | None = None


class _Kind(Generic[Answer]):
    """Environments or accounts: how each database is asked, and how new an answer is (0 = there is none)."""

    def __init__(
        self,
        replica: Callable[[str], Awaitable[Answer]],
        primary: Callable[[str], Awaitable[Answer]],
        revision_of: Callable[[Answer], int],
        remembered: int,
    ) -> None:
        self._replica = replica
        self._primary = primary
        self._revision_of = revision_of
        self._remembered = remembered
        self._marks: OrderedDict[str, _Mark] = OrderedDict()

    def mark(self, name: str) -> None:
        # A new one each time: a read that began before this update must not settle it.
        self._marks[name] = _Mark()
        self._marks.move_to_end(name)
        if len(self._marks) > self._remembered:
            self._marks.popitem(last=False)

    async def load(self, name: str) -> Answer:
        mark = self._marks.get(name)
        if mark is None or mark.revision is not None:
            answer = await self._enough(name, mark)
            if answer is not None:
                return answer
        answer = await self._primary(name)
        if mark is not None:
            # Without a revision (the key is gone since) the primary stays the one to ask.
            mark.revision = self._revision_of(answer) or None
        return answer

    async def _enough(self, name: str, mark: _Mark | None) -> Answer | None:
        """The replica's answer, if it is new enough; then it is for the next ones as well."""
        try:
            answer = await self._replica(name)
        except Unavailable:
            return None
        wanted = 1 if mark is None or mark.revision is None else mark.revision
        if self._revision_of(answer) < wanted:
            return None
        if mark is not None and self._marks.get(name) is mark:
            del self._marks[name]
        return answer


def _environment_revision(answer: EnvironmentAnswer) -> int:
    return answer.revision


def _account_revision(answer: AccountAnswer) -> int:
    return 0 if answer.record is None else answer.record.revision
