"""What a cache asks MR, answered straight from the database: the loader of a cache in the same process.

Each answer is one snapshot and carries its position. Whatever cannot be known now is `Unavailable`,
never "not there". Must not know who asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.contracts.events import Heartbeat
from common.contracts.lookups import (
    ANY,
    AccountAnswer,
    AtLeast,
    Changes,
    EnvironmentAnswer,
    Listing,
    Many,
    State,
)
from common.errors import Unavailable
from common.messaging.local import Tail
from mr.db.listing import load_page
from mr.db.snapshots import (
    load_account,
    load_changes,
    load_events,
    load_place,
    load_revisions,
    load_snapshot,
    load_snapshots,
    parse_id,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.contracts.events import CounterId
    from common.contracts.lookups import CounterState
    from common.contracts.questions import AskMany
    from mr.db.session import Database
    from mr.db.snapshots import Place

LEASE_GRACE_MILLISECONDS: Final = 2_000
"""How long after the end of a lease the log still counts as alive: another relay may be taking over."""


class DatabaseOrigin:
    """Answers from one database; safe to share, holds nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_environment(self, environment_id: str, at_least: AtLeast = ANY) -> EnvironmentAnswer:
        async with self._database.read() as session:
            place = await load_place(session, self._database)
            identity = parse_id(environment_id)
            snapshot, revision = (None, 0) if identity is None else await load_snapshot(session, identity)
        return EnvironmentAnswer(
            snapshot=snapshot,
            revision=revision,
            epoch=place.epoch,
            position=place.position,
            behind=_is_behind(place, at_least),
        )

    async def load_account(self, key_hash: str, at_least: AtLeast = ANY) -> AccountAnswer:
        async with self._database.read() as session:
            place = await load_place(session, self._database)
            record = await load_account(session, key_hash)
        return AccountAnswer(
            record=record, epoch=place.epoch, position=place.position, behind=_is_behind(place, at_least)
        )

    async def load_many(self, question: AskMany, /) -> Many:
        """Several environments from one snapshot; those for which there is no room are left out."""
        ids = [parse_id(identity) for identity, _ in question.environments]
        async with self._database.read() as session:
            place = await load_place(session, self._database)
            found = await load_snapshots(session, [each for each in ids if each is not None])
        answers: list[EnvironmentAnswer | None] = []
        for (_, at_least), identity in zip(question.environments, ids, strict=True):
            snapshot = None if identity is None else found.get(identity)
            if snapshot is None:
                answers.append(None)
                continue
            answers.append(
                EnvironmentAnswer(
                    snapshot=snapshot,
                    revision=snapshot.revision,
                    epoch=place.epoch,
                    position=place.position,
                    behind=_is_behind(place, at_least),
                )
            )
        return Many(environments=tuple(answers), accounts=(None,) * len(question.accounts))

    async def changes(self, after: int) -> Changes:
        async with self._database.read() as session:
            place = await load_place(session, self._database)
            complete = place.pruned <= after <= place.position
            counters = await load_changes(session, after, place.position) if complete else ()
        return Changes(
            epoch=place.epoch,
            term=place.term,
            position=place.position,
            counters=counters,
            complete=complete,
        )

    async def revisions(self, counters: Sequence[CounterId]) -> list[CounterState]:
        async with self._database.read() as session:
            await load_place(session, self._database)
            return await load_revisions(session, counters)

    async def state(self) -> State:
        async with self._database.read() as session:
            place = await load_place(session, self._database)
        return State(epoch=place.epoch, term=place.term, position=place.position)

    async def listing(self, after: str | None, limit: int) -> Listing:
        """The page behind ``after``; raises `BadRequest` for one that no page named."""
        async with self._database.read() as session:
            return await load_page(session, after, limit)

    async def tail(self, after: int, limit: int) -> Tail:
        """Read the log above a position.

        Raises `Unavailable` also when no relay is at work: a log that nobody carries on looks just like
        one in which nothing happens.
        """
        async with self._database.read() as session:
            place = await load_place(session, self._database)
            if place.lease_left_milliseconds < -LEASE_GRACE_MILLISECONDS:
                raise Unavailable("No relay is at work on this database.")
            events = await load_events(session, place, after, limit) if limit else []
        return Tail(
            events=events,
            heartbeat=Heartbeat(term=place.term, epoch=place.epoch, position=place.position),
            complete=place.pruned <= after,
        )


def _is_behind(place: Place, at_least: AtLeast) -> bool:
    """True when this database (a replica of MR's) has not heard what the asker has."""
    return place.epoch == at_least.epoch and place.position < at_least.position
