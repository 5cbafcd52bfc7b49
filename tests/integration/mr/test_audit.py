"""The audit: what is written for what, who may read it, and the chain that nobody changes unnoticed."""

from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update

from common.contracts.environments import hash_key
from common.contracts.lookups import SdkUpdate
from mr.app import open_mr
from mr.audit.proof import NoSuchHead, prove
from mr.auth.sessions import Sessions
from mr.db.audited import AUDITED, DERIVED
from mr.db.delivered import table_of
from mr.db.models.audit import AuditRow
from mr.db.models.base import Base
from mr.db.models.people import Person
from mr.db.sealing import verify
from mr.features.sdk_updates import apply_update
from mr.relay import open_relay
from mr.settings import MrSettings
from tests.support.admin import ALL_ROLES, EMAIL, PASSWORD, Admin
from tests.support.calls import CALLS, World
from tests.support.waiting import eventually

AUDIT = "/burgee/audit"
TABLE = table_of(AuditRow)


async def entries(api, **query):
    found = await api.admin.call("GET", AUDIT, **{name: str(value) for name, value in query.items()})
    return found["entries"]


async def last(api, **query):
    return (await entries(api, max=1, **query))[0]


def test_every_table_is_audited_or_follows_from_what_is():
    assert set(Base.metadata.tables) == set(AUDITED) | DERIVED
    assert not set(AUDITED) & DERIVED


async def test_an_entry_says_who_did_what_where_and_what_was_before(api, application):
    await api.admin.create_feature(application.id, "FLAG")
    where = application.environment_id
    await api.admin.set(where, "FLAG", True)
    entry = await last(api)
    assert entry["actor"]["kind"] == "person"
    assert entry["actor"]["name"] == EMAIL
    assert (entry["action"], entry["operation"]) == ("update", "updateFeatureForEnvironment")
    assert entry["requestId"]
    named = {
        "kind": "feature-value",
        "name": "FLAG",
        "portfolioId": application.portfolio_id,
        "applicationId": application.id,
        "environmentId": where,
    }
    assert entry["object"] == named | {"id": entry["object"]["id"]}
    assert entry["changes"] == {
        "value": {"before": False, "after": True},
        "locked": {"before": True, "after": False},
    }
    made = (await entries(api, objectKind="feature"))[0]
    assert (made["action"], made["operation"]) == ("create", "createFeaturesForApplication")
    assert made["changes"]["key"] == {"after": "FLAG"}
    # Nobody changed anything: nothing is told.
    before = await last(api)
    row = await api.admin.value(where, "FLAG")
    await api.admin.put(where, "FLAG", row)
    assert await last(api) == before
    await api.admin.delete_feature(application.id, "FLAG")
    gone = await last(api, objectId=made["object"]["id"])
    assert (gone["action"], gone["object"]["name"]) == ("delete", "FLAG")


async def test_parts_are_told_with_their_object_and_numbers_as_they_were_written(api, application):
    where, admin = application.environment_id, api.admin
    label = await admin.create_filter(application.portfolio_id)
    await admin.create_feature(application.id, "NUMBER", "NUMBER", filters=[label])
    assert f"filters/{label}" in (await last(api, objectKind="feature"))["changes"]
    big = b'{"key":"NUMBER","locked":false,"version":0,"value":12345678901234567890.10}'
    assert await api.status("POST", f"/features/{where}/feature/NUMBER", big) == 200
    _, text = await api.raw("GET", AUDIT, max="1")
    assert '"value":{"after":12345678901234567890.10}' in text
    group = await admin.call("POST", f"/portfolio/{application.portfolio_id}/group", {"name": "team"})
    invited = await admin.call("POST", "/person", {"email": "new@x.example", "personType": "person"})
    await admin.call("POST", f"/group/{group['id']}/person/{invited['personId']}")
    joined = await last(api, objectId=group["id"])
    assert joined["changes"] == {f"members/{invited['personId']}": {"after": {}}}
    roles = [{"environmentId": where, "groupId": group["id"], "roles": ["READ", "LOCK"]}]
    body = {"id": group["id"], "version": 1, "environmentRoles": roles}
    await admin.call(
        "PUT",
        f"/portfolio/{application.portfolio_id}/v2/group",
        body,
        updateEnvironmentGroupRoles="true",
    )
    granted = await last(api, objectId=group["id"])
    assert granted["changes"][f"environmentRoles/{where}"] == {"after": {"roles": ["LOCK", "READ"]}}
    await admin.delete_filter(application.portfolio_id, label)
    removed = await entries(api, operation="deleteFeatureFilter")
    assert {each["object"]["kind"] for each in removed} == {"feature-filter", "feature"}
    assert next(each for each in removed if each["action"] == "delete")["object"]["portfolioId"]


