"""Seals the audit's chain, in whichever process leads. Must not know what the rows tell."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from common.errors import Unavailable
from mr.db.lease import LeaseLost
from mr.db.sealing import BATCH, seal
from mr.db.session import Taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from mr.db.session import Database

_log = structlog.get_logger(__name__)

SEAL_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 5.0


class Sealer:
    """Seals what was committed, in small batches, while ``term`` answers one. Made by the relay."""

    def __init__(self, database: Database, term: Callable[[], int | None]) -> None:
        self._database = database
        self._term = term
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Finish the batch, and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Seal whenever this process leads, until stopped; what fails is tried again."""
        failing = False
        while not self._stopping.is_set():
            try:
                sealed = await self._step()
                failing = False
            except (LeaseLost, Taken, Unavailable) as error:
                # Another leads, or the database is away: nothing is lost, whoever leads goes on from there.
                if not failing:
                    _log.info("audit.sealing_interrupted", detail=repr(error))
                failing = True
                sealed = 0
            if sealed < BATCH:
                await self._rest(PAUSE_SECONDS if failing else SEAL_SECONDS)

    async def _step(self) -> int:
        term = self._term()
        return 0 if term is None else await seal(self._database, term)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
