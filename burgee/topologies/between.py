"""Ways between processes: the bus, and internal APIs."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from common.client import open_client
from common.messaging.nats import NatsBus, open_nats_bus
from common.origins.client import ApiFailures, HttpOrigin
from common.settings import BusSettings, InternalCallerSettings, Token
from edge.sinks import HttpSink


def new_instance(role: str) -> str:
    """A name for this life of a process: other processes know it by it, and it is part of NATS subjects."""
    return f"{role}-{uuid.uuid4().hex[:16]}"


def revealed(tokens: tuple[Token, ...]) -> list[str]:
    """The tokens themselves, for those who compare them."""
    return [each.get_secret_value() for each in tokens]


@asynccontextmanager
async def bus_of(
    settings: BusSettings, instance: str, registry: CollectorRegistry
) -> AsyncIterator[NatsBus | None]:
    """The bus that the settings name, if they name one."""
    if not settings.nats_urls:
        yield None
        return
    async with open_nats_bus(settings, instance=instance, registry=registry) as bus:
        yield bus


@dataclass(frozen=True)
class Api:
    """The internal API of another process."""

    origin: HttpOrigin
    sink: HttpSink


@asynccontextmanager
async def internal_api(
    settings: InternalCallerSettings, url: str, failures: ApiFailures
) -> AsyncIterator[Api]:
    """Be ready to call the internal API at an address; nothing is asked yet."""
    if settings.internal_token is None:
        raise ValueError("there is an address, and no token for it")
    token = settings.internal_token.get_secret_value()
    async with open_client() as client:
        yield Api(
            HttpOrigin(url, token, client, failures=failures),
            HttpSink(url, token, client, failures=failures),
        )
