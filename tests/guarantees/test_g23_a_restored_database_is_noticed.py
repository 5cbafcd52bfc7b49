"""G23: a restored database is noticed.

Fault: an older backup is restored under open streams, after changes that it does not hold. Assertion:
every cache and every SDK process converges to what was restored, with versions that never fall; what was
made after the backup is gone, what was deleted after it is back, keys that were given after it are refused.
"""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from tests.guarantees.conftest import T_RESTART, T
from tests.support.admin import ALL_ROLES
from tests.support.crowd import open_crowd
from tests.support.fleet import ALL, STREAMS, open_fleet
from tests.support.judge import agree, delivered
from tests.support.ledger import ledger
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.watchers import poll
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]


async def restore_in_place(split: Split, backup: Path) -> None:
    """As an operator: stop every MR, restore, start them again; Dachas and Edges go on."""
    for mr in split.mrs:
        await asyncio.to_thread(mr.stop)
    print(await asyncio.to_thread(split.mrs[0].command, "restore", str(backup), "--force"))
    ledger().fault()
    await asyncio.to_thread(split.start)


async def make_what_the_backup_lacks(world: World) -> str:
    """Change, create and delete; answer a key that is given only now."""
    admin, environment = world.admin, world.environment_id
    for number in range(5):
        await admin.set(environment, "text", f"after the backup {number}")
    await admin.create_feature(world.application.id, "later")
    await admin.delete_feature(world.application.id, "deleted later")
    account = await admin.create_account(world.application.portfolio_id, {environment: ALL_ROLES})
    return account.sdk_key(environment, client=True)


async def test_everybody_converges_to_a_restored_backup(split: Split, tmp_path: Path) -> None:
    backup = tmp_path / "older.burgee"
    async with (
        open_world(split.mrs[0].url, split.edges[0].port, split.token) as world,
        open_fleet(split.edges[0].port, [world.client_key], kinds=ALL) as here,
        open_fleet(split.edges[1].port, [world.client_key], kinds=STREAMS) as there,
        open_crowd(split.edges[0].port) as crowd_here,
        open_crowd(split.edges[1].port) as crowd_there,
        aiohttp.ClientSession() as http,
    ):
        environment = world.environment_id
        await world.create("text", "STRING")
        await world.create("deleted later")
        await world.admin.set(environment, "text", "in the backup")
        await asyncio.to_thread(split.mrs[0].command, "backup", str(backup))
        new_key = await make_what_the_backup_lacks(world)
        for crowd in (crowd_here, crowd_there):
            for _ in range(5):
                await crowd.join(world.client_key)
        before = await agree(here, split.database_url, environment, T_RESTART)
        await agree(there, split.database_url, environment, T)
        await eventually(
            lambda: answers(http, split, new_key, 200), within_seconds=T_RESTART, what="the new key"
        )

        await restore_in_place(split, backup)
        began = time.monotonic()
        restored = await eventually(
            lambda: raised(delivered(split.database_url, environment), before),
            within_seconds=T_RESTART,
            what="the restored database to be noticed",
        )
        assert restored["text"].value == "in the backup"
        assert restored.keys() == {"text", "deleted later"}
        for fleet in (here, there):
            await agree(fleet, split.database_url, environment, T_RESTART)
        for crowd in (crowd_here, crowd_there):
            await eventually(
                lambda crowd=crowd: not crowd.disagreeing(restored), within_seconds=T, what="the streams"
            )
        await eventually(lambda: answers(http, split, new_key, 404), within_seconds=T, what="its refusal")
        ledger().converged(time.monotonic() - began)

        await world.admin.set(environment, "text", "after the restore")
        for fleet in (here, there):
            await agree(fleet, split.database_url, environment, T)
            fleet.assert_no_errors()
        for crowd in (crowd_here, crowd_there):
            crowd.assert_unharmed()


def raised(now, before):
    """What is delivered, once every version is above those of the lost history; else nothing."""
    lowest = max(each.version for each in before.values())
    return now if all(each.version > lowest for each in now.values()) else None


async def answers(http: aiohttp.ClientSession, split: Split, key: str, status: int) -> bool:
    return all([(await poll(http, edge.url, key))[0] == status for edge in split.edges])
