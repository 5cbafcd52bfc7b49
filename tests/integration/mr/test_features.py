"""Feature definitions."""

from uuid import uuid4


async def test_a_boolean_starts_locked_and_false_and_others_without_a_value(api, application):
    await api.admin.create_feature(application.id, "FLAG")
    listed = await api.admin.call(
        "POST",
        f"/application/{application.id}/features",
        {"key": "TEXT", "name": "Text", "valueType": "STRING", "metaData": "{}", "link": "l"},
    )
    assert [each["key"] for each in listed] == ["FLAG", "TEXT"]
    assert "metaData" not in listed[1]
    row = await api.admin.value(application.environment_id, "FLAG")
    assert (row["value"], row["valueBoolean"], row["locked"], row["version"]) == (False, False, True, 1)
    assert await api.admin.value(application.environment_id, "TEXT") is None


async def test_creating_a_feature_raises_the_version_of_every_environment(api, application):
    before = await api.admin.call("GET", f"/environment/{application.environment_id}")
    await api.admin.create_feature(application.id, "FLAG")
    after = await api.admin.call("GET", f"/environment/{application.environment_id}")
    assert after["version"] == before["version"] + 1


async def test_keys_are_unique_and_sane(api, application):
    await api.admin.create_feature(application.id, "FLAG")
    await api.admin.create_feature(application.id, "flag")
    path = f"/application/{application.id}/features"
    body = {"name": "n", "valueType": "BOOLEAN"}
    assert await api.status("POST", path, body | {"key": "FLAG"}) == 409
    for odd in ("a/b", "a\tb", "", " ", "a\x7f"):
        assert await api.status("POST", path, body | {"key": odd}) == 400
    assert await api.status("POST", path, body | {"key": "x", "valueType": "DATE"}) == 400


async def test_a_feature_is_found_by_key_or_id_with_what_was_asked_for(api, application):
    identity = await api.admin.create_feature(application.id, "FLAG")
    path = f"/application/{application.id}/features"
    await api.admin.change_feature(application.id, "FLAG", metaData='{"a":1}')
    by_id = await api.admin.call("GET", f"{path}/{identity}")
    assert by_id["key"] == "FLAG"
    assert "metaData" not in by_id
    assert "featureFilter" not in by_id
    full = await api.admin.call("GET", f"{path}/FLAG", includeMetaData="true", includeFilters="true")
    assert (full["metaData"], full["featureFilter"]) == ('{"a":1}', [])
    assert await api.status("GET", f"{path}/NOPE") == 404


async def test_an_update_keeps_some_members_and_overwrites_others(api, application):
    path = f"/application/{application.id}/features"
    await api.admin.call(
        "POST",
        path,
        {"key": "F", "name": "n", "valueType": "STRING", "alias": "a", "link": "l", "description": "d"},
    )
    wanted = {"key": "F", "name": "m", "valueType": "STRING", "version": 1}
    (changed,) = await api.admin.call("PUT", path, wanted)
    assert (changed["name"], changed["link"], changed["description"]) == ("m", "l", "d")
    assert "alias" not in changed
    assert changed["version"] == 2
    await api.admin.call("PUT", path, wanted, expect=422)
    await api.admin.call("PUT", path, {**wanted, "version": None}, expect=422)
    await api.admin.call("PUT", path, {**wanted, "key": "NOPE"}, expect=404)


async def test_only_the_update_by_key_renames(api, application):
    await api.admin.create_feature(application.id, "OLD")
    await api.admin.create_feature(application.id, "OTHER")
    path = f"/application/{application.id}/features"
    wanted = {"key": "NEW", "name": "n", "valueType": "BOOLEAN", "version": 1}
    await api.admin.call("PUT", path, wanted, expect=404)
    await api.admin.call("PUT", f"{path}/OLD", {**wanted, "key": "OTHER"}, expect=409)
    await api.admin.call("PUT", f"{path}/OLD", wanted)
    assert await api.status("GET", f"{path}/OLD") == 404
    one = await api.admin.call("PUT", path, {**wanted, "version": 2, "name": "x"}, returnAllFeatures="false")
    assert [each["key"] for each in one] == ["NEW"]


async def test_a_deleted_feature_is_gone_and_its_key_free_again(api, application):
    await api.admin.create_feature(application.id, "FLAG")
    path = f"/application/{application.id}/features"
    assert await api.admin.call("DELETE", f"{path}/FLAG") == []
    assert await api.status("DELETE", f"{path}/FLAG") == 404
    assert await api.status("GET", f"/features/{application.environment_id}/feature/FLAG") == 404
    await api.admin.create_feature(application.id, "FLAG")
    row = await api.admin.value(application.environment_id, "FLAG")
    assert row["version"] > 1, "SDKs compare versions by key, so it never falls"


async def test_a_change_of_type_keeps_what_still_means_something(api, application):
    where = application.environment_id
    await api.admin.create_feature(application.id, "F", "STRING")
    await api.admin.set(where, "F", "12.50")
    await api.admin.change_feature(application.id, "F", valueType="NUMBER")
    assert (await api.raw("GET", f"/features/{where}/feature/F"))[1].count("12.50") == 2
    await api.admin.change_feature(application.id, "F", valueType="BOOLEAN")
    row = await api.admin.value(where, "F")
    assert row["value"] is False


async def test_a_change_to_boolean_gives_a_value_everywhere(api, application):
    await api.admin.create_feature(application.id, "F", "STRING")
    await api.admin.change_feature(application.id, "F", valueType="BOOLEAN")
    row = await api.admin.value(application.environment_id, "F")
    assert (row["value"], row["locked"]) == (False, True)


async def test_filters_are_labels_of_the_portfolio(api, application):
    path = f"/portfolio/{application.portfolio_id}/feature-filter"
    identity = await api.admin.create_filter(application.portfolio_id, "mobile")
    assert await api.status("POST", path, {"name": "mobile"}) == 409
    await api.admin.create_feature(application.id, "F", filters=[identity, str(uuid4())])
    assert (await api.admin.feature(application.id, "F"))["featureFilter"] == [identity]
    found = await api.admin.call("GET", path, includeDetails="true")
    assert found["pagination"] == {"total": 1, "page": 0, "pageSize": 20}
    assert found["filters"][0]["applications"][0]["features"][0]["key"] == "F"
    wanted = {"id": identity, "name": "web", "version": 1}
    assert (await api.admin.call("PUT", path, wanted))["version"] == 2
    assert await api.status("PUT", path, wanted) == 409
    assert await api.status("DELETE", f"{path}/{identity}", version="1") == 409
    assert (await api.admin.call("DELETE", f"{path}/{identity}", version="2"))["name"] == "web"
    assert await api.status("GET", f"{path}/{identity}") == 404
    assert (await api.admin.feature(application.id, "F"))["featureFilter"] == []
