"""Who may call what: every persona tries every operation on the things of a portfolio, and the table decides.

The operations are those of the OpenAPI document. A new one needs a call (`tests.support.calls`) and a rule
(`tests.support.personas`), or this fails. To a caller from elsewhere all ids are foreign, in paths and in
bodies. The rules are pure and know no database: one kind of it is enough here.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import pytest

from common.serve import running
from mr.api.openapi import openapi_document
from mr.app import mr_app, open_mr
from mr.db.session import Database, open_database
from mr.settings import MrSettings
from tests.support.admin import Admin, open_admin
from tests.support.calls import CALLS, World
from tests.support.people import add_person
from tests.support.personas import ALSO_REFUSING, EVERYBODY, ROLES, RULE_OF

# Nothing to aim at: tried elsewhere. The set-up is over, nobody is invited twice, and a stream does not end.
ELSEWHERE: Final = {
    *(
        "setupSiteAdmin",
        "getInfoVersion",
        "getLoginUrlForProvider",
        "registerPerson",
        "login",
        "personByToken",
    ),
    *("listenToChanges", "exchangeSignInCode", "renewSession", "getWebhookDetails", "decryptSystemConfig"),
}
# They end what the caller is signed in with.
LAST: Final = ("logout",)


@dataclass
class Stage:
    """A server, its first administrator, and what its document describes."""

    root: Admin
    database: Database
    methods: dict[str, str]


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[Stage]:
    async with (
        open_database(sqlite_url) as database,
        open_mr(MrSettings(), database) as mr,
        running(mr_app(mr)) as url,
        open_admin(url) as admin,
    ):
        document = openapi_document(mr.operations, version="1")
        methods = {
            operation["operationId"]: method.upper()
            for path in document["paths"].values()
            for method, operation in path.items()
        }
        yield Stage(admin, database, methods)


async def _personas(stage: Stage, world: World) -> dict[str, Admin]:
    """Everybody who tries, by what the table calls them."""
    root, portfolio = stage.root, world.ids["portfolio"]
    other = await root.create_portfolio()
    tokens = {
        "superuser": root.token,
        "admin": await add_person(stage.database, portfolio, admin=True),
        "admin of another": await add_person(stage.database, other, admin=True),
        "member": await add_person(stage.database, portfolio),
        "stranger": await add_person(stage.database, other),
        "nobody": "",
    }
    for name, (in_environment, in_application) in ROLES.items():
        tokens[name] = await add_person(
            stage.database,
            portfolio,
            environments={world.ids["environment"]: in_environment} if in_environment else {},
            applications={world.ids["application"]: in_application} if in_application else {},
        )
    shown = await root.call("GET", f"/portfolio/{portfolio}", includeGroups="true")
    administrators = next(each["id"] for each in shown["groups"] if each.get("admin"))
    account = {"name": "robot", "personType": "serviceAccount", "groupIds": [administrators]}
    tokens["admin account"] = (await root.call("POST", "/person", account))["token"]
    return {name: Admin(root.http, root.url, token) for name, token in tokens.items()}


def test_every_operation_has_a_rule_and_a_call(stage: Stage):
    assert set(stage.methods) - set(RULE_OF) == set()
    assert set(stage.methods) - ELSEWHERE - set(CALLS) == set()


async def test_everybody_gets_as_far_as_the_table_says(stage: Stage):
    world = await World.make(stage.root)
    personas = await _personas(stage, world)
    assert set(personas) == EVERYBODY
    wrong, tried = [], 0
    for operation in sorted(set(stage.methods) - ELSEWHERE, key=lambda each: (each in LAST, each)):
        allowed = RULE_OF[operation]
        world.let_in = False
        refused_call = await CALLS[operation](world)
        # First those who may not: their one call is as good as new until somebody gets through.
        for name, persona in sorted(personas.items(), key=lambda each: each[0] in allowed):
            call = refused_call
            if name in allowed:
                world.let_in = True
                call = await CALLS[operation](world)
            method = stage.methods[operation]
            status, text = await persona.try_call(method, call.path, call.body, **call.query)
            tried += 1
            got = not _is_refusal(operation, status, text)
            if got is not (name in allowed) or (name == "nobody" and not got and status != 401):
                wrong.append(
                    f"{operation}: {name} is {'let in' if got else 'refused'}: {status} {text[:200]}"
                )
    assert not wrong, "\n".join(wrong)
    assert tried > 900


def _is_refusal(operation: str, status: int, text: str) -> bool:
    other = ALSO_REFUSING.get(operation)
    if other is not None and status == other[0] and other[1] in {None, text}:
        return True
    # What nobody has reported yet cannot be shown, but was not refused.
    assert status < 500 or (operation, status) == ("showPropagation", 503), (operation, status, text)
    return status in {401, 403, 404}
