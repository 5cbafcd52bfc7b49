"""Portfolios, applications and environments."""

import asyncio
from uuid import uuid4

NOBODY = str(uuid4())


async def portfolio(api, **query):
    return await api.admin.call("POST", "/portfolio", {"name": "Shop", "description": "d"}, **query)


async def test_a_portfolio_comes_with_its_administrators(api):
    made = await portfolio(api, includeGroups="true")
    assert made["version"] == 1
    (group,) = made["groups"]
    assert group["name"] == "Shop Administrators"
    assert group["admin"] is True
    assert await api.status("POST", "/portfolio", {"name": "Shop", "description": "d"}) == 409
    assert await api.status("POST", "/portfolio", {"name": "  ", "description": "d"}) == 400


async def test_long_portfolio_texts_are_cut(api):
    made = await api.admin.call("POST", "/portfolio", {"name": "n" * 250, "description": "d" * 500})
    assert len(made["name"]) == 200
    assert len(made["description"]) == 400


async def test_renaming_a_portfolio_renames_its_administrators_and_checks_the_version(api):
    made = await portfolio(api)
    wanted = made | {"name": "Store"}
    changed = await api.admin.call("PUT", "/portfolio", wanted, includeGroups="true")
    assert (changed["name"], changed["version"]) == ("Store", 2)
    assert changed["groups"][0]["name"] == "Store Administrators"
    await api.admin.call("PUT", f"/portfolio/{made['id']}", wanted, expect=422)
    await api.admin.call("PUT", f"/portfolio/{made['id']}", changed | {"name": "First portfolio"}, expect=409)
    await api.admin.call("PUT", "/portfolio", changed | {"id": NOBODY}, expect=404)


async def test_portfolios_are_found_by_name_in_order(api):
    for name in ("beta", "Alpha", "gamma%"):
        await api.admin.call("POST", "/portfolio", {"name": name, "description": "d"})
    found = await api.admin.call("GET", "/portfolio", filter="A", order="DESC")
    assert [each["name"] for each in found] == ["gamma%", "beta", "Alpha"]
    found = await api.admin.call("GET", "/portfolio", filter="%")
    assert [each["name"] for each in found] == ["gamma%"]


async def test_an_archived_portfolio_takes_everything_with_it_and_frees_its_name(api, application):
    second = await api.admin.create_application(application.portfolio_id)
    account = await api.admin.create_account(application.portfolio_id, {application.environment_id: ["READ"]})
    await api.admin.create_feature(application.id, "F")
    made = await api.admin.call("GET", f"/portfolio/{application.portfolio_id}")
    assert await api.admin.call("DELETE", f"/portfolio/{application.portfolio_id}") is True
    for path in (
        f"/portfolio/{application.portfolio_id}",
        f"/application/{application.id}",
        f"/application/{second.id}",
        f"/application/{application.id}/features",
        f"/service-account/{account.id}",
    ):
        assert await api.status("GET", path) == 404
    assert await api.status("DELETE", f"/portfolio/{application.portfolio_id}") == 404
    await api.admin.call("POST", "/portfolio", {"name": made["name"], "description": "d"})


async def test_an_application_comes_with_a_production_environment(api):
    shop = await portfolio(api)
    made = await api.admin.call(
        "POST",
        f"/portfolio/{shop['id']}/application",
        {"name": "Web", "description": "d"},
        includeEnvironments="true",
    )
    (environment,) = made["environments"]
    assert (environment["name"], environment["production"]) == ("production", True)
    again = {"name": "WEB", "description": "d"}
    assert await api.status("POST", f"/portfolio/{shop['id']}/application", again) == 409
    assert await api.status("POST", f"/portfolio/{NOBODY}/application", again) == 404
    assert await api.status("POST", f"/portfolio/{shop['id']}/application", {"name": "x"}) == 400


async def test_applications_are_updated_on_either_path(api, application):
    made = await api.admin.call("GET", f"/application/{application.id}")
    assert "environments" in made
    path = f"/portfolio/{application.portfolio_id}/application"
    changed = await api.admin.call("PUT", path, made | {"name": "Other"})
    assert (changed["name"], changed["version"]) == ("Other", 2)
    await api.admin.call("PUT", path, made, expect=422)
    other = await api.admin.create_application(application.portfolio_id, "Taken")
    await api.admin.call("PUT", f"/application/{application.id}", changed | {"name": "Taken"}, expect=409)
    await api.admin.call("PUT", f"/portfolio/{NOBODY}/application", changed, expect=404)
    assert await api.admin.call("DELETE", f"/application/{other.id}") is True
    await api.admin.call("PUT", f"/application/{application.id}", changed | {"name": "Taken"})
    assert await api.status("DELETE", f"/application/{other.id}") == 404


