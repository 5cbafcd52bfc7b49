"""Measure the management API at the size of a large application: filling it, and showing its table."""

import time

from tests.benchmarks.numbers import milliseconds
from tests.support.admin import open_admin
from tests.support.party import PartyProcess


async def large_application(
    party: PartyProcess, *, features: int, environments: int, repeats: int = 5
) -> dict[str, object]:
    """Make the features one by one, give them values with one request per environment, show the table."""
    async with open_admin(party.url, party.token) as admin:
        application = await admin.create_application()
        places = [application.environment_id]
        while len(places) < environments:
            places.append(await admin.create_environment(application.id))
        keys = [f"FEATURE_{number:05}" for number in range(features)]
        made = []
        for key in keys:
            begun = time.perf_counter()
            await admin.create_feature(application.id, key, "STRING")
            made.append(time.perf_counter() - begun)
        values = [{"key": key, "locked": False, "value": f"value of {key}"} for key in keys]
        batches, tables = [], []
        for place in places:
            begun = time.perf_counter()
            await admin.call("PUT", f"/features/{place}", values)
            batches.append(time.perf_counter() - begun)
        for _ in range(repeats):
            begun = time.perf_counter()
            await admin.call("GET", f"/application/{application.id}/all-feature-environment")
            tables.append(time.perf_counter() - begun)
    return {
        "features": features,
        "environments": environments,
        "make_one_feature": milliseconds(made),
        "import_all_features_seconds": round(sum(made), 2),
        "set_all_values_of_an_environment": milliseconds(batches),
        "table": milliseconds(tables),
    }
