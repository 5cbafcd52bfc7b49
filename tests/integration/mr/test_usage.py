"""`GET /mr-api/burgee/usage`: what Edges told, by minute and by hour, and who may see it."""

import asyncio
import time
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from common.contracts.reports import Report
from common.contracts.usage import UsageCount, UsageReport, encode_usage
from common.errors import Unavailable
from common.serve import running
from common.web import Surroundings
from mr.app import mr_app, open_mr
from mr.db.models.usage import UsageRow
from mr.propagation.record import Propagation
from mr.settings import MrSettings
from mr.usage.book import HOUR, KEPT_SECONDS, MINUTE, UsageBook, usage_handler
from tests.support.admin import Admin

PATH = "/burgee/usage"


def report(*counts):
    return UsageReport(instance="edge-1", counts=tuple(UsageCount(*each) for each in counts))


async def shown(api, *environments, **query):
    pairs = [("environmentId", each) for each in environments]
    headers = {"Authorization": f"Bearer {api.admin.token}"}
    async with api.http.get(
        f"{api.url}/mr-api{PATH}", params=[*pairs, *query.items()], headers=headers
    ) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["environments"]


async def test_numbers_of_all_edges_add_up_in_their_minute(api, application):
    where = application.environment_id
    account = await api.admin.create_account(application.portfolio_id, {where: ["READ"]})
    book = UsageBook(api.database)
    await book.take(report((where, account.id, "poll", 3), (where, "", "stream-seconds", 1200)))
    await book.take(report((where, account.id, "poll", 4), (where, account.id, "unchanged", 2)))
    (found,) = await shown(api, where)
    assert found["environmentId"] == where
    assert sum(each["polls"] for each in found["points"]) == 7
    assert sum(each["unchanged"] for each in found["points"]) == 2
    assert found["points"][0]["streams"] > 0
    assert found["accounts"] == [{"id": account.id, "name": found["accounts"][0]["name"], "requests": 9}]
    (by_hour,) = await shown(api, where, step="hour")
    assert sum(each["polls"] for each in by_hour["points"]) == 7


async def test_minutes_lie_side_by_side_and_the_average_of_streams_is_over_a_whole_one(api, application):
    where = application.environment_id
    now = time.time() // HOUR * HOUR - 10 * MINUTE
    moments = iter([now, now + MINUTE])
    moment = [0.0]
    book = UsageBook(api.database, clock=lambda: moment[0])
    for moment[0] in moments:
        await book.take(report((where, "", "stream-seconds", 600), (where, "", "stream", 5)))
    (found,) = await shown(api, where, since=_text(now), until=_text(now + 2 * MINUTE - 1))
    assert [(each["streams"], each["streamsOpened"]) for each in found["points"]] == [(10, 5), (10, 5)]
    assert found["points"][0]["at"] < found["points"][1]["at"]


def _text(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


async def test_reports_at_once_lose_nothing(api, application):
    where = application.environment_id
    books = [UsageBook(api.database) for _ in range(4)]
    others = sorted(str(uuid4()) for _ in range(20))
    counts = [(where, "", "poll", 1), *((each, "", "poll", 1) for each in others)]
    orders = (counts, counts[::-1])
    await asyncio.gather(*(book.take(report(*orders[n % 2])) for n in range(5) for book in books))
    (found,) = await shown(api, where)
    assert sum(each["polls"] for each in found["points"]) == 20


async def test_old_numbers_are_forgotten_minutes_before_hours(api, application):
    where, now = application.environment_id, time.time()
    moment = [now - KEPT_SECONDS[MINUTE] - HOUR]
    book = UsageBook(api.database, clock=lambda: moment[0])
    await book.take(report((where, "", "poll", 1)))
    moment[0] = now
    await book.take(report((where, "", "poll", 1)))
    async with api.database.read() as session:
        rows = await session.execute(select(UsageRow.step, func.count()).group_by(UsageRow.step))
        assert dict(rows.all()) == {MINUTE: 1, HOUR: 2}


async def test_what_cannot_be_is_left_out(api, application):
    where = application.environment_id
    book = UsageBook(api.database)
    await book.take(
        report(
            ("no id", "", "poll", 1),
            (where, "no id", "poll", 1),
            (where, "", "poll", 0),
            (where, "", "poll", -5),
        )
    )
    (found,) = await shown(api, where)
    assert found["points"] == []


async def test_the_bus_has_a_handler_that_says_when_it_understood_nothing(api, application):
    handle = usage_handler(api.database)
    assert await handle(encode_usage(report((application.environment_id, "", "poll", 1)))) == b"{}"
    with pytest.raises(Unavailable):
        await handle(b"nonsense")


async def test_streams_that_are_open_now_come_from_what_edges_report(api, application):
    propagation = Propagation()
    async with (
        open_mr(MrSettings(), api.database, propagation=propagation) as mr,
        running(Surroundings(mr_app(mr))) as base,
    ):
        # Only now: whoever is silent for some seconds is not counted, and to build all this takes a while.
        for number in (1, 2):
            propagation.told(
                Report(
                    instance=f"edge-{number}",
                    role="edge",
                    epoch="e",
                    position=1,
                    live=True,
                    streams={application.environment_id: 20},
                )
            )
        admin = Admin(api.http, base, api.admin.token)
        found = await admin.call("GET", PATH, environmentId=application.environment_id)
    assert found["environments"][0]["streamsNow"] == 40


async def test_only_who_may_read_an_environment_sees_its_use(api, application):
    where = application.environment_id
    reader = await api.person(application.portfolio_id, environments={where: {"READ"}})
    member = await api.person(application.portfolio_id)
    assert await reader.status("GET", PATH, environmentId=where) == 200
    assert await member.status("GET", PATH, environmentId=where) == 404
    assert await api.status("GET", PATH, environmentId=str(uuid4())) == 404
    second = await api.admin.create_environment(application.id)
    headers = {"Authorization": f"Bearer {reader.admin.token}"}
    pairs = [("environmentId", where), ("environmentId", second)]
    async with api.http.get(f"{api.url}/mr-api{PATH}", params=pairs, headers=headers) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-01-01T00:00:00Z", "until": "2025-01-01T00:00:00Z"},
        {"since": "2020-01-01T00:00:00Z"},
        {"until": "0001-01-01T00:00:00Z"},
        {"step": "second"},
    ],
)
async def test_a_time_that_makes_no_sense_is_refused(api, application, query):
    assert await api.status("GET", PATH, environmentId=application.environment_id, **query) == 400


async def test_an_environment_is_named(api):
    assert await api.status("GET", PATH) == 400