async def names(api, application, **query):
    found = await api.admin.call("GET", f"/application/{application.id}/environment", **query)
    return [each["name"] for each in found]


async def test_environments_stand_in_order_of_promotion(api, application):
    await api.admin.create_environment(application.id, "test")
    await api.admin.create_environment(application.id, "dev")
    assert await names(api, application) == ["production", "test", "dev"]
    assert await names(api, application, order="ASC") == ["dev", "production", "test"]
    assert await names(api, application, filter="E") == ["test", "dev"]
    taken = {"name": "dev", "description": "d"}
    assert await api.status("POST", f"/application/{application.id}/environment", taken) == 409
    foreign = (await api.admin.create_application()).environment_id
    odd = {"name": "x", "description": "d", "priorEnvironmentId": foreign}
    assert await api.status("POST", f"/application/{application.id}/environment", odd) == 400


async def test_a_loop_in_the_order_relinks_the_other_end(api, application):
    test = await api.admin.create_environment(application.id, "test")
    first = await api.admin.call("GET", f"/environment/{application.environment_id}")
    wanted = {"version": first["version"], "priorEnvironmentId": test}
    await api.admin.call("PUT", f"/environment/{application.environment_id}/v2", wanted)
    assert await names(api, application) == ["test", "production"]


async def test_deleting_an_environment_closes_the_gap_and_frees_its_name(api, application):
    test = await api.admin.create_environment(application.id, "test")
    await api.admin.create_environment(application.id, "dev")
    assert await api.admin.call("DELETE", f"/environment/{test}") is True
    assert await names(api, application) == ["production", "dev"]
    await api.admin.create_environment(application.id, "test")
    assert await names(api, application) == ["production", "dev", "test"]


async def test_deleting_an_unknown_environment_answers_false(api):
    assert await api.admin.call("DELETE", f"/environment/{NOBODY}") is False
    assert await api.status("GET", f"/environment/{NOBODY}") == 403


async def test_environment_updates_are_partial_and_drop_the_servers_own_settings(api, application):
    path = f"/environment/{application.environment_id}"
    made = await api.admin.call("GET", path, includeDetails="true")
    changed = await api.admin.call(
        "PUT",
        path + "/v2",
        {"version": made["version"], "environmentInfo": {"cacheControl": "no-store", "mgmt.x": "1"}},
        includeDetails="true",
    )
    assert changed["environmentInfo"] == {"cacheControl": "no-store"}
    assert changed["name"] == "production"
    assert changed["version"] == made["version"] + 1
    await api.admin.call("PUT", path + "/v2", {"version": made["version"]}, expect=422)
    await api.admin.call("PUT", path, made, expect=422)
    patch = {"id": made["id"], "version": 1, "webhookEnvironmentInfo": {"a": "1", "b": "2"}}
    on_application = f"/application/{application.id}/environment"
    await api.admin.call("PUT", on_application, patch)
    patch["webhookEnvironmentInfo"] = {"b.deleted": "", "c": "3"}
    merged = await api.admin.call("PUT", on_application, patch, includeDetails="true")
    assert merged["webhookEnvironmentInfo"] == {"a": "1", "c": "3"}
    assert merged["environmentInfo"] == {"cacheControl": "no-store"}


async def test_a_new_environment_gives_every_boolean_its_locked_false(api, application):
    await api.admin.create_feature(application.id, "FLAG")
    await api.admin.create_feature(application.id, "TEXT", "STRING")
    test = await api.admin.create_environment(application.id, "test")
    row = await api.admin.value(test, "FLAG")
    assert (row["value"], row["locked"], row["version"]) == (False, True, 1)
    assert await api.admin.value(test, "TEXT") is None


async def test_structure_edits_in_parallel_all_succeed(api, application):
    work = [api.admin.create_feature(application.id, f"F{number}") for number in range(6)]
    work += [api.admin.create_environment(application.id, f"e{number}") for number in range(4)]
    await asyncio.gather(*work)
    for environment in await api.admin.call("GET", f"/application/{application.id}/environment"):
        found = await api.admin.call("GET", f"/features/{environment['id']}")
        assert len(found["featureValues"]) == 6
