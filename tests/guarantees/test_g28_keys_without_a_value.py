"""G28 for keys that never had a value: they are delivered at version 0, which must not come twice.

Fault: such a key is deleted and created again with another type, while SDKs are connected and while they
are not. Assertion: SDKs of both kinds end with the database's feature, its type included.
"""

import pytest

from tests.guarantees.conftest import T
from tests.support.fleet import CUT_STREAM, JS_POLL, STREAMS, open_fleet
from tests.support.judge import agree
from tests.support.party import PartyHere
from tests.support.world import World

pytestmark = pytest.mark.guarantees


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "disconnected"])
async def test_a_key_that_never_had_a_value_comes_back_above_its_former_self(
    world: World, party: PartyHere, connected: bool
) -> None:
    await world.create("key", "STRING")
    async with open_fleet(world.port, [world.client_key], kinds=[*STREAMS, JS_POLL]) as fleet:
        before = await agree(fleet, party.database_url, world.environment_id, T)
        if not connected:
            fleet.disconnect()
        await world.admin.delete_feature(world.application.id, "key")
        await world.create("key", "NUMBER")
        if not connected:
            fleet.reconnect()
        after = await agree(fleet, party.database_url, world.environment_id, T)
        assert after["key"].version > before["key"].version
        fleet.assert_no_errors(allow=[CUT_STREAM])
