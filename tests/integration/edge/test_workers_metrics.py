"""The metrics of several workers: read once for all who ask, and never from who is still starting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from burgee.workers import Seat, Workers
from common.client import open_client
from common.serve import listening_socket, running

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
