"""The split topology on this machine: real PostgreSQL, real NATS, and every Burgee process of its own.

`Split` is what tests and benchmarks start and hurt; `python -m tests.support.split` (`make split`) starts
the same for people. Faults are signals and links: nothing here reaches into a process.
"""

import argparse
import asyncio
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from burgee.seed import Seeded, seed
from tests.support.links import Link, Links
from tests.support.nats import NatsCluster, NatsServer
from tests.support.ports import free_port, is_listening
from tests.support.postgres import PostgresServer
from tests.support.processes import LOOPBACK, BurgeeProcess
from tests.support.waiting import eventually_sync

DATABASE = "burgee"
DOORS = {"mr": 8085, "dacha": 8902, "edge": 8553, "edge-rest": 8563}
"""Where people look for the first of each kind; the next ones have the following ports."""

Settings = Mapping[str, str]
QUICK: Settings = {"BURGEE_DRAIN_SECONDS": "0.1"}
"""Of processes whose end is not what a test is about."""


@dataclass(frozen=True)
class Shape:
    """How many of everything, and what differs from the defaults.

    ``settings`` are further settings by kind (`mr`, `dacha`, …) or by name (`edge-2`). ``linked`` puts a
    link between every process and NATS. ``pinned`` lets each process know one NATS node only: the first
    of a kind the first node, the second the second. ``trees`` says by name whose code a process runs.
    ``common`` are the settings of all of them.
    """

    mr: int = 2
    dacha: int = 2
    edge: int = 2
    edge_rest: int = 1
    nats_nodes: int = 1
    linked: bool = False
    pinned: bool = False
    settings: Mapping[str, Settings] = field(default_factory=dict)
    trees: Mapping[str, Path] = field(default_factory=dict)
    common: Settings = field(default_factory=lambda: QUICK)


