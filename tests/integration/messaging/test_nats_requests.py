"""Questions, answers and reports over a real NATS server."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import pytest

from common.contracts.reports import Report
from common.errors import Unavailable
from common.messaging.nats import open_nats_bus
from tests.support.nats import bus_settings, running_nats
from tests.support.waiting import eventually

DACHA = "burgee.default.q.dacha"


@pytest.fixture(scope="module")
def shared_server():
    with running_nats(settings="max_payload: 64KB") as running:
        yield running


@pytest.fixture
def server():
    with running_nats() as running:
        yield running


@asynccontextmanager
async def buses(url, *instances):
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(open_nats_bus(bus_settings(url), instance=each))
            for each in instances
        ]
        await eventually(lambda: all(each.connected for each in opened))
        yield opened


async def answered(asker, word, question=b"?"):
    """Ask until somebody is there: entering `serve` does not wait for the server to know."""

    async def ask():
        try:
            return await asker.request(word, question, seconds=30)
        except Unavailable:
            return None

    return await eventually(ask)


async def echo(question):
    return b"answer to " + question


async def test_a_question_is_answered_and_nobody_there_is_told_at_once(shared_server):
    async with buses(shared_server.url, "dacha-1", "edge-1") as (dacha, edge):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="nobody"):
            await edge.request("dacha", b"?", seconds=60)
        assert time.monotonic() - began < 30
        async with dacha.serve("dacha", echo):
            assert await answered(edge, "dacha", b"1") == b"answer to 1"
        with pytest.raises(Unavailable, match="nobody"):
            await edge.request("dacha", b"?", seconds=60)


async def test_each_question_goes_to_one_of_those_that_serve_a_word_and_an_instance_can_be_asked(
    shared_server,
):
    async with buses(shared_server.url, "dacha-1", "dacha-2", "edge-1") as (one, two, edge):
        heard = {"one": 0, "two": 0}

        def counted(name):
            async def answer(question):
                heard[name] += 1
                return name.encode()

            return answer

        async with (
            one.serve("dacha", counted("one")),
            two.serve("dacha", counted("two")),
            two.serve("dacha.dacha-2", counted("two")),
        ):
            await answered(edge, "dacha.dacha-2")
            await eventually(lambda: shared_server.listeners(DACHA) == 2)
            heard.update(one=0, two=0)
            for _ in range(100):
                await edge.request("dacha", b"?", seconds=30)
            assert sum(heard.values()) == 100
            assert min(heard.values()) > 10
            assert await edge.request("dacha.dacha-2", b"?", seconds=30) == b"two"


@pytest.mark.parametrize("size", [0, 1, 61_440, 61_441, 3_000_000])
async def test_an_answer_of_any_size_arrives_whole(shared_server, size):
    answer = bytes(number % 251 for number in range(size))

    async def tell(question):
        return answer

    async with (
        buses(shared_server.url, "dacha-1", "edge-1") as (dacha, edge),
        dacha.serve("dacha", tell),
    ):
        assert await answered_exactly(edge, answer)


async def answered_exactly(edge, answer):
    async def ask():
        try:
            return await edge.request("dacha", b"?", seconds=30) == answer
        except Unavailable:
            return False

    return await eventually(ask)


async def test_a_question_too_big_for_the_bus_is_refused_and_the_connection_stays(shared_server):
    async with buses(shared_server.url, "dacha-1", "edge-1") as (dacha, edge), dacha.serve("dacha", echo):
        await answered(edge, "dacha")
        with pytest.raises(Unavailable, match="too big"):
            await edge.request("dacha", b"?" * 100_000, seconds=30)
        assert edge.connected
        largest = b"?" * (64 * 1024 - 4096)
        assert await edge.request("dacha", largest, seconds=30) == b"answer to " + largest


async def test_not_knowing_is_told_as_such_and_a_defect_hurts_only_its_own_question(shared_server):
    async def moody(question):
        if question == b"unknown":
            raise Unavailable("MR is away")
        if question == b"bug":
            raise KeyError("a bug")
        return b"fine"

    async with buses(shared_server.url, "dacha-1", "edge-1") as (dacha, edge), dacha.serve("dacha", moody):
        assert await answered(edge, "dacha") == b"fine"
        with pytest.raises(Unavailable, match="MR is away"):
            await edge.request("dacha", b"unknown", seconds=30)
        with pytest.raises(Unavailable, match="failed"):
            await edge.request("dacha", b"bug", seconds=30)
        assert await edge.request("dacha", b"?", seconds=30) == b"fine"


async def test_questions_in_work_are_bounded_and_the_others_wait(shared_server):
    working, most = 0, 0
    go = asyncio.Event()

    async def slow(question):
        nonlocal working, most
        working += 1
        most = max(most, working)
        await go.wait()
        working -= 1
        return question

    async with (
        buses(shared_server.url, "dacha-1", "edge-1") as (dacha, edge),
        dacha.serve("dacha", slow, at_once=3),
        asyncio.TaskGroup() as tasks,
    ):
        await eventually(lambda: shared_server.listeners(DACHA) == 1)
        asked = [tasks.create_task(edge.request("dacha", b"%d" % number, seconds=60)) for number in range(20)]
        await eventually(lambda: working == 3)
        go.set()
        answers = await asyncio.gather(*asked)
        assert answers == [b"%d" % number for number in range(20)]
        assert most == 3


async def test_leaving_takes_no_new_questions_and_waits_for_those_in_work(shared_server):
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(question):
        begun.set()
        await go.wait()
        return b"done"

    async with buses(shared_server.url, "dacha-1", "edge-1") as (dacha, edge), asyncio.TaskGroup() as tasks:

        async def serve():
            async with dacha.serve("dacha", slow):
                await begun.wait()

        async def ask():
            while not begun.is_set():
                try:
                    return await edge.request("dacha", b"?", seconds=120)
                except Unavailable:
                    await asyncio.sleep(0.02)
            return None

        serving = tasks.create_task(serve())
        asking = tasks.create_task(ask())
        await begun.wait()

        async def nobody_there():
            try:
                await edge.request("dacha", b"too late", seconds=0.2)
            except Unavailable as error:
                return "nobody" in str(error)

        await eventually(nobody_there)
        assert not serving.done()
        go.set()
        assert await asking == b"done"
        await serving


async def test_no_question_is_lost_between_leaving_and_the_servers_knowing_of_it(shared_server):
    stop = asyncio.Event()

    async def ask(edge):
        while not stop.is_set():
            try:
                await edge.request("dacha", b"?", seconds=30)
            except Unavailable as error:
                assert "nobody" in str(error)  # noqa: PT017 (anything else is a lost question)
                await asyncio.sleep(0)

    async with buses(shared_server.url, "dacha-1", "edge-1") as (dacha, edge), asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(ask(edge))
        for _ in range(30):
            async with dacha.serve("dacha", echo):
                await answered(edge, "dacha")
        stop.set()


async def test_an_answer_that_comes_too_late_is_dropped_and_the_next_question_is_fine(shared_server):
    go = asyncio.Event()

    async def slow(question):
        if question == b"slow":
            await go.wait()
        return question

    async with buses(shared_server.url, "dacha-1", "edge-1") as (dacha, edge), dacha.serve("dacha", slow):
        await answered(edge, "dacha")
        with pytest.raises(Unavailable, match="no answer"):
            await edge.request("dacha", b"slow", seconds=0.1)
        go.set()
        await eventually(lambda: edge.metrics.dropped["late"] == 1)
        assert await edge.request("dacha", b"quick", seconds=30) == b"quick"


async def test_who_waits_for_an_answer_hears_soon_that_the_connection_is_lost(server):
    async def never(question):
        await asyncio.Event().wait()

    async with buses(server.url, "dacha-1", "edge-1") as (dacha, edge):
        serving = asyncio.get_running_loop().create_task(serve_until_cancelled(dacha, never))
        try:
            await eventually(lambda: server.listeners(DACHA) == 1)
            asking = asyncio.get_running_loop().create_task(edge.request("dacha", b"?", seconds=60))
            await eventually(lambda: dacha.metrics.messages["in", "question"] == 1)
            server.kill()
            began = time.monotonic()
            with pytest.raises(Unavailable, match="lost"):
                await asking
            assert time.monotonic() - began < 30
            with pytest.raises(Unavailable, match="not connected"):
                await edge.request("dacha", b"?", seconds=60)
        finally:
            serving.cancel()
            await asyncio.wait({serving})


async def serve_until_cancelled(bus, handler):
    async with bus.serve("dacha", handler):
        await asyncio.Event().wait()


async def test_serving_goes_on_after_a_crash_of_the_server(server):
    async with buses(server.url, "dacha-1", "edge-1") as (dacha, edge), dacha.serve("dacha", echo):
        await answered(edge, "dacha")
        server.kill()
        server.start()
        assert await answered(edge, "dacha", b"2") == b"answer to 2"


async def test_leaving_while_the_server_is_away_does_not_wait_for_it(server):
    async with buses(server.url, "dacha-1", "edge-1") as (dacha, edge):
        async with dacha.serve("dacha", echo):
            await answered(edge, "dacha")
            server.kill()
            await eventually(lambda: not dacha.connected)
        async with dacha.serve("dacha", echo):
            pass


async def test_reports_reach_all_who_listen_oneself_included(shared_server):
    report = Report(
        instance="edge-1",
        role="edge",
        epoch="e",
        position=7,
        live=True,
        streams={"home": 3},
        leaving=True,
        # The bus's word, whatever the report says.
        release=version("burgee"),
    )
    async with buses(shared_server.url, "mr-1", "edge-1") as (mr, edge):
        at_mr, at_edge = [], []
        async with mr.on_report(at_mr.append), edge.on_report(at_edge.append):

            async def told():
                await edge.report(report)
                return at_mr and at_edge

            await eventually(told)
        assert at_mr[0] == at_edge[0] == report


async def test_a_report_while_the_bus_is_down_is_lost_without_a_sign():
    async with open_nats_bus(bus_settings("nats://127.0.0.1:1"), instance="edge-1") as edge:
        await edge.report(Report(instance="edge-1", role="edge", epoch="e", position=7, live=True))


@pytest.mark.parametrize("word", ["", "a b", "a.b.c", ">", "a.*", "dacha."])
async def test_a_word_that_cannot_be_part_of_a_subject_is_refused(word):
    async with open_nats_bus(bus_settings("nats://127.0.0.1:1"), instance="edge-1") as edge:
        with pytest.raises(ValueError, match="asked or served"):
            await edge.request(word, b"?", seconds=1)
