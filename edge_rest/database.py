"""Features straight from MR's database, read anew for every question (`edge.source.FeatureSource`).

Nothing is held, so nothing can be stale; what costs a query here is a look into memory at an Edge with a
cache. Bodies and etags are the same as Edge's, because both are made from what MR delivered.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from common.contracts.environments import AccountRecord, EnvironmentSnapshot
    from common.contracts.lookups import AccountAnswer, EnvironmentAnswer
    from edge.source import Watcher


class Reader(Protocol):
    """Reads what is delivered, each answer in one snapshot; raises Unavailable."""

    async def load_environment(self, environment_id: str) -> EnvironmentAnswer:
        """The environment as the database has it now."""

    async def load_account(self, key_hash: str) -> AccountAnswer:
        """The service account that this key belongs to now."""


class DatabaseSource:
    """Every `find` is a read; there is nothing to peek at and nothing to watch.

    ``primary``: what is not older than anything, when ``reader`` may be.
    """

    def __init__(self, reader: Reader, *, primary: Reader | None = None) -> None:
        self._reader = reader
        self._primary = reader if primary is None else primary
        self._epoch = ""

    @property
    def epoch(self) -> str:
        return self._epoch

    @property
    def ready(self) -> bool:
        return True

    @property
    def silent_seconds(self) -> float:
        return 0.0

    def peek_account(self, _key_hash: str) -> AccountRecord | None:
        return None

    def peek_environment(self, _environment_id: str) -> EnvironmentSnapshot | None:
        return None

    async def find_account(self, key_hash: str) -> AccountRecord | None:
        answer = await self._reader.load_account(key_hash)
        self._epoch = answer.epoch
        return answer.record

    def is_sure_of_account(self, _key_hash: str) -> bool:
        # What was found was read a moment ago.
        return self._primary is self._reader

    async def confirm_account(self, key_hash: str) -> AccountRecord | None:
        return (await self._primary.load_account(key_hash)).record

    async def find_environment(self, environment_id: str) -> EnvironmentSnapshot | None:
        answer = await self._reader.load_environment(environment_id)
        self._epoch = answer.epoch
        return answer.snapshot

    def watch(self, _watcher: Watcher) -> Callable[[], None]:
        return _nothing

    def hold(self, _environment_id: str, _account_id: str) -> AbstractContextManager[None]:
        return nullcontext()


def _nothing() -> None:
    """Nothing was begun, so there is nothing to stop."""
