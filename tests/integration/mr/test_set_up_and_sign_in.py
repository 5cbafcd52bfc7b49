import asyncio

from tests.support.admin import EMAIL, PASSWORD

SETUP = {
    "portfolio": "Shop",
    "organizationName": "Acme",
    "emailAddress": "Ada@Burgee.Example",
    "password": PASSWORD,
    "name": "Ada",
}


async def test_before_set_up_the_state_is_404_with_providers(fresh):
    status, text = await fresh.raw("GET", "/initialize")
    assert status == 404
    assert '"providers":["local"]' in text
    assert '"trackingId":""' in text


async def test_set_up_signs_the_first_administrator_in_with_groups(fresh):
    made = await fresh.admin.call("POST", "/initialize", SETUP)
    assert len(made["accessToken"]) == 36
    assert made["accessToken"].isalnum()
    assert made["person"]["email"] == "ada@burgee.example"
    assert made["capabilityInfo"]["dacha1Enabled"] == "false"
    groups = {group["name"]: group for group in made["person"]["groups"]}
    assert set(groups) == {"org_admin", "Shop Administrators"}
    assert "portfolioId" not in groups["org_admin"]
    fresh.admin.token = made["accessToken"]
    state = await fresh.admin.call("GET", "/initialize")
    assert state["organization"]["name"] == "Acme"
    assert (await fresh.admin.call("GET", "/portfolio"))[0]["name"] == "Shop"


async def test_a_second_set_up_is_refused(fresh):
    await fresh.admin.call("POST", "/initialize", SETUP)
    await fresh.admin.call("POST", "/initialize", SETUP, expect=409)


async def test_of_set_ups_at_the_same_time_one_succeeds(fresh):
    answers = await asyncio.gather(*(fresh.status("POST", "/initialize", SETUP) for _ in range(4)))
    assert sorted(answers) == [200, 409, 409, 409]


async def test_set_up_without_names_or_password_is_refused(fresh):
    for gap in ("portfolio", "organizationName", "password", "emailAddress"):
        assert await fresh.status("POST", "/initialize", SETUP | {gap: None}) == 400
    assert await fresh.status("POST", "/initialize", SETUP | {"portfolio": "  "}) == 400


async def test_sign_in_ignores_the_case_of_the_address(api):
    answer = await api.stranger().admin.call("POST", "/login", {"email": EMAIL.upper(), "password": PASSWORD})
    assert answer["person"]["email"] == EMAIL
    assert answer["person"]["personType"] == "person"


async def test_failed_sign_ins_are_404_and_a_blank_password_is_403(api):
    for email, password in ((EMAIL, "wrong"), ("nobody@x.example", PASSWORD), ("no address", "x")):
        assert await api.status("POST", "/login", {"email": email, "password": password}) == 404
    assert await api.status("POST", "/login", {"email": EMAIL, "password": " "}) == 403


async def test_guessing_locks_an_address_and_answers_as_before(api):
    for _ in range(6):
        assert await api.status("POST", "/login", {"email": EMAIL, "password": "guess"}) == 404
    assert await api.status("POST", "/login", {"email": EMAIL, "password": PASSWORD}) == 404


async def test_sign_out_ends_one_session(api):
    other = await api.stranger().admin.call("POST", "/login", {"email": EMAIL, "password": PASSWORD})
    await api.admin.call("GET", "/logout", expect=204)
    assert await api.status("GET", "/portfolio") == 401
    api.admin.token = other["accessToken"]
    assert await api.status("GET", "/portfolio") == 200


async def test_every_protected_operation_answers_401_first(api, application):
    stranger = api.stranger()
    for token in ("", "x" * 36, "y" * 500):
        stranger.admin.token = token
        assert await stranger.status("GET", "/portfolio/not-an-id") == 401
        assert await stranger.status("POST", "/portfolio", b"{") == 401
        assert await stranger.status("GET", f"/application/{application.id}") == 401


async def test_the_bearer_prefix_is_read_in_any_case(api):
    async with api.http.get(
        f"{api.url}/mr-api/portfolio", headers={"authorization": f"bEARER {api.admin.token}"}
    ) as answer:
        assert answer.status == 200
