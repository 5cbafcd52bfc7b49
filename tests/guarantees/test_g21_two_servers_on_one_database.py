"""G21: the bus is only speed. Two party servers on one PostgreSQL, which is all that joins them.

Faults: edits through either; kill -9 of the one that is the relay; SIGSTOP and SIGCONT of it (G4); the
other's link to the database cut (G3), or its answers held while a load is under way (G5) and after a
miss (G6). Assertion: the same as with one server: SDKs of both end with the database's features within
T, nothing acknowledged is lost, no version ever falls. (G10 has its own file, this form included.)
"""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psycopg
import pytest

from tests.guarantees.conftest import T_RESTART, T
from tests.support.admin import ALL_ROLES, Admin, open_admin, sign_in
from tests.support.crowd import Crowd, open_crowd
from tests.support.databases import MigratedTemplates
from tests.support.fleet import ALL, CUT_STREAM, JS_POLL, STREAMS, open_fleet
from tests.support.judge import agree, delivered
from tests.support.links import Link, Links
from tests.support.party import PartyProcess
from tests.support.postgres import PostgresServer
from tests.support.scribes import BuilderScribe, ValueScribe, open_office, open_poller
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

SEED = 20261122


@dataclass(frozen=True)
class Linked:
    """A server, and its way to the database."""

    party: PartyProcess
    link: Link

    def heal(self) -> None:
        self.link.mend()
        if not self.party.running:
            self.party.start()
        os.kill(self.party.pid, signal.SIGCONT)
        self.party.wait_until_ready()


@dataclass(frozen=True)
class Shared:
    """The two servers of this file, what they stand on, and an administrator's token."""

    both: tuple[Linked, Linked]
    database_url: str
    token: str


@dataclass(frozen=True)
class Pair:
    """The two with nothing wrong; ``first`` is the relay at the start, ``link`` is the second's."""

    first: PartyProcess
    second: PartyProcess
    link: Link
    database_url: str
    world: World
    elsewhere: Admin
    """The same administrator, through the second server."""


@pytest.fixture(scope="module")
def shared(
    migrated_templates: MigratedTemplates,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shared]:
    """One pair for all tests: whoever was killed is started again, and every test has its own world."""
    name = migrated_templates.postgresql(postgres_server)
    with closing(Links()) as links, ExitStack() as stack:
        stack.callback(postgres_server.drop_database, name)
        direct = postgres_server.url(name)

        def launched(folder: Path) -> Linked:
            link = links.open(postgres_server.port)
            through = direct.replace(f":{postgres_server.port}/", f":{link.port}/")
            party = PartyProcess(folder, database_url=through)
            stack.callback(party.stop)
            return Linked(party.launch(), link)

        both = launched(tmp_path_factory.mktemp("one")), launched(tmp_path_factory.mktemp("other"))
        for each in both:
            each.party.wait_until_ready()
            stack.callback(each.party.ask_to_stop)  # both end side by side
        yield Shared(both, direct, sign_in(both[0].party.url))


@pytest.fixture
async def pair(shared: Shared) -> AsyncIterator[Pair]:
    for each in shared.both:
        await asyncio.to_thread(each.heal)
    relay: Linked = await eventually(
        lambda: the_relay(shared.both), within_seconds=T_RESTART, what="one to be the relay"
    )
    (other,) = (each for each in shared.both if each is not relay)
    first, second = relay.party, other.party
    async with (
        open_world(first.url, first.port, shared.token) as world,
        open_admin(second.url, shared.token) as elsewhere,
    ):
        yield Pair(first, second, other.link, shared.database_url, world, elsewhere)
    for each in shared.both:
        await asyncio.to_thread(each.heal)


async def the_relay(both: Iterable[Linked]) -> Linked | None:
    """Answer the only one that leads; one that slept may say so until it looks."""
    leading = [each for each in both if await leads(each.party)]
    return leading[0] if len(leading) == 1 else None


async def leads(party: PartyProcess) -> bool:
    async with aiohttp.ClientSession() as http, http.get(f"{party.url}/metrics") as answer:
        return "\nburgee_relay_leads 1.0\n" in await answer.text()


async def one_leads(pair: Pair) -> bool:
    return [await leads(each) for each in (pair.first, pair.second)].count(True) == 1


async def poll(http: aiohttp.ClientSession, url: str, key: str) -> int:
    async with http.get(f"{url}/features", params={"apiKey": key}) as answer:
        return answer.status


async def all_hold_what_is_stored(crowds: list[Crowd], pair: Pair, seconds: float) -> None:
    expected = delivered(pair.database_url, pair.world.environment_id)
    for crowd in crowds:
        await eventually(
            lambda crowd=crowd: not crowd.disagreeing(expected),
            within_seconds=seconds,
            what="streams to agree",
        )


def scribes_of(world: World) -> list[ValueScribe]:
    return [ValueScribe(world, f"number-{each}") for each in range(3)]