async def test_no_secret_is_told(api, application):
    where, admin = application.environment_id, api.admin
    account = await admin.create_account(application.portfolio_id, {where: ALL_ROLES})
    fresh = await admin.reset_keys(account.id)
    await admin.login()
    environment = await admin.call("GET", f"/environment/{where}")
    info = {"webhook.features.endpoint": "https://x.example/s3cr3t", "webhook.features.enabled": "true"}
    body = {
        "version": environment["version"],
        "webhookEnvironmentInfo": info,
        "environmentInfo": {"team": "blue", "api-token": "s3cr3t"},
    }
    await admin.call("PUT", f"/environment/{where}/v2", body)
    hidden = {"after": "(hidden)"}
    told = (await last(api, operation="updateEnvironmentV2"))["changes"]
    assert told["environmentInfo/api-token"] == hidden
    assert told["environmentInfo/team"] == {"after": "blue"}
    if "webhookInfo/webhook.features.enabled" in told:  # taken over by this operation or by its newer form
        assert told["webhookInfo/webhook.features.endpoint"] == hidden
    reset = await last(api, objectId=account.id)
    assert reset["changes"]["serverKey"] == {"before": "(hidden)", "after": "(hidden)"}
    secret = {"key": "HUSH", "name": "h", "valueType": "STRING", "secret": True}
    await admin.call("POST", f"/application/{application.id}/features", secret)
    await admin.set(where, "HUSH", "s3cr3t")
    async with api.database.read() as session:
        rows = (await session.scalars(select(AuditRow.changes))).all()
    everything = "\n".join(rows)
    for word in (account.client_key, account.server_key, fresh.server_key, admin.token, "s3cr3t", PASSWORD):
        assert word not in everything


async def test_who_signs_in_acts_as_themselves_and_sdk_accounts_as_their_own(api, application):
    where = application.environment_id
    await api.admin.login()
    begun = await last(api)
    assert (begun["operation"], begun["actor"]["name"]) == ("login", EMAIL)
    assert begun["object"]["kind"] == "person"
    await api.admin.create_feature(application.id, "FLAG")
    await api.admin.set(where, "FLAG", False)
    account = await api.admin.create_account(application.portfolio_id, {where: ALL_ROLES})
    outcome = await apply_update(
        api.database,
        SdkUpdate(
            request_id="r-1",
            environment_id=where,
            key_hash=hash_key(account.server_key),
            feature_key="FLAG",
            value=b"true",
            deadline=2e9,
        ),
    )
    assert outcome.status == 200
    told = await last(api, objectKind="feature-value")
    assert (told["operation"], told["actor"]["kind"]) == ("updateBySdk", "sdkServiceAccount")
    assert told["requestId"] == "r-1"


async def test_administrators_read_what_happened_in_their_portfolios(api, application):
    other = await api.admin.create_application()
    admin = await api.person(application.portfolio_id, admin=True)
    member = await api.person(application.portfolio_id)
    assert await member.status("GET", AUDIT) == 403
    assert await api.stranger().status("GET", AUDIT) == 401
    seen = await entries(admin, max=100)
    assert {each["object"]["portfolioId"] for each in seen} == {application.portfolio_id}
    assert await entries(admin, environmentId=application.environment_id)
    for name, foreign in (
        ("portfolioId", other.portfolio_id),
        ("applicationId", other.id),
        ("environmentId", other.environment_id),
    ):
        assert await admin.status("GET", AUDIT, **{name: foreign}) == 404
    assert await entries(admin, objectId=other.id) == []
    assert {each["object"]["kind"] for each in await entries(api, max=100)} > {"person", "organization"}


async def test_the_audit_is_read_page_by_page_and_by_time(api, application):
    for number in range(5):
        await api.admin.create_feature(application.id, f"F{number}")
    wanted = await entries(api, objectKind="feature", max=100)
    got, before = [], {}
    while True:
        page = await api.admin.call("GET", AUDIT, objectKind="feature", max="2", **before)
        got += page["entries"]
        if "next" not in page:
            break
        before = {"before": str(page["next"])}
    assert got == wanted
    assert [each["object"]["name"] for each in got] == ["F4", "F3", "F2", "F1", "F0"]
    middle = wanted[2]["at"]
    assert await entries(api, objectKind="feature", since=middle) == wanted[:3]
    assert await entries(api, objectKind="feature", until=middle) == wanted[3:]
    assert await entries(api, personId=wanted[0]["actor"]["id"], objectKind="feature") == wanted
    assert await entries(api, personId=application.id) == []


