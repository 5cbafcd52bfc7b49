"""Polls over a real socket: statuses, headers and bodies as SDKs rely on them."""

import asyncio
from itertools import count, islice
from urllib.parse import quote

import pytest

from common.contracts.features import RolloutStrategy, StrategyAttribute
from tests.support.edges import CLIENT, NOBODY, SERVER, running_edge
from tests.support.sources import ENVIRONMENT, account, environment, feature, text_value
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

OTHER = "00000000-0000-4000-8000-000000000001"
COLOUR = feature(
    "COLOUR",
    "grey",
    feature_type="STRING",
    strategies=(
        RolloutStrategy(
            id="s1",
            value=text_value("red"),
            attributes=(
                StrategyAttribute(
                    conditional="EQUALS", field_name="country", values=("peru",), type="STRING"
                ),
            ),
        ),
    ),
)


async def test_a_poll_is_answered_with_and_without_the_slash_and_never_redirected(source):
    async with running_edge(source) as edge:
        for path in ("/features", "/features/"):
            for query in (f"apiKey={CLIENT}", f"apiKey={quote(CLIENT, safe='')}", f"sdkUrl=default/{CLIENT}"):
                answer = await edge.get(f"{path}?{query}&contextSha=0")
                assert answer.status == 200
                assert answer.headers["content-type"] == "application/json"
                assert answer.headers["cache-control"] == "no-store, max-age=0"
                assert answer.headers["etag"].startswith('"')
                assert [each["id"] for each in answer.json] == [ENVIRONMENT]
                assert [each["key"] for each in answer.json[0]["features"]] == ["CART", "ITEMS"]


async def test_keys_are_answered_in_order_and_each_once(source):
    source.put(environment(COLOUR, environment_id=OTHER), account(ENVIRONMENT, OTHER, revision=2))
    other = CLIENT.replace(ENVIRONMENT, OTHER)
    async with running_edge(source) as edge:
        shouted = other[:36].upper() + other[36:]
        for keys, expected in (
            ([CLIENT, other], [ENVIRONMENT, OTHER]),
            ([other, CLIENT], [OTHER, ENVIRONMENT]),
            ([other, f"named-cache/{other}", CLIENT, shouted], [OTHER, ENVIRONMENT]),
        ):
            answer = await edge.poll(*keys)
            assert [each["id"] for each in answer.json] == expected
            unchanged = await edge.poll(*keys, if_none_match=answer.headers["etag"])
            assert (unchanged.status, unchanged.body) == (304, b"")
            assert unchanged.headers["etag"] == answer.headers["etag"]
            assert unchanged.headers["cache-control"] == "no-store, max-age=0"


async def test_client_or_server_evaluation_is_decided_for_each_key(source):
    source.put(environment(COLOUR), account(revision=2))
    async with running_edge(source) as edge:
        answer = await edge.poll(CLIENT, SERVER, x_featurehub="country=peru")
        [client], [server] = [each["features"] for each in answer.json]
        assert client["value"] == "grey"
        assert client["strategies"]
        assert (server["value"], server["v"]) == ("red", "s1")
        assert "strategies" not in server


async def test_python_and_ruby_join_their_context_with_ampersands(source):
    source.put(environment(COLOUR), account(revision=2))
    async with running_edge(source) as edge:
        for sdk, value in (("Python", "red"), ("Ruby", "red"), ("Java,3,4", "grey"), ("", "grey")):
            answer = await edge.poll(SERVER, x_featurehub="userkey=fred&country=peru", x_sdk=sdk)
            assert answer.json[0]["features"][0]["value"] == value


async def test_a_poll_without_any_key_is_400_and_with_none_known_404(source):
    async with running_edge(source) as edge:
        assert (await edge.poll()).status == 400
        for keys in ([NOBODY], ["nonsense"], [""], ["a/b/c/d", NOBODY]):
            answer = await edge.poll(*keys)
            assert answer.status == 404
            assert answer.headers["cache-control"] == "no-store, max-age=0"


async def test_an_unknown_key_beside_a_known_one_is_an_environment_without_features(source):
    async with running_edge(source) as edge:
        answer = await edge.poll(NOBODY.replace(ENVIRONMENT, OTHER), CLIENT, "nonsense")
        assert answer.status == 200
        assert answer.json[0] == {"id": OTHER, "features": []}
        assert len(answer.json[1]["features"]) == 2
        assert len(answer.json) == 2


async def test_anything_uncertain_makes_the_whole_poll_503(source):
    source.put(environment(COLOUR, environment_id=OTHER), account(ENVIRONMENT, OTHER, revision=2))
    source.forget()
    source.cut_off = True
    async with running_edge(source) as edge:
        for keys in ([CLIENT], [NOBODY], [CLIENT, SERVER]):
            answer = await edge.poll(*keys, origin="https://example.org")
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["access-control-allow-origin"] == "*"
        source.cut_off = False
        assert (await edge.poll(CLIENT)).status == 200
        source.cut_off = True
        # What is at hand is answered; an environment that is not makes all of it unknown.
        assert (await edge.poll(CLIENT)).status == 200
        assert (await edge.poll(CLIENT, CLIENT.replace(ENVIRONMENT, OTHER))).status == 503


