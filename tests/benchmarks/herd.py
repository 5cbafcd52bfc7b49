"""Ten thousand clients that connect at once to one very big environment."""

from collections.abc import Iterator

from msgspec import Raw

from common.contracts.features import RolloutStrategy, StrategyAttribute, encode_strategies
from mr.db.session import open_database
from tests.benchmarks.bulk import CLIENT_KEY, fill
from tests.benchmarks.pinning import cpu_seconds, most_resident_bytes, resident_bytes, tcp_bytes
from tests.benchmarks.programs import running_crowd
from tests.benchmarks.rows import Bench, Row, group
from tests.benchmarks.streams import OPEN_SECONDS
from tests.benchmarks.world import World
from tests.support.crowd import stream_request

CLIENTS = 10_000
FEATURES = 3_000
RECEIVE_BYTES = 65_536
"""Of each client: 10,000 that let the kernel choose would ask for more memory than this machine has."""


async def lay_ground(world: World, features: int) -> str:
    """An environment of so many features with about 1.7 KB of strategies each; answer its SDK key."""
    async with open_database(world.split.database_url) as database:
        made = await fill(database, environments=1, features=features, strategies=strategies())
    return f"{made.places[0].id}/{CLIENT_KEY}"


def strategies() -> bytes:
    """Seven strategies by lists of users."""
    return encode_strategies(
        tuple(
            RolloutStrategy(
                id=f"{number:04}",
                value=Raw(b'"variant %d"' % number),
                attributes=(
                    StrategyAttribute(
                        conditional="EQUALS",
                        field_name="userkey",
                        type="STRING",
                        values=tuple(f"user-{number}-{user:05}@example.org" for user in range(5)),
                    ),
                ),
            )
            for number in range(7)
        )
    )


@group("herd")
def herd(bench: Bench) -> Iterator[Row]:
    """All connect at the same moment; each is served the whole of it."""
    world = bench.world
    clients, features = bench.size(CLIENTS, 20), bench.size(FEATURES, 30)
    key = world.run(lay_ground(world, features))
    with world.edge() as edge:
        request = stream_request(edge.port, key)
        with running_crowd(bench.folder, edge.port, request, receive_bytes=RECEIVE_BYTES) as crowd:
            one = crowd.tell("open", 1, 1, OPEN_SECONDS)
            before, sockets, used = resident_bytes(edge.pid), tcp_bytes(), cpu_seconds(edge.pid)
            said = crowd.tell("open", clients, clients, OPEN_SECONDS)
            seconds = (said["ended"] - said["began"]) / 1e9
            used = cpu_seconds(edge.pid) - used
            most, sockets = most_resident_bytes(edge.pid) - before, tcp_bytes() - sockets
    each_bytes = said["bytes"] / max(1, said["opened"])
    what = f"{clients:,} clients at once to one environment of {features:,} features"
    yield Row.of_values(
        "herd_served",
        f"{what} ({one['bytes'] / 2**20:.1f} MB each): how many were served whole",
        [said["opened"]],
        unit="clients",
        goal=clients,
        direction="higher",
        note=f"{said['bytes'] / 2**30:.1f} GiB in all, {each_bytes / 2**20:.2f} MiB each; "
        f"{said['closed']} were closed",
    )
    yield Row.of_values(
        "herd_seconds",
        f"{what}: until the last had everything",
        [seconds],
        unit="s",
        note=f"half of them after {said['p50'] / 1e9:.1f} s; Edge used {used:.1f} s of CPU",
    )
    yield Row.of_values(
        "herd_peak_memory",
        f"{what}: the most that Edge's memory grew",
        [most / 2**20],
        unit="MB",
        note=f"sockets in the kernel afterwards {sockets / 2**20:+.0f} MB",
    )