async def test_an_edit_through_one_is_heard_by_the_sdks_of_the_other(pair: Pair) -> None:
    world, environment = pair.world, pair.world.environment_id
    await world.create("text", "STRING")
    async with (
        open_fleet(pair.second.port, [world.client_key], kinds=ALL) as there,
        open_fleet(pair.first.port, [world.client_key], kinds=STREAMS) as here,
    ):
        await there.ready()
        await here.ready()
        for number, admin in enumerate((world.admin, pair.elsewhere, world.admin, pair.elsewhere)):
            await admin.set(environment, "text", f"edit {number}")
            await there.hold("text", f"edit {number}", T)
            await here.hold("text", f"edit {number}", T)
        await pair.elsewhere.create_feature(world.application.id, "made elsewhere")
        await world.admin.delete_feature(world.application.id, "text")
        await agree(there, pair.database_url, environment, T)
        await agree(here, pair.database_url, environment, T)
        there.assert_no_errors()
        here.assert_no_errors()


async def test_the_death_of_the_relay_loses_nothing(pair: Pair) -> None:
    print(f"seed {SEED}")
    dice, world = random.Random(SEED), pair.world
    scribes = scribes_of(world)
    for scribe in scribes:
        await world.create(scribe.key, "NUMBER")
    async with (
        open_fleet(pair.second.port, [world.client_key], kinds=ALL) as fleet,
        open_poller(pair.second.url, world.client_key),
        open_crowd(pair.second.port) as crowd,
    ):
        await fleet.ready()
        for _ in range(10):
            await crowd.join(world.client_key)
        everyone = [*scribes, BuilderScribe(world, "built")]
        async with open_office(everyone, [world.admin, pair.elsewhere], dice):
            await asyncio.sleep(dice.uniform(0.5, 1.5))
            await asyncio.to_thread(pair.first.kill)
            killed = asyncio.get_running_loop().time()
            # Half of the edits go to a dead server; the others must go on.
            await asyncio.sleep(0.5)
        await eventually(lambda: leads(pair.second), within_seconds=T_RESTART, what="the second to take over")
        print(f"taken over {asyncio.get_running_loop().time() - killed:.1f} s after the kill")
        for scribe in everyone:
            scribe.check(delivered(pair.database_url, world.environment_id))
        await agree(fleet, pair.database_url, world.environment_id, T)
        await all_hold_what_is_stored([crowd], pair, T)
        crowd.assert_unharmed()
        # The dead one comes back as a follower, and hears everything again.
        await asyncio.to_thread(pair.first.start)
        async with open_fleet(pair.first.port, [world.client_key], kinds=STREAMS) as back:
            await back.ready()
            await pair.elsewhere.set(world.environment_id, "number-0", 1_000_000)
            await agree(back, pair.database_url, world.environment_id, T)
            await agree(fleet, pair.database_url, world.environment_id, T)
            back.assert_no_errors()
        fleet.assert_no_errors()


async def test_a_relay_that_slept_takes_nothing_back(pair: Pair) -> None:
    """G4: SIGSTOP the relay, edit through the other, SIGCONT."""
    dice, world = random.Random(SEED), pair.world
    scribes = scribes_of(world)
    for scribe in scribes:
        await world.create(scribe.key, "NUMBER")
    async with (
        open_poller(pair.first.url, world.client_key),
        open_poller(pair.second.url, world.client_key),
        open_crowd(pair.first.port) as slept,
        open_crowd(pair.second.port) as awake,
        open_fleet(pair.first.port, [world.client_key], kinds=STREAMS) as fleet,
    ):
        await fleet.ready()
        for _ in range(5):
            await slept.join(world.client_key)
            await awake.join(world.client_key)
        os.kill(pair.first.pid, signal.SIGSTOP)
        try:
            async with open_office(scribes, [pair.elsewhere], dice) as office:
                await eventually(
                    lambda: leads(pair.second), within_seconds=T_RESTART, what="the second to take over"
                )
                await asyncio.sleep(0.5)
            stored = delivered(pair.database_url, world.environment_id)
            office.check(stored)
            await eventually(lambda: not awake.disagreeing(stored), within_seconds=T, what="the streams")
        finally:
            os.kill(pair.first.pid, signal.SIGCONT)
        async with open_office(scribes, [world.admin, pair.elsewhere], dice) as office:
            await asyncio.sleep(0.5)
        office.check(delivered(pair.database_url, world.environment_id))
        await all_hold_what_is_stored([slept, awake], pair, T_RESTART)
        await agree(fleet, pair.database_url, world.environment_id, T)
        await eventually(lambda: one_leads(pair), within_seconds=T, what="one relay, not two")
        slept.assert_unharmed()
        awake.assert_unharmed()
        fleet.assert_no_errors()


