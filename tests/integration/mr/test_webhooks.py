"""Webhooks over a real listener: what is sent, how it is signed, what is shown, and when it is given up."""

import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from sqlalchemy import select

from mr.app import open_vault
from mr.db.models.portfolios import Environment
from mr.deliveries.worker import open_deliveries
from mr.settings import MrSettings
from tests.support.admin import Refused
from tests.support.listener import open_listener
from tests.support.waiting import eventually

ENCRYPTED = "ENCRYPTED-TEXT"
SETTINGS = {
    "encryption_password": "a password for tests",
    "secrets_shown": True,
    "outgoing_private_networks": ("127.0.0.0/8",),
    "delivery_pause": 0.05,
    "delivery_attempts": 3,
    "delivery_max_failures": 2,
    # Nothing is given up because the machine was slow to answer itself.
    "delivery_timeout": 60,
}


@pytest.fixture
def mr_settings():
    return SETTINGS


@pytest.fixture
async def listener():
    async with open_listener() as opened:
        yield opened


@asynccontextmanager
async def sending(api, **changed):
    settings = MrSettings(**SETTINGS | changed)
    async with open_deliveries(
        settings, api.database, vault=open_vault(settings), source="https://burgee.example"
    ) as worker:
        yield worker


async def connect(api, environment_id, listener, **more):
    """Set the webhook up as an administrator does; answer the environment."""
    found = await api.admin.call("GET", f"/environment/{environment_id}")
    settings = {
        "webhook.features.enabled": "true",
        "webhook.features.endpoint": listener.url + "/hook",
    } | more
    return await api.admin.call(
        "PUT",
        f"/environment/{environment_id}/v2",
        {"version": found["version"], "webhookEnvironmentInfo": settings},
        includeDetails="true",
    )


async def records(api, environment_id):
    return (await api.admin.call("GET", f"/webhooks/{environment_id}"))["results"]


async def answered(api, environment_id, count):
    """So many messages, once their answers are noted: that is a moment after they were heard."""
    found = await records(api, environment_id)
    return len(found) == count and found


async def test_a_change_is_posted_with_the_whole_environment_and_a_signature(api, application, listener):
    environment_id = application.environment_id
    await connect(
        api,
        environment_id,
        listener,
        **{
            "webhook.features.headers.Authorization": "Bearer sesame",
            "webhook.features.headers.X-Plain": "plain",
            "webhook.features.headers.Content-Length": "3",
            "webhook.features.encrypt": "webhook.features.headers.Authorization",
            "webhook.features.secret": "signing key",
        },
    )
    async with sending(api):
        await api.admin.create_feature(application.id, "flag")
        await listener.wait_for(1)
        await api.admin.set(environment_id, "flag", True)
        first, second = await listener.wait_for(2)
        newest, oldest = await eventually(lambda: answered(api, environment_id, 2))
    assert first.id != second.id
    body = json.loads(second.body)
    assert body["featureKeys"] == ["flag"]
    assert body["environment"]["environment"]["id"] == environment_id
    assert "wInfo" not in second.body.decode()
    feature = body["environment"]["fv"][0]
    assert feature["feature"]["key"] == "flag"
    assert (feature["value"]["value"], feature["value"]["locked"], feature["value"]["version"]) == (
        True,
        False,
        2,
    )
    assert UUID(feature["value"]["pId"])
    assert (second.headers["ce-type"], second.headers["ce-specversion"]) == ("enriched-feature-v1", "1.0")
    assert (second.headers["authorization"], second.headers["x-plain"]) == ("Bearer sesame", "plain")
    moment, signature = (part.split("=")[1] for part in second.headers["x-burgee-signature"].split(","))
    signed = f"{moment}.".encode() + second.body
    assert signature == hmac.new(b"signing key", signed, hashlib.sha256).hexdigest()

    assert (newest["id"], oldest["id"]) == (second.id, first.id)
    assert (newest["status"], newest["method"]) == (200, "POST")
    told = await api.admin.call("GET", f"/webhooks/{environment_id}/{second.id}")
    assert told["outboundHeaders"]["Authorization"] == ENCRYPTED
    assert told["outboundHeaders"]["X-Plain"] == "plain"
    assert told["incomingHeaders"]["Set-Cookie"] == ENCRYPTED
    assert (told["result"], told["content"].encode()) == ("thanks", second.body)
    assert "sesame" not in json.dumps(told)
    assert "signing key" not in json.dumps(told)


