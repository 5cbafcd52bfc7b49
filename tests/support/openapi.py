"""Checks every answer of the management API against its own OpenAPI document.

`Checked` stands around the application of a test, so nothing that a test does can go past it. What it finds
is told when the test ends: inside a request it would look like the server's fault.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from mr.api.openapi import openapi_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mr.api.operations import Operation

JSON = "application/json"
PROBLEM = "application/problem+json"
EVENTS = "text/event-stream"


class Description:
    """What the document says of answers; validators are made when they are first needed."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]
        self._operations = [
            (method.upper(), _pattern(path), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        self._validators: dict[tuple[str, int, str], Any] = {}

    def fault(self, method: str, path: str, status: int, media_type: str, body: bytes) -> str | None:
        """Return what is wrong with an answer; None = nothing, or no operation answered it."""
        operation = next(
            (each for verb, pattern, each in self._operations if verb == method and pattern.fullmatch(path)),
            None,
        )
        if operation is None:
            return None
        name = operation["operationId"]
        described = operation["responses"].get(str(status))
        if described is None:
            return f"{name} answered the undocumented status {status}"
        content = described.get("content", {})
        if not content:
            return f"{name}: {status} should have no body" if body else None
        schema = content.get(media_type, {}).get("schema")
        if schema is None:
            return f"{name}: {status} came as {media_type or 'nothing'}, documented is {sorted(content)}"
        validator = self._validator((name, status, media_type), schema)
        for document in _data_of_events(body) if media_type == EVENTS else [body]:
            for error in validator.iter_errors(json.loads(document, parse_float=_finite)):
                return f"{name}: {status} does not fit at {error.instance_path}: {error.message}"
        return None

    def _validator(self, key: tuple[str, int, str], schema: dict[str, Any]) -> Any:
        found = self._validators.get(key)
        if found is None:
            whole = {**schema, "components": self._components}
            found = self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        return found


_described: dict[tuple[str, ...], Description] = {}


def description_of(operations: Sequence[Operation]) -> Description:
    """Describe these operations; made once per run, because it takes some tenths of a second."""
    key = tuple(each.name for each in operations)
    if key not in _described:
        _described[key] = Description(openapi_document(operations, version="1"))
    return _described[key]


def _data_of_events(body: bytes) -> list[bytes]:
    return [line.removeprefix(b"data:") for line in body.splitlines() if line.startswith(b"data:")]


def _finite(token: str) -> float:
    # The validator knows no number beyond those of a float; ours are written as they were sent.
    return max(-1e308, min(1e308, float(token)))


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("".join(r"[^/]+" if part.startswith("{") else re.escape(part) for part in _parts(path)))


def _parts(path: str) -> list[str]:
    return re.split(r"(\{\w+\})", path)


@dataclass
class Checked:
    """The application, looked at from outside; `faults` is empty in the end, or the test fails."""

    app: ASGIApp
    description: Description
    faults: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started: dict[str, Any] = {}
        body = bytearray()

        async def look(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._check(scope, started, bytes(body))
            await send(message)

        await self.app(scope, receive, look)

    def _check(self, scope: Scope, started: dict[str, Any], body: bytes) -> None:
        headers = {name.lower(): value.decode("latin-1") for name, value in started["headers"]}
        media_type = headers.get(b"content-type", "").partition(";")[0].strip()
        fault = self.description.fault(scope["method"], scope["path"], started["status"], media_type, body)
        if fault is not None:
            self.faults.append(fault)
