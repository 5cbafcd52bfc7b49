"""Our OpenAPI document against the pinned operations, and against the contract where it is at hand."""

import asyncio
import json
from pathlib import Path

import pytest

from mr.api.openapi import lowered, openapi_document
from mr.app import open_mr
from mr.db.session import open_database
from mr.settings import MrSettings
from tests.support.operations import OPERATIONS, OWN, Pinned

CONTRACT = Path(__file__).parents[2] / "../shared/contract/mr-api.json"

# Operations of the contract that answer with a status of their own here, and why.
ALWAYS_OURS = {
    503,  # "cannot know now" exists in every operation
}
# The contract declares these, this server never sends them: they would mean something else to a reader.
NEVER_SENT = {
    ("isInstalled", 401),
    ("setupSiteAdmin", 401),
    ("login", 401),
    ("registerPerson", 401),
    ("personByToken", 401),
    ("getLoginUrlForProvider", 401),
    ("getFeatureFilter", 409),
    ("getSystemConfig", 500),
    ("createOrUpdateSystemConfigs", 500),
    ("decryptSystemConfig", 500),
}


@pytest.fixture(scope="module")
def document(migrated_templates):
    url = migrated_templates.sqlite()

    async def describe():
        async with open_database(url) as database, open_mr(MrSettings(), database) as mr:
            return openapi_document(mr.operations, version="1")

    return asyncio.run(describe())


def found(document, row: Pinned):
    return document["paths"][row.path][row.method.lower()]


def test_every_operation_is_pinned(document):
    ids = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert ids == {row.id for row in (*OPERATIONS, *OWN)}


@pytest.mark.parametrize("row", [*OPERATIONS, *OWN], ids=lambda row: row.id)
def test_an_operation_is_what_is_pinned(document, row):
    operation = found(document, row)
    assert operation["operationId"] == row.id
    assert {int(status) for status in operation["responses"]} == row.statuses


def test_operation_ids_are_unique(document):
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))


def test_no_schema_is_described_twice(document):
    assert not [name for name in document["components"]["schemas"] if name.endswith(("-Input", "-Output"))]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_older_document_uses_only_older_words(document):
    text = json.dumps(lowered(document))
    for word in ('"null"', '"const"', '"examples"', '"prefixItems"'):
        assert word not in text


@pytest.fixture(scope="module")
def contract():
    if not CONTRACT.exists():
        pytest.skip("the contract's facts are kept outside of this repository")
    return json.loads(CONTRACT.read_text())


def _declared(contract, row: Pinned):
    path = contract["paths"][row.path]
    operation = path[row.method.lower()]
    return operation, [*path.get("parameters", []), *operation.get("parameters", [])]


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.id)
def test_an_operation_is_the_contracts(document, contract, row):
    declared, parameters = _declared(contract, row)
    operation = found(document, row)
    assert declared["operationId"] == row.id
    assert bool(declared.get("security")) == bool(operation.get("security"))
    assert declared.get("deprecated", False) == operation.get("deprecated", False)
    assert _told(operation.get("parameters", [])) == _told(parameters)
    declared_statuses = {int(status) for status in declared["responses"]}
    missing = declared_statuses - row.statuses
    assert {(row.id, status) for status in missing} <= NEVER_SENT
    assert row.statuses - declared_statuses <= {400, 401, 403, 404, 405, 409} | ALWAYS_OURS


def _told(parameters):
    return {(each["name"], each["in"], each.get("required", False)) for each in parameters}


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.id)
def test_bodies_and_answers_have_the_contracts_members(document, contract, row):
    declared, _ = _declared(contract, row)
    operation = found(document, row)
    for part in ("requestBody", "200", "201", "404", "422"):
        theirs = _schema(contract, declared, part)
        ours = _schema(document, operation, part)
        if theirs is not None and ours is not None:
            assert _names(document, ours) >= _names(contract, theirs), part
    assert ("requestBody" in operation) == ("requestBody" in declared)


def _schema(whole, operation, part):
    holder = operation.get("requestBody") if part == "requestBody" else operation["responses"].get(part)
    content = (holder or {}).get("content", {})
    return content.get("application/json", {}).get("schema")


def _names(whole, schema):
    """The names of all members, through references, arrays and compositions, one level deep."""
    if "$ref" in schema:
        return _names(whole, whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if schema.get("type") == "array":
        return _names(whole, schema["items"])
    names = set(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        names |= _names(whole, part)
    return names
