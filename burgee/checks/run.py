"""All checks of one process, side by side: which there are follows from its settings."""

import asyncio
from collections.abc import Coroutine
from importlib.metadata import version
from typing import Any

from burgee.checks.bus import check_bus
from burgee.checks.database import check_database
from burgee.checks.findings import Finding, ok
from burgee.checks.machine import check_folder, check_open_files
from burgee.checks.neighbours import check_internal_api, check_running
from common.client import HttpClient, open_client
from common.settings import (
    BusSettings,
    CacheSettings,
    DatabaseSettings,
    InternalCallerSettings,
    ServingSettings,
    Settings,
)
from edge.settings import EdgeSettings, StreamSettings
from edge_rest.settings import EdgeRestSettings


async def examine(settings: Settings) -> list[Finding]:
    """Answer everything that was found, in the order in which a start would stumble over it."""
    release = version("burgee")
    found = [ok(f"settings: of `burgee {settings.process}`, Burgee {release}")]
    found += _machine(settings)
    async with open_client(connections=4) as client:
        parts = await asyncio.gather(*_remote(settings, client, release))
    for part in parts:
        found += part
    return found


def _machine(settings: Settings) -> list[Finding]:
    found = list(check_open_files(streams=isinstance(settings, StreamSettings)))
    if isinstance(settings, DatabaseSettings):
        found.append(check_folder("BURGEE_DATA_DIR", settings.data_dir))
    if isinstance(settings, CacheSettings) and settings.state_dir is not None:
        found.append(check_folder("BURGEE_STATE_DIR", settings.state_dir))
    return found


def _remote(settings: Settings, client: HttpClient, release: str) -> list[Coroutine[Any, Any, list[Finding]]]:
    checks: list[Coroutine[Any, Any, list[Finding]]] = []
    if isinstance(settings, DatabaseSettings):
        checks += _databases(settings)
    if isinstance(settings, BusSettings) and settings.nats_urls:
        checks.append(check_bus(settings, settings.process, release=release))
    if isinstance(settings, InternalCallerSettings) and settings.mr_url is not None:
        checks.append(_one(check_internal_api(client, settings, settings.mr_url, "MR")))
    if isinstance(settings, EdgeSettings) and settings.dacha_url is not None:
        checks.append(_one(check_internal_api(client, settings, settings.dacha_url, "Dacha")))
    if isinstance(settings, ServingSettings):
        checks.append(check_running(client, settings, release=release))
    return checks


def _databases(settings: DatabaseSettings) -> list[Coroutine[Any, Any, list[Finding]]]:
    size, writes, replica = settings.database_pool_size, True, None
    if isinstance(settings, EdgeRestSettings):
        writes, replica = not settings.database_read_only, settings.database_replica_url
    checks = [check_database(settings.database_address(), pool_size=size, writes=writes)]
    if replica is not None:
        checks.append(
            check_database(
                replica.get_secret_value(),
                pool_size=size,
                writes=False,
                setting="BURGEE_DATABASE_REPLICA_URL",
            )
        )
    return checks


async def _one(check: Coroutine[Any, Any, Finding]) -> list[Finding]:
    return [await check]
