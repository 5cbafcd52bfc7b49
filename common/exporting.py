"""Decides whether this process records traces, and where they are sent.

Must not know what is traced.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Protocol

from common.tracing import recording_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class TracingOptions(Protocol):
    """The settings (`common.settings.ServingSettings`)."""

    @property
    def trace_endpoint(self) -> str | None: ...


@asynccontextmanager
async def open_tracing(
    settings: TracingOptions,
    *,
    service: str,
    instance: str,
    environment: Mapping[str, str] = os.environ,
) -> AsyncIterator[None]:
    """Record traces for the life of the block, if somebody said where to.

    Leaving sends what is left, for a bounded time; what cannot be sent is lost.
    """
    if not is_wanted(settings, environment):
        yield
        return
    from common.otlp import open_otlp  # noqa: PLC0415 - it brings all of OpenTelemetry, and is rarely asked

    about = {
        "service.name": f"burgee-{service}",
        "service.version": version("burgee"),
        "service.instance.id": instance,
    }
    async with open_otlp(settings.trace_endpoint, about) as sink:
        with recording_to(sink):
            yield


def is_wanted(settings: TracingOptions, environment: Mapping[str, str]) -> bool:
    """True when there is an address for spans and nobody forbids them."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return settings.trace_endpoint is not None or any(environment.get(name) for name in _ENDPOINTS)
