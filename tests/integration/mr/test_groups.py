"""Groups: members in three shapes, roles that merge or replace, and superusers everywhere."""

from uuid import uuid4

import pytest

from tests.support.admin import Application


async def _administrators(api, portfolio_id: str) -> dict:
    groups = await api.admin.call("GET", f"/portfolio/{portfolio_id}/group")
    return next(group for group in groups if group["admin"])


async def _group(api, portfolio_id: str, name: str = "team", **more) -> dict:
    return await api.admin.call("POST", f"/portfolio/{portfolio_id}/group", {"name": name, **more})


async def _invite(api, email: str, **more) -> str:
    answer = await api.admin.call("POST", "/person", {"email": email, "personType": "person", **more})
    return answer["personId"]


async def _own_id(api) -> str:
    return (await api.admin.call("GET", "/person/self"))["id"]["id"]


async def test_a_new_group_shows_its_arrays_and_the_portfolio_lists_it(api, application):
    made = await _group(api, application.portfolio_id)
    assert {made[name] is not None for name in ("members", "applicationRoles", "environmentRoles")} == {True}
    assert (made["version"], made["portfolioId"], made["admin"]) == (1, application.portfolio_id, False)
    listed = await api.admin.call("GET", f"/portfolio/{application.portfolio_id}/group", filter="TEA")
    assert [group["id"] for group in listed] == [made["id"]]
    assert await api.status("POST", f"/portfolio/{application.portfolio_id}/group", {"name": "team"}) == 409
    assert await api.status("POST", f"/portfolio/{application.portfolio_id}/group", {"name": " "}) == 400


async def test_a_second_group_of_administrators_is_refused_and_the_first_stays(api, application):
    body = {"name": "more admins", "admin": True}
    assert await api.status("POST", f"/portfolio/{application.portfolio_id}/group", body) == 404
    group = await _administrators(api, application.portfolio_id)
    assert await api.status("DELETE", f"/group/{group['id']}") == 403


async def test_members_come_in_three_shapes(api, application):
    group = await _group(api, application.portfolio_id)
    person = await _invite(api, "grace@x.example", name="Grace")
    path = f"/group/{group['id']}/person/{person}"
    added = await api.admin.call("POST", path, includeMembers="true")
    assert [each["email"] for each in added["members"]] == ["grace@x.example"]
    assert added["simpleMembers"] == []
    short = await api.admin.call("GET", f"/group/{group['id']}", includeMembersV2="true")
    assert short["simpleMembers"] == [
        {"id": person, "name": "Grace", "email": "grace@x.example", "type": "person"}
    ]
    assert short["superMembers"] == [await _own_id(api)]
    assert short["members"] == []
    assert (await api.admin.call("POST", path))["members"] == []  # again, and nothing was asked for
    left = await api.admin.call("DELETE", path, includeMembers="true")
    assert left["members"] == []
    assert await api.status("POST", f"/group/{group['id']}/person/{uuid4()}") == 404


async def test_put_away_people_are_hidden_from_members(api, application):
    group = await _group(api, application.portfolio_id)
    person = await _invite(api, "grace@x.example")
    await api.admin.call("POST", f"/group/{group['id']}/person/{person}")
    await api.admin.call("DELETE", f"/person/{person}")
    shown = await api.admin.call(
        "GET", f"/group/{group['id']}", includeMembersV2="true", includeMembers="true"
    )
    assert (shown["simpleMembers"], shown["members"]) == ([], [])


async def test_people_are_added_in_bulk_by_id_and_address(api, application):
    group = await _group(api, application.portfolio_id)
    one = await _invite(api, "one@x.example")
    await _invite(api, "two@x.example")
    query = [
        ("personId", one),
        ("personId", str(uuid4())),
        ("email", "TWO@x.example"),
        ("email", "no@x.example"),
    ]
    async with api.http.post(
        f"{api.url}/mr-api/group/{group['id']}/person",
        params=[*query, ("includeMembersV2", "true")],
        headers={"authorization": f"Bearer {api.admin.token}"},
    ) as answer:
        assert answer.status == 200
        members = (await answer.json())["simpleMembers"]
    assert sorted(each["email"] for each in members) == ["one@x.example", "two@x.example"]
    assert await api.status("POST", f"/group/{group['id']}/person", email="no@x.example") == 404


