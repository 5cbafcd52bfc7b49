"""The management API at the size of a large application: filling it, and showing its table."""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Sequence

from tests.benchmarks.rows import Bench, Row, group
from tests.support.admin import open_admin
from tests.support.party import PartyProcess, running_party
from tests.support.postgres import running_postgres

TABLES = 5


@group("management")
def management(bench: Bench) -> Iterator[Row]:
    """The same application in a party server on both databases."""
    yield from _on(bench, "SQLite", None)
    if not bench.quick:
        with running_postgres() as postgres:
            yield from _on(bench, "PostgreSQL", postgres.url(postgres.create_database()))


def _on(bench: Bench, database: str, url: str | None) -> Sequence[Row]:
    home = bench.folder / f"party-{database.lower()}"
    home.mkdir()
    with running_party(home, database_url=url) as party:
        return asyncio.run(_large_application(bench, party, database))


async def _large_application(bench: Bench, party: PartyProcess, database: str) -> Sequence[Row]:
    """Make the features one by one, give them values with one request per environment, show the table."""
    features, environments = bench.size(1000, 5), bench.size(20, 2)
    async with open_admin(party.url, party.token) as admin:
        application = await admin.create_application()
        places = [application.environment_id]
        while len(places) < environments:
            places.append(await admin.create_environment(application.id))
        keys = [f"FEATURE_{number:05}" for number in range(features)]
        made = [await _timed(admin.create_feature(application.id, key, "STRING")) for key in keys]
        values = [{"key": key, "locked": False, "value": f"value of {key}"} for key in keys]
        batches = [await _timed(admin.call("PUT", f"/features/{place}", values)) for place in places]
        path = f"/application/{application.id}/all-feature-environment"
        tables = [await _timed(admin.call("GET", path)) for _ in range(TABLES)]
    size, kind = f"{features:,} features × {environments} environments", database.lower()
    return [
        Row.of_values(
            f"management_import_{kind}",
            f"party on {database}: making all features of {size}, one request each",
            [sum(made)],
            unit="s",
        ),
        Row.of_values(
            f"management_values_{kind}",
            f"the same: all values of one environment in one request ({size})",
            [each * 1000 for each in batches],
            unit="ms",
        ),
        Row.of_values(
            f"management_table_{kind}",
            f"the same: the table of {size}",
            [each * 1000 for each in tables],
            unit="ms",
        ),
    ]


async def _timed(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun
