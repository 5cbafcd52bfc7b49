"""G27: structure edits in parallel.

Fault: fifty editors at once create, rename, order and delete environments, features, applications,
groups, filters and service accounts, edit values and their strategies one by one and in bulk, and change
permissions, all of the same few things. Assertion: no answer but the contract's statuses, so no 5xx and
no deadlock or lock timeout reaches a caller; afterwards the recomputed projection equals the stored one,
and polls and SDK processes hold exactly what is stored.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mr.db.session import open_database
from tests.guarantees.conftest import IN_THE_LONG_FORM, T
from tests.support.admin import ALL_ROLES, Account, Admin, attribute, strategy
from tests.support.fleet import STREAMS, open_fleet
from tests.support.judge import agree, delivered
from tests.support.operations import OPERATIONS
from tests.support.party import PartyProcess, running_party
from tests.support.projection import assert_projection_true
from tests.support.waiting import eventually
from tests.support.watchers import poll
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

SEED = 20261122
EDITORS = 50
EDITS = 600
SLOWEST_SECONDS = 300.0
LASTING = 3
"""So many environments stay: SDK processes are connected to the first, and editors must meet."""
KEYS = ("alpha", "beta", "gamma", "delta", "epsilon")
NAMES = ("one", "two", "three", "four", "five", "six")
KINDS = ("BOOLEAN", "STRING", "NUMBER", "JSON")
VALUES: dict[str, tuple[Any, ...]] = {
    "BOOLEAN": (True, False),
    "STRING": ("a", "b", "grün"),
    "NUMBER": (1, 2.5, 10**12),
    "JSON": ("[]", '{"a": 1}'),
}
UNAVAILABLE = 503
EXPECTED = {row.id: row.statuses - {401, UNAVAILABLE} for row in OPERATIONS}


@pytest.fixture
def party(database_url: str, tmp_path: Path) -> Iterator[PartyProcess]:
    with running_party(tmp_path, database_url=database_url) as started:
        yield started


@dataclass
class Town:
    """Everything that the editors quarrel about. Ids stay in the lists when the thing is gone."""

    world: World
    applications: list[str] = field(default_factory=list)
    environments: list[str] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    filters: list[str] = field(default_factory=list)

    @classmethod
    async def found(cls, world: World) -> "Town":
        town = cls(world, [world.application.id], [world.environment_id], [world.account])
        second = await world.admin.create_application(world.application.portfolio_id)
        town.applications.append(second.id)
        town.environments.append(second.environment_id)
        town.environments.append(await world.admin.create_environment(second.id))
        for application in town.applications:
            for key, kind in zip(KEYS[:3], KINDS, strict=False):
                await world.admin.create_feature(application, key, kind)
        return town


class Editor:
    """One person who does something at random, and notes every answer."""

    def __init__(self, town: Town, dice: random.Random, answers: Counter[tuple[str, int]]) -> None:
        self._town = town
        self._random = dice
        self._answers = answers
        self._admin: Admin = town.world.admin
        self._portfolio = town.world.application.portfolio_id
        self._deeds: tuple[tuple[int, Callable[[], Awaitable[object]]], ...] = (
            (12, self.edit_value),
            (5, self.edit_value_from_an_old_version),
            (5, self.edit_whole_environment),
            (4, self.edit_in_all_environments),
            (6, self.create_feature),
            (4, self.change_feature),
            (2, self.delete_feature),
            (4, self.create_environment),
            (2, self.update_environment),
            (2, self.delete_environment),
            (2, self.create_group),
            (4, self.change_group),
            (1, self.delete_group),
            (2, self.create_account),
            (4, self.permit_account),
            (2, self.reset_keys),
            (1, self.delete_account),
            (2, self.create_filter),
            (1, self.delete_filter),
            (1, self.create_application),
            (2, self.rename_application),
            (1, self.delete_application),
            (5, self.update_by_sdk),
        )

    async def edit(self) -> None:
        weights, deeds = zip(*self._deeds, strict=True)
        (deed,) = self._random.choices(deeds, weights)
        await deed()

    async def call(self, operation: str, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Answer the decoded body of a success, None of anything else; every answer is noted."""
        status, text = await self._admin.try_call(method, path, body, **query)
        self._answers[operation, status] += 1
        if status not in EXPECTED[operation]:
            raise AssertionError(f"{operation} ({method} {path}) answered {status}: {text[:300]}")
        return json.loads(text) if status in {200, 201} and text else None

    # ------------------------------------------------------------------ values

    def a_value(self, key: str, row: dict[str, Any]) -> dict[str, Any]:
        """The row with something changed that fits whatever type the row seems to have."""
        kind = next((kind for kind in KINDS if f"value{kind.capitalize()}" in row), "STRING")
        body: dict[str, Any] = {"key": key, "version": 0, **row}
        for name in ("value", "valueString", "valueNumber", "valueBoolean", "valueJson"):
            body.pop(name, None)
        body["locked"] = self._random.random() < 0.1
        body["retired"] = self._random.random() < 0.1
        value = self._random.choice(VALUES[kind])
        if row:
            body["value"] = value
        body["rolloutStrategies"] = [
            strategy(f"rule {each}", value, attribute("userkey", "EQUALS", [f"user {each}"]))
            for each in range(self._random.randrange(3) if row else 0)
        ]
        return body

    async def read_value(self, environment: str, key: str) -> dict[str, Any]:
        found = await self.call("getFeatureForEnvironment", "GET", f"/features/{environment}/feature/{key}")
        return found or {}

    async def edit_value(self) -> None:
        environment, key = self.pick(self._town.environments), self.pick(KEYS)
        body = self.a_value(key, await self.read_value(environment, key))
        path = f"/features/{environment}/feature/{key}"
        await self.call("updateFeatureForEnvironment", "PUT", path, body)

    async def edit_value_from_an_old_version(self) -> None:
        environment, key = self.pick(self._town.environments), self.pick(KEYS)
        body = self.a_value(key, await self.read_value(environment, key))
        body["version"] = max(0, body["version"] - self._random.randrange(3))
        path = f"/features/{environment}/feature/{key}"
        await self.call("updateFeatureForEnvironment", "PUT", path, body)

    async def edit_whole_environment(self) -> None:
        environment = self.pick(self._town.environments)
        found = await self.call("getFeaturesForEnvironment", "GET", f"/features/{environment}")
        rows = [self.a_value(row["key"], row) for row in (found or {}).get("featureValues", [])]
        await self.call("updateAllFeaturesForEnvironment", "PUT", f"/features/{environment}", rows)

    async def edit_in_all_environments(self) -> None:
        path = f"/application/{self.pick(self._town.applications)}/feature-environments/{self.pick(KEYS)}"
        found = await self.call("getAllFeatureValuesByApplicationForKey", "GET", path)
        rows = [
            self.a_value(each["featureValue"]["key"], each["featureValue"])
            | {"environmentId": each["environment"]["id"]}
            for each in found or []
            if each.get("featureValue")
        ]
        await self.call("updateAllFeatureValuesByApplicationForKey", "PUT", path, rows)

    async def update_by_sdk(self) -> None:
        """The edge's PUT: it may be refused in many ways, but never by a fault of the server.

        Behind fifty editors its five seconds may end in the queue; then it is told to come again, and does.
        """
        accounts, environments = self._town.accounts, self._town.environments
        if self._random.random() < 0.7:
            accounts, environments = accounts[:1], environments[:1]
        key = self.pick(accounts).sdk_key(self.pick(environments), client=False)
        url = f"{self._town.world.url}/features/{key}/{self.pick(KEYS)}"
        body = {"lock": False, "value": self._random.choice([True, "text", 3]), "updateValue": True}
        # At the latest when the others have done their edits it is its turn.
        while True:
            async with self._admin.http.put(url, json=body) as answer:
                told = await answer.text()
                self._answers["SDK update", answer.status] += 1
            if answer.status != UNAVAILABLE or "update-not-delivered" not in told:
                break
        assert answer.status < 500, f"an SDK's update was answered {answer.status}: {told[:300]}"

    # ------------------------------------------------------------------ features

    async def create_feature(self) -> None:
        key = self.pick(KEYS)
        body = {"key": key, "name": key, "valueType": self.pick(KINDS)}
        path = f"/application/{self.pick(self._town.applications)}/features"
        await self.call("createFeaturesForApplication", "POST", path, body)

    async def change_feature(self) -> None:
        path = f"/application/{self.pick(self._town.applications)}/features/{self.pick(KEYS)}"
        found = await self.call("getFeatureByKey", "GET", path, includeFilters="true")
        if found:
            found["key"] = self.pick(KEYS) if self._random.random() < 0.3 else found["key"]
            found["name"] = self.pick(NAMES)
            if self._town.filters:
                found["featureFilter"] = [self.pick(self._town.filters)]
            await self.call("updateFeatureForApplication", "PUT", path, found)

    async def delete_feature(self) -> None:
        path = f"/application/{self.pick(self._town.applications)}/features/{self.pick(KEYS)}"
        await self.call("deleteFeatureForApplication", "DELETE", path)

    # ------------------------------------------------------------------ structure

    async def create_environment(self) -> None:
        name = self.pick(NAMES)
        path = f"/application/{self.pick(self._town.applications)}/environment"
        body = {"name": name, "description": name}
        made = await self.call("createEnvironmentOnApplication", "POST", path, body)
        if made:
            self._town.environments.append(made["id"])

    async def update_environment(self) -> None:
        environment = self.pick(self._town.environments)
        found = await self.call("getEnvironment", "GET", f"/environment/{environment}", includeDetails="true")
        if found:
            body = {"name": self.pick(NAMES), "version": found["version"]}
            body["environmentInfo"] = {"cacheControl": f"max-age={self._random.randrange(3)}"}
            await self.call("updateEnvironmentV2", "PUT", f"/environment/{environment}/v2", body)

    async def delete_environment(self) -> None:
        if len(self._town.environments) > LASTING:
            environment = self.pick(self._town.environments[LASTING:])
            await self.call("deleteEnvironment", "DELETE", f"/environment/{environment}")

    async def create_application(self) -> None:
        path, name = f"/portfolio/{self._portfolio}/application", self.pick(NAMES)
        body = {"name": name, "description": name}
        made = await self.call("createApplication", "POST", path, body, includeEnvironments="true")
        if made:
            self._town.applications.append(made["id"])
            self._town.environments.extend(each["id"] for each in made["environments"])

    async def rename_application(self) -> None:
        application = self.pick(self._town.applications)
        found = await self.call("getApplication", "GET", f"/application/{application}")
        if found:
            found["name"] = self.pick(NAMES)
            await self.call(
                "updateApplicationOnPortfolio", "PUT", f"/portfolio/{self._portfolio}/application", found
            )

    async def delete_application(self) -> None:
        if len(self._town.applications) > 2:
            application = self.pick(self._town.applications[2:])
            await self.call("deleteApplication", "DELETE", f"/application/{application}")

    # ------------------------------------------------------------------ groups, accounts, filters

    async def create_group(self) -> None:
        path = f"/portfolio/{self._portfolio}/group"
        made = await self.call("createGroup", "POST", path, {"name": self.pick(NAMES)})
        if made:
            self._town.groups.append(made["id"])

    async def change_group(self) -> None:
        if not self._town.groups:
            return
        group = self.pick(self._town.groups)
        found = await self.call("getGroup", "GET", f"/group/{group}")
        if found:
            roles = self._random.sample(ALL_ROLES, 2)
            body = {
                "id": group,
                "version": found["version"],
                "name": self.pick(NAMES),
                "environmentRoles": [
                    {"environmentId": self.pick(self._town.environments), "groupId": group, "roles": roles}
                ],
            }
            path = f"/portfolio/{self._portfolio}/v2/group"
            await self.call("updateGroupOnPortfolioV2", "PUT", path, body, updateEnvironmentGroupRoles="true")

    async def delete_group(self) -> None:
        if self._town.groups:
            await self.call("deleteGroup", "DELETE", f"/group/{self.pick(self._town.groups)}")

    def some_permissions(self) -> list[dict[str, Any]]:
        chosen = {self.pick(self._town.environments) for _ in range(3)}
        return [{"environmentId": each, "permissions": list(ALL_ROLES)} for each in chosen]

    async def create_account(self) -> None:
        name = self.pick(NAMES)
        body: dict[str, Any] = {"name": name, "description": name, "permissions": self.some_permissions()}
        path = f"/portfolio/{self._portfolio}/service-account"
        made = await self.call("createServiceAccountInPortfolio", "POST", path, body)
        if made:
            self._town.accounts.append(
                Account(made["id"], made["apiKeyClientSide"], made["apiKeyServerSide"])
            )

    async def permit_account(self) -> None:
        if len(self._town.accounts) < 2:
            return
        account = self.pick(self._town.accounts[1:])
        path = f"/service-account/{account.id}"
        found = await self.call("getServiceAccount", "GET", path, includePermissions="true")
        if found:
            found["permissions"] = self.some_permissions()
            if self._town.filters and self._random.random() < 0.3:
                found["featureFilters"] = [self.pick(self._town.filters)]
            path = f"/portfolio/{self._portfolio}/service-account"
            await self.call("updateServiceAccountOnPortfolio", "PUT", path, found, includePermissions="true")

    async def reset_keys(self) -> None:
        if len(self._town.accounts) > 1:
            account = self.pick(self._town.accounts[1:])
            await self.call("resetApiKey", "POST", f"/service-account/{account.id}/reset-api-key")

    async def delete_account(self) -> None:
        if len(self._town.accounts) > 1:
            account = self.pick(self._town.accounts[1:])
            await self.call("deleteServiceAccount", "DELETE", f"/service-account/{account.id}")

    async def create_filter(self) -> None:
        path = f"/portfolio/{self._portfolio}/feature-filter"
        made = await self.call("createFeatureFilter", "POST", path, {"name": self.pick(NAMES)})
        if made:
            self._town.filters.append(made["id"])

    async def delete_filter(self) -> None:
        if self._town.filters:
            path = f"/portfolio/{self._portfolio}/feature-filter/{self.pick(self._town.filters)}"
            found = await self.call("getFeatureFilter", "GET", path)
            if found:
                await self.call("deleteFeatureFilter", "DELETE", path, version=str(found["version"]))

    def pick(self, choices: Any) -> Any:
        """One of them, the first few twice as often as chance: the others may be gone."""
        return self._random.choice(choices[:LASTING] if self._random.random() < 0.5 else choices)


