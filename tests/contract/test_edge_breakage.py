"""How an SDK breaks (contract, section 7): one test for each way that is in the server's hands.

The numbers are the contract's. Those that are missing are the SDKs' own, or MR's: 16 (versions).
"""

import asyncio
import json

import pytest

from common.contracts.features import RolloutStrategy, StrategyAttribute
from tests.support.edges import CLIENT, NOBODY, SERVER, EventReader, RunningEdge, running_edge
from tests.support.sources import MemorySource, account, environment, feature, text_value
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def source() -> MemorySource:
    made = MemorySource()
    made.put(environment(feature("CART", False, version=7)), account())
    return made


async def drained(stream: EventReader) -> list[str]:
    return [event.name for event in await stream.rest()]


async def test_01_every_environment_of_a_poll_has_features(source):
    source.put(environment(revision=2))
    async with running_edge(source) as edge:
        for keys in ([CLIENT], [SERVER], [CLIENT, NOBODY], [NOBODY, SERVER]):
            assert all(each["features"] == [] for each in (await edge.poll(*keys)).json)


async def test_02_a_poll_is_never_an_empty_list(source):
    async with running_edge(source) as edge:
        for keys in ([CLIENT], [NOBODY], [], ["nonsense"], [NOBODY, SERVER]):
            answer = await edge.poll(*keys)
            assert answer.status != 200 or answer.json != []


async def test_03_a_changed_context_is_never_304(source):
    async with running_edge(source) as edge:
        for key in (SERVER, CLIENT):
            first = await edge.poll(key, x_featurehub="userkey=fred")
            second = await edge.poll(key, x_featurehub="userkey=mary", if_none_match=first.headers["etag"])
            assert (second.status, second.body) == (200, first.body)
            third = await edge.poll(key, if_none_match=first.headers["etag"])
            assert third.status == 200


async def test_04_nothing_below_features_redirects(source):
    async with running_edge(source, stream_seconds=0.05) as edge:
        for path in ("/features", "/features/", f"/features/{CLIENT}", f"/features/{CLIENT}/"):
            for query in ("", f"?apiKey={CLIENT}"):
                assert (await edge.get(path + query)).status not in range(300, 400)


async def test_05_a_cold_cache_is_503_and_never_404_or_400(source):
    source.forget()
    source.cut_off = True
    async with running_edge(source) as edge:
        for keys in ([CLIENT], [SERVER, CLIENT], [NOBODY], ["nonsense", CLIENT]):
            assert (await edge.poll(*keys)).status == 503


async def test_06_no_stream_of_a_good_key_ends_before_its_features(source):
    source.forget()
    source.cut_off = True
    async with (
        running_edge(source, stream_seconds=0.05, heartbeat_seconds=0.1, unknown_key_hold_seconds=0) as edge,
        edge.stream(CLIENT) as stream,
    ):
        assert stream.answer.status == 200
        for _ in range(10):
            assert (await stream.next(heartbeats=True)).name == "ack"
        source.cut_off = False
        assert await drained(stream) == ["features", "bye"]


async def test_07_a_failure_is_held_and_no_stream_is_answered_401_500_or_503(source):
    async with running_edge(source, unknown_key_hold_seconds=60) as edge:
        async with edge.stream(NOBODY) as stream:
            await stream.until("failure")
            with pytest.raises(TimeoutError):
                await stream.next(within_seconds=0.5)
        source.forget()
        source.cut_off = True
        for sdk in ("Python", "Ruby", ""):
            async with edge.stream(CLIENT, x_sdk=sdk) as stream:
                assert stream.answer.status == 200


async def test_08_only_python_gets_404_on_a_stream(source):
    async with running_edge(source, unknown_key_hold_seconds=0) as edge:
        for sdk in ("", "Ruby", "Java,3.1,1.2", "dotnet"):
            assert (await edge.get(f"/features/{NOBODY}", headers={"x-sdk": sdk})).status == 200
        assert (await edge.get(f"/features/{NOBODY}", headers={"x-sdk": "Python"})).status == 404


