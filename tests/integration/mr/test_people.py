"""People: invited, found, edited and put away; and what an administrator may not do to whom."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from mr.db.models.base import utc_now
from mr.db.models.people import Person
from tests.support.admin import Admin


async def invite(api, email: str, **more) -> dict:
    return await api.admin.call("POST", "/person", {"email": email, "personType": "person", **more})


async def own_id(api) -> str:
    return (await api.admin.call("GET", "/person/self"))["id"]["id"]


async def administrators(api, portfolio_id: str) -> str:
    groups = await api.admin.call("GET", f"/portfolio/{portfolio_id}/group")
    return next(group["id"] for group in groups if group["admin"])


def registration(email: str, token: str, **more) -> dict:
    password = {"password": "a good one", "confirmPassword": "a good one"}
    return {"name": "Grace", "email": email, "registrationToken": token} | password | more


async def test_an_invited_person_registers_and_is_signed_in(api):
    invited = await invite(api, "Grace@X.example")
    assert invited["registrationUrl"].endswith(f"/register-url?token={invited['token']}")
    stranger = api.stranger()
    shown = await stranger.admin.call("GET", f"/authentication/{invited['token']}")
    assert shown["email"] == "grace@x.example"
    wrong = registration("other@x.example", invited["token"])
    assert await stranger.status("POST", "/authentication", wrong) == 400
    wrong = registration("grace@x.example", invited["token"], confirmPassword="another")
    assert await stranger.status("POST", "/authentication", wrong) == 400
    fit = registration("grace@x.example", invited["token"])
    tokenized = await stranger.admin.call("POST", "/authentication", fit)
    assert tokenized["person"]["id"]["id"] == invited["personId"]
    grace = Admin(api.http, api.url, tokenized["accessToken"])
    assert (await grace.call("GET", "/person/self"))["name"] == "Grace"
    assert await stranger.status("GET", f"/authentication/{invited['token']}") == 404
    assert await stranger.status("POST", "/authentication", fit) == 404
    login = {"email": "grace@x.example", "password": "a good one"}
    assert await stranger.status("POST", "/login", login) == 200


async def test_an_invitation_expires_and_is_renewed(api):
    invited = await invite(api, "grace@x.example")
    async with api.database.write() as session:
        await session.execute(
            update(Person)
            .where(Person.id == UUID(invited["personId"]))
            .values(registration_expires_at=utc_now() - timedelta(seconds=1))
        )
    assert await api.status("GET", f"/authentication/{invited['token']}") == 404
    late = registration("grace@x.example", invited["token"])
    assert await api.status("POST", "/authentication", late) == 404
    found = await api.admin.call("GET", "/person", countGroups="true")
    assert [(each["id"], each["expired"]) for each in found["outstandingRegistrations"]] == [
        (invited["personId"], True)
    ]
    renewed = await api.admin.call("POST", "/authentication/GRACE@x.example/expiredTokenReset")
    assert renewed["personId"] == invited["personId"]
    assert renewed["token"] != invited["token"]
    assert await api.status("GET", f"/authentication/{renewed['token']}") == 200
    await api.admin.call("POST", "/authentication", registration("grace@x.example", renewed["token"]))
    assert await api.status("POST", "/authentication/grace@x.example/expiredTokenReset") == 400
    assert await api.status("POST", "/authentication/nobody@x.example/expiredTokenReset") == 404


async def test_invitations_are_stored_as_hashes(api):
    invited = await invite(api, "grace@x.example")
    async with api.database.read() as session:
        person = await session.scalar(select(Person).where(Person.email == "grace@x.example"))
    assert invited["token"] not in {person.registration_token_hash, person.access_token_hash}


async def test_creating_people_refuses_what_is_incomplete_or_taken(api):
    await invite(api, "grace@x.example")
    for body, status in (
        ({"personType": "person"}, 400),
        ({"personType": "person", "email": "no address"}, 400),
        ({"personType": "serviceAccount"}, 400),
        ({"personType": "sdkServiceAccount", "name": "x"}, 400),
        ({"personType": "person", "email": "GRACE@x.example"}, 409),
    ):
        assert await api.status("POST", "/person", body) == status, body


async def test_groups_are_applied_at_once_as_far_as_the_caller_administers_them(api, application):
    own = await api.admin.create_portfolio()
    theirs, mine = await administrators(api, application.portfolio_id), await administrators(api, own)
    admin = await api.person(own, admin=True)
    everybody = (await api.admin.call("GET", "/person/self", includeGroups="true"))["groups"]
    superusers = next(group["id"] for group in everybody if "portfolioId" not in group)
    invited = await invite(admin, "grace@x.example", groupIds=[theirs, mine, superusers, str(uuid4())])
    shown = await api.admin.call("GET", f"/person/{invited['personId']}", includeGroups="true")
    assert [group["id"] for group in shown["groups"]] == [mine]


async def test_a_put_away_address_comes_back_without_its_past(api, application):
    group = await administrators(api, application.portfolio_id)
    first = await invite(api, "grace@x.example", groupIds=[group])
    await api.admin.call("POST", "/authentication", registration("grace@x.example", first["token"]))
    assert await api.admin.call("DELETE", f"/person/{first['personId']}") is True
    again = await invite(api, "grace@x.example")
    assert again["personId"] == first["personId"]
    shown = await api.admin.call("GET", f"/person/{again['personId']}", includeGroups="true")
    assert (shown["groups"], "whenArchived" in shown) == ([], False)
    login = {"email": "grace@x.example", "password": "a good one"}
    assert await api.status("POST", "/login", login) == 404


async def test_people_are_found_by_oneself_id_and_address(api, application):
    invited = await invite(api, "grace@x.example")
    for who in ("self", await own_id(api), "ada@burgee.example", invited["personId"], "Grace@x.example"):
        assert await api.status("GET", f"/person/{who}") == 200, who
    assert await api.status("GET", f"/person/{uuid4()}") == 404
    assert await api.status("GET", "/person/nobody") == 404
    member = await api.person(application.portfolio_id)
    assert await member.status("GET", "/person/self") == 200
    assert await member.status("GET", f"/person/{await own_id(member)}") == 200
    for who in (invited["personId"], str(uuid4()), "nobody@x.example"):
        assert await member.status("GET", f"/person/{who}") == 403


async def test_acls_show_what_groups_may_do(api, application):
    member = await api.person(
        application.portfolio_id,
        environments={application.environment_id: ["LOCK"]},
        applications={application.id: ["FEATURE_CREATE"]},
    )
    (group,) = (await member.admin.call("GET", "/person/self", includeAcls="true"))["groups"]
    assert group["environmentRoles"][0]["roles"] == ["READ", "LOCK"]
    assert group["applicationRoles"][0]["roles"] == ["FEATURE_CREATE"]
    bare = await member.admin.call("GET", "/person/self")
    assert bare["groups"] == []


async def test_the_list_of_people_is_for_administrators(api, application):
    member = await api.person(application.portfolio_id)
    admin = await api.person(application.portfolio_id, admin=True)
    assert await member.status("GET", "/person") == 403
    assert await member.status("POST", "/person", {"email": "a@x.example", "personType": "person"}) == 403
    assert await admin.status("GET", "/person") == 200


async def test_the_list_is_searched_sorted_and_paged(api):
    for name in ("Zoe", "bob", "Ann"):
        await invite(api, f"{name.lower()}@x.example", name=name)
    await api.admin.call("POST", "/person", {"personType": "serviceAccount", "name": "robot"})
    everybody = await api.admin.call("GET", "/person")
    assert [each["name"] for each in everybody["people"]] == ["Ada", "Ann", "bob", "Zoe"]
    assert everybody["max"] == 4
    assert "summarisedPeople" not in everybody
    page = await api.admin.call("GET", "/person", order="DESC", startAt="1", pageSize="2", countGroups="true")
    assert [each["name"] for each in page["summarisedPeople"]] == ["bob", "Ann"]
    assert (page["max"], "people" in page) == (4, False)
    found = await api.admin.call("GET", "/person", filter="X.EXAMPLE", sortBy="activationStatus")
    assert [each["name"] for each in found["people"]] == ["Ann", "bob", "Zoe"]
    robots = await api.admin.call("GET", "/person", personTypes="serviceAccount")
    assert [each["name"] for each in robots["people"]] == ["robot"]
    assert (await api.admin.call("GET", "/person", personTypes="sdkServiceAccount"))["max"] == 0
    assert await api.status("GET", "/person", pageSize="-1") == 400
    assert await api.status("GET", "/person", startAt="9" * 30) == 400


async def test_sign_ins_and_put_away_people_are_shown_when_asked_for(api):
    invited = await invite(api, "grace@x.example")
    await api.admin.call("DELETE", f"/person/{invited['personId']}")
    assert (await api.admin.call("GET", "/person"))["max"] == 1
    found = await api.admin.call(
        "GET", "/person", includeDeactivated="true", includeLastLoggedIn="true", countGroups="true"
    )
    ada, grace = found["summarisedPeople"]
    assert "whenLastAuthenticated" in ada
    assert "whenDeactivated" in grace
    plain = await api.admin.call("GET", "/person")
    assert "whenLastSeen" not in plain["people"][0]


@pytest.mark.parametrize("operation", ["old", "v2"])
async def test_an_update_compares_versions_and_replaces_groups(api, application, operation):
    group = await administrators(api, application.portfolio_id)
    invited = await invite(api, "grace@x.example")
    where = f"/person/{invited['personId']}"

    async def update(**body) -> int:
        if operation == "v2":
            return await api.status("PUT", where + "/v2", body)
        if "groups" in body:
            body["groups"] = [{"id": each, "name": "g"} for each in body["groups"]]
        return await api.status("PUT", where, body)

    good = 204 if operation == "v2" else 200
    assert await update(version=1, name="Grace H", email="GH@x.example", groups=[group]) == good
    shown = await api.admin.call("GET", where, includeGroups="true")
    assert (shown["name"], shown["email"], shown["version"]) == ("Grace H", "gh@x.example", 2)
    assert [each["id"] for each in shown["groups"]] == [group]
    assert await update(version=1, name="x") == 422
    assert await update(version=2, email="ada@burgee.example") == 409
    assert await update(version=2, name="Grace") == good
    assert len((await api.admin.call("GET", where, includeGroups="true"))["groups"]) == 1
    assert await update(version=3, groups=[]) == good
    assert (await api.admin.call("GET", where, includeGroups="true"))["groups"] == []


async def test_superusers_are_made_and_unmade_by_their_groups(api, application):
    everybody = (await api.admin.call("GET", "/person/self", includeGroups="true"))["groups"]
    superusers = next(group["id"] for group in everybody if "portfolioId" not in group)
    group = await administrators(api, application.portfolio_id)
    invited = await invite(api, "grace@x.example")
    where = f"/person/{invited['personId']}"
    await api.admin.call("PUT", where + "/v2", {"version": 1, "groups": [superusers]}, expect=204)
    shown = await api.admin.call("GET", where, includeGroups="true")
    assert {superusers, group} <= {each["id"] for each in shown["groups"]}
    # Still in the administrators of one portfolio, which was asked for.
    await api.admin.call("PUT", where + "/v2", {"version": 2, "groups": [group]}, expect=204)
    shown = await api.admin.call("GET", where, includeGroups="true")
    assert [each["id"] for each in shown["groups"]] == [group]
    me = await api.admin.call("GET", "/person/self")
    body = {"version": me["version"], "groups": []}
    assert await api.status("PUT", f"/person/{me['id']['id']}/v2", body) == 403


async def test_a_put_away_person_cannot_sign_in_until_taken_back(api):
    invited = await invite(api, "grace@x.example")
    fit = registration("grace@x.example", invited["token"])
    grace = Admin(api.http, api.url, (await api.admin.call("POST", "/authentication", fit))["accessToken"])
    assert await api.admin.call("DELETE", f"/person/{invited['personId']}", includeGroups="true") is True
    assert (await grace.try_call("GET", "/person/self"))[0] == 401
    login = {"email": "grace@x.example", "password": "a good one"}
    assert await api.status("POST", "/login", login) == 404
    version = (await api.admin.call("GET", f"/person/{invited['personId']}"))["version"]
    body = {"version": version, "unarchive": True}
    await api.admin.call("PUT", f"/person/{invited['personId']}/v2", body, expect=204)
    assert await api.status("POST", "/login", login) == 200


async def test_only_superusers_put_people_away_and_never_the_last_superuser(api, application):
    admin = await api.person(application.portfolio_id, admin=True)
    invited = await invite(api, "grace@x.example")
    assert await admin.status("DELETE", f"/person/{invited['personId']}") == 403
    assert await api.status("DELETE", f"/person/{uuid4()}") == 404
    assert await api.status("DELETE", f"/person/{await own_id(api)}") == 403


async def test_administrative_accounts_use_a_token_that_is_shown_once(api, application):
    group = await administrators(api, application.portfolio_id)
    body = {"personType": "serviceAccount", "name": "robot", "groupIds": [group]}
    made = await api.admin.call("POST", "/person", body)
    assert (len(made["token"]), "registrationUrl" in made) == (48, False)
    robot = Admin(api.http, api.url, made["token"])
    assert (await robot.call("GET", "/person/self"))["personType"] == "serviceAccount"
    await robot.create_application(application.portfolio_id)
    renewed = await api.admin.call("POST", f"/person/{made['personId']}/token-reset")
    assert len(renewed["token"]) == 48
    assert (await robot.try_call("GET", "/person/self"))[0] == 401
    robot.token = renewed["token"]
    assert (await robot.try_call("GET", "/person/self"))[0] == 200
    await api.admin.call("DELETE", f"/person/{made['personId']}")
    assert (await robot.try_call("GET", "/person/self"))[0] == 401
    assert await api.status("POST", f"/person/{made['personId']}/token-reset") == 404
    assert await api.status("POST", f"/person/{await own_id(api)}/token-reset") == 404


async def test_twins_of_sdk_accounts_are_seen_and_never_touched(api, application):
    account = await api.admin.create_account(application.portfolio_id, {})
    async with api.database.read() as session:
        twin = await session.scalar(select(Person).where(Person.person_type == "sdkServiceAccount"))
    shown = await api.admin.call("GET", f"/person/{twin.id}")
    assert shown["additional"] == [{"key": "serviceAccountId", "value": account.id}]
    body = {"version": 1, "name": "mine"}
    assert await api.status("PUT", f"/person/{twin.id}/v2", body) == 404
    assert await api.status("DELETE", f"/person/{twin.id}") == 404
    assert await api.status("PUT", f"/authentication/{twin.id}/resetPassword", {"password": "p"}) == 404
    group = await administrators(api, application.portfolio_id)
    assert await api.status("POST", f"/group/{group}/person/{twin.id}") == 404


async def test_passwords_are_changed_by_those_who_know_them(api, application):
    person = await own_id(api)
    other = Admin(api.http, api.url)
    await other.login()
    change = {"oldPassword": "wrong", "newPassword": "another one"}
    path = f"/authentication/{person}/changePassword"
    assert await api.status("PUT", path, change) == 400
    member = await api.person(application.portfolio_id)
    assert await member.status("PUT", path, change) == 403
    change["oldPassword"] = "correct horse battery"
    assert await api.status("PUT", path, change | {"newPassword": "  "}) == 400
    await api.admin.call("PUT", path, change)
    assert await api.status("GET", "/person/self") == 200  # this sign-in stays
    assert (await other.try_call("GET", "/person/self"))[0] == 401
    old = {"email": "ada@burgee.example", "password": "correct horse battery"}
    assert await api.status("POST", "/login", old) == 404
    assert await api.status("POST", "/login", old | {"password": "another one"}) == 200


async def test_a_temporary_password_must_be_replaced_first(api):
    invited = await invite(api, "grace@x.example")
    await api.admin.call("POST", "/authentication", registration("grace@x.example", invited["token"]))
    where = f"/authentication/{invited['personId']}"
    shown = await api.admin.call("PUT", f"{where}/resetPassword", {"password": "temporary"})
    assert shown["passwordRequiresReset"] is True
    tokenized = await api.admin.call("POST", "/login", {"email": "grace@x.example", "password": "temporary"})
    grace = Admin(api.http, api.url, tokenized["accessToken"])
    assert (await grace.try_call("GET", "/person/self"))[0] == 401
    other = f"/authentication/{await own_id(api)}/replaceTempPassword"
    assert (await grace.try_call("PUT", other, {"password": "mine alone"}))[0] == 403
    replaced = await grace.call("PUT", f"{where}/replaceTempPassword", {"password": "mine alone"})
    assert (await grace.try_call("GET", "/person/self"))[0] == 401
    grace.token = replaced["accessToken"]
    assert (await grace.try_call("GET", "/person/self"))[0] == 200
    assert (await grace.try_call("PUT", f"{where}/replaceTempPassword", {"password": "x"}))[0] == 403


async def test_a_password_reset_can_take_somebody_back(api):
    invited = await invite(api, "grace@x.example")
    await api.admin.call("DELETE", f"/person/{invited['personId']}")
    body = {"password": "temporary", "reactivate": True}
    await api.admin.call("PUT", f"/authentication/{invited['personId']}/resetPassword", body)
    assert await api.status("POST", "/login", {"email": "grace@x.example", "password": "temporary"}) == 200
    own = f"/authentication/{await own_id(api)}/resetPassword"
    assert await api.status("PUT", own, {"password": "temporary"}) == 403
    nobody = f"/authentication/{uuid4()}/resetPassword"
    assert await api.status("PUT", nobody, {"password": "temporary"}) == 404


async def test_nobody_takes_over_an_account_that_holds_more_than_they_administer(api, application):
    """A full administrator of one portfolio must not become one of another, nor a superuser."""
    own = await api.admin.create_portfolio()
    admin = await api.person(own, admin=True)
    theirs = await administrators(api, application.portfolio_id)
    pending = await invite(api, "pending@x.example", groupIds=[theirs])
    body = {"personType": "serviceAccount", "name": "robot", "groupIds": [theirs]}
    robot = await api.admin.call("POST", "/person", body)
    for victim in (await own_id(api), pending["personId"], robot["personId"]):
        version = (await admin.admin.call("GET", f"/person/{victim}"))["version"]
        renamed = {"version": version, "email": "mine@x.example"}
        assert await admin.status("PUT", f"/person/{victim}/v2", renamed) == 403
        assert await admin.status("PUT", f"/person/{victim}", renamed) == 403
        expected = 404 if victim == robot["personId"] else 403
        reset = f"/authentication/{victim}/resetPassword"
        assert await admin.status("PUT", reset, {"password": "mine alone"}) == expected
    assert await admin.status("POST", "/authentication/pending@x.example/expiredTokenReset") == 403
    assert await admin.status("POST", f"/person/{robot['personId']}/token-reset") == 403
    # Groups of other portfolios stay as they are, and are not shown.
    mine = await administrators(api, own)
    version = (await admin.admin.call("GET", f"/person/{pending['personId']}"))["version"]
    change = {"version": version, "groups": [mine]}
    await admin.admin.call("PUT", f"/person/{pending['personId']}/v2", change, expect=204)
    shown = await api.admin.call("GET", f"/person/{pending['personId']}", includeGroups="true")
    assert {group["id"] for group in shown["groups"]} == {mine, theirs}
    seen = await admin.admin.call("GET", f"/person/{pending['personId']}", includeGroups="true")
    assert [group["id"] for group in seen["groups"]] == [mine]
