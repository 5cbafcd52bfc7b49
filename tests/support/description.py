"""What an OpenAPI document says of answers, and whether an answer is one of those.

Knows nothing of the product: the document may come from its code, or from a server that runs.
"""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs

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


def _data_of_events(body: bytes) -> list[bytes]:
    return [line.removeprefix(b"data:") for line in body.splitlines() if line.startswith(b"data:")]


def _finite(token: str) -> float:
    # The validator knows no number beyond those of a float; ours are written as they were sent.
    return max(-1e308, min(1e308, float(token)))


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("".join(r"[^/]+" if part.startswith("{") else re.escape(part) for part in _parts(path)))


def _parts(path: str) -> list[str]:
    return re.split(r"(\{\w+\})", path)
