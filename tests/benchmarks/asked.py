"""Polls that Edge cannot answer by itself, so that each asks Dacha over NATS, beside NATS alone."""

import asyncio
from collections.abc import Iterator

from annotated_types import Ge

from edge.settings import EdgeSettings
from tests.benchmarks.bare_nats import answering, bare_rate
from tests.benchmarks.programs import poll
from tests.benchmarks.rows import Bench, Row, group, interleave
from tests.benchmarks.world import World, asked, fill, ordinary_features, poll_request, set_values
from tests.support.admin import ALL_ROLES, Account

ENVIRONMENTS = 256
OUTSTANDING = 128
SECONDS = 1.5


async def lay_ground(world: World, count: int) -> tuple[Account, list[str]]:
    """That many environments of one application, each with its twenty features, and one account for all."""
    admin, features = world.admin, ordinary_features()
    application = await admin.create_application()
    await fill(admin, application.id, application.environment_id, features)
    places = [application.environment_id]
    while len(places) < count:
        places.append(await admin.create_environment(application.id))
    at_once = asyncio.Semaphore(4)

    async def set_in(place: str) -> None:
        async with at_once:
            await set_values(admin, place, features)

    async with asyncio.TaskGroup() as tasks:
        for place in places[1:]:
            tasks.create_task(set_in(place))
    account = await admin.create_account(application.portfolio_id, dict.fromkeys(places, ALL_ROLES))
    return account, places


def smallest_cache() -> int:
    """The fewest environments that Edge may be told to hold."""
    limits = EdgeSettings.model_fields["cache_environments"].metadata
    return next(int(str(each.ge)) for each in limits if isinstance(each, Ge))


@group("poll-asks-dacha")
def poll_asks_dacha(bench: Bench) -> Iterator[Row]:
    """Each poll for the next of many environments, none of which Edge holds."""
    world, seconds = bench.world, bench.size(SECONDS, 0.2)
    account, places = world.run(lay_ground(world, bench.size(ENVIRONMENTS, 4)))
    held = smallest_cache()
    with world.edge({"BURGEE_CACHE_ENVIRONMENTS": str(held)}) as edge:
        requests = bench.folder / "asked"
        made = [poll_request(edge.port, account.sdk_key(place, client=True)) for place in places]
        requests.write_bytes(b"".join(made))
        # Dacha holds all of them from now on.
        sizes = [len(asked(edge.port, each)) for each in made]
        before = _lookups(world)

        def ours() -> float:
            said = poll(edge.port, requests, connections=OUTSTANDING, seconds=seconds)
            if set(said["statuses"]) != {"200"}:
                raise RuntimeError(f"polls were answered {said['statuses']}")
            return float(said["per_second"])

        url = world.split.nodes[0].url
        with answering(url, sizes[0]):
            pairs = interleave(
                ours,
                lambda: bare_rate(url, outstanding=OUTSTANDING, seconds=seconds),
                pairs=bench.pairs,
            )
        asked_dacha = _lookups(world) - before
    polls_made = sum(pair[0] for pair in pairs) * seconds
    yield Row.of_pairs(
        "poll_that_asks_dacha",
        f"poll of an environment that Edge does not hold, {OUTSTANDING} outstanding, Dacha warm, over NATS",
        pairs,
        unit="polls/s",
        baseline_name="nats-py request/reply of the same size",
        goal=0.5,
        direction="higher",
        note=f"{len(places)} environments in turn, Edge may hold {held};"
        f" Dacha was asked {asked_dacha / polls_made:.2f} times per poll",
    )


def _lookups(world: World) -> float:
    return world.split.dachas[0].metric("burgee_dacha_lookups_total")
