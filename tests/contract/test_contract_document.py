"""The whole of the contract against our OpenAPI document, read in place where it is at hand.

`test_mr_operations` looks at operations one by one; here none is missing, and schemas fit.
What differs on purpose is named here with its reason; a name that is no longer needed fails too.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mr.api.openapi import openapi_document
from mr.app import open_mr
from mr.db.session import open_database
from mr.settings import MrSettings
from tests.support.operations import OPERATIONS

CONTRACT = Path(__file__).parents[2] / "../shared/contract/mr-api.json"

# Operations that are being built.
MISSING: set[str] = set()
# Ours alone: clients of the contract do not know them.
OURS = ("/mr-api/burgee/",)


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    if not CONTRACT.exists():
        pytest.skip("the contract's facts are kept outside of this repository")
    found: dict[str, Any] = json.loads(CONTRACT.read_text())
    return found


@pytest.fixture(scope="module")
def document(migrated_templates) -> dict[str, Any]:
    url = migrated_templates.sqlite()

    async def describe() -> dict[str, Any]:
        async with open_database(url) as database, open_mr(MrSettings(), database) as mr:
            return openapi_document(mr.operations, version="1")

    return asyncio.run(describe())


def _operations(document: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    methods = {"get", "put", "post", "delete", "patch"}
    return {
        operation["operationId"]: (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in methods
    }


def test_every_operation_of_the_contract_is_served_and_no_other(contract, document):
    theirs, ours = _operations(contract), _operations(document)
    assert set(theirs) - set(ours) == MISSING
    others = {name for name in set(ours) - set(theirs) if not ours[name][1].startswith(OURS)}
    assert others == set()
    for name in set(theirs) & set(ours):
        assert ours[name][:2] == theirs[name][:2], name


def test_every_operation_of_the_contract_is_pinned(contract):
    assert set(_operations(contract)) - {row.id for row in OPERATIONS} == MISSING


def _resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow references, and take "or null" away: it says the same as "may be missing" here."""
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            continue
        choices = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
        if len(choices) == 1:
            schema = {**choices[0], **{key: schema[key] for key in schema if key != "anyOf"}}
            continue
        if len(schema.get("allOf", [])) == 1:
            schema = {**schema["allOf"][0], **{key: schema[key] for key in schema if key != "allOf"}}
            continue
        return schema


def _members(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    schema = _resolve(document, schema)
    members = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        members = {**_members(document, part), **members}
    return members


def _required(document: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    schema = _resolve(document, schema)
    required = set(schema.get("required", []))
    for part in schema.get("allOf", []):
        required |= _required(document, part)
    return required


def _shape(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """What a member is, as far as clients tell: its type, its values, what its items are."""
    schema = _resolve(document, schema)
    if "enum" in schema or "const" in schema:
        return ("enum", *sorted(schema.get("enum") or [schema["const"]]))
    if schema.get("type") == "array":
        return ("array", _shape(document, schema.get("items", {})))
    if schema.get("type") in {None, "object"}:
        return "object" if _members(document, schema) or "type" in schema or "allOf" in schema else "anything"
    return (schema["type"], "uuid" if schema.get("format") == "uuid" else "")


# Members that are another thing here, and why.
OTHERWISE: dict[tuple[str, str], str] = {}
# What the contract requires to be sent and we do not; a client that sends it is served all the same.
# What we require and the contract does not would break clients: there is none.


def test_schemas_have_the_contracts_members(contract, document):
    ours = document["components"]["schemas"]
    wrong = set()
    for name, schema in contract["components"]["schemas"].items():
        if name not in ours:
            continue
        mine = _members(document, ours[name])
        for member, described in _members(contract, schema).items():
            if member not in mine:
                wrong.add((name, member, "missing", ""))
                continue
            theirs, got = _shape(contract, described), _shape(document, mine[member])
            if theirs != got and "anything" not in {theirs, got}:
                wrong.add((name, member, str(theirs), str(got)))
    unforeseen = {each for each in wrong if each[:2] not in OTHERWISE}
    assert unforeseen == set()
    assert set(OTHERWISE) <= {each[:2] for each in wrong}


def test_bodies_ask_for_no_more_than_the_contract_does(contract, document):
    theirs, ours = _operations(contract), _operations(document)
    wrong = {}
    for name in set(theirs) & set(ours):
        bodies = [
            (whole, operation["requestBody"]["content"]["application/json"]["schema"])
            for whole, (_, _, operation) in ((contract, theirs[name]), (document, ours[name]))
            if "requestBody" in operation
        ]
        if len(bodies) == 2:
            more = _required(*bodies[1]) - _required(*bodies[0])
            if more:
                wrong[name] = more
    assert wrong == {}
