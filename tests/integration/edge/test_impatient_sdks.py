"""SDKs that bear less silence than others hear something in time, whichever way Edge is asked."""

import asyncio
import time

import pytest

from tests.support.edges import CLIENT, running_edge
from tests.support.sources import MemorySource, account, environment, feature

pytestmark = pytest.mark.integration

JERSEY = "Java-Jersey2,2.7,1.1.2"
JERSEY_PATIENCE_SECONDS = 5


async def test_the_java_sdk_over_jersey_hears_something_within_its_five_seconds() -> None:
    source = MemorySource()
    source.put(environment(feature("A", True)), account())
    async with (
        running_edge(source, edge_http="fast") as fast,
        running_edge(source, edge_http="plain") as plain,
        fast.stream(CLIENT, x_sdk=JERSEY) as one,
        plain.stream(CLIENT, x_sdk=JERSEY) as other,
        fast.stream(CLIENT) as patient,
    ):
        for stream in (one, other, patient):
            await stream.until("features")
        began = time.monotonic()
        heard = await asyncio.gather(one.next(heartbeats=True), other.next(heartbeats=True))
        assert time.monotonic() - began < JERSEY_PATIENCE_SECONDS
        assert [each and each.name for each in heard] == ["ack", "ack"]
        # Idle streams cost something: whoever bears more is spared.
        with pytest.raises(TimeoutError):
            await patient.next(heartbeats=True, within_seconds=0.1)