async def test_secrets_rest_sealed_and_a_mask_that_comes_back_changes_nothing(api, application, listener):
    environment_id = application.environment_id
    name = "webhook.features.headers.X-Key"
    shown = await connect(
        api, environment_id, listener, **{name: "hush-hush", "webhook.features.encrypt": name}
    )
    info = shown["webhookEnvironmentInfo"]
    assert info[name] == ENCRYPTED
    assert not [each for each in info if each.endswith((".encrypted", ".salt"))]

    async def stored():
        async with api.database.read() as session:
            return await session.scalar(
                select(Environment.webhook_info).where(Environment.id == UUID(environment_id))
            )

    before = await stored()
    assert "hush-hush" not in json.dumps(before)
    await connect(api, environment_id, listener, **info | {name + ".encrypted": "mine"})
    assert await stored() == before
    path = f"/environment/{environment_id}"
    revealed = await api.admin.call("GET", path, includeDetails="true", decryptWebhookDetails="true")
    assert revealed["webhookEnvironmentInfo"][name] == "hush-hush"
    member = await api.person(application.portfolio_id, environments={environment_id: ["READ"]})
    seen = await member.admin.call("GET", path, includeDetails="true", decryptWebhookDetails="true")
    assert seen["webhookEnvironmentInfo"][name] == ENCRYPTED
    await connect(api, environment_id, listener, **{name + ".deleted": ""})
    assert not [each for each in await stored() if each.startswith(name)]


async def test_what_fails_is_tried_again_unchanged_and_stays_one_record(api, application, listener):
    environment_id = application.environment_id
    await connect(api, environment_id, listener, **{"webhook.features.secret": "signing key"})
    listener.answer = lambda _: (500, "no") if len(listener.heard) < 3 else (204, "")
    async with sending(api):
        await api.admin.create_feature(application.id, "flag")
        first, second, third = await listener.wait_for(3)

        async def delivered():
            found = await records(api, environment_id)
            return found[0]["status"] == 204 and found

        assert len(await eventually(delivered)) == 1
    assert first == second == third


async def test_a_dead_endpoint_is_switched_off_and_its_letters_can_be_sent_again(api, application, listener):
    environment_id = application.environment_id
    before = await connect(api, environment_id, listener)
    listener.answer = lambda _: (500, "no")
    path = f"/burgee/deliveries/{environment_id}"

    async with sending(api):
        for key in ("one", "two"):
            await api.admin.create_feature(application.id, key)
        await listener.wait_for(6)

        async def switched_off():
            found = await api.admin.call("GET", f"/environment/{environment_id}", includeDetails="true")
            return found["webhookEnvironmentInfo"]["webhook.features.enabled"] == "false" and found

        found = await eventually(switched_off)
        assert "2 messages in a row" in found["webhookEnvironmentInfo"]["webhook.features.disabled"]
        assert found["version"] > before["version"]
        await api.admin.create_feature(application.id, "three")
        dead = await api.admin.call("GET", path, state="dead")
        assert [each["featureKeys"] for each in dead["deliveries"]] == [["two"], ["one"]]
        assert {(each["attempts"], each["status"]) for each in dead["deliveries"]} == {(3, 500)}

        listener.answer = lambda _: (200, "yes")
        found = await connect(api, environment_id, listener)
        assert "webhook.features.disabled" not in found["webhookEnvironmentInfo"]
        chosen = dead["deliveries"][1]["id"]
        assert await api.admin.call("POST", path + "/replay", {"ids": [chosen]}) == {"count": 1}
        again = (await listener.wait_for(7))[6]
        assert (again.id, again.body) == (
            chosen,
            next(each.body for each in listener.heard if each.id == chosen),
        )
        assert await api.admin.call("POST", path + "/replay", {}) == {"count": 1}
        await listener.wait_for(8)

        async def none_dead():
            return (await api.admin.call("GET", path, state="dead"))["count"] == 0

        await eventually(none_dead)
        assert (await api.admin.call("GET", path))["count"] == 2


