"""People and groups changed from all sides at once: no deadlock reaches a caller, no superuser is lost."""

import asyncio
import json
import random
from itertools import count

import pytest
from sqlalchemy import select

from mr.db.models.portfolios import Group, GroupMember
from mr.people.memberships import superuser_ids

EDITORS = 12
ROUNDS = 6


@pytest.mark.slow
async def test_memberships_stay_true_under_parallel_edits(api):
    admin = api.admin
    chance, numbers = random.Random(1), count(1)
    everybody = (await admin.call("GET", "/person/self", includeGroups="true"))["groups"]
    superusers = next(group["id"] for group in everybody if "portfolioId" not in group)
    portfolios = [await admin.create_portfolio() for _ in range(3)]
    groups = []
    for portfolio in portfolios:
        found = await admin.call("GET", f"/portfolio/{portfolio}/group")
        groups.append(found[0]["id"])
        made = await admin.call("POST", f"/portfolio/{portfolio}/group", {"name": "team"})
        groups.append(made["id"])
    people = []
    for number in range(5):
        body = {"email": f"p{number}@x.example", "personType": "person"}
        people.append((await admin.call("POST", "/person", body))["personId"])

    async def edit() -> int:
        person, group = chance.choice(people), chance.choice([*groups, superusers])
        what = chance.randrange(5)
        if what == 0:
            return await api.status("POST", f"/group/{group}/person/{person}")
        if what == 1:
            return await api.status("DELETE", f"/group/{group}/person/{person}")
        if what == 2:
            name = f"P{next(numbers)}"
            return await api.status("POST", "/portfolio", {"name": name, "description": name})
        if what == 3:
            shown = await admin.call("GET", f"/group/{group}")
            if "portfolioId" not in shown:
                return 200
            members = [{"id": {"id": each}} for each in chance.sample(people, 2)]
            body = {"id": group, "name": shown["name"], "version": shown["version"], "members": members}
            path = f"/portfolio/{shown['portfolioId']}/group"
            return await api.status("PUT", path, body, updateMembers="true")
        version = (await admin.call("GET", f"/person/{person}"))["version"]
        wanted = chance.sample([*groups, superusers], 3)
        email = f"person.{next(numbers)}@x.example"
        body = {"version": version, "groups": wanted, "email": email}
        return await api.status("PUT", f"/person/{person}/v2", body)

    async def editor() -> list[int]:
        return [await edit() for _ in range(ROUNDS)]

    statuses = [
        status for done in await asyncio.gather(*(editor() for _ in range(EDITORS))) for status in done
    ]
    # 404: a superuser stays among administrators. 422: somebody else was first. Nothing else may happen.
    assert set(statuses) <= {200, 204, 404, 422}, statuses
    async with api.database.read() as session:
        expected = set(await superuser_ids(session))
        administrators = (
            await session.scalars(select(Group.id).where(Group.admin, Group.portfolio_id.is_not(None)))
        ).all()
        for group_id in administrators:
            members = await session.scalars(
                select(GroupMember.person_id).where(GroupMember.group_id == group_id)
            )
            assert expected <= set(members)


async def test_versions_let_only_one_of_many_editors_win(api, application):
    made = await api.admin.call("POST", f"/portfolio/{application.portfolio_id}/group", {"name": "team"})
    path = f"/portfolio/{application.portfolio_id}/v2/group"
    bodies = [{"id": made["id"], "version": 1, "name": f"team {number}"} for number in range(8)]
    statuses = await asyncio.gather(*(api.status("PUT", path, body) for body in bodies))
    assert sorted(statuses) == [200] + [422] * 7


async def test_one_address_is_invited_once_however_many_try(api):
    body = {"email": "grace@x.example", "personType": "person"}
    statuses = await asyncio.gather(*(api.status("POST", "/person", body) for _ in range(8)))
    assert sorted(statuses) == [200] + [409] * 7


async def test_an_invitation_is_used_once_however_many_try(api):
    invited = await api.admin.call("POST", "/person", {"email": "g@x.example", "personType": "person"})
    body = {
        "name": "Grace",
        "email": "g@x.example",
        "password": "a good one",
        "confirmPassword": "a good one",
        "registrationToken": invited["token"],
    }
    statuses = await asyncio.gather(*(api.status("POST", "/authentication", body) for _ in range(5)))
    assert sorted(statuses) == [200] + [404] * 4


async def test_no_session_outlives_the_password_that_opened_it(api):
    """Signing in while the password is reset: either too late, or signed out again."""
    invited = await api.admin.call("POST", "/person", {"email": "g@x.example", "personType": "person"})
    path = f"/authentication/{invited['personId']}/resetPassword"
    await api.admin.call("PUT", path, {"password": "the first one"})
    login = {"email": "g@x.example", "password": "the first one"}
    answers = await asyncio.gather(
        api.raw("PUT", path, {"password": "the second one"}),
        *(api.raw("POST", "/login", login) for _ in range(4)),
    )
    assert answers[0][0] == 200
    replace = f"/authentication/{invited['personId']}/replaceTempPassword"
    for status, text in answers[1:]:
        assert status in {200, 404}
        if status == 200:
            opened = api.stranger()
            opened.admin.token = json.loads(text)["accessToken"]
            assert await opened.status("PUT", replace, {"password": "mine alone"}) == 401