async def test_a_permission_taken_away_is_a_404_at_the_next_poll(source):
    async with running_edge(source) as edge:
        assert (await edge.poll(CLIENT)).status == 200
        source.put(account(OTHER, revision=2))
        assert (await edge.poll(CLIENT)).status == 404


async def test_cache_control_may_come_from_the_environment_or_the_operator(source):
    source.put(environment(COLOUR, info={"cacheControl": "max-age=60"}, revision=2))
    async with running_edge(source) as edge:
        answer = await edge.poll(CLIENT)
        assert answer.headers["cache-control"] == "max-age=60"
        unchanged = await edge.poll(CLIENT, if_none_match=answer.headers["etag"])
        assert unchanged.headers["cache-control"] == "max-age=60"
        assert answer.headers["vary"] == unchanged.headers["vary"] == "x-featurehub, x-sdk, accept-encoding"
    async with running_edge(source, cache_control="max-age=30") as edge:
        assert (await edge.poll(CLIENT)).headers["cache-control"] == "max-age=30"


async def test_browsers_may_read_every_answer(source):
    async with running_edge(source) as edge:
        etag = (await edge.poll(CLIENT)).headers["etag"]
        for answer, status in (
            (await edge.poll(CLIENT, origin="https://example.org"), 200),
            (await edge.poll(CLIENT, origin="https://example.org", if_none_match=etag), 304),
            (await edge.poll(NOBODY, origin="https://example.org"), 404),
            (await edge.poll(origin="https://example.org"), 400),
            (await edge.get("/features", headers={"origin": "https://example.org"}, method="DELETE"), 405),
        ):
            assert answer.status == status
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["access-control-expose-headers"] == "etag,cache-control"
        preflight = await edge.get(
            f"/features/{CLIENT}", headers={"origin": "https://example.org"}, method="OPTIONS"
        )
        assert preflight.status == 200
        allowed = preflight.headers["access-control-allow-headers"].split(",")
        assert {"x-featurehub", "if-none-match", "x-sdk", "last-event-id", "x-fh-extraconfig"} <= set(allowed)


async def test_other_methods_are_refused(source):
    async with running_edge(source) as edge:
        for path, method in (
            ("/features", "HEAD"),
            ("/features/", "POST"),
            (f"/features/{CLIENT}", "HEAD"),
            (f"/features/{CLIENT}", "POST"),
        ):
            assert (await edge.get(path, method=method)).status == 405


async def test_a_caller_with_too_many_unknown_keys_is_slowed_down_without_harm_to_known_ones(source):
    async with running_edge(source) as edge:
        junk = (f"{ENVIRONMENT}/{number:020d}" for number in count())

        async def poll_junk() -> int:
            return (await edge.poll(*islice(junk, 100))).status

        async def is_slowed_down() -> bool:
            return await poll_junk() == 503

        assert await poll_junk() == 404
        await eventually(is_slowed_down, every_seconds=0)
        assert (await edge.poll(CLIENT)).status == 200


async def test_silence_of_the_change_log_is_told(source):
    async with running_edge(source) as edge:
        assert "burgee-silent-seconds" not in (await edge.poll(CLIENT)).headers
        source.silent_seconds = 12.5

        async def is_told() -> bool:
            return (await edge.poll(CLIENT)).headers.get("burgee-silent-seconds") == "12"

        # Looked at once a second.
        await eventually(is_told)


async def test_polls_are_counted_by_environment_and_account_and_never_by_key(source):
    async with running_edge(source) as edge:
        etag = (await edge.poll(CLIENT)).headers["etag"]
        await edge.poll(CLIENT, if_none_match=etag)
        await edge.poll(NOBODY)
        counted = {(hit.environment_id, hit.result): number for hit, number in edge.edge.usage.hits.items()}
        assert counted == {(ENVIRONMENT, "found"): 1, (ENVIRONMENT, "unchanged"): 1, ("", "unknown"): 1}
        assert edge.metric("burgee_edge_hits_total", kind="poll", result="unknown") == 1


async def test_polls_while_draining_are_answered_and_close_their_connection(source):
    async with running_edge(source) as edge:
        edge.health.drain()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(edge.edge.drain(0.5))
            answer = await edge.poll(CLIENT)
            assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_an_edge_for_polls_answers_like_any_other_and_refuses_streams(source):
    async with running_edge(source) as whole:
        expected = await whole.poll(CLIENT, SERVER)
    source.forget()
    async with running_edge(source, streams=False) as edge:
        answer = await edge.poll(CLIENT, SERVER)
        assert (answer.status, answer.body) == (200, expected.body)
        assert answer.headers["etag"] == expected.headers["etag"]
        assert (await edge.poll(CLIENT, SERVER, if_none_match=answer.headers["etag"])).status == 304
        assert (await edge.put(f"/features/{CLIENT}/CART", {"value": True})).status == 200
        for key in (CLIENT, NOBODY):
            assert (await edge.get(f"/features/{key}")).status == 501
            # Python comes back at once after anything but a 404.
            assert (await edge.get(f"/features/{key}", headers={"x-sdk": "Python"})).status == 404
