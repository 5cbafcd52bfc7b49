"""Streams over a real socket: order, framing, ends, and what must never happen to an SDK."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from urllib.parse import quote

import pytest

from common.contracts.features import RolloutStrategy, StrategyAttribute
from tests.support.edges import CLIENT, NOBODY, SERVER, RunningEdge, running_edge
from tests.support.sources import (
    ENVIRONMENT,
    SERVER_KEY,
    MemorySink,
    MemorySource,
    account,
    environment,
    feature,
    text_value,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

Serving = Callable[..., AbstractAsyncContextManager[RunningEdge[MemorySource, MemorySink]]]


@pytest.fixture(params=["fast", "plain"])
def serving(request: pytest.FixtureRequest) -> Serving:
    """Both ways in: connections that are taken over, and the framework's."""
    return partial(running_edge, edge_http=request.param)


RED_IN_PERU = feature(
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


async def test_a_stream_is_ack_features_changes_and_bye(source, serving):
    async with serving(source, stream_seconds=2.5) as edge, edge.stream(CLIENT) as stream:
        assert stream.answer.status == 200
        assert stream.answer.headers["content-type"] == "text/event-stream"
        assert stream.answer.headers["x-accel-buffering"] == "no"
        assert stream.answer.headers["cache-control"] == "no-store, max-age=0"
        ack, features = await stream.next(), await stream.next()
        assert (ack.name, ack.data, ack.id) == ("ack", {"status": "discover"}, None)
        poll = await edge.poll(CLIENT)
        assert features.name == "features"
        assert features.data == poll.json[0]["features"]
        assert features.id == poll.headers["etag"].strip('"')
        source.put(environment(feature("CART", True, version=8), revision=2))
        deleted, changed, *end = await stream.rest()
        assert (deleted.name, deleted.data["key"], deleted.data["version"]) == ("delete_feature", "ITEMS", 0)
        assert (changed.name, changed.data["version"], changed.id) == ("feature", 8, None)
        assert [(event.name, event.data) for event in end] == [("bye", {"status": "closed"})]


async def test_the_bytes_of_a_stream_are_those_of_the_contract(source, serving):
    source.put(environment(revision=2))
    async with serving(source, stream_seconds=0.1) as edge:
        features_id = (await edge.poll(CLIENT)).headers["etag"].strip('"').encode()
        answer = await edge.get(f"/features/{CLIENT}")
        assert answer.body == (
            b'event: ack\ndata: {"status":"discover"}\n\n'
            b"event: features\nid: " + features_id + b"\ndata: []\n\n"
            b'event: bye\ndata: {"status":"closed"}\n\n'
        )


async def test_a_key_may_come_in_one_two_or_three_segments(source, serving):
    async with serving(source, stream_seconds=0.1) as edge:
        for path in (
            CLIENT,
            f"default/{CLIENT}",
            f"any-cache/{CLIENT}",
            CLIENT.replace("*", "%2A"),
            quote(CLIENT, safe=""),
        ):
            answer = await edge.get(f"/features/{path}")
            assert b"event: features\n" in answer.body


async def test_the_query_of_a_browser_wins_over_the_header(source, serving):
    source.put(environment(RED_IN_PERU, revision=2))
    context = quote("country=peru,userkey=fred%20blogs", safe="")
    async with (
        serving(source) as edge,
        edge.stream(SERVER, f"?xfeaturehub={context}", x_featurehub="country=chad") as stream,
    ):
        features = await stream.until("features")
        assert (features.data[0]["value"], features.data[0]["v"]) == ("red", "s1")
        assert "//" in features.id


async def test_evaluated_streams_hear_values_for_their_own_context(source, serving):
    source.put(environment(feature("A", True), revision=2))
    async with (
        serving(source) as edge,
        edge.stream(SERVER, x_featurehub="country=peru") as peru,
        edge.stream(SERVER, x_featurehub="country=chad") as chad,
    ):
        await peru.until("features")
        await chad.until("features")
        source.put(environment(feature("A", True), RED_IN_PERU, revision=3))
        assert (await peru.until("feature")).data["value"] == "red"
        assert (await chad.until("feature")).data["value"] == "grey"


async def test_a_last_event_id_changes_nothing(source, serving):
    async with serving(source) as edge, edge.stream(CLIENT) as stream:
        seen = (await stream.until("features")).id
        for last in (seen, f'"{seen}"'):
            async with edge.stream(CLIENT, last_event_id=last) as again:
                assert (await again.next()).name == "ack"
                assert (await again.next()).name == "features"


async def test_silence_is_broken_by_heartbeats_that_are_json(source, serving):
    async with serving(source, heartbeat_seconds=0.1) as edge, edge.stream(CLIENT) as stream:
        await stream.until("features")
        for _ in range(3):
            event = await stream.next(heartbeats=True)
            assert (event.name, event.data, event.id) == ("ack", "\u2764\ufe0f", None)


async def test_a_stream_waits_with_heartbeats_while_the_source_cannot_say(source, serving):
    source.forget()
    source.cut_off = True
    async with (
        serving(source, heartbeat_seconds=0.1, stream_seconds=0.1) as edge,
        edge.stream(CLIENT) as stream,
    ):
        assert (await stream.next()).data == {"status": "discover"}
        waited_until = time.monotonic() + 1
        while time.monotonic() < waited_until:
            event = await stream.next(heartbeats=True)
            assert (event.name, event.data) == ("ack", "\u2764\ufe0f")
        source.cut_off = False
        assert [event.name for event in await stream.rest()] == ["features", "bye"]


async def test_a_slow_look_up_does_not_stop_the_heartbeats(source, serving):
    source.forget()
    source.gate.clear()
    async with serving(source, heartbeat_seconds=0.1) as edge, edge.stream(CLIENT) as stream:
        await stream.next()
        assert (await stream.next(heartbeats=True)).name == "ack"
        source.gate.set()
        await stream.until("features")


@pytest.mark.parametrize("key", [NOBODY, "nonsense/nonsense", f"default/{NOBODY}", "a/b/c/d"])
async def test_an_unknown_key_is_ack_failure_a_hold_and_the_end_without_bye(source, key, serving):
    async with serving(source, unknown_key_hold_seconds=0.5) as edge:
        began = time.monotonic()
        async with edge.stream(key) as stream:
            assert stream.answer.status == 200
            assert [event.name for event in await stream.rest()] == ["ack", "failure"]
        assert time.monotonic() - began >= 0.45


async def test_python_is_told_of_an_unknown_key_by_404(source, serving):
    async with serving(source, stream_seconds=0.1) as edge:
        for key in (NOBODY, "nonsense/nonsense"):
            assert (await edge.get(f"/features/{key}", headers={"x-sdk": "Python"})).status == 404
        answer = await edge.get(f"/features/{CLIENT}", headers={"x-sdk": "Python"})
        assert answer.status == 200
        source.forget()
        source.cut_off = True
        async with edge.stream(NOBODY, x_sdk="Python") as stream:
            assert stream.answer.status == 200


async def test_useless_streams_are_held_up_to_a_limit_for_each_caller(source, serving):
    async with serving(source, unknown_key_hold_seconds=600) as edge:
        async with asyncio.TaskGroup() as tasks:
            held: list[bool] = []

            async def hold() -> None:
                async with edge.stream(NOBODY) as stream:
                    await stream.until("failure")
                    held.append(True)
                    await full.wait()

            full = asyncio.Event()
            for _ in range(100):
                tasks.create_task(hold())
            await eventually(lambda: len(held) == edge.edge.open_streams == 100)
            async with edge.stream(NOBODY) as stream:
                assert [event.name for event in await stream.rest()] == ["ack", "failure"]
            full.set()
        await eventually(lambda: edge.edge.open_streams == 0)


async def test_a_revoked_key_ends_its_streams_and_is_unknown_afterwards(source, serving):
    async with serving(source) as edge, edge.stream(CLIENT) as mine, edge.stream(SERVER) as other:
        await mine.until("features")
        await other.until("features")
        source.put(account(client_key="a-new*one-after-the-reset", revision=2))
        assert [event.name for event in await mine.rest()] == ["bye"]
        async with edge.stream(CLIENT) as again:
            assert [event.name for event in await again.rest()] == ["ack", "failure"]
        source.put(environment(feature("CART", True, version=8), revision=2))
        await other.until("feature")


async def test_a_key_revoked_before_features_is_an_unknown_key(source, serving):
    source.forget()
    source.cut_off = True
    async with serving(source) as edge, edge.stream(CLIENT) as stream:
        await stream.next()
        source.put(account(removed=True, revision=2))
        source.cut_off = False
        assert [event.name for event in await stream.rest()] == ["failure"]


async def test_a_deleted_environment_says_bye(source, serving):
    async with serving(source) as edge, edge.stream(CLIENT) as stream:
        await stream.until("features")
        source.remove_environment(ENVIRONMENT)
        assert [event.name for event in await stream.rest()] == ["bye"]


async def test_an_open_stream_keeps_its_environment_from_being_evicted(source, serving):
    async with serving(source) as edge:
        async with edge.stream(CLIENT) as stream:
            await stream.until("features")
            assert source.held == {(ENVIRONMENT, account().id): 1}
        await eventually(lambda: source.held.total() == 0 and edge.edge.open_streams == 0)
        assert edge.metric("burgee_edge_streams") == 0


async def test_a_change_while_a_stream_opens_is_not_lost(serving):
    """G10 in small: many streams open while the environment changes as fast as it can."""
    source = MemorySource()
    source.put(environment(feature("A", 0, feature_type="NUMBER")), account())
    last = 300
    async with serving(source) as edge:

        async def follow() -> int:
            async with edge.stream(CLIENT) as stream:
                value = (await stream.until("features")).data[0]["value"]
                while value != last:
                    value = (await stream.until("feature", within_seconds=60)).data["value"]
                return value

        async with asyncio.TaskGroup() as tasks:
            followers = [tasks.create_task(follow()) for _ in range(100)]
            for number in range(1, last + 1):
                source.put(
                    environment(feature("A", number, version=number, feature_type="NUMBER"), revision=number)
                )
                await asyncio.sleep(0.002)
        assert [follower.result() for follower in followers] == [last] * 100


async def test_a_client_that_takes_nothing_is_cut_off_and_the_others_go_on(source, serving):
    """G11 in small."""
    big = feature("BIG", "x" * 8_000_000, feature_type="STRING")
    async with serving(source, stream_stall_seconds=1.5) as edge:
        source.put(environment(big, revision=2))
        async with connection(edge, limit=1024) as (reader, _), edge.stream(SERVER) as other:
            await reader.readexactly(15)
            await other.until("features")
            await eventually(lambda: edge.metric("burgee_edge_slow_closes_total") == 1)
            await eventually(lambda: edge.edge.open_streams == 1)
            source.put(environment(feature("CART", True, version=9), revision=3))
            await other.until("feature")


@asynccontextmanager
async def connection(
    edge: RunningEdge[MemorySource, MemorySink], *, limit: int, receive_bytes: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that has asked for a stream, and takes of it what is read."""
    host, _, port = edge.url.removeprefix("http://").partition(":")
    sock = socket.socket()
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=sock, limit=limit)
    try:
        writer.write(f"GET /features/{CLIENT} HTTP/1.1\r\nhost: edge\r\n\r\n".encode())
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_slow_client_that_makes_progress_is_kept(source, serving):
    """It takes twice as long as a client may take nothing, a little all the time."""
    text, seconds = "x" * 8_000_000, 3.0
    async with serving(source, stream_stall_seconds=seconds / 2) as edge:
        source.put(environment(feature("BIG", text, feature_type="STRING"), revision=2))
        async with connection(edge, limit=64 * 1024, receive_bytes=64 * 1024) as (reader, _):
            taken, began = 0, time.monotonic()
            while taken < len(text):
                some = await reader.read(64 * 1024)
                assert some, "it was cut off"
                taken += len(some)
                await asyncio.sleep(began + seconds * taken / len(text) - time.monotonic())
        assert edge.metric("burgee_edge_slow_closes_total") == 0


async def test_draining_spreads_bye_and_gives_features_first(source, serving):
    """G12 in small."""
    async with serving(source) as edge:
        departures: list[float] = []

        async def follow() -> list[str]:
            async with edge.stream(CLIENT) as stream:
                names = [event.name for event in await stream.rest()]
                departures.append(time.monotonic())
                return names

        async with asyncio.TaskGroup() as tasks:
            followers = [tasks.create_task(follow()) for _ in range(50)]
            await eventually(lambda: edge.edge.open_streams == 50)
            source.put(environment(feature("CART", True, version=8), feature("ITEMS", 5), revision=2))
            drain = tasks.create_task(edge.edge.drain(3.0))
            late = tasks.create_task(follow())
            await drain
        assert edge.edge.open_streams == 0
        assert late.result() == ["ack", "features", "bye"]
        for follower in followers:
            assert follower.result() in (
                ["ack", "features", "feature", "bye"],
                ["ack", "features", "feature", "feature", "bye"],
                ["ack", "features", "bye"],
            )
        assert max(departures) - min(departures) > 0.4


async def test_a_stream_that_waits_when_the_drain_begins_gets_features_if_they_can_be_had(source, serving):
    source.forget()
    source.cut_off = True
    async with serving(source) as edge, edge.stream(CLIENT) as served, edge.stream(NOBODY) as unserved:
        await served.next()
        await unserved.next()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(edge.edge.drain(5.0))
            await asyncio.sleep(0.1)
            source.cut_off = False
            assert [event.name for event in await served.rest()] == ["features", "bye"]
            assert [event.name for event in await unserved.rest()] == ["failure"]


async def test_draining_ends_even_if_nothing_can_be_had(source, serving):
    source.forget()
    source.cut_off = True
    async with serving(source) as edge, edge.stream(CLIENT) as stream:
        await stream.next()
        async with asyncio.timeout(30):
            await edge.edge.drain(0.5)
        assert [event.name for event in await stream.rest()] == ["bye"]


async def test_a_time_rule_is_heard_on_an_open_stream_when_its_moment_comes(source, serving):
    moment = time.time() + 3.0
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z"
    rule = RolloutStrategy(
        id="late",
        value=text_value("after"),
        attributes=(
            StrategyAttribute(
                conditional="GREATER_EQUALS", field_name="now", values=(stamp,), type="DATETIME"
            ),
        ),
    )
    source.put(environment(feature("T", "before", feature_type="STRING", strategies=(rule,)), revision=2))
    async with serving(source) as edge, edge.stream(f"{ENVIRONMENT}/{SERVER_KEY}") as stream:
        assert (await stream.until("features")).data[0]["value"] == "before"
        first = await edge.poll(SERVER)
        assert (await stream.until("feature")).data["value"] == "after"
        assert time.time() >= moment - 0.01
        second = await edge.poll(SERVER, if_none_match=first.headers["etag"])
        assert second.json[0]["features"][0]["value"] == "after"