async def test_09_failure_is_said_only_of_keys_that_are_certainly_unknown(source):
    source.forget()
    source.cut_off = True
    async with (
        running_edge(source, heartbeat_seconds=0.1) as edge,
        edge.stream(NOBODY) as stream,
    ):
        for _ in range(10):
            assert (await stream.next(heartbeats=True)).name == "ack"
        source.cut_off = False
        assert (await stream.next()).name == "failure"


async def test_10_a_draining_edge_says_bye_and_goes_on_answering(source):
    async with running_edge(source) as edge, edge.stream(CLIENT) as stream:
        await stream.until("features")
        edge.health.drain()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(edge.edge.drain(2))
            assert (await edge.poll(CLIENT)).status == 200
            async with edge.stream(CLIENT) as another:
                assert await drained(another) == ["ack", "features", "bye"]
            assert await drained(stream) == ["bye"]


async def _a_full_life(edge: RunningEdge, source: MemorySource) -> list[EventReader]:
    """Everything a stream can go through, for a good and for an unknown key."""
    async with edge.stream(CLIENT) as good, edge.stream(NOBODY) as unknown:
        await good.until("features")
        source.silent_seconds = 60
        source.put(environment(feature("CART", True, version=8), feature("B", True), revision=2))
        await good.until("feature")
        source.put(environment(feature("CART", True, version=8), revision=3))
        await good.until("delete_feature")
        await edge.edge.drain(0.2)
        await good.rest()
        await unknown.rest()
        return [good, unknown]


async def test_11_config_is_never_sent_and_13_neither_is_error(source):
    async with running_edge(source) as edge:
        for stream in await _a_full_life(edge, source):
            assert not {event.name for event in stream.events} & {"config", "error"}


async def test_12_the_data_of_every_event_is_one_line_of_json(source):
    async with running_edge(source, heartbeat_seconds=0.1) as edge:
        # The reader refuses any other framing.
        for stream in await _a_full_life(edge, source):
            assert {event.name for event in stream.events} >= {"ack"}
            assert all(event.data is not None for event in stream.events)


async def test_14_features_are_sent_whatever_the_last_event_id(source):
    async with running_edge(source) as edge:
        tag = (await edge.poll(CLIENT)).headers["etag"]
        for last in (tag, tag.strip('"'), "nonsense"):
            async with edge.stream(CLIENT, last_event_id=last) as stream:
                assert (await stream.next()).name == "ack"
                assert (await stream.next()).name == "features"


async def test_15_nulls_are_absent_and_l_is_present(source):
    by_country = RolloutStrategy(
        id="s",
        value=text_value("x"),
        attributes=(
            StrategyAttribute(conditional="EQUALS", field_name="country", values=("peru",), type="STRING"),
        ),
    )
    source.put(
        environment(
            feature("A", None, feature_type="STRING", strategies=(by_country,)),
            feature("B", None, version=0, strategies=None),
            revision=2,
        )
    )
    async with running_edge(source) as edge:
        for key in (CLIENT, SERVER):
            answer = await edge.poll(key)
            assert b"null" not in answer.body
            assert b"percentage" not in answer.body
            assert all(state["l"] is False for state in answer.json[0]["features"])


async def test_17_a_deletion_has_at_least_the_version_that_was_sent(source):
    async with running_edge(source) as edge, edge.stream(CLIENT) as stream:
        await stream.until("features")
        source.put(environment(feature("CART", False, version=8, retired=True), revision=2))
        assert (await stream.until("delete_feature")).data["version"] == 8
        async with edge.stream(CLIENT) as again:
            assert (await again.until("delete_feature")).data["version"] == 8


