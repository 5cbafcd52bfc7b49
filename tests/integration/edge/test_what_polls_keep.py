"""Answered polls are remembered, the environments that they were about are not: caches bound those."""

import gc
from weakref import ref

import pytest

from common.contracts.environments import EnvironmentSnapshot
from tests.support.edges import CLIENT, SERVER, running_edge
from tests.support.sources import ENVIRONMENT, MemorySource, account, environment, feature

GIVEN_UP = "00000000-0000-4000-8000-000000000001"


def made(environment_id: str) -> EnvironmentSnapshot:
    return environment(feature("F", True), environment_id=environment_id)


@pytest.mark.parametrize("edge_http", ["fast", "plain"])
async def test_what_no_cache_holds_any_more_is_kept_by_no_answer(edge_http: str) -> None:
    source = MemorySource()
    source.put(made(ENVIRONMENT), made(GIVEN_UP), account(ENVIRONMENT, GIVEN_UP))
    watched = ref(source._environments[GIVEN_UP])
    async with running_edge(source, edge_http=edge_http) as edge:
        for key in (CLIENT, SERVER):
            keys = key, key.replace(ENVIRONMENT, GIVEN_UP)
            first = await edge.poll(*keys)
            assert (await edge.poll(*keys, if_none_match=first.headers["etag"])).status == 304
        assert watched() is not None
        source.remove_environment(GIVEN_UP)
        gc.collect()
        assert watched() is None
        # What it had proven is proven no more.
        assert (await edge.poll(CLIENT.replace(ENVIRONMENT, GIVEN_UP))).status == 404
        source.put(environment(feature("F", False), environment_id=GIVEN_UP, revision=2))
        told = (await edge.poll(CLIENT.replace(ENVIRONMENT, GIVEN_UP))).json
        assert told[0]["features"][0]["value"] is False
