"""`GET /mr-api/burgee/propagation`: the log of an environment's changes, and how far each has come."""

import pytest

from common.contracts.reports import Reach, Report
from common.serve import running
from common.web import Surroundings
from mr.app import mr_app, open_mr
from mr.origin import DatabaseOrigin
from mr.propagation.record import Propagation
from mr.relay import open_relay
from mr.settings import MrSettings
from tests.support.admin import Admin

PATH = "/burgee/propagation"


@pytest.fixture
async def propagation():
    return Propagation()


@pytest.fixture
async def hearing(api, propagation):
    """The same API with a record that hears reports."""
    async with (
        open_mr(MrSettings(), api.database, propagation=propagation) as mr,
        running(Surroundings(mr_app(mr))) as base,
    ):
        yield Admin(api.http, base, api.admin.token)


@pytest.fixture
async def changed(api, application):
    """An application whose changes have positions."""
    async with open_relay(api.database, holder="test") as relay:
        await api.admin.create_feature(application.id, "F", "STRING")
        for number in range(3):
            await api.admin.set(application.environment_id, "F", str(number))
        await relay.drained()
        yield application


async def edge(api, environment, revision, position, *, reached):
    state = await DatabaseOrigin(api.database).state()
    reach = Reach(
        position=position,
        environment_id=environment,
        revision=revision,
        streams=20,
        reached=reached,
        slowest_milliseconds=31.04,
    )
    return Report(
        instance="edge-1",
        role="edge",
        epoch=state.epoch,
        position=state.position,
        live=True,
        streams={environment: 20},
        reaches=(reach,),
    )


async def test_each_change_tells_how_far_it_has_come(api, changed, hearing, propagation):
    where = changed.environment_id
    before = await hearing.call("GET", PATH, environmentId=where)
    assert before["environmentId"] == where
    newest, *older = before["changes"]
    assert newest["position"] == before["position"]
    assert [each["revision"] for each in older] == list(range(newest["revision"] - 1, 0, -1))
    assert newest["edges"] == {"live": 0, "total": 0}
    assert newest["settled"] is False
    assert newest["committedAt"] <= newest["publishedAt"]

    propagation.told(await edge(api, where, newest["revision"], newest["position"], reached=20))
    after = (await hearing.call("GET", PATH, environmentId=where, max="1"))["changes"]
    assert after == [
        {
            **{name: newest[name] for name in ("position", "revision", "committedAt", "publishedAt")},
            "processes": [
                {"instance": "edge-1", "role": "edge", "position": newest["position"], "reached": True}
            ],
            "edges": {"live": 1, "total": 1},
            "streams": {"reached": 20, "total": 20},
            "slowestMilliseconds": 31.0,
            "settled": True,
        }
    ]


async def test_one_change_is_found_by_its_position_or_its_revision(api, changed, hearing):
    where = changed.environment_id
    changes = (await hearing.call("GET", PATH, environmentId=where))["changes"]
    for query in (
        {"position": str(changes[1]["position"])},
        {"position": str(changes[1]["position"]), "environmentId": where},
        {"revision": str(changes[1]["revision"]), "environmentId": where},
    ):
        found = await hearing.call("GET", PATH, **query)
        assert found["environmentId"] == where
        assert found["changes"] == [changes[1]]
    for query in ({"position": "999999"}, {"revision": "999", "environmentId": where}):
        assert (await hearing.try_call("GET", PATH, **query))[0] == 404


async def test_a_change_that_the_relay_has_not_come_to_has_no_position(api, application, hearing):
    where = application.environment_id
    async with open_relay(api.database, holder="test") as relay:
        await relay.drained()
    await api.admin.create_feature(application.id, "F")
    newest = (await hearing.call("GET", PATH, environmentId=where))["changes"][0]
    assert "position" not in newest
    assert newest["settled"] is False


async def test_a_question_that_makes_no_sense_is_refused(changed, hearing):
    for query in ({}, {"environmentId": "nonsense"}, {"position": "0"}, {"max": "101"}):
        assert (await hearing.try_call("GET", PATH, **query))[0] == 400


async def test_only_readers_of_the_environment_are_told(api, changed):
    where = changed.environment_id
    reader = await api.person(changed.portfolio_id, environments={where: ["READ"]})
    member = await api.person(changed.portfolio_id)
    position = (await reader.admin.call("GET", PATH, environmentId=where))["position"]
    for query in ({"environmentId": where}, {"position": str(position)}):
        assert await member.status("GET", PATH, **query) == 404
        assert await api.stranger().status("GET", PATH, **query) == 401