async def test_superusers_administer_every_portfolio_and_cannot_be_taken_out(api, application):
    before = await _administrators(api, application.portfolio_id)
    person = await _invite(api, "grace@x.example")
    own = await api.admin.call("GET", "/person/self", includeGroups="true")
    superusers = next(group for group in own["groups"] if "portfolioId" not in group)
    await api.admin.call("POST", f"/group/{superusers['id']}/person/{person}")
    later = await api.admin.create_portfolio()
    for portfolio_id in (application.portfolio_id, later):
        group = await _administrators(api, portfolio_id)
        shown = await api.admin.call("GET", f"/group/{group['id']}", includeMembersV2="true")
        assert person in {each["id"] for each in shown["simpleMembers"]}
        assert set(shown["superMembers"]) == {person, own["id"]["id"]}
    assert await api.status("DELETE", f"/group/{before['id']}/person/{person}") == 404
    await api.admin.call("DELETE", f"/group/{superusers['id']}/person/{person}")
    shown = await api.admin.call("GET", f"/group/{before['id']}", includeMembersV2="true")
    assert person not in {each["id"] for each in shown["simpleMembers"]}
    assert await api.status("DELETE", f"/group/{superusers['id']}/person/{own['id']['id']}") == 403


def _environment_roles(group, roles: dict) -> list:
    return [
        {"environmentId": identity, "groupId": group["id"], "roles": list(names)}
        for identity, names in roles.items()
    ]


def _application_roles(group, roles: dict) -> list:
    return [
        {"applicationId": identity, "groupId": group["id"], "roles": list(names)}
        for identity, names in roles.items()
    ]


async def test_environment_roles_merge_and_application_roles_replace(api, application):
    portfolio = application.portfolio_id
    second = await api.admin.create_application(portfolio)
    foreign = await api.admin.create_application()
    group = await _group(api, portfolio)

    async def update(version: int, **body) -> dict:
        return await api.admin.call(
            "PUT",
            f"/portfolio/{portfolio}/v2/group",
            {"id": group["id"], "version": version, **body},
            includeGroupRoles="true",
            updateEnvironmentGroupRoles="true" if "environmentRoles" in body else "false",
            updateApplicationGroupRoles="true" if "applicationRoles" in body else "false",
        )

    first = await update(
        1,
        environmentRoles=_environment_roles(
            group,
            {
                application.environment_id: ["CHANGE_VALUE"],
                second.environment_id: ["LOCK"],
                foreign.environment_id: ["LOCK"],
            },
        ),
        applicationRoles=_application_roles(
            group,
            {application.id: ["FEATURE_CREATE"], second.id: ["FEATURE_EDIT"], foreign.id: ["FEATURE_EDIT"]},
        ),
    )
    assert first["version"] == 2
    assert {each["environmentId"]: each["roles"] for each in first["environmentRoles"]} == {
        application.environment_id: ["READ", "CHANGE_VALUE"],
        second.environment_id: ["READ", "LOCK"],
    }
    assert {each["applicationId"] for each in first["applicationRoles"]} == {application.id, second.id}
    merged = await update(2, environmentRoles=_environment_roles(group, {second.environment_id: []}))
    assert [each["environmentId"] for each in merged["environmentRoles"]] == [application.environment_id]
    replaced = await update(3, applicationRoles=_application_roles(group, {second.id: ["FEATURE_EDIT"]}))
    assert [each["applicationId"] for each in replaced["applicationRoles"]] == [second.id]
    stale = {"id": group["id"], "version": 3}
    assert await api.status("PUT", f"/portfolio/{portfolio}/v2/group", stale) == 422
    assert await api.status("PUT", f"/portfolio/{portfolio}/v2/group", {"id": group["id"]}) == 422


async def test_with_an_application_named_only_its_roles_are_replaced(api, application):
    portfolio = application.portfolio_id
    second = await api.admin.create_application(portfolio)
    group = await _group(api, portfolio)
    path = f"/portfolio/{portfolio}/v2/group"
    body = {"id": group["id"], "version": 1}
    roles = {application.id: ["FEATURE_CREATE"], second.id: ["FEATURE_CREATE"]}
    flags = {"updateApplicationGroupRoles": "true", "includeGroupRoles": "true"}
    await api.admin.call("PUT", path, body | {"applicationRoles": _application_roles(group, roles)}, **flags)
    body["version"] = 2
    await api.admin.call("PUT", path, body, applicationId=second.id, **flags)
    shown = await api.admin.call("GET", f"/group/{group['id']}", includeGroupRoles="true")
    assert [each["applicationId"] for each in shown["applicationRoles"]] == [application.id]


async def test_administrators_report_all_roles_when_asked_by_application(api, application):
    group = await _administrators(api, application.portfolio_id)
    path = f"/group/{group['id']}"
    stored = await api.admin.call("GET", path, includeGroupRoles="true")
    assert stored["applicationRoles"][0]["roles"] == ["FEATURE_CREATE", "FEATURE_EDIT_AND_DELETE"]
    asked = await api.admin.call("GET", path, includeGroupRoles="true", byApplicationId=application.id)
    (entry,) = asked["applicationRoles"]
    assert len(entry["roles"]) == 5
    assert "FEATURE_EDIT" not in entry["roles"]
    foreign = await api.admin.create_application()
    elsewhere = await api.admin.call("GET", path, includeGroupRoles="true", byApplicationId=foreign.id)
    assert elsewhere["applicationRoles"] == []


