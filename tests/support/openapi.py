"""Checks every answer of the management API against its own OpenAPI document.

`Checked` stands around the application of a test, so nothing that a test does can go past it. What it finds
is told when the test ends: inside a request it would look like the server's fault.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mr.api.openapi import openapi_document
from tests.support.description import Description

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mr.api.operations import Operation


_described: dict[tuple[str, ...], Description] = {}


def description_of(operations: Sequence[Operation]) -> Description:
    """Describe these operations; made once per run, because it takes some tenths of a second."""
    key = tuple(each.name for each in operations)
    if key not in _described:
        _described[key] = Description(openapi_document(operations, version="1"))
    return _described[key]


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
        if headers.get(b"content-encoding") == "gzip":
            body = gzip.decompress(body)
        fault = self.description.fault(scope["method"], scope["path"], started["status"], media_type, body)
        if fault is not None:
            self.faults.append(fault)
