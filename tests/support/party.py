"""Party servers: as a process on a port that it keeps over restarts, or composed in this process.

The composed one has the real parts and real sockets; it exists so that a test can hold what has no
socket to hold: the cache's loads from the database.
"""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from burgee.settings import PartySettings, every_name
from burgee.topologies import WrapBus, open_party
from common.caching.loader import Origin
from common.settings import load
from mr.db.session import Database
from tests.support.admin import sign_in
from tests.support.ports import free_port
from tests.support.slow import SlowOrigin
from tests.support.waiting import eventually, eventually_sync

ON_BOTH_DATABASES = pytest.mark.parametrize("party", ["sqlite", "postgresql"], indirect=True)
START_SECONDS = 30.0
STOP_SECONDS = 20.0
QUICK_END = {"BURGEE_DRAIN_SECONDS": "0.1"}
"""Settings of a server whose end is not what a test is about."""


class PartyProcess:
    """`burgee party` on this machine; its log is a file in its folder."""

    def __init__(
        self, folder: Path, *, database_url: str | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.database_url = database_url or f"sqlite:///{folder / 'burgee.db'}"
        self.settings = dict(settings or {})
        self.token = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.folder / "party.log"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the party server is not running")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it is ready."""
        ours = {
            "BURGEE_HOST": "127.0.0.1",
            "BURGEE_PORT": str(self.port),
            "BURGEE_DATA_DIR": str(self.folder),
            "BURGEE_DATABASE_URL": self.database_url,
        }
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("BURGEE_")}
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "burgee", "party"],
                env=inherited | ours | self.settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually_sync(self._is_ready, within_seconds=START_SECONDS, what="the party server to be ready")

    def stop(self) -> int:
        """End it as an operator does; answer its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Crash it."""
        self._end(signal.SIGKILL)

    def _end(self, sign: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(sign)
        try:
            return process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the party server did not end:\n{self._tail()}") from None

    def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the party server ended:\n{self._tail()}")
        try:
            with urllib.request.urlopen(f"{self.url}/health/readiness", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _tail(self) -> str:
        return self.log_path.read_text(errors="replace")[-4000:]


@contextmanager
def running_party(
    folder: Path, *, database_url: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[PartyProcess]:
    """A ready party server that is set up (`token`); ended afterwards. Not for use inside an event loop."""
    party = PartyProcess(folder, database_url=database_url, settings=settings)
    party.start()
    try:
        party.token = sign_in(party.url)
        yield party
    finally:
        party.stop()


@dataclass(frozen=True)
class PartyHere:
    """A composed party server of this process."""

    url: str
    database: Database
    database_url: str
    origin: SlowOrigin

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


@asynccontextmanager
async def open_party_here(
    database_url: str,
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    wrap_bus: WrapBus = lambda bus: bus,
) -> AsyncIterator[PartyHere]:
    """Compose and serve a ready party server on a free port, with loads that a test may hold.

    Ready: it has heard the change log, so nothing it loads from now on is loaded twice for safety.
    """
    origins: list[SlowOrigin] = []

    def slow(origin: Origin) -> SlowOrigin:
        origins.append(SlowOrigin(origin))
        return origins[-1]

    chosen = {
        "BURGEE_HOST": "127.0.0.1",
        "BURGEE_PORT": "0",
        "BURGEE_DATA_DIR": str(folder),
        "BURGEE_DATABASE_URL": database_url,
        "BURGEE_DRAIN_SECONDS": "0.1",
        "BURGEE_LOG_LEVEL": "warning",
    }
    loaded = load(PartySettings, chosen | dict(settings or {}), known=every_name())
    async with open_party(loaded, wrap_origin=slow, wrap_bus=wrap_bus) as party:
        (origin,) = origins
        await _ready(party.url)
        yield PartyHere(party.url, party.database, database_url, origin)


async def _ready(url: str) -> None:
    async with aiohttp.ClientSession() as http:

        async def answers() -> bool:
            async with http.get(f"{url}/health/readiness") as answer:
                return answer.status == 200

        ready: bool = await eventually(answers, within_seconds=START_SECONDS, what="readiness")
        assert ready