class Split:
    """Everything of one split world. `start` in any order of faults later; `stop` ends all of it.

    A Service-like link stands between the Dachas and the internal API of the MRs (`internal`, one for
    each Dacha); `bus` are the links to NATS by process and node, when the shape is linked; `routes` are
    the links between NATS nodes by (later, earlier).
    """

    def __init__(self, folder: Path, shape: Shape = Shape(), *, doors: bool = False) -> None:
        self.folder = folder
        self.shape = shape
        self.links = Links()
        self.postgres = PostgresServer(_made(folder / "postgres", mode=0o711))
        self.routes: dict[tuple[int, int], Link] = {}
        self.cluster = NatsCluster(
            _made(folder / "nats"),
            size=shape.nats_nodes,
            leaves=True,
            through=self._route if shape.linked else None,
        )
        self.bus: dict[tuple[str, int], Link] = {}
        self.internal: dict[str, Link] = {}
        self.token = ""
        """Of a set-up administrator, once somebody has signed in."""
        self._doors = doors
        self._secrets = _Secrets()
        self._internal_ports = [free_port() for _ in range(shape.mr)]
        self.mrs = [self._mr(number) for number in range(shape.mr)]
        self.dachas = [self._dacha(number) for number in range(shape.dacha)]
        self.edges = [self._edge(number) for number in range(shape.edge)]
        self.edge_rests = [self._edge_rest(number) for number in range(shape.edge_rest)]

    @property
    def processes(self) -> list[BurgeeProcess]:
        return [*self.mrs, *self.dachas, *self.edges, *self.edge_rests]

    @property
    def nodes(self) -> list[NatsServer]:
        return self.cluster.nodes

    @property
    def database_url(self) -> str:
        return self.postgres.url(DATABASE)

    def start(self) -> None:
        """Start everything that does not run, side by side, and wait until all of it is ready."""
        self.start_bus()
        for process in (*self.dachas, *self.edges):
            _launch(process)
        self.start_database()
        for process in (*self.mrs, *self.edge_rests):
            _launch(process)
        for process in self.processes:
            process.wait_until_ready(60)

    def stop(self) -> None:
        """End everything, in the order in which it is needed; what cannot be ended is told at the end."""
        for process in self.processes:
            process.ask_to_stop()
        failures = []
        for process in self.processes:
            try:
                process.stop()
            except AssertionError as failure:
                failures.append(failure)
        self.kill_bus()
        self.postgres.stop()
        self.links.close()
        if failures:
            raise failures[0]

    # ------------------------------------------------------------------ PostgreSQL and NATS

    def start_database(self) -> None:
        if not (self.postgres.home / "data").exists():
            self.postgres.initialise()
        if not self.postgres.running:
            self.postgres.start()
        if not self.postgres.execute(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):
            self.postgres.create_database(name=DATABASE)

    def start_bus(self) -> None:
        """Start the NATS nodes that do not run."""
        self.cluster.start()

    def kill_bus(self) -> None:
        """Crash every NATS node."""
        for node in self.nodes:
            node.kill()

    def heal(self) -> None:
        """Undo every fault: all run, nothing is frozen, held or cut."""
        for process in self.processes:
            if process.running and process.paused:
                process.resume()
        for node in self.nodes:
            if node.running:
                node.resume()
        self.links.mend()
        self.start()

    def outpost(self, kind: str, number: int, bus_url: str, *, tree: Path | None = None) -> BurgeeProcess:
        """One more Dacha or Edge that knows this NATS server only, perhaps with the code of another tree.

        The caller starts and ends it.
        """
        made = self._dacha(number) if kind == "dacha" else self._edge(number)
        made.settings["BURGEE_NATS_URLS"] = bus_url
        made.tree = tree
        return made

    def secrets(self) -> dict[str, str]:
        """Answer what the processes know of one another, by what it is."""
        return {
            "key of the bus": self._secrets.events,
            "internal token of Dachas": self._secrets.dacha,
            "internal token of Edges": self._secrets.edge,
        }

    # ------------------------------------------------------------------ the log

    def position(self) -> int:
        """Answer the last position that was given away."""
        return self._number("SELECT position FROM relay")

    def published(self) -> int:
        """Answer the last position, once the whole log is marked as published; 0 before."""
        waiting = self._number("SELECT count(*) FROM outbox WHERE published IS NULL")
        return 0 if waiting else self.position()

    def marked(self, *, above: int) -> int:
        """Answer how many changes above a position are marked as published."""
        return self._number(f"SELECT count(*) FROM outbox WHERE position > {above} AND published IS NOT NULL")

    def _number(self, query: str) -> int:
        ((found,),) = self.postgres.execute(query, database=DATABASE)
        return int(found)

    # ------------------------------------------------------------------ links and metrics

    def bus_links(self, process: BurgeeProcess) -> list[Link]:
        """Answer every way of this process to the bus."""
        return [link for (name, _), link in self.bus.items() if name == process.name]

    def total(self, processes: Sequence[BurgeeProcess], name: str, **labels: str) -> float:
        """Add up one metric over those of the processes that run."""
        return sum(each.metric(name, **labels) for each in processes if each.running)

    def leader(self) -> BurgeeProcess:
        """Answer the MR whose relay is active; wait for it for as long as a lease may take to pass."""

        def leads() -> BurgeeProcess | None:
            awake = [each for each in self.mrs if each.running and not each.paused]
            leading = [each for each in awake if each.metric("burgee_relay_leads") == 1]
            return leading[0] if len(leading) == 1 else None

        found = eventually_sync(leads, within_seconds=60, what="one MR to lead the relay")
        assert found is not None
        return found

    def followers(self) -> list[BurgeeProcess]:
        """Answer the MRs whose relay waits."""
        leader = self.leader()
        return [each for each in self.mrs if each is not leader]

    # ------------------------------------------------------------------ the processes

    def _mr(self, number: int) -> BurgeeProcess:
        return self._process(
            "mr",
            number,
            {
                "BURGEE_DATABASE_URL": self.database_url,
                "BURGEE_INTERNAL_PORT": str(self._internal_ports[number]),
                "BURGEE_DACHA_TOKENS": self._secrets.dacha,
                "BURGEE_EDGE_TOKENS": self._secrets.edge,
            },
        )

    def _dacha(self, number: int) -> BurgeeProcess:
        name = _name("dacha", number)
        self.internal[name] = self.links.open(*self._internal_ports)
        ours = {
            "BURGEE_MR_URL": self.internal[name].url,
            "BURGEE_INTERNAL_TOKEN": self._secrets.dacha,
            "BURGEE_EDGE_TOKENS": self._secrets.edge,
            "BURGEE_STATE_DIR": str(self.folder / name / "state"),
        }
        return self._process("dacha", number, ours)

    def _edge(self, number: int) -> BurgeeProcess:
        ours = {
            "BURGEE_INTERNAL_TOKEN": self._secrets.edge,
            "BURGEE_STATE_DIR": str(self.folder / _name("edge", number) / "state"),
        }
        return self._process("edge", number, ours)

    def _edge_rest(self, number: int) -> BurgeeProcess:
        return self._process("edge-rest", number, {"BURGEE_DATABASE_URL": self.database_url}, bus=False)

    def _process(self, kind: str, number: int, ours: Settings, *, bus: bool = True) -> BurgeeProcess:
        name = _name(kind, number)
        folder = _made(self.folder / name)
        settings = {"BURGEE_DATA_DIR": str(folder), **ours, **self.shape.common}
        if bus:
            settings |= {
                "BURGEE_NATS_URLS": ",".join(self._bus_urls(name, number)),
                "BURGEE_CLUSTER": "split",
                "BURGEE_EVENT_KEY": self._secrets.events,
            }
        return BurgeeProcess(
            kind,
            folder,
            settings | self._chosen(kind) | self._chosen(name),
            name=name,
            port=self._port(kind, number),
            tree=self.shape.trees.get(name),
        )

    def _chosen(self, what: str) -> dict[str, str]:
        return dict(self.shape.settings.get(what, {}))

    def _bus_urls(self, name: str, number: int) -> list[str]:
        nodes = list(enumerate(self.nodes))
        if self.shape.pinned:
            nodes = [nodes[number % len(nodes)]]
        if not self.shape.linked:
            return [node.url for _, node in nodes]
        for place, node in nodes:
            self.bus[name, place] = self.links.open(node.port)
        return [f"nats://{LOOPBACK}:{self.bus[name, place].port}" for place, _ in nodes]

    def _route(self, dialler: int, dialled: int) -> int:
        if (dialler, dialled) not in self.routes:
            self.routes[dialler, dialled] = self.links.open(self.nodes[dialled].route_port)
        return self.routes[dialler, dialled].port

    def _port(self, kind: str, number: int) -> int:
        wanted = DOORS[kind] + number
        return wanted if self._doors and not is_listening(wanted) else free_port()