async def test_a_feature_is_found_with_its_values_everywhere(api, application):
    await api.admin.create_feature(application.id, "FLAG")
    await api.admin.create_feature(application.id, "OTHER")
    second = await api.admin.create_environment(application.id)
    for where in (application.environment_id, second):
        for key in ("FLAG", "OTHER"):
            await api.admin.set(where, key, True)
    features = await api.admin.call("GET", f"/application/{application.id}/features")
    wanted = next(each["id"] for each in features if each["key"] == "FLAG")
    found = await entries(api, featureId=wanted)
    assert {each["object"]["name"] for each in found} == {"FLAG"}
    assert {each["object"].get("environmentId") for each in found} == {
        application.environment_id,
        second,
        None,
    }
    foreign = await api.person((await api.admin.create_application()).portfolio_id, admin=True)
    assert await entries(foreign, featureId=wanted) == []


async def test_the_relay_seals_and_whoever_changes_a_sealed_row_is_found_out(api, application, database_url):
    async with open_relay(api.database, holder="test"):
        await eventually(lambda: _all_sealed(api.database), within_seconds=60, what="the sealing")
    holds, told = await prove(database_url, known=None)
    assert holds
    known = told.splitlines()[-1]
    found = await verify(api.database)
    assert (str(found.head), found.unsealed, found.fault) == (known, 0, None)
    assert found.head.position > 5
    assert (await last(api))["seal"] == {"position": found.head.position, "hash": found.head.hash}
    await api.admin.create_feature(application.id, "LATER")
    holds, told = await prove(database_url, known=known)
    assert holds
    assert "not sealed yet" in told
    # Each of them nearer to the chain's beginning than the one before: the first break is told.
    for forged, fault in (
        (delete(TABLE).where(TABLE.c.position == found.head.position), "once went on to"),
        (update(TABLE).where(TABLE.c.position == 4).values(changes="{}"), "the row at 4 "),
        (update(TABLE).where(TABLE.c.position == 3).values(actor_name="Eve"), "the row at 3 "),
        (delete(TABLE).where(TABLE.c.position == 2), "missing: after 1 comes 3"),
    ):
        async with api.database.write() as session:
            await (await session.connection()).execute(forged)
        holds, told = await prove(database_url, known=known)
        assert not holds
        assert fault in told
    holds, told = await prove(database_url, known="1:" + "f" * 64)
    assert not holds
    with pytest.raises(NoSuchHead):
        await prove(database_url, known="yesterday")


async def _all_sealed(database):
    async with database.read() as session:
        waiting = select(func.count()).select_from(TABLE).where(TABLE.c.position.is_(None))
        return await session.scalar(waiting) == 0


# Whose calls change no object, and why.
CHANGES_NOTHING = {
    "validate": "only looks at what it is sent",
    "evaluateFeatures": "only looks at what is delivered",
    "deleteFeatureForEnvironment": "has never done anything, and says so",
    "cacheRefresh": "compares and repairs what SDKs get, which follows from the audited",
    "testWebhook": "the message that it sends is the record",
    "replayDeliveries": "the messages that it sends again are the record",
}
# They need another beginning than the rest.
ELSEWHERE = {"setupSiteAdmin", "login", "exchangeSignInCode", "renewSession"}
ALSO_CHANGING = {"logout"}


async def test_every_operation_that_changes_something_is_audited(api):
    async with open_mr(MrSettings(), api.database) as mr:
        methods = {each.name: next(iter(each.methods)) for each in mr.operations}
    changing = {name for name, method in methods.items() if method != "GET"} | ALSO_CHANGING
    world = await World.make(api.admin)
    silent = []
    # Passwords in the order in which one makes the next possible; what ends the session is last.
    first, final = ("registerPerson", "resetPassword", "changePassword", "replaceTempPassword"), ("logout",)
    for name in (*first, *sorted(changing - ELSEWHERE - {*first, *final} - set(CHANGES_NOTHING)), *final):
        call = await CALLS[name](world)
        caller = api.admin
        if name == "replaceTempPassword":
            caller = await _signed_in(api, world.ids["person"])
        before = await _highest(api.database)
        status, text = await caller.try_call(methods[name], call.path, call.body, **call.query)
        assert status < 300, (name, status, text)
        async with api.database.read() as session:
            told = (await session.scalars(select(AuditRow.operation).where(AuditRow.seq > before))).all()
        if set(told) != {name}:
            silent.append((name, told))
    assert silent == []


async def _highest(database):
    async with database.read() as session:
        return await session.scalar(select(func.max(AuditRow.seq))) or 0


async def _signed_in(api, person_id):
    async with api.database.write() as session:
        person = await session.get(Person, UUID(person_id))
        token = await Sessions(api.database, idle_hours=1, max_hours=2).begin(session, person)
    return Admin(api.http, api.url, token)


async def test_the_set_up_is_audited(fresh):
    async with fresh.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(AuditRow)) == 0
    await fresh.admin.initialize()
    found = await entries(fresh, operation="setupSiteAdmin", max=100)
    assert {each["object"]["kind"] for each in found} >= {"organization", "portfolio", "group", "person"}
    assert {each["actor"].get("name") for each in found} == {EMAIL}