async def test_a_slow_endpoint_holds_only_itself(api, application, listener):
    other = await api.admin.create_environment(application.id)
    await connect(api, application.environment_id, listener)
    async with open_listener() as quick, sending(api):
        await connect(api, other, quick)
        listener.hold()
        await api.admin.create_feature(application.id, "flag")
        await listener.wait_for(1)
        for value in (True, False, True):
            await api.admin.set(other, "flag", value)
            await api.admin.set(application.environment_id, "flag", value)
        await quick.wait_for(4)
        assert len(listener.heard) == 1, "one message per endpoint is under way at a time"
        listener.let_go()
        await listener.wait_for(4)


async def test_addresses_of_this_network_are_not_asked(api, application, listener):
    await connect(api, application.environment_id, listener)
    async with sending(api, outgoing_private_networks=(), delivery_attempts=1):
        await api.admin.create_feature(application.id, "flag")

        async def tried():
            found = await records(api, application.environment_id)
            return bool(found) and found[0]

        record = await eventually(tried)
    assert record["status"] == 0
    told = await api.admin.call("GET", f"/webhooks/{application.environment_id}/{record['id']}")
    assert "may not be asked" in told["result"]
    assert listener.heard == []


async def test_the_test_button_sends_the_environment_without_keys(api, application, listener):
    environment_id = application.environment_id
    types = (await api.stranger().admin.call("GET", "/webhooks"))["types"]
    assert [each["envPrefix"] for each in types] == ["webhook.features", "integration.slack"]
    check = {"messageType": types[0]["messageType"], "envId": environment_id, "config": {}}
    with pytest.raises(Refused) as refused:
        await api.admin.call("POST", "/webhooks", check, expect=204)
    assert refused.value.status == 400
    await connect(api, environment_id, listener, **{"webhook.features.enabled": "false"})
    await api.admin.create_feature(application.id, "flag")
    async with sending(api):
        await api.admin.call("POST", "/webhooks", check, expect=204)
        (heard,) = await listener.wait_for(1)
    body = json.loads(heard.body)
    assert body["featureKeys"] == []
    assert [each["feature"]["key"] for each in body["environment"]["fv"]] == ["flag"]
    assert await api.status("POST", "/webhooks", check | {"messageType": "other"}) == 404
    unknown = "00000000-0000-0000-0000-000000000001"
    assert await api.status("POST", "/webhooks", check | {"envId": unknown}) == 404


async def test_only_administrators_see_what_became_of_messages(api, application):
    environment_id = application.environment_id
    member = await api.person(application.portfolio_id, environments={environment_id: ["CHANGE_VALUE"]})
    stranger = await api.person(await api.admin.create_portfolio(), admin=True)
    unknown = "00000000-0000-0000-0000-000000000001"
    tracked = {"source": "env", "page": "0", "pageSize": "10", "cloudEventType": "messaging-feature-v1"}
    check = {"messageType": "enriched-feature-v1", "envId": environment_id, "config": {}}
    for method, path, body, query in (
        ("GET", f"/webhooks/{environment_id}", None, {}),
        ("GET", f"/webhooks/{environment_id}/{unknown}", None, {}),
        ("GET", f"/track-events/{environment_id}", None, tracked),
        ("GET", f"/burgee/deliveries/{environment_id}", None, {}),
        ("POST", f"/burgee/deliveries/{environment_id}/replay", {}, {}),
        ("POST", "/webhooks", check, {}),
    ):
        assert await member.status(method, path, body, **query) == 403, path
        assert await stranger.status(method, path, body, **query) == 404, path
        assert await api.stranger().status(method, path, body, **query) == 401, path
    assert await api.status("GET", f"/webhooks/{environment_id}/{unknown}") == 404
    assert await api.status("GET", f"/track-events/{environment_id}", **tracked | {"source": "app"}) == 404
