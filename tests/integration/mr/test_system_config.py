"""The installation's settings: who may, what is there, and that secrets stay."""

import pytest

from tests.support.admin import Refused

ENCRYPTED = "ENCRYPTED-TEXT"
PATH = "/system-api"


@pytest.fixture
def mr_settings():
    return {"encryption_password": "a password for tests", "secrets_shown": True}


async def find(api, *filters):
    found = await api.admin.call(
        "GET", PATH + ("?" if filters else "") + "&".join(f"filters={f}" for f in filters)
    )
    return {each["key"]: each for each in found["configs"]}


async def update(api, *configs):
    body = {"configs": [dict(zip(("key", "version", "value"), each, strict=True)) for each in configs]}
    found = await api.admin.call("POST", PATH, body)
    return {each["key"]: each for each in found["configs"]}


async def test_settings_are_found_by_prefix_with_defaults_and_changed_by_version(api):
    found = await find(api)
    assert (found["site.url"]["version"], found["slack.enabled"]["value"]) == (-1, False)
    assert "slack.bearerToken" in found
    assert set(await find(api, "site.")) == {"site.url", "site.enabledRobots", "site.redirectInvalidHosts"}
    changed = await update(
        api,
        ("site.url", -1, "https://flags.example"),
        ("slack.defaultChannel", -1, ""),
        ("slack.delivery.prefixes", -1, "gopher://"),
        ("no.such.key", -1, "x"),
    )
    assert set(changed) == {"site.url", "slack.defaultChannel"}
    assert (changed["site.url"]["version"], changed["slack.defaultChannel"]["value"]) == (1, "")
    assert await update(api, ("site.url", -1, "stale")) == {}
    assert (await update(api, ("site.url", 1, "https://b.example")))["site.url"]["version"] == 2
    assert (await find(api, "site.url"))["site.url"]["value"] == "https://b.example"
    for key, value in (
        ("slack.delivery.url", "gopher://x"),
        ("slack.enabled", "yes"),
        ("slack.delivery.headers", {"a": 1}),
        ("site.url", ["x"]),
    ):
        with pytest.raises(Refused) as refused:
            await update(api, (key, -1, value))
        assert refused.value.status == 400
    assert (await api.admin.call("GET", "/initialize"))["capabilityInfo"]["webhook.encryption"] == "true"


async def test_secrets_are_masked_kept_by_their_mask_and_revealed_to_superusers(api):
    await update(
        api,
        ("slack.bearerToken", -1, "xoxb-secret"),
        ("slack.delivery.headers", -1, {"X-Key": "hush", "X-Other": "silence"}),
    )
    found = await find(api, "slack.")
    assert (found["slack.bearerToken"]["value"], found["slack.bearerToken"]["encrypted"]) == (ENCRYPTED, True)
    assert found["slack.delivery.headers"]["value"] == {"X-Key": ENCRYPTED, "X-Other": ENCRYPTED}
    await update(
        api,
        ("slack.bearerToken", 1, ENCRYPTED),
        ("slack.delivery.headers", 1, {"X-Key": ENCRYPTED, "X-New": "n"}),
    )

    async def decrypt(key, **query):
        return (await api.admin.call("GET", f"{PATH}/{key}/decrypt", **query))["result"]

    assert await decrypt("slack.bearerToken") == "xoxb-secret"
    assert await decrypt("slack.delivery.headers", mapKey="X-Key") == "hush"
    assert await decrypt("slack.delivery.headers", mapKey="X-New") == "n"
    for key, query in (("slack.delivery.headers", {"mapKey": "X-Other"}), ("site.url", {}), ("other", {})):
        assert await api.status("GET", f"{PATH}/{key}/decrypt", **query) == 404


async def test_settings_of_the_installation_are_for_superusers(api):
    admin = await api.person(await api.admin.create_portfolio(), admin=True)
    for method, path, body in (
        ("GET", PATH, None),
        ("POST", PATH, {"configs": []}),
        ("GET", PATH + "/slack.bearerToken/decrypt", None),
    ):
        assert await admin.status(method, path, body) == 403
        assert await api.stranger().status(method, path, body) == 401
