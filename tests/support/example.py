"""An organisation that has something on every screen of the web interface, made through the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.support.admin import ALL_ROLES, PASSWORD, Admin, Application, attribute, strategy


@dataclass(frozen=True)
class Example:
    """What addresses of screens need to know."""

    portfolio_id: str
    application: Application
    staging: str
    strategy_id: str
    group_id: str
    person_id: str
    admin_account_id: str

    def fill(self, path: str) -> str:
        """Return a screen's path with the parameters and the search that it needs."""
        address = path.replace("/manage-user/$id", f"/manage-user/{self.person_id}").replace("$id", "")
        if path.startswith("/edit-admin-service-account"):
            address += self.admin_account_id
        words = {"portfolio": self.portfolio_id, "application": self.application.id}
        words |= {"strategy": self.strategy_id} if path == "/edit-application-strategy" else {}
        words |= {"group": self.group_id} if path == "/edit-feature-group-strategy-values" else {}
        return f"{address}{'&' if '?' in address else '?'}{urlencode(words)}"


async def make_example(admin: Admin) -> Example:
    """Make the organisation; a server without anything else is assumed."""
    application = await admin.create_application(await admin.create_portfolio("Shop"), "Storefront")
    production = application.environment_id
    staging = await admin.create_environment(application.id, "staging")
    await admin.create_environment(application.id, "test")
    beta = await admin.create_filter(application.portfolio_id, "beta")
    await _features(admin, application, staging)
    await admin.create_account(
        application.portfolio_id,
        {production: ALL_ROLES, staging: ["READ"]},
        filters=[beta],
        name="Browser tests",
    )
    await admin.create_account(application.portfolio_id, {production: ["READ"]}, name="Web shop")
    developers = await add_group(
        admin,
        application,
        "Developers",
        ["FEATURE_CREATE"],
        {staging: ALL_ROLES, production: ["READ", "LOCK"]},
    )
    made = await admin.call(
        "POST",
        f"/application/{application.id}/strategy",
        _strategy("Norwegians", "country", ["norway"]),
        expect=201,
    )
    group = await admin.call(
        "POST",
        f"/application/{application.id}/feature-groups",
        {
            "name": "Checkout",
            "description": "The new checkout as a whole",
            "environmentId": production,
            "features": [],
            "strategies": [_strategy("Testers", "userkey", ["ada", "grace"])],
        },
        expect=201,
    )
    invited = await admin.call(
        "POST",
        "/person",
        {"name": "Grace", "email": "grace@burgee.example", "personType": "person", "groupIds": [developers]},
    )
    script = await admin.call(
        "POST", "/person", {"name": "Deployments", "personType": "serviceAccount", "groupIds": []}
    )
    return Example(
        application.portfolio_id,
        application,
        staging,
        made["id"],
        group["id"],
        invited["personId"],
        script["personId"],
    )


async def add_group(
    admin: Admin,
    application: Application,
    name: str,
    roles: Sequence[str],
    environments: Mapping[str, Sequence[str]],
) -> str:
    """Make a group with these roles in the application and in its environments; answer its id."""
    path = f"/portfolio/{application.portfolio_id}"
    group = await admin.call("POST", f"{path}/group", {"name": name})
    body = {
        "id": group["id"],
        "version": group["version"],
        "applicationRoles": [{"applicationId": application.id, "groupId": group["id"], "roles": roles}],
        "environmentRoles": [
            {"environmentId": each, "groupId": group["id"], "roles": held}
            for each, held in environments.items()
        ],
    }
    await admin.call(
        "PUT",
        f"{path}/v2/group",
        body,
        updateEnvironmentGroupRoles="true",
        updateApplicationGroupRoles="true",
    )
    return str(group["id"])


async def register(admin: Admin, name: str, groups: Sequence[str]) -> str:
    """Invite somebody into these groups and register them, with the tests' password; answer their e-mail."""
    email = f"{name.lower()}@burgee.example"
    invited = await admin.call(
        "POST", "/person", {"email": email, "personType": "person", "groupIds": list(groups)}
    )
    await admin.call(
        "POST",
        "/authentication",
        {
            "name": name.capitalize(),
            "email": email,
            "password": PASSWORD,
            "confirmPassword": PASSWORD,
            "registrationToken": invited["token"],
        },
    )
    return email


async def _features(admin: Admin, application: Application, staging: str) -> None:
    production = application.environment_id
    for key, kind, value in (
        ("NEW_CART", "BOOLEAN", True),
        ("BANNER", "STRING", "Welcome to the shop"),
        ("MAX_ITEMS", "NUMBER", 25),
        ("SHIPPING", "JSON", '{"express": true, "countries": ["norway", "germany"]}'),
    ):
        await admin.create_feature(application.id, key, kind)
        for environment in (production, staging):
            await admin.set(environment, key, value)
    rules = [strategy("Germans", False, attribute("country", "EQUALS", ["germany"]), percentage=250_000)]
    await admin.set(production, "NEW_CART", True, strategies=rules)


def _strategy(name: str, field_name: str, values: list[Any]) -> dict[str, Any]:
    return {"name": name, "attributes": [attribute(field_name, "EQUALS", values)]}
