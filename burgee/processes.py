"""What a composed process serves, with what every process has around its routes, and how it is served.

Must not know which parts are inside.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from common.collector import spare_the_collector
from common.ledger import Ledger, RequestMetrics
from common.observability import LoopLag
from common.serve import Bound, Drain, GuardedHttp, Listener, serve
from common.settings import ServingSettings
from common.web import (
    BodyGuard,
    Health,
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
class Handed:
    """The sockets of a process that shares its main port with others: handed over by whoever opened them.

    ``operations`` is for its own health and metrics; ``opens`` returns when it may accept on ``main``.
    """

    main: socket.socket
    operations: socket.socket
    opens: Callable[[Health], Awaitable[None]]


@dataclass(frozen=True)
class Process:
    """What a composed process serves, and how it leaves."""

    name: str
    app: ASGIApp
    http: type[GuardedHttp]
    monitor: ASGIApp | None
    internal: Internal | None
    health: Health
    drain: Drain | None
    registry: CollectorRegistry
    lag: LoopLag


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
    of_whole: Sequence[Route] | None = None,
    protocol: Callable[[Ledger, Health], type[GuardedHttp]] | None = None,
) -> Process:
    """Put the routes side by side, and what every process has around them.

    ``protocol``: what answers some requests by itself on the main port, given what stands around the routes.
    ``of_whole``: health and metrics of all processes that share the main port, answered there in place of
    this one's own.
    """
    release = version("burgee")
    built = Gauge("burgee_build_info", "Which release runs; always 1.", ("version",), registry=registry)
    built.labels(release).set(1)
    operational = operational_routes(name=name, version=release, health=health, metrics=registry)
    separate = settings.monitor_port is not None or of_whole is not None
    # Clients of the contract ask for the version where they ask for features.
    on_main = [each for each in operational if not separate or each.path == "/info/version"]
    if of_whole is not None and settings.monitor_port is None:
        on_main += [each for each in operational if each.path == "/health/liveness"]
        on_main += of_whole
    mine = [*on_main, *routes]
    app = Starlette(routes=mine, exception_handlers=problem_handlers())
    app.router.redirect_slashes = False
    if rest is not None:
        app.router.default = rest
    guarded = SdkCors(BodyGuard(app, max_bytes=settings.max_body_bytes), extra_headers=cors_headers)
    around = Surroundings(guarded, routes=mine, metrics=RequestMetrics(registry), health=health)
    return Process(
        name=name,
        app=around,
        http=GuardedHttp if protocol is None else protocol(around.ledger, health),
        monitor=Surroundings(Starlette(routes=operational), listener="monitor") if separate else None,
        internal=internal,
        health=health,
        drain=drain,
        registry=registry,
        lag=LoopLag(registry),
    )


async def serve_process(
    process: Process,
    settings: ServingSettings,
    *,
    on_listening: Callable[[Sequence[Bound]], None] | None = None,
    handed: Handed | None = None,
) -> None:
    """Serve until a signal, on sockets of its own or ``handed`` ones.

    Raises CannotListen before anything is served.
    """
    trusted = tuple(str(network) for network in settings.trusted_proxies)
    main = Listener(
        "main", process.app, settings.host, settings.port, http=process.http, trusted_proxies=trusted
    )
    listeners = [main]
    if handed is not None and process.monitor is not None:
        listeners = [
            replace(main, sock=handed.main, opens=partial(handed.opens, process.health)),
            Listener("operations", process.monitor, sock=handed.operations),
        ]
    elif process.monitor is not None and settings.monitor_port is not None:
        listeners.append(Listener("monitor", process.monitor, settings.host, settings.monitor_port))
    if process.internal is not None:
        listeners.append(Listener("internal", process.internal.app, settings.host, process.internal.port))
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(process.lag.watch(), name="loop-lag")
        spare_the_collector()
        await serve(
            listeners,
            health=process.health,
            drain=process.drain,
            drain_seconds=settings.drain_seconds,
            on_listening=on_listening,
        )
        watch.cancel()