async def test_18_a_stream_is_never_silent_for_ten_seconds_nor_buffered_nor_compressed(source):
    async with (
        running_edge(source) as edge,
        edge.stream(CLIENT, accept_encoding="gzip, deflate, br") as stream,
    ):
        assert "content-encoding" not in stream.answer.headers
        assert stream.answer.headers["x-accel-buffering"] == "no"
        await stream.until("features")
        # The default of 7 s, more or less a seventh.
        event = await stream.next(within_seconds=10, heartbeats=True)
        assert (event.name, event.data) == ("ack", "\u2764\ufe0f")


async def test_19_json_features_are_text_and_numbers_are_numbers(source):
    text = json.dumps({"a": [1, 2]})
    source.put(
        environment(
            feature("J", text, feature_type="JSON"), feature("N", 12.5, feature_type="NUMBER"), revision=2
        )
    )
    async with running_edge(source) as edge:
        for key in (CLIENT, SERVER):
            values = {each["key"]: each["value"] for each in (await edge.poll(key)).json[0]["features"]}
            assert values == {"J": text, "N": 12.5}


async def test_20_browsers_may_read_etag_and_cache_control(source):
    async with running_edge(source) as edge:
        origin = {"origin": "https://example.org"}
        for answer in (
            await edge.poll(CLIENT, **origin),
            await edge.get(f"/features/{CLIENT}", headers=origin, method="OPTIONS"),
            await edge.put(f"/features/{CLIENT}/CART", {"value": True}, **origin),
            await edge.put(f"/features/{CLIENT}/CART", b"nonsense", **origin),
        ):
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["access-control-expose-headers"] == "etag,cache-control"
        async with edge.stream(CLIENT, **origin) as stream:
            assert stream.answer.headers["access-control-allow-origin"] == "*"


async def test_21_etags_are_strong_and_without_line_breaks(source):
    async with running_edge(source) as edge:
        etag = (await edge.poll(CLIENT, SERVER, x_featurehub="a=%0A%0D", accept_encoding="gzip")).headers[
            "etag"
        ]
        assert etag.startswith('"')
        assert etag.endswith('"')
        assert etag.strip('"').replace("//", "").replace(";", "").replace("-", "").replace("_", "").isalnum()


async def test_22_one_invalid_rule_spoils_nothing_else(source):
    def rule(strategy_id: str, conditional: str, kind: str, value: object) -> RolloutStrategy:
        return RolloutStrategy(
            id=strategy_id,
            value=text_value("matched"),
            attributes=(
                StrategyAttribute(conditional=conditional, field_name="userkey", values=(value,), type=kind),
            ),
        )

    broken = (
        rule("regex", "REGEX", "STRING", "(["),
        rule("boolean", "EQUALS", "BOOLEAN", "true"),
        rule("unknown", "RESEMBLES", "COLOUR", {"deep": [1]}),
    )
    good = rule("good", "EQUALS", "STRING", "fred")
    source.put(
        environment(
            feature("A", "default", feature_type="STRING", strategies=(*broken, good)),
            feature("B", "default", feature_type="STRING", strategies=broken),
            feature("C", "default", feature_type="STRING"),
            revision=2,
        )
    )
    async with running_edge(source) as edge:
        [found] = (await edge.poll(SERVER, x_featurehub="userkey=fred")).json
        assert [state["value"] for state in found["features"]] == ["matched", "default", "default"]


async def test_23_a_stream_is_text_event_stream_also_for_unknown_keys(source):
    async with running_edge(source) as edge:
        for key in (CLIENT, NOBODY):
            async with edge.stream(key) as stream:
                assert stream.answer.headers["content-type"] == "text/event-stream"


async def test_a_fleet_that_comes_back_at_once_with_an_unknown_key_cannot_spin(source):
    """7 and 8 together: for as long as an SDK is held it asks nothing."""
    async with running_edge(source, unknown_key_hold_seconds=1.0) as edge:
        requests = 0

        async def spin() -> None:
            nonlocal requests
            while True:
                requests += 1
                async with edge.stream(NOBODY) as stream:
                    await stream.rest()

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.gather(*(spin() for _ in range(20)))
        assert requests <= 20 * 3
        await eventually(lambda: edge.edge.open_streams == 0)
