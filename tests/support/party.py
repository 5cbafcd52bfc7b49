"""Party servers: as a process on a port that it keeps over restarts, or composed in this process.

The composed one has the real parts and real sockets; it exists so that a test can hold what has no
socket to hold: the cache's loads from the database.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from burgee.settings import PartySettings, every_name
from burgee.topologies.party import WrapBus, open_party
from common.caching.loader import Origin
from common.settings import load
from mr.db.session import Database
from tests.support.admin import sign_in
from tests.support.processes import START_SECONDS, BurgeeProcess
from tests.support.slow import SlowOrigin
from tests.support.waiting import eventually

ON_BOTH_DATABASES = pytest.mark.parametrize("party", ["sqlite", "postgresql"], indirect=True)
QUICK_END = {"BURGEE_DRAIN_SECONDS": "0.1"}
"""The end of a server is hardly ever what a test is about: who cares says otherwise."""


class PartyProcess(BurgeeProcess):
    """`burgee party` with its data in its folder."""

    def __init__(
        self, folder: Path, *, database_url: str | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.database_url = database_url or f"sqlite:///{folder / 'burgee.db'}"
        self.token = ""
        ours = {"BURGEE_DATA_DIR": str(folder), "BURGEE_DATABASE_URL": self.database_url, **QUICK_END}
        super().__init__("party", folder, ours | dict(settings or {}))


@contextmanager
def running_party(
    folder: Path, *, database_url: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[PartyProcess]:
    """A ready party server that is set up (`token`); ended afterwards. Not for use inside an event loop."""
    party = PartyProcess(folder, database_url=database_url, settings=settings)
    try:
        party.start()
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
