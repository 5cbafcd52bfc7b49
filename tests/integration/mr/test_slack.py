"""Chat messages over a real listener that stands in for Slack."""

import json

import pytest

from mr.app import open_vault
from mr.deliveries.worker import open_deliveries
from mr.settings import MrSettings
from tests.support.admin import attribute, strategy
from tests.support.listener import open_listener
from tests.support.waiting import eventually

PASSWORD = "a password for tests"


@pytest.fixture
def mr_settings():
    return {"encryption_password": PASSWORD}


@pytest.fixture
async def slack():
    async with open_listener() as opened:
        opened.answer = lambda _: (200, '{"ok":true}')
        yield opened


def sending(api, slack):
    settings = MrSettings(
        encryption_password=PASSWORD,
        outgoing_private_networks=("127.0.0.0/8",),
        delivery_pause=0.05,
        delivery_timeout=60,
        slack_url=slack.url + "/api/chat.postMessage",
    )
    return open_deliveries(
        settings, api.database, vault=open_vault(settings), source="https://burgee.example"
    )


async def connect(api, environment_id, **system):
    configs = {
        "slack.enabled": True,
        "slack.bearerToken": "xoxb-secret",
        "slack.defaultChannel": "C-all",
    } | system
    body = {"configs": [{"key": key, "version": -1, "value": value} for key, value in configs.items()]}
    await api.admin.call("POST", "/system-api", body)
    found = await api.admin.call("GET", f"/environment/{environment_id}")
    settings = {"integration.slack.enabled": "true"}
    await api.admin.call(
        "PUT",
        f"/environment/{environment_id}/v2",
        {"version": found["version"], "webhookEnvironmentInfo": settings},
    )


async def tracked(api, environment_id, **query):
    asked = {"source": "env", "page": "0", "pageSize": "100", "cloudEventType": "messaging-feature-v1"}
    return await api.admin.call("GET", f"/track-events/{environment_id}", **asked | query)


async def test_each_saved_value_is_told_in_words_and_tracked(api, application, slack):
    environment_id = application.environment_id
    await connect(api, environment_id)
    await api.admin.create_feature(application.id, "banner", "STRING")
    async with sending(api, slack):
        await api.admin.set(environment_id, "banner", "<!channel> hello")
        await slack.wait_for(1)
        rule = strategy("Norway", "hei", attribute("country", "EQUALS", ["norway"]))
        await api.admin.set(environment_id, "banner", strategies=[rule], locked=True)
        first, second = await slack.wait_for(2)
        told = await eventually(lambda: _all_answered(api, environment_id, 2))
    assert first.path == "/api/chat.postMessage"
    assert first.headers["authorization"] == "Bearer xoxb-secret"
    message = json.loads(first.body)
    assert message["channel"] == "C-all"
    text = message["blocks"][0]["text"]["text"]
    assert "`banner`" in text
    assert "&lt;!channel&gt; hello" in text
    assert "by Ada" in text
    text = json.loads(second.body)["text"]
    assert "“Norway” added" in text
    assert "• locked" in text
    assert "value:" not in text
    assert told["count"] == 2
    assert [each["eventResponses"][0]["status"] for each in told["items"]] == [200, 200]
    assert "xoxb" not in json.dumps(told)


async def _all_answered(api, environment_id, count):
    found = await tracked(api, environment_id, firstOnly="false")
    answered = [each for each in found["items"] if each.get("eventResponses")]
    return len(answered) == count and found


async def test_what_slack_refuses_is_for_people_and_what_it_cannot_take_now_is_tried_again(
    api, application, slack
):
    environment_id = application.environment_id
    await connect(api, environment_id)
    slack.answer = lambda _: (200, '{"ok":false,"error":"channel_not_found"}')
    async with sending(api, slack):
        await api.admin.create_feature(application.id, "flag")
        (item,) = (await eventually(lambda: _all_answered(api, environment_id, 1)))["items"]
        assert [(each["status"], each["message"]) for each in item["eventResponses"]] == [
            (400, "channel_not_found")
        ]
        dead = await api.admin.call("GET", f"/burgee/deliveries/{environment_id}", state="dead")
        assert [(each["kind"], each["attempts"]) for each in dead["deliveries"]] == [("slack", 1)]
        slack.answer = lambda _: (503, "") if len(slack.heard) < 3 else (200, '{"ok":true}')
        await api.admin.set(environment_id, "flag", True)
        await slack.wait_for(3)

        async def both():
            newest = (await tracked(api, environment_id, firstOnly="false"))["items"][0]
            return [each["status"] for each in newest["eventResponses"]] == [200, 503]

        await eventually(both)


async def test_another_receiver_can_stand_in_for_slack(api, application, slack):
    environment_id = application.environment_id
    await connect(
        api,
        environment_id,
        **{
            "slack.bearerToken": None,
            "slack.delivery.url": slack.url + "/bridge",
            "slack.delivery.headers": {"X-Key": "hush"},
            "slack.defaultChannel": "C-other",
        },
    )
    async with sending(api, slack):
        await api.admin.create_feature(application.id, "flag")
        await slack.wait_for(1)
        await api.admin.set(environment_id, "flag", True)
        heard = (await slack.wait_for(2))[1]
    assert heard.path == "/bridge"
    assert (heard.headers["x-key"], heard.headers["ce-type"]) == ("hush", "integration/slack-v1")
    body = json.loads(heard.body)
    assert (body["fKey"], body["version"]) == ("flag", {"prev": 1, "curr": 2})
    assert body["featureValueUpdated"] == {"hasChanged": True, "previous": False, "updated": True}
    assert body["lockUpdated"] == {"hasChanged": True, "previous": True, "updated": False}
    assert body["additionalInfo"]["slack.channel_name"] == "C-other"
    assert "strategiesUpdated" not in body