class _Secrets:
    """What the processes of one world know of one another."""

    def __init__(self) -> None:
        self.events, self.dacha, self.edge = (secrets.token_urlsafe(24) for _ in range(3))


@contextmanager
def running_split(
    shape: Shape = Shape(), *, folder: Path | None = None, before: Callable[[Split], None] = lambda _: None
) -> Iterator[Split]:
    """A started split world; afterwards everything has ended, and its folder is gone unless it was given.

    ``before`` may still change settings, when addresses are known.
    """
    home = folder or _temporary()
    split = Split(home, shape)
    try:
        before(split)
        split.start()
        yield split
    finally:
        split.stop()
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


def _name(kind: str, number: int) -> str:
    return f"{kind}-{number + 1}"


def _launch(process: BurgeeProcess) -> None:
    if not process.running:
        process.launch()


def _made(folder: Path, *, mode: int = 0o700) -> Path:
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    return folder


def _temporary() -> Path:
    home = Path(tempfile.mkdtemp(prefix="burgee-split-"))
    # PostgreSQL runs as somebody else when this is root, and must reach its folder.
    home.chmod(0o711)
    return home


# ------------------------------------------------------------------------------------ for people


class LogReader:
    """Prints what is added to log files, each line after the name of whose it is."""

    def __init__(self, logs: Mapping[str, Path]) -> None:
        self._logs = logs
        self._read = dict.fromkeys(logs, 0)
        self._width = max(map(len, logs))

    def print_new(self) -> None:
        for name, path in self._logs.items():
            if not path.exists():
                continue
            with path.open("rb") as log:
                log.seek(self._read[name])
                *lines, rest = log.read().split(b"\n")
                self._read[name] = log.tell() - len(rest)
            for line in lines:
                print(f"{name:<{self._width}} | {line.decode(errors='replace')}", flush=True)


def main() -> None:
    """Run a split world until Ctrl-C."""
    options = _options()
    shape = Shape(
        mr=options.mr,
        dacha=options.dacha,
        edge=options.edge,
        edge_rest=options.edge_rest,
        nats_nodes=options.nats_nodes,
        common={"BURGEE_LOG_FORMAT": "console"},
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = options.data.resolve() if options.data else _temporary()
    began = time.monotonic()
    split = Split(home, shape, doors=True)
    try:
        split.start()
        seeded = asyncio.run(seed(split.mrs[0].url, home / "mr-1"))
        print(_welcome(split, seeded, time.monotonic() - began), flush=True)
        logs = LogReader({each.name: each.log_path for each in split.processes})
        while True:
            logs.print_new()
            time.sleep(0.2)
    except KeyboardInterrupt:
        print("\nStopping …", flush=True)
    finally:
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, signal.SIG_IGN)
        split.stop()
        if options.data is None:
            shutil.rmtree(home, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make split", description=__doc__)
    for kind, count in (("mr", 2), ("dacha", 2), ("edge", 2), ("edge-rest", 1)):
        parser.add_argument(f"--{kind}", type=int, default=count, help=f"how many, {count} by default")
    parser.add_argument("--nats-nodes", type=int, choices=(1, 3), default=1, help="3 is a cluster")
    parser.add_argument("--data", type=Path, help="keep everything in this folder; a temporary one otherwise")
    return parser.parse_args()


def _welcome(split: Split, seeded: Seeded, seconds: float) -> str:
    rows = [(each.name, each.url) for each in split.processes]
    rows += [(node.name, node.url) for node in split.nodes]
    rows += [("postgres", split.database_url)]
    width = max(len(name) for name, _ in rows)
    addresses = "\n".join(f"  {name:<{width}}  {url}" for name, url in rows)
    edge, mr = split.edges[0].url, split.mrs[0].url
    return f"""
Everything runs after {seconds:.1f} s; Ctrl-C stops it. Logs are in {split.folder}.

{addresses}

  Management API   {mr}/mr-api   (OpenAPI: {mr}/mr-api/openapi.json)
  Login            {seeded.email}   password {seeded.password}
  API keys         {seeded.client_key}   (the SDK evaluates)
                   {seeded.server_key}   (the server evaluates)

  Poll:    curl -i '{edge}/features?apiKey={seeded.server_key}'
  Stream:  curl -N '{edge}/features/{seeded.client_key}'
  Update:  curl -i -X PUT '{edge}/features/{seeded.server_key}/NEW_CART' \\
             -H 'content-type: application/json' -d '{{"lock":false,"updateValue":true,"value":true}}'
"""


if __name__ == "__main__":
    main()
