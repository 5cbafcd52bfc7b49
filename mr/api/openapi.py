"""The OpenAPI documents of the management API: 3.1 as FastAPI knows it, 3.0 for generators that want it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
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


class Documents:
    """Both documents, built when the first is asked for: it takes some tenths of a second."""

    def __init__(self, routes: Sequence[BaseRoute], *, version: str) -> None:
        self._routes = routes
        self._version = version
        self._building = asyncio.Lock()
        self._built: tuple[bytes, bytes] | None = None

    def routes(self) -> list[Route]:
        return [
            Route("/mr-api/openapi.json", self.newest),
            Route("/mr-api/openapi-3.0.json", self.older),
        ]

    async def newest(self, _request: Request) -> Response:
        return Response((await self._documents())[0], media_type="application/json")

    async def older(self, _request: Request) -> Response:
        return Response((await self._documents())[1], media_type="application/json")

    async def _documents(self) -> tuple[bytes, bytes]:
        async with self._building:
            if self._built is None:
                self._built = await asyncio.to_thread(self._build)
            return self._built

    def _build(self) -> tuple[bytes, bytes]:
        document = openapi_document(self._routes, version=self._version)
        return encode(document), encode(lowered(document))