async def test_the_old_update_replaces_members_and_refuses_repeated_ones(api, application):
    portfolio = application.portfolio_id
    group = await _group(api, portfolio)
    one, two = await _invite(api, "one@x.example"), await _invite(api, "two@x.example")
    await api.admin.call("POST", f"/group/{group['id']}/person/{one}")
    body = {"id": group["id"], "version": 1, "name": "renamed", "members": [{"id": {"id": two}}]}
    flags = {"updateMembers": "true", "includeMembers": "true"}
    shown = await api.admin.call("PUT", f"/portfolio/{portfolio}/group", body, **flags)
    assert [each["id"]["id"] for each in shown["members"]] == [two]
    assert (shown["name"], shown["version"]) == ("renamed", 2)
    body |= {"version": 2, "members": [{"id": {"id": two}}, {"id": {"id": two}}]}
    assert await api.status("PUT", f"/portfolio/{portfolio}/group", body, **flags) == 409
    await _group(api, portfolio, "taken")
    body |= {"members": [], "name": "taken"}
    assert await api.status("PUT", f"/portfolio/{portfolio}/group", body) == 409


async def test_replacing_the_members_of_administrators_keeps_superusers(api, application):
    group = await _administrators(api, application.portfolio_id)
    body = {"id": group["id"], "version": group["version"], "name": group["name"], "members": []}
    path = f"/portfolio/{application.portfolio_id}/group"
    shown = await api.admin.call("PUT", path, body, updateMembers="true", includeMembers="true")
    assert [each["id"]["id"] for each in shown["members"]] == [await _own_id(api)]


async def test_members_read_their_group_and_others_do_not(api, application: Application):
    portfolio = application.portfolio_id
    administrators = await _administrators(api, portfolio)
    member = await api.person(portfolio)
    mine = (await member.admin.call("GET", "/person/self", includeGroups="true"))["groups"][0]["id"]
    assert await member.status("GET", f"/group/{mine}") == 200
    assert await member.status("GET", f"/group/{administrators['id']}") == 404
    assert await member.status("DELETE", f"/group/{mine}") == 403
    assert await member.status("GET", f"/portfolio/{portfolio}/group") == 200
    assert await member.status("POST", f"/portfolio/{portfolio}/group", {"name": "x"}) == 403
    elsewhere = await api.admin.create_portfolio()
    assert await member.status("GET", f"/portfolio/{elsewhere}/group") == 403
    assert await api.status("GET", f"/portfolio/{uuid4()}/group") == 404


@pytest.mark.parametrize("shape", ["path", "body"])
async def test_an_administrator_of_another_portfolio_reaches_no_group(api, application, shape):
    group = await _group(api, application.portfolio_id)
    own = await api.admin.create_portfolio()
    foreigner = await api.person(own, admin=True)
    identity, person = group["id"], await _own_id(foreigner)
    if shape == "path":
        for method, path in (
            ("GET", f"/group/{identity}"),
            ("DELETE", f"/group/{identity}"),
            ("POST", f"/group/{identity}/person/{person}"),
            ("DELETE", f"/group/{identity}/person/{person}"),
            ("POST", f"/group/{identity}/person?personId={person}"),
        ):
            assert await foreigner.status(method, path) == 404, (method, path)
        listed = f"/portfolio/{application.portfolio_id}/group"
        assert await foreigner.status("GET", listed) == 403
        assert await foreigner.status("POST", listed, {"name": "x"}) == 404
    body = {"id": identity, "version": 1, "name": "stolen", "members": [{"id": {"id": person}}]}
    for portfolio in (own, application.portfolio_id):
        for version in ("", "/v2"):
            path = f"/portfolio/{portfolio}{version}/group"
            assert await foreigner.status("PUT", path, body, updateMembers="true") == 404
    shown = await api.admin.call("GET", f"/group/{identity}", includeMembers="true")
    assert (shown["name"], shown["members"], shown["version"]) == ("team", [], 1)


async def test_roles_given_through_a_group_count_at_once(api, application):
    group = await _group(api, application.portfolio_id)
    member = await api.person(application.portfolio_id)
    person = await _own_id(member)
    path = f"/application/{application.id}"
    assert await member.status("GET", path) == 404
    await api.admin.call("POST", f"/group/{group['id']}/person/{person}")
    body = {
        "id": group["id"],
        "version": 1,
        "environmentRoles": _environment_roles(group, {application.environment_id: ["READ"]}),
    }
    await api.admin.call(
        "PUT", f"/portfolio/{application.portfolio_id}/v2/group", body, updateEnvironmentGroupRoles="true"
    )
    assert await member.status("GET", path) == 200
    await api.admin.call("DELETE", f"/group/{group['id']}")
    assert await member.status("GET", path) == 404
