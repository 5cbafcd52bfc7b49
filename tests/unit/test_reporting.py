"""Reports: soon after a change, never too often, never too rarely, and one at the end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from common.contracts.reports import Report
from common.reporting import Reporter, open_reporter
from tests.support.waiting import eventually


class Heard:
    """Everything that was reported."""

    def __init__(self) -> None:
        self.position = 1
        self.reports: list[Report] = []

    def collect(self) -> Report:
        return Report(instance="i", role="dacha", epoch="e", position=self.position, live=True)

    async def tell(self, report: Report) -> None:
        self.reports.append(report)


@asynccontextmanager
async def reporting(heard: Heard, *, seconds: float = 60.0, closest: float = 0.05) -> AsyncIterator[Reporter]:
    async with open_reporter(heard.collect, heard.tell, seconds=seconds, closest_seconds=closest) as reporter:
        yield reporter


async def test_the_first_report_comes_at_once() -> None:
    heard = Heard()
    async with reporting(heard):
        await eventually(lambda: heard.reports)
    assert heard.reports[0] == heard.collect()


async def test_a_change_is_reported_soon() -> None:
    heard = Heard()
    async with reporting(heard) as reporter:
        await eventually(lambda: heard.reports)
        heard.position = 2
        reporter.changed()
        await eventually(lambda: heard.reports[-1].position == 2)


async def test_many_changes_are_few_reports() -> None:
    heard = Heard()
    async with reporting(heard) as reporter:
        begun = time.monotonic()
        while time.monotonic() - begun < 0.5:
            heard.position += 1
            reporter.changed()
            await asyncio.sleep(0.001)
        await eventually(lambda: heard.reports[-1].position == heard.position)
        seconds = time.monotonic() - begun
    # Not each distance: how late a report is noted is the machine's affair. One comes at the beginning, and
    # the last one says that we leave.
    assert 3 <= len(heard.reports) <= seconds / 0.05 + 3


async def test_without_any_change_there_are_reports_too() -> None:
    heard = Heard()
    async with reporting(heard, seconds=0.1):
        await eventually(lambda: len(heard.reports) >= 4)


async def test_the_last_report_says_that_the_process_leaves() -> None:
    heard = Heard()
    async with reporting(heard):
        await eventually(lambda: heard.reports)
        heard.position = 5
    assert [each.leaving for each in heard.reports] == [False] * (len(heard.reports) - 1) + [True]
    assert heard.reports[-1].position == 5


async def test_a_process_that_ends_in_failure_takes_leave_as_well() -> None:
    heard = Heard()
    with pytest.raises(ExceptionGroup):
        async with reporting(heard):
            raise ZeroDivisionError
    assert heard.reports[-1].leaving
