"""What the parent of workers does by itself.

Metrics are read once for all who ask, and never from who is still starting; who cannot be started now is
tried again.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from burgee.workers import TRIES, Seat, Workers, WorkersFailed
from common.client import open_client
from common.serve import listening_socket, running
from tests.support.waiting import eventually

PAGE = "# HELP served_total Served.\n# TYPE served_total counter\nserved_total 3.0\n"


class Worker:
    """What answers in the place of a worker."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200

    async def metrics(self, _request: Request) -> Response:
        self.asked += 1
        await asyncio.sleep(0.05)
        return PlainTextResponse(PAGE if self.status == 200 else '{"detail": "not now"}', self.status)


@asynccontextmanager
async def crew_of(worker: Worker, *, heard: bool = True) -> AsyncIterator[Workers]:
    app = Starlette(routes=[Route("/metrics", worker.metrics)])
    async with running(app) as base, open_client() as client:
        seat = Seat(0)
        seat.url, seat.heard = base, heard
        seat.process = cast("Any", worker)
        with closing(listening_socket("127.0.0.1", 0)) as main:
            crew = Workers(["nothing"], main, [seat], client)
            try:
                yield crew
            finally:
                crew.close()


async def test_however_many_ask_at_once_each_worker_is_asked_twice_at_most() -> None:
    worker = Worker()
    async with crew_of(worker) as crew:
        pages = await asyncio.gather(*(crew.metric_lines() for _ in range(50)))
    assert all(b"served_total 3.0" in page for page in pages)
    assert worker.asked <= 2


async def test_who_asks_later_gets_what_is_true_later() -> None:
    worker = Worker()
    async with crew_of(worker) as crew:
        await crew.metric_lines()
        await crew.metric_lines()
    assert worker.asked == 2


async def test_a_worker_that_is_still_starting_is_not_waited_for() -> None:
    worker = Worker()
    async with crew_of(worker, heard=False) as crew:
        assert b"burgee_workers_running 1.0" in await crew.metric_lines()
    assert worker.asked == 0


async def test_a_worker_that_answers_with_a_problem_does_not_spoil_the_page() -> None:
    worker = Worker()
    worker.status = 500
    async with crew_of(worker) as crew:
        assert b"burgee_workers 1.0" in await crew.metric_lines()


def _restarts(crew: Workers) -> float:
    (family,) = crew.metrics.restarts.collect()
    return family.samples[0].value


async def test_a_worker_that_cannot_be_started_now_is_tried_again_and_the_others_go_on() -> None:
    async with crew_of(Worker(), heard=False) as crew:
        crew.seats[0].was_ready, crew.seats[0].process = True, None
        async with asyncio.TaskGroup() as tasks:
            running_crew = tasks.create_task(crew.run())
            await eventually(lambda: _restarts(crew) >= 2)
            assert not running_crew.done()
            await crew.leave(signal.SIGTERM, 5)


async def test_workers_that_can_never_be_started_are_a_failure_to_be_told() -> None:
    async with crew_of(Worker(), heard=False) as crew:
        crew.seats[0].process = None
        with pytest.raises(ExceptionGroup) as told:
            await crew.run()
        assert told.group_contains(WorkersFailed, match=f"{TRIES} times")
