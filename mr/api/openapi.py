"""The OpenAPI documents of the management API: 3.1 as FastAPI knows it, 3.0 for generators that want it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mr.api.json_body import encode

_PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457. Clients of the contract read the status alone.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The request's id."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def openapi_document(routes: Sequence[BaseRoute], *, version: str) -> dict[str, Any]:
    """Describe the operations: what is answered, and nothing that never is."""
    document = get_openapi(
        title="Burgee management API",
        version=version,
        openapi_version="3.1.0",
        routes=routes,
        separate_input_output_schemas=False,
    )
    for path in document["paths"].values():
        for operation in path.values():
            _without_default_422(operation)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = {"bearerAuth": {"type": "http", "scheme": "bearer"}}
    return document


def _without_default_422(operation: dict[str, Any]) -> None:
    # FastAPI's own answer to bad input; here that is 400, or 404 when it is in the path.
    content = operation["responses"].get("422", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if schema.get("$ref", "").endswith("/HTTPValidationError"):
        del operation["responses"]["422"]


def lowered(document: dict[str, Any]) -> dict[str, Any]:
    """Return the same document in OpenAPI 3.0's words."""
    result: dict[str, Any] = _lower(copy.deepcopy(document))
    result["openapi"] = "3.0.3"
    return result


def _lower(node: Any) -> Any:
    if isinstance(node, list):
        return [_lower(each) for each in node]
    if not isinstance(node, dict):
        return node
    lower = {name: _lower(member) for name, member in node.items()}
    if isinstance(lower.get("anyOf"), list):
        _lower_nullable(lower)
    if "const" in lower:
        lower["enum"] = [lower.pop("const")]
    for bound in ("Minimum", "Maximum"):
        limit = lower.get("exclusive" + bound)
        if isinstance(limit, int | float) and not isinstance(limit, bool):
            lower[bound.lower()] = limit
            lower["exclusive" + bound] = True
    return lower


def _lower_nullable(schema: dict[str, Any]) -> None:
    choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    if len(choices) == len(schema["anyOf"]):
        return
    schema["nullable"] = True
    if len(choices) > 1:
        schema["anyOf"] = choices
        return
    del schema["anyOf"]
    if "$ref" in choices[0]:
        schema["allOf"] = choices  # beside a $ref nothing else is read
    else:
        schema.update({name: value for name, value in choices[0].items() if name not in schema})


def document_routes(routes: Sequence[BaseRoute], *, version: str) -> list[Route]:
    """Serve both documents, built once."""
    document = openapi_document(routes, version=version)
    newest, older = encode(document), encode(lowered(document))

    async def current(_request: object) -> Response:
        return Response(newest, media_type="application/json")

    async def lowered_document(_request: object) -> Response:
        return Response(older, media_type="application/json")

    return [
        Route("/mr-api/openapi.json", current),
        Route("/mr-api/openapi-3.0.json", lowered_document),
    ]
