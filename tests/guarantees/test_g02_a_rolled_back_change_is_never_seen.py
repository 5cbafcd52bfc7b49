"""G2: a rolled-back change is never seen.

Fault: the transaction fails after its event was written; the process is killed while it commits.
Assertion: no event, no position, no change in any cache or SDK, and the next change applies cleanly.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import aiohttp
import psycopg
import pytest
from sqlalchemy import func, select

from mr.db.models.delivery import OutboxRow
from mr.db.models.features import FeatureValue
from mr.db.projection import Touched, project
from mr.db.session import Locks, WriteSession
from tests.guarantees.conftest import ON_BOTH_DATABASES, T
from tests.support.admin import Refused
from tests.support.fleet import ALL, CUT_STREAM, open_fleet
from tests.support.judge import agree, delivered
from tests.support.ledger import ledger
from tests.support.party import PartyHere, PartyProcess, running_party
from tests.support.postgres import PostgresServer
from tests.support.streams import Stream, open_stream
from tests.support.waiting import eventually, eventually_sync
from tests.support.world import World, open_world

pytestmark = pytest.mark.guarantees

NEVER = "rolled back, never to be seen"


class Fault(Exception):
    """What goes wrong after the event was written."""


async def count_events(session: WriteSession) -> int:
    return (await session.execute(select(func.count()).select_from(OutboxRow))).scalar_one()


async def fail_after_the_event(party: PartyHere, world: World, feature_id: str) -> None:
    """A transaction that is complete in everything but its commit."""
    environment, feature = UUID(world.environment_id), UUID(feature_id)
    async with party.database.write(Locks(environments=(environment,))) as session:
        before = await count_events(session)
        row = (
            await session.execute(
                select(FeatureValue).where(
                    FeatureValue.environment_id == environment, FeatureValue.feature_id == feature
                )
            )
        ).scalar_one()
        row.value = json.dumps(NEVER)
        await session.flush()
        touched = Touched(saved={(environment, feature)}, features={feature}, environments=set())
        await project(session, UUID(world.application.id), touched, author=None)
        assert await count_events(session) == before + 1, "the event is written"
        ledger().fault()
        raise Fault


@ON_BOTH_DATABASES
async def test_a_transaction_that_fails_after_its_event_is_seen_by_nobody(
    world: World, party: PartyHere
) -> None:
    feature_id = await world.create("text", "STRING")
    await world.admin.set(world.environment_id, "text", "before")
    async with (
        open_stream(world.url, world.client_key) as stream,
        open_fleet(world.port, [world.client_key], kinds=ALL) as fleet,
    ):
        await fleet.hold("text", "before")
        await stream.heard("features")
        # Until then it may get the value before the fault as a change of its own.
        await eventually(lambda: '"before"' in said(stream), within_seconds=T, what="the value before")
        heard = len(stream.changes)
        state = await party.origin.state()
        stored = delivered(party.database_url, world.environment_id)
        for _ in range(3):
            with pytest.raises(Fault):
                await fail_after_the_event(party, world, feature_id)
        assert await party.origin.state() == state, "no position was given"
        assert delivered(party.database_url, world.environment_id) == stored
        # Whatever the rolled-back change had set in motion would come before this one.
        await world.admin.set(world.environment_id, "text", "after")
        await fleet.hold("text", "after")
        await stream.changed("text", value="after")
        assert NEVER not in said(stream)
        assert len(stream.changes) == heard + 1
        await agree(fleet, party.database_url, world.environment_id, T)
        fleet.assert_no_errors()


def said(stream: Stream) -> str:
    """Everything the stream was told, as text."""
    return json.dumps([event.data for event in stream.events])


# A transaction waits here at its very end, with its event written, for as long as the test holds the lock.
WAIT_AT_COMMIT = """
CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(20261122);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT ON outbox
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_commit();
"""
WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def killed_party(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[PartyProcess]:
    database = postgres_server.create_database()
    url = postgres_server.url(database)
    with running_party(tmp_path, database_url=url) as party:
        yield party
    postgres_server.drop_database(database)


async def test_a_process_killed_while_it_commits_leaves_nothing_of_the_change(
    killed_party: PartyProcess,
) -> None:
    async with open_world(killed_party.url, killed_party.port, killed_party.token) as world:
        await world.create("text", "STRING")
        await world.admin.set(world.environment_id, "text", "before")
        async with open_fleet(world.port, [world.client_key], kinds=ALL[::2]) as fleet:
            await fleet.hold("text", "before")
            with closing(psycopg.connect(killed_party.database_url, autocommit=True)) as beside:
                beside.execute(WAIT_AT_COMMIT)
                beside.execute("SELECT pg_advisory_lock(20261122)")
                fleet.streams.hold()
                async with asyncio.TaskGroup() as asking:
                    edit = asking.create_task(refused(world))
                    (pid,) = await eventually(
                        lambda: beside.execute(WAITING).fetchone(), within_seconds=T, what="the commit"
                    )
                    await asyncio.to_thread(killed_party.kill)
                    # The server is gone; PostgreSQL would finish for it, unless its backend ends as well.
                    beside.execute("SELECT pg_terminate_backend(%s)", (pid,))
                    eventually_sync(lambda: beside.execute(WAITING).fetchone() is None)
                    assert await edit
                beside.execute("SELECT pg_advisory_unlock_all()")
            await asyncio.to_thread(killed_party.start)
            fleet.streams.release()
            stored = delivered(killed_party.database_url, world.environment_id)
            assert stored["text"].value == "before"
            await agree(fleet, killed_party.database_url, world.environment_id, 2 * T)
            await world.admin.set(world.environment_id, "text", "after")
            await fleet.hold("text", "after")
            await agree(fleet, killed_party.database_url, world.environment_id, T)
            fleet.assert_no_errors(allow=[CUT_STREAM])


async def refused(world: World) -> bool:
    """Try the edit whose server will die under it; True when it was not confirmed."""
    try:
        await world.admin.set(world.environment_id, "text", NEVER)
    except (aiohttp.ClientError, Refused):
        return True
    return False
