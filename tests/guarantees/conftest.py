"""Servers to hurt, the scale of a run, and the account of what every test did.

In-process party servers exist where a test must hold what has no socket. The rows about processes share
one split world (`split`): it is healed before each of them, and every test has an application of its own.
SDKs are always processes of their own.
"""

import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guarantees.table import SAVED, Table
from tests.support.admin import sign_in
from tests.support.ledger import Ledger, ledger, open_ledger
from tests.support.party import PartyHere, open_party_here
from tests.support.projection import assert_projection_true
from tests.support.split import Shape, Split, running_split
from tests.support.world import World, open_world

SHORT_CHANGES = 300
SHORT_FAULTS = 12
ROW = re.compile(r"_g(\d\d)_")
HERE = Path(__file__).parent


# ------------------------------------------------------------------------------- scale


@dataclass(frozen=True)
class Scale:
    """How long the run is: `GUARANTEE_CHANGES`, `GUARANTEE_FAULTS`, `GUARANTEE_REPETITIONS`.

    The defaults are the short form, which continuous integration runs; a test names how much of its kind
    it does there, and does proportionally more in a longer run.
    """

    changes: int = SHORT_CHANGES
    faults: int = SHORT_FAULTS
    repetitions: int = 1

    @property
    def is_long(self) -> bool:
        return self.changes > SHORT_CHANGES or self.faults > SHORT_FAULTS

    def changes_of(self, short: int) -> int:
        return max(short, short * self.changes // SHORT_CHANGES)

    def faults_of(self, short: int) -> int:
        return max(short, short * self.faults // SHORT_FAULTS)


SCALE = Scale(
    int(os.environ.get("GUARANTEE_CHANGES") or SHORT_CHANGES),
    int(os.environ.get("GUARANTEE_FAULTS") or SHORT_FAULTS),
    int(os.environ.get("GUARANTEE_REPETITIONS") or 1),
)


# The long form is for a machine that does nothing else: there the promises are held to the letter. Continuous
# integration's is somebody else's and may stop for seconds, so it is given time. What is lost stays lost for
# longer than that: only the comparison with MR's digests, every four minutes, would bring it back.
_TIMES = 1 if SCALE.is_long else 3
T = 5.0 * _TIMES
"""Within so many seconds everybody holds what is stored, after one fault on a healthy bus."""
T_RESTART = 10.0 * _TIMES
"""The same after the bus or the database was started again."""

IN_THE_LONG_FORM = pytest.mark.skipif(not SCALE.is_long, reason="in the long form: make guarantees")
ON_BOTH_DATABASES = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
"""For what a database decides by itself, such as rollbacks: on both in the short form too."""


@pytest.fixture(scope="session")
def scale() -> Scale:
    return SCALE


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=IN_THE_LONG_FORM)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated database. Most rows are about what stands before it, so the short form uses one."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(autouse=True)
def repetition(request: pytest.FixtureRequest) -> int:
    """The number of this run of the test: a seed may depend on it."""
    return getattr(request, "param", 0)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if SCALE.repetitions > 1:
        metafunc.parametrize("repetition", range(SCALE.repetitions), indirect=True)


# ------------------------------------------------------------------------------- the table

TABLE = pytest.StashKey[Table]()
BEGAN = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = Table()
    config.stash[BEGAN] = time.monotonic()
    # Whoever ends the run early: the servers that it started end with it, as at Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that share the split world come last and together: its processes take no time from others."""
    items.sort(key=lambda item: "split" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    open_ledger()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[pytest.TestReport]:
    report = yield
    number = _row(item)
    if number is not None and (report.failed or (report.when == "call" and report.passed)):
        # What is closed after the call is no fault any more; a failure afterwards still counts once.
        account = ledger() if report.when == "call" else Ledger()
        item.config.stash[TABLE].add(number, account, passed=report.passed)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    table = session.config.stash[TABLE]
    table.seconds = time.monotonic() - session.config.stash[BEGAN]
    table.settings = {
        "changes": SCALE.changes,
        "faults": SCALE.faults,
        "repetitions": SCALE.repetitions,
    }
    if table.rows:
        table.save()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[TABLE].rows:
        terminalreporter.section("guarantees")
        terminalreporter.write(SAVED.read_text())


def _row(item: pytest.Item) -> int | None:
    marked = item.get_closest_marker("row")
    if marked is not None:
        return int(marked.args[0])
    found = ROW.search(item.path.name)
    return int(found[1]) if found and item.path.is_relative_to(HERE) else None


# ------------------------------------------------------------------------------- party servers


@pytest.fixture
async def party(database_url: str, tmp_path: Path) -> AsyncIterator[PartyHere]:
    """A composed party server; what it delivers is true when the test ends."""
    async with open_party_here(database_url, tmp_path) as opened:
        yield opened
        await assert_projection_true(opened.database)


@pytest.fixture
async def world(party: PartyHere) -> AsyncIterator[World]:
    async with open_world(party.url, party.port) as made:
        yield made


# ------------------------------------------------------------------------------- split processes

LEAVES_POLLERS_TIME = {"BURGEE_DRAIN_SECONDS": "1"}
"""An Edge that is told to end closes connections with its answers. The JavaScript poller does not survive
that one is closed under its next question, so all of its intervals fit in."""


@pytest.fixture(scope="session")
def split_processes() -> Iterator[Split]:
    """The one split world of the run: 2 MRs, Dachas and Edges, an Edge-REST, 3 NATS nodes, links between."""
    shape = Shape(nats_nodes=3, linked=True, pinned=True, settings={"edge": LEAVES_POLLERS_TIME})
    with running_split(shape) as running:
        running.token = sign_in(running.mrs[0].url)
        yield running


@pytest.fixture
def split(split_processes: Split) -> Iterator[Split]:
    """The split world with nothing wrong in it; afterwards its faults are undone and nothing was corrupt."""
    split_processes.heal()
    open_ledger()
    yield split_processes
    split_processes.heal()
    caches = [*split_processes.dachas, *split_processes.edges]
    for process in caches:
        for owner in ("dacha", "edge"):
            mismatches = process.metric(f"burgee_{owner}_digest_mismatches_total")
            assert mismatches == 0, f"{process.name} held something other than what its digest says"
