"""The database, as processes with one open it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from common.contracts.lookups import SdkUpdate, SdkUpdateOutcome
from common.settings import DatabaseSettings, WritingSettings
from mr.db.migrate import upgrade
from mr.db.properties import PropertyTemplates
from mr.db.session import Database, open_database
from mr.features.sdk_updates import apply_update


class DirectSink:
    """SDK updates by a call of MR's rules (`edge.updates.UpdateSink`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def update(self, update: SdkUpdate) -> SdkUpdateOutcome:
        return await apply_update(self._database, update)


@asynccontextmanager
async def writable_database(settings: WritingSettings) -> AsyncIterator[Database]:
    """The database, brought to this release's schema."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    address = settings.database_address()
    await upgrade(address)
    async with open_database(
        address,
        pool_size=settings.database_pool_size,
        templates=PropertyTemplates.parse(",".join(settings.feature_properties)),
        tombstone_seconds=int(settings.tombstone_hours * 3600),
    ) as database:
        yield database


def read_replica(settings: DatabaseSettings, address: str) -> AbstractAsyncContextManager[Database]:
    """A database that is only read, at whatever schema it has."""
    return open_database(address, pool_size=settings.database_pool_size, read_only=True)
