"""G15: bounded under junk.

Fault: 1,200 random keys as fast as MR can deny them; in a long run 40,000 (1,000,000 with
`GUARANTEE_CHANGES=250000`) over 1,500 connections from one address, far faster than that. Assertion: memory
of Edges and Dachas stays within a bound, MR is asked no more often than the limits of two Dachas allow, and
whoever has a key that is held, or that is made meanwhile, notices nothing.
"""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.guarantees.conftest import Scale
from tests.support.admin import ALL_ROLES
from tests.support.ledger import ledger
from tests.support.processes import BurgeeProcess
from tests.support.scribes import open_poller
from tests.support.split import Split
from tests.support.swarm import Spammer, open_spammers
from tests.support.watchers import poll
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

JUNK = 1_200
SOURCES = 3
SPAMMERS = 12
LONG_SPAMMERS = 1_500
"""In a long run from one address: most of it is refused by Edge without a look-up."""
SEED = 20261115
AT_ONCE = 2_000
PER_SECOND = 500
"""What a Dacha may ask MR for keys that nobody ever saw (`common.caching.app`)."""
SERVED_SECONDS = 20.0
GROWTH_BYTES = 96 * 1024 * 1024


def junk_keys(environment_id: str, dice: random.Random, count: int) -> list[str]:
    """Keys as well formed as real ones, of an environment that exists or of one that does not."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    keys = []
    for number in range(count):
        word = "".join(dice.choices(letters, k=40))
        other = f"{dice.getrandbits(32):08x}{environment_id[8:]}"
        keys.append(f"{environment_id if number % 2 else other}/{word}")
    return keys


def resident(processes: list[BurgeeProcess]) -> dict[str, int]:
    """Bytes of memory by process."""
    found = {}
    for process in processes:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        (line,) = [each for each in lines if each.startswith("VmRSS:")]
        found[process.name] = int(line.split()[1]) * 1024
    return found


def asked_of_mr(split: Split) -> int:
    return sum(
        link.asked(lambda request: request.path.startswith(("/internal/acc", "/internal/env")))
        for link in split.internal.values()
    )


async def spread(split: Split, keys: list[str], statuses: Counter[int]) -> None:
    """Ask for all of them, half at each Edge."""
    ports = [edge.port for edge in split.edges]
    spammers_and_sources = (LONG_SPAMMERS, 1) if len(keys) > JUNK else (SPAMMERS, SOURCES)
    async with open_spammers(ports, *spammers_and_sources) as spammers:
        left = iter(keys)

        async def spam(spammer: Spammer) -> None:
            for key in left:
                statuses[await spammer.poll(key)] += 1

        async with asyncio.TaskGroup() as tasks:
            for spammer in spammers:
                tasks.create_task(spam(spammer))


async def a_new_key_is_served(split: Split, world: World, environment: str) -> float:
    """Make an account in the middle of it; answer how long it was until both Edges served it."""
    account = await world.admin.create_account(world.application.portfolio_id, {environment: ALL_ROLES})
    key = account.sdk_key(environment, client=True)
    began = time.monotonic()
    async with aiohttp.ClientSession() as http:
        while [(await poll(http, edge.url, key))[0] for edge in split.edges] != [200, 200]:
            assert time.monotonic() < began + SERVED_SECONDS, "a new key is served in the middle of junk"
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_junk_costs_a_bounded_amount_and_harms_nobody(split: Split, scale: Scale) -> None:
    print(f"seed {SEED}")
    caches = [*split.edges, *split.dachas]
    async with open_world(split.mrs[0].url, split.edges[0].port, split.token) as world:
        await world.create("flag")
        keys = junk_keys(world.environment_id, random.Random(SEED), scale.changes_of(JUNK))
        statuses: Counter[int] = Counter()
        async with (
            open_poller(split.edges[0].url, world.client_key) as here,
            open_poller(split.edges[1].url, world.server_key) as there,
        ):
            before, memory, began = asked_of_mr(split), resident(caches), time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(spread(split, keys, statuses))
                fresh = tasks.create_task(a_new_key_is_served(split, world, world.environment_id))
            took = time.monotonic() - began
            questions = asked_of_mr(split) - before
            grown = {name: size - memory[name] for name, size in resident(caches).items()}
            for poller in (here, there):
                assert not poller.refused, "a key that is held is always served"
                # No answer within three seconds: the clients' own machine is as busy as the servers'.
                assert poller.stalled * 50 <= poller.polls, (poller.stalled, poller.polls)
        ledger().converged(fresh.result())
        ledger().loaded(questions)
        ledger().fault()
        print(
            f"{len(keys) / took:.0f} keys/s, {dict(statuses)}, {questions} questions to MR, grown by {grown}"
        )
        assert set(statuses) <= {404, 503}, statuses
        assert questions <= len(split.dachas) * (AT_ONCE + PER_SECOND * took) + 100
        assert max(grown.values()) < GROWTH_BYTES, grown
