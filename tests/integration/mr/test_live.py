"""`GET /mr-api/burgee/live`: who hears of which changes, and when a stream ends."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select, update

from common.serve import running
from common.web import Surroundings
from mr.app import mr_app, open_mr
from mr.auth.sessions import hash_token
from mr.db.models.audit import AuditRow
from mr.db.models.people import LoginSession, Person
from mr.db.models.portfolios import GroupEnvironmentRole, GroupMember
from mr.db.session import open_database
from mr.live import endpoints, feed
from mr.relay import open_relay
from mr.settings import MrSettings
from tests.support.admin import Admin
from tests.support.streams import open_events
from tests.support.waiting import eventually

PATH = "/mr-api/burgee/live"


def live(api, *, after=None):
    headers = {"Authorization": f"Bearer {api.admin.token}"}
    if after is not None:
        headers["Last-Event-ID"] = after
    return open_events(api.url + PATH, headers=headers)


def told(stream):
    """What was told, as (kind, name, action)."""
    return [
        (each["kind"], each.get("name"), each["action"])
        for event in stream.named("change")
        for each in event.data["changes"]
    ]


async def until_told(stream, *wanted):
    return await eventually(lambda: [each for each in told(stream) if each in wanted], what=f"{wanted}")


async def test_a_change_is_told_soon_and_says_who_did_what_and_where(api, application):
    async with live(api) as stream:
        await stream.heard("ready")
        await api.admin.create_feature(application.id, "F", "STRING")
        await api.admin.set(application.environment_id, "F", "x")
        await until_told(stream, ("feature-value", "F", "update"), ("feature-value", "F", "create"))
    changes = [each for event in stream.named("change") for each in event.data["changes"]]
    value = next(each for each in changes if each["kind"] == "feature-value")
    assert value["environmentId"] == application.environment_id
    assert value["applicationId"] == application.id
    assert value["portfolioId"] == application.portfolio_id
    assert value["by"]["kind"] == "person"
    assert value["by"]["name"] == "ada@burgee.example"
    assert ("feature", "F", "create") in told(stream)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert stream.headers["Cache-Control"] == "no-store"


async def test_a_change_in_another_process_is_told_as_well(api, application):
    if api.database.dialect == "sqlite":
        pytest.skip("a SQLite file has one process")
    address = api.database.url.render_as_string(hide_password=False)
    async with (
        open_database(address) as second,
        open_mr(MrSettings(), second) as mr,
        running(Surroundings(mr_app(mr))) as base,
        live(api) as stream,
    ):
        await stream.heard("ready")
        other = Admin(api.http, base, api.admin.token)
        await other.create_feature(application.id, "ELSEWHERE")
        await until_told(stream, ("feature", "ELSEWHERE", "create"))


async def test_nothing_is_told_twice_when_the_audit_is_sealed_meanwhile(api, application):
    async with live(api) as stream, open_relay(api.database, holder="test"):
        await stream.heard("ready")
        for number in range(5):
            await api.admin.create_feature(application.id, f"F{number}")
        await eventually(lambda: _sealed(api), what="everything is sealed", within_seconds=60)
        await api.admin.create_feature(application.id, "LAST")
        await until_told(stream, ("feature", "LAST", "create"))
    features = [each for each in told(stream) if each[0] == "feature"]
    assert sorted(features) == sorted(
        {("feature", name, "create") for name in ("LAST", *map("F{}".format, range(5)))}
    )


async def _sealed(api):
    async with api.database.read() as session:
        waiting = await session.scalar(select(AuditRow.seq).where(AuditRow.position.is_(None)).limit(1))
    return waiting is None


async def test_nobody_hears_of_what_they_may_not_read(api, application):
    other = await api.admin.create_application()
    second = await api.admin.create_environment(application.id)
    reader = await api.person(application.portfolio_id, environments={application.environment_id: {"READ"}})
    async with live(reader) as stream:
        await stream.heard("ready")
        await api.admin.create_feature(other.id, "FOREIGN")
        await api.admin.create_feature(application.id, "F", "STRING")
        await api.admin.set(second, "F", "hidden")
        await api.admin.create_account(application.portfolio_id, {application.environment_id: ["READ"]})
        await api.admin.set(application.environment_id, "F", "seen")
        await until_told(stream, ("feature-value", "F", "update"), ("feature-value", "F", "create"))
    changes = [each for event in stream.named("change") for each in event.data["changes"]]
    assert {each["portfolioId"] for each in changes} == {application.portfolio_id}
    assert {each.get("environmentId") for each in changes} <= {application.environment_id, None}
    assert {each["kind"] for each in changes} <= {"feature", "feature-value", "service-account"}


async def test_rights_that_are_given_or_taken_count_at_once(api, application):
    reader = await api.person(application.portfolio_id)
    await api.admin.create_feature(application.id, "F", "STRING")
    where = UUID(application.environment_id)
    async with live(reader) as stream:
        await stream.heard("ready")
        async with api.database.write() as session:
            group = await session.scalar(
                select(GroupMember.group_id)
                .join(LoginSession, LoginSession.person_id == GroupMember.person_id)
                .where(LoginSession.token_hash == hash_token(reader.admin.token))
            )
            session.add(GroupEnvironmentRole(group_id=group, environment_id=where, roles=("READ",)))
        await stream.heard("access")
        await api.admin.set(application.environment_id, "F", "seen")
        await until_told(stream, ("feature-value", "F", "update"), ("feature-value", "F", "create"))

        async with api.database.write() as session:
            role = await session.get(GroupEnvironmentRole, (group, where))
            await session.delete(role)
        await eventually(lambda: len(stream.named("access")) == 2, what="the rights are gone")
        heard = len(told(stream))
        await api.admin.set(application.environment_id, "F", "hidden")
        async with live(api) as watching:
            # Whoever may hear it does; a moment later than that nothing came to the other.
            await watching.heard("ready")
            await api.admin.set(application.environment_id, "F", "hidden as well")
            await until_told(watching, ("feature-value", "F", "update"))
        assert len(told(stream)) == heard


async def test_a_stream_ends_with_its_sign_in(api, application):
    person = await api.person(application.portfolio_id, admin=True)
    async with live(person) as stream, live(api) as other:
        await stream.heard("ready")
        await other.heard("ready")
        await person.admin.call("GET", "/logout", expect=204)
        assert (await stream.heard("bye")).data["reason"] == "signed-out"
        await eventually(lambda: stream.ended, what="the connection is closed")
        assert not other.ended


async def test_a_sign_in_that_only_expires_ends_its_stream_too(api, application, monkeypatch):
    monkeypatch.setattr(feed, "CHECK_SECONDS", 0.2)
    person = await api.person(application.portfolio_id, admin=True)
    async with live(person) as stream:
        await stream.heard("ready")
        async with api.database.write() as session:
            hashed = hash_token(person.admin.token)
            found = await session.scalar(select(LoginSession).where(LoginSession.token_hash == hashed))
            found.expires_at = found.last_seen_at
        await stream.heard("bye")


async def test_whoever_is_put_away_hears_nothing_more(api, application):
    person = await api.person(application.portfolio_id, admin=True)
    async with live(person) as stream:
        await stream.heard("ready")
        async with api.database.write() as session:
            hashed = hash_token(person.admin.token)
            owner = await session.scalar(
                select(Person)
                .join(LoginSession, LoginSession.person_id == Person.id)
                .where(LoginSession.token_hash == hashed)
            )
            owner.archived_at = owner.created_at
        await stream.heard("bye")


async def test_a_later_stream_goes_on_where_an_earlier_one_was(api, application):
    async with open_relay(api.database, holder="test"):
        await eventually(lambda: _sealed(api), what="everything is sealed", within_seconds=60)
        async with live(api) as first:
            mark = (await first.heard("ready")).id
        await api.admin.create_feature(application.id, "MISSED")
        async with live(api, after=mark) as second:
            await until_told(second, ("feature", "MISSED", "create"))
            assert second.named("reset") == []


@pytest.mark.parametrize("mark", ["another-epoch.1", "none.999999999"])
async def test_whoever_comes_from_another_life_of_the_database_begins_anew(api, application, mark):
    async with live(api, after=mark) as stream:
        await stream.heard("reset")


async def test_what_is_too_much_is_told_as_a_whole(api, application, monkeypatch):
    monkeypatch.setattr("mr.live.tail.MANY", 3)
    async with live(api) as stream:
        await stream.heard("ready")
        async with api.database.write() as session:
            await session.execute(
                update(Person).values(name="Same name"), execution_options={"synchronize_session": False}
            )
        for number in range(6):
            await api.admin.create_feature(application.id, f"F{number}")
        await stream.heard("reset")


async def test_streams_of_one_person_are_bounded(api, application, monkeypatch):
    monkeypatch.setattr(feed, "LISTENERS_OF_ONE", 1)
    async with live(api) as first:
        await first.heard("ready")
        assert await api.status("GET", "/burgee/live") == 503
    await eventually(lambda: _takes_one_more(api), what="the place of the first is free")


async def test_streams_that_are_opened_at_once_are_bounded_as_well(api, application, monkeypatch):
    monkeypatch.setattr(feed, "LISTENERS_OF_ONE", 2)
    headers = {"Authorization": f"Bearer {api.admin.token}"}
    answers = await asyncio.gather(*(api.http.get(api.url + PATH, headers=headers) for _ in range(8)))
    try:
        assert sorted(answer.status for answer in answers) == [200] * 2 + [503] * 6
    finally:
        for answer in answers:
            answer.close()


async def _takes_one_more(api):
    async with live(api) as stream:
        return stream.status == 200


async def test_a_quiet_stream_is_kept_open_by_comments(api, application, monkeypatch):
    monkeypatch.setattr(endpoints, "HEARTBEAT_SECONDS", 0.05)
    headers = {"Authorization": f"Bearer {api.admin.token}"}
    async with asyncio.timeout(60), api.http.get(api.url + PATH, headers=headers) as answer:
        lines = [(await answer.content.readline()).decode() for _ in range(8)]
    assert [line for line in lines if line.startswith(":")]


async def test_who_is_not_signed_in_is_refused(api):
    assert await api.stranger().status("GET", "/burgee/live") == 401


async def test_a_server_that_stops_sends_its_streams_away(database_url, api, application):
    async with open_mr(MrSettings(), api.database) as mr, running(Surroundings(mr_app(mr))) as base:
        headers = {"Authorization": f"Bearer {api.admin.token}"}
        async with open_events(base + PATH, headers=headers) as stream:
            await stream.heard("ready")
            assert len(mr.live) == 1
            await mr.live.drain(1)
            assert (await stream.heard("bye")).data["reason"] == "leaving"
            await eventually(lambda: stream.ended, what="the connection is closed")
            await eventually(lambda: len(mr.live) == 0, what="nobody listens")
            assert await Admin(api.http, base, api.admin.token).try_call("GET", "/burgee/live")
            async with open_events(base + PATH, headers=headers) as late:
                assert late.status == 503