# Whoever is in the middle of a transaction on the relay's row, and waits for its own process.
ON_THE_RELAYS_ROW = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE relation = 'relay'::regclass AND mode = 'RowExclusiveLock' AND state = 'idle in transaction'
"""


async def frozen_in_mid_transaction(pair: Pair) -> None:
    """Stop the relay with its row locked: tried until it was caught at that moment."""
    with closing(psycopg.connect(pair.database_url, autocommit=True)) as beside:

        def inside() -> bool:
            row = beside.execute(ON_THE_RELAYS_ROW).fetchone()
            return row is not None and row[0] > 0

        async def caught() -> bool:
            if not inside():
                return False
            os.kill(pair.first.pid, signal.SIGSTOP)
            await asyncio.sleep(0.05)
            if inside():
                return True
            os.kill(pair.first.pid, signal.SIGCONT)
            return False

        await eventually(caught, within_seconds=120, every_seconds=0, what="the relay inside a transaction")


async def test_a_relay_frozen_in_mid_transaction_holds_nobody_up(pair: Pair) -> None:
    """G4 at its worst moment: the sleeper holds the lock that its successor needs."""
    dice, world = random.Random(SEED), pair.world
    scribes = scribes_of(world)
    for scribe in scribes:
        await world.create(scribe.key, "NUMBER")
    async with open_fleet(pair.second.port, [world.client_key], kinds=STREAMS) as fleet:
        await fleet.ready()
        try:
            async with open_office(scribes, [pair.elsewhere], dice):
                await frozen_in_mid_transaction(pair)
                await eventually(
                    lambda: leads(pair.second), within_seconds=T_RESTART, what="the second to take over"
                )
            await agree(fleet, pair.database_url, world.environment_id, T)
        finally:
            os.kill(pair.first.pid, signal.SIGCONT)
        await world.admin.set(world.environment_id, "number-0", 1_000_000)
        await agree(fleet, pair.database_url, world.environment_id, T)
        fleet.assert_no_errors()


async def test_a_server_cut_off_from_the_database_serves_and_catches_up(pair: Pair) -> None:
    """G3 without a bus: what is lost between the servers is the link to the log."""
    dice, world = random.Random(SEED), pair.world
    scribes = scribes_of(world)
    for scribe in scribes:
        await world.create(scribe.key, "NUMBER")
    async with (
        open_fleet(pair.second.port, [world.client_key], kinds=ALL) as fleet,
        open_crowd(pair.second.port) as crowd,
        open_poller(pair.second.url, world.client_key) as poller,
    ):
        await fleet.ready()
        await crowd.join(world.client_key)
        for silently in (False, True):
            if silently:
                pair.link.stall("down")
            else:
                pair.link.refuse()
                pair.link.cut()
            polls = poller.polls
            async with open_office(scribes, [world.admin], dice):
                await asyncio.sleep(2.5)
                await eventually(
                    lambda polls=polls: poller.polls > polls + 10,
                    within_seconds=T,
                    what="what is held to be served on",
                )
            if silently:
                pair.link.resume("down")
            else:
                pair.link.accept()
            await agree(fleet, pair.database_url, world.environment_id, T_RESTART)
            await all_hold_what_is_stored([crowd], pair, T)
        crowd.assert_unharmed()
        fleet.assert_no_errors()


async def test_an_edit_through_one_during_the_first_load_of_the_other_is_served(pair: Pair) -> None:
    """G5: the answer of the load is on its way when the edit commits elsewhere."""
    world, environment = pair.world, pair.world.environment_id
    await world.create("text", "STRING")
    await world.admin.set(environment, "text", "before")
    pair.link.stall("down")
    # The Python poller is left out: its agent answers nothing before its first poll did.
    async with open_fleet(pair.second.port, [world.client_key], kinds=[*STREAMS, JS_POLL]) as fleet:
        await eventually(
            lambda: fleet.streams.asked() + fleet.polls.asked() >= 2, within_seconds=T, what="SDKs to ask"
        )
        await world.admin.set(environment, "text", "written meanwhile")
        await world.admin.set(environment, "text", "written twice")
        pair.link.resume("down")
        await fleet.hold("text", "written twice", T)
        await agree(fleet, pair.database_url, environment, T)
        fleet.assert_no_errors(allow=[CUT_STREAM])


async def test_what_one_has_refused_is_served_as_soon_as_the_other_allows_it(pair: Pair) -> None:
    """G6: a miss that one server remembers does not outlive a creation through the other."""
    world = pair.world
    await world.create("flag")
    other = await world.admin.create_environment(world.application.id)
    key = world.account.sdk_key(other, client=True)
    async with aiohttp.ClientSession() as http:

        async def served() -> bool:
            return await poll(http, pair.second.url, key) == 200

        for _ in range(3):
            assert await poll(http, pair.second.url, key) == 404
        await world.admin.change_account(
            world.account.id, environments={world.environment_id: ALL_ROLES, other: ALL_ROLES}
        )
        await eventually(served, within_seconds=T, what="the key to be served")
    async with open_fleet(pair.second.port, [key], kinds=STREAMS) as fleet:
        await fleet.ready()
        await agree(fleet, pair.database_url, other, T)
