"""The published SDKs against Edge alone: what fails here is Edge's. Their final state is the judge."""

import random
import time
from zlib import crc32

import pytest

from tests.support.edges import CLIENT, NOBODY, SERVER, running_edge
from tests.support.replicas import World
from tests.support.sdk import SdkSnapshot, open_sdk
from tests.support.sources import MemorySource, account

pytestmark = pytest.mark.integration


def holds(world: World, *, exactly: bool):
    """Whether an SDK holds the world's features with their values; pollers may keep what is gone."""
    wanted = {row.key: (row.value, row.version) for row in world.rows.values() if not row.retired}

    def check(now: SdkSnapshot) -> bool:
        held = {key: (feature.value, feature.version) for key, feature in now.existing.items()}
        return held == wanted if exactly else {key: held.get(key) for key in wanted} == wanted

    return check


@pytest.mark.parametrize(
    ("language", "mode"), [("js", "stream"), ("python", "stream"), ("js", "poll"), ("python", "poll")]
)
@pytest.mark.parametrize("key", [CLIENT, SERVER])
async def test_an_sdk_ends_with_the_worlds_features_over_many_byes(language, mode, key):
    """G28: keys that go and come back, while the SDK is connected and between its connections."""
    world, source = World(), MemorySource()
    seed = crc32(f"{language} {mode} {key}".encode())
    chance = random.Random(seed)
    world.create("A")
    source.put(world.snapshot(), account())
    async with (
        running_edge(source, stream_seconds=0.5) as edge,
        open_sdk(language, mode, url=edge.url, keys=[key]) as sdk,
    ):
        await sdk.ready()
        visits = lambda: edge.metric("burgee_edge_hits_total", kind=mode, result="found")  # noqa: E731
        rounds = 0
        while rounds < 12 or visits() < 4:
            rounds += 1
            for _ in range(chance.randrange(1, 6)):
                name = chance.choice(["create", "change", "retire", "delete", "rename", "swap", "same_value"])
                keys = chance.choices("ABCD", k=2)
                getattr(world, name)(*(keys if name in {"rename", "swap"} else keys[:1]))
                source.put(world.snapshot())
            # Some rounds are awaited, in others the SDK is left behind.
            if chance.random() < 0.5 or rounds > 12:
                exactly = mode == "stream" or language == "js"
                await sdk.eventually(holds(world, exactly=exactly), what=f"the world of seed {seed}")
        await sdk.eventually(
            holds(world, exactly=mode == "stream" or language == "js"), what=f"the end of seed {seed}"
        )
        assert sdk.errors == []


@pytest.mark.parametrize("language", ["js", "python"])
async def test_an_sdk_that_starts_while_the_source_is_cut_off_becomes_ready_later(language):
    world, source = World(), MemorySource()
    world.create("A")
    source.put(world.snapshot(), account())
    source.forget()
    source.cut_off = True
    async with (
        running_edge(source, heartbeat_seconds=0.2) as edge,
        open_sdk(language, "stream", url=edge.url, keys=[CLIENT]) as sdk,
    ):
        await sdk.eventually(lambda _now: edge.edge.open_streams == 1, what="an open stream")
        source.cut_off = False
        await sdk.ready()
        await sdk.eventually(holds(world, exactly=True))


@pytest.mark.parametrize("language", ["js", "python"])
async def test_an_sdk_with_an_unknown_key_asks_no_more_than_a_few_times(language):
    source, began = MemorySource(), time.monotonic()
    async with (
        running_edge(source, unknown_key_hold_seconds=15) as edge,
        open_sdk(language, "stream", url=edge.url, keys=[NOBODY]) as sdk,
    ):
        unknown = lambda: edge.metric("burgee_edge_hits_total", kind="stream", result="unknown")  # noqa: E731
        await sdk.eventually(lambda _now: unknown() >= 1, what="a refusal")
        for _ in range(20):
            assert not (await sdk.snapshot()).ready
        # Whoever is held comes back when that is over.
        assert unknown() <= 2 + (time.monotonic() - began) // 15


@pytest.mark.parametrize("language", ["js", "python"])
async def test_a_revoked_key_leaves_an_sdk_without_a_busy_loop(language):
    world, source = World(), MemorySource()
    world.create("A")
    source.put(world.snapshot(), account())
    async with (
        running_edge(source, unknown_key_hold_seconds=15) as edge,
        open_sdk(language, "stream", url=edge.url, keys=[CLIENT]) as sdk,
    ):
        await sdk.ready()
        began = time.monotonic()
        source.put(account(removed=True, revision=2))
        unknown = lambda: edge.metric("burgee_edge_hits_total", kind="stream", result="unknown")  # noqa: E731
        await sdk.eventually(lambda _now: unknown() >= 1, within_seconds=30, what="a refusal")
        for _ in range(20):
            await sdk.snapshot()
        assert unknown() <= 2 + (time.monotonic() - began) // 15
