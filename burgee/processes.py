"""What a composed process serves, with what every process has around its routes, and how it is served.

Must not know which parts are inside.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from common.observability import watch_loop_lag
from common.serve import Bound, Drain, Listener, serve
from common.settings import ServingSettings
from common.web import (
    BodyGuard,
    Health,
    RequestMetrics,
    SdkCors,
    Surroundings,
    operational_routes,
    problem_handlers,
)


@dataclass(frozen=True)
class Internal:
    """What a process serves to other processes, on a listener of its own."""

    app: ASGIApp
    port: int


@dataclass(frozen=True)
class Process:
    """What a composed process serves, and how it leaves."""

    name: str
    app: ASGIApp
    monitor: ASGIApp | None
    internal: Internal | None
    health: Health
    drain: Drain | None
    registry: CollectorRegistry


def assemble(
    name: str,
    settings: ServingSettings,
    registry: CollectorRegistry,
    health: Health,
    *,
    routes: Sequence[BaseRoute] = (),
    rest: ASGIApp | None = None,
    internal: Internal | None = None,
    drain: Drain | None = None,
    cors_headers: Sequence[str] = (),
) -> Process:
    """Put the routes side by side, and what every process has around them."""
    operational = operational_routes(name=name, version=version("burgee"), health=health, metrics=registry)
    separate = settings.monitor_port is not None
    # Clients of the contract ask for the version where they ask for features.
    on_main = [each for each in operational if not separate or each.path == "/info/version"]
    mine = [*on_main, *routes]
    app = Starlette(routes=mine, exception_handlers=problem_handlers())
    app.router.redirect_slashes = False
    if rest is not None:
        app.router.default = rest
    guarded = SdkCors(BodyGuard(app, max_bytes=settings.max_body_bytes), extra_headers=cors_headers)
    metrics = RequestMetrics(registry)
    return Process(
        name=name,
        app=Surroundings(guarded, routes=mine, metrics=metrics, health=health),
        monitor=Surroundings(Starlette(routes=operational), listener="monitor") if separate else None,
        internal=internal,
        health=health,
        drain=drain,
        registry=registry,
    )


async def serve_process(
    process: Process,
    settings: ServingSettings,
    *,
    on_listening: Callable[[Sequence[Bound]], None] | None = None,
) -> None:
    """Serve until a signal; raises CannotListen before anything is served."""
    trusted = tuple(str(network) for network in settings.trusted_proxies)
    listeners = [Listener("main", process.app, settings.host, settings.port, trusted_proxies=trusted)]
    if process.monitor is not None and settings.monitor_port is not None:
        listeners.append(Listener("monitor", process.monitor, settings.host, settings.monitor_port))
    if process.internal is not None:
        listeners.append(Listener("internal", process.internal.app, settings.host, process.internal.port))
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(watch_loop_lag(process.registry), name="loop-lag")
        await serve(
            listeners,
            health=process.health,
            drain=process.drain,
            drain_seconds=settings.drain_seconds,
            on_listening=on_listening,
        )
        watch.cancel()
