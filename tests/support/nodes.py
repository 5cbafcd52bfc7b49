"""A database with a relay, and a Dacha2 that lives on it, in one loop: the real parts without processes."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from common.contracts.lookups import ANY, AtLeast
from common.errors import Unavailable
from common.messaging.local import LocalBus
from dacha.app import open_dacha
from dacha.settings import DachaSettings
from mr.db.models.delivery import DeliveredAccount, DeliveredEnvironment
from mr.db.session import open_database
from mr.origin import DatabaseOrigin
from mr.relay import open_relay
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from common.contracts.events import CounterId
    from common.contracts.lookups import (
        AccountAnswer,
        Changes,
        CounterState,
        EnvironmentAnswer,
        Listing,
        State,
    )
    from dacha.app import Dacha
    from mr.db.session import Database
    from mr.relay import Relay


class CountedOrigin:
    """A database's answers, counted by what was asked; cut off when one likes."""

    def __init__(self, origin: DatabaseOrigin) -> None:
        self._origin = origin
        self.asked: Counter[str] = Counter()
        self.cut_off = False

    def _ask(self, question: str) -> None:
        self.asked[question] += 1
        if self.cut_off:
            raise Unavailable("MR is away.")

    async def load_environment(self, environment_id: str, at_least: AtLeast = ANY, /) -> EnvironmentAnswer:
        self._ask("environment")
        return await self._origin.load_environment(environment_id, at_least)

    async def load_account(self, key_hash: str, at_least: AtLeast = ANY, /) -> AccountAnswer:
        self._ask("account")
        return await self._origin.load_account(key_hash, at_least)

    async def changes(self, after: int) -> Changes:
        self._ask("changes")
        return await self._origin.changes(after)

    async def revisions(self, counters: Sequence[CounterId]) -> list[CounterState]:
        self._ask("revisions")
        return await self._origin.revisions(counters)

    async def state(self) -> State:
        self._ask("state")
        return await self._origin.state()

    async def listing(self, after: str | None, limit: int) -> Listing:
        self._ask("listing")
        return await self._origin.listing(after, limit)


@dataclass(frozen=True)
class Node:
    """What runs, each part by itself. ``origin`` is what the Dacha asks."""

    database: Database
    origin: CountedOrigin
    bus: LocalBus
    relay: Relay
    dacha: Dacha

    async def caught_up(self) -> None:
        """Wait until everything committed is known to the Dacha."""
        await self.relay.drained()
        await eventually(lambda: self.dacha.cache.position == self.relay.position)


@asynccontextmanager
async def running_node(url: str, *, holder: str = "one", **settings: Any) -> AsyncIterator[Node]:
    """Run everything on the database there; entered when the Dacha hears the log."""
    async with AsyncExitStack() as parts:
        database = await parts.enter_async_context(open_database(url))
        reader = DatabaseOrigin(database)
        bus = LocalBus(reader.tail)
        relay = await parts.enter_async_context(open_relay(database, holder=holder, on_positions=bus.wake))
        origin = CountedOrigin(reader)
        dacha = await parts.enter_async_context(open_dacha(DachaSettings(**settings), bus=bus, origin=origin))
        await eventually(lambda: dacha.holdings.replica.live)
        yield Node(database, origin, bus, relay, dacha)


async def delivered(database: Database) -> tuple[list[str], list[str]]:
    """Ids of all environments and hashes of all keys that ever were delivered."""
    async with database.read() as session:
        environments = [str(each) for each in await session.scalars(select(DeliveredEnvironment.id))]
        rows = await session.scalars(select(DeliveredAccount))
        hashes = [each for row in rows for each in (row.client_key_hash, row.server_key_hash)]
    return environments, hashes
