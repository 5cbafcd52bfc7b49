"""Ten thousand clients that connect at once to one very big environment."""

from collections.abc import Iterator
from typing import Any

from tests.benchmarks.pinning import cpu_seconds, most_resident_bytes, resident_bytes, tcp_bytes
from tests.benchmarks.programs import running_crowd
from tests.benchmarks.rows import Bench, Row, group
from tests.benchmarks.streams import OPEN_SECONDS
from tests.benchmarks.world import Place, World, by_attribute, fill
from tests.support.admin import ALL_ROLES
from tests.support.crowd import stream_request

CLIENTS = 10_000
FEATURES = 3_000
RECEIVE_BYTES = 65_536
"""Of each client: 10,000 that let the kernel choose would ask for more memory than this machine has."""


async def lay_ground(world: World, features: int) -> Place:
    """An environment of so many features with about 1.7 KB of strategies each."""
    application = await world.admin.create_application()
    await fill(world.admin, application.id, application.environment_id, big_features(features))
    account = await world.admin.create_account(
        application.portfolio_id, {application.environment_id: ALL_ROLES}
    )
    return Place(application.id, application.environment_id, account)


def big_features(count: int) -> list[dict[str, Any]]:
    """Texts with seven strategies each, by lists of users."""
    return [
        {
            "key": f"BIG_{number:05}",
            "kind": "STRING",
            "locked": False,
            "value": "for everybody",
            "rolloutStrategies": [
                by_attribute(
                    "userkey", [f"user-{number:05}-{each}-{user:02}" for user in range(6)], f"v{each}"
                )
                for each in range(7)
            ],
        }
        for number in range(count)
    ]


@group("herd")
def herd(bench: Bench) -> Iterator[Row]:
    """All connect at the same moment; each is served the whole of it."""
    world = bench.world
    clients, features = bench.size(CLIENTS, 20), bench.size(FEATURES, 30)
    place = world.run(lay_ground(world, features))
    with world.edge() as edge:
        request = stream_request(edge.port, place.client_key)
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