async def edit_together(town: Town, answers: Counter[tuple[str, int]]) -> None:
    left = iter(range(EDITS))

    async def work(seed: int) -> None:
        editor = Editor(town, random.Random(seed), answers)
        for _ in left:
            await editor.edit()

    async with asyncio.timeout(SLOWEST_SECONDS), asyncio.TaskGroup() as editors:
        for number in range(EDITORS):
            editors.create_task(work(SEED + number))


async def polls_are_true(town: Town, database_url: str) -> int:
    """Compare what a new account is told of each environment with what is stored; answer how many."""
    world = town.world
    there = []
    for environment in town.environments:
        status, _ = await world.admin.try_call("GET", f"/environment/{environment}")
        if status == 200:
            there.append(environment)
    account = await world.admin.create_account(
        world.application.portfolio_id, {each: ["READ"] for each in there}, name="the judge"
    )
    for environment in there:
        wanted = (200, delivered(database_url, environment))
        key = account.sdk_key(environment, client=True)

        # The last edits may still be on their way.
        async def told(key: str = key, wanted: tuple[int, object] = wanted) -> bool:
            return await poll(world.admin.http, world.url, key) == wanted

        await eventually(told, within_seconds=T, what=f"polls of {environment} to tell what is stored")
    return len(there)


# PostgreSQL's locks are what this is about; SQLite has one writer at a time anyhow.
@pytest.mark.parametrize(
    "database_url", [pytest.param("sqlite", marks=IN_THE_LONG_FORM), "postgresql"], indirect=True
)
async def test_fifty_editors_of_the_same_things_disturb_nobody(party: PartyProcess) -> None:
    print(f"seed {SEED}")
    answers: Counter[tuple[str, int]] = Counter()
    async with open_world(party.url, party.port, party.token) as world:
        town = await Town.found(world)
        async with open_fleet(world.port, [world.client_key], kinds=STREAMS) as fleet:
            await fleet.ready()
            await edit_together(town, answers)
            await agree(fleet, party.database_url, world.environment_id, T)
            fleet.assert_no_errors()
        judged = await polls_are_true(town, party.database_url)
    told = Counter(status for (_, status), times in answers.items() for _ in range(times))
    print(f"{sum(told.values())} requests, by status {dict(told)}, {judged} environments judged")
    quiet = {name for name, status in answers if status < 300} ^ {name for name, _ in answers}
    assert not quiet, f"never succeeded, so never tested: {quiet}"
    await asyncio.to_thread(party.stop)
    async with open_database(party.database_url) as database:
        await assert_projection_true(database)
