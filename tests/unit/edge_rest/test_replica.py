"""What is read from a replica and what from the primary."""

import asyncio

import pytest

from common.contracts.environments import hash_key
from common.contracts.lookups import AccountAnswer, EnvironmentAnswer, SdkUpdate, SdkUpdateOutcome
from common.errors import Unavailable
from edge_rest.replica import FollowingReader, NotingSink
from tests.support.sources import CLIENT_KEY, ENVIRONMENT, MemorySink, account, environment

KEY = hash_key(CLIENT_KEY)
OTHER = "00000000-0000-4000-8000-000000000001"


class Copy:
    """A database as a `Reader` sees it: counts what it is asked, and can be away."""

    def __init__(self, revision: int = 1) -> None:
        self.revision = revision
        self.away = False
        self.asked = 0
        self.gate: asyncio.Event | None = None

    async def load_environment(self, environment_id: str) -> EnvironmentAnswer:
        revision = await self._ask()
        found = environment(environment_id=environment_id, revision=revision) if revision else None
        return EnvironmentAnswer(snapshot=found, revision=revision, epoch="e", position=revision)

    async def load_account(self, key_hash: str) -> AccountAnswer:
        revision = await self._ask()
        found = account(revision=revision) if revision else None
        return AccountAnswer(record=found, epoch="e", position=revision)

    async def _ask(self) -> int:
        self.asked += 1
        revision = self.revision
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise Unavailable
        return revision


class Pair:
    """A replica and a primary, read as one and updated."""

    def __init__(self, outcome: SdkUpdateOutcome | Exception | None = None, **options: int) -> None:
        self.replica = Copy()
        self.primary = Copy()
        self.reader = FollowingReader(self.replica, self.primary, **options)
        self.sink = NotingSink(MemorySink(outcome or SdkUpdateOutcome(status=200)), self.reader)

    async def update(self, environment_id: str = ENVIRONMENT) -> SdkUpdateOutcome:
        return await self.sink.update(
            SdkUpdate(
                request_id="r", environment_id=environment_id, key_hash=KEY, feature_key="k", deadline=1.0
            )
        )

    async def revision(self, environment_id: str = ENVIRONMENT) -> int:
        return (await self.reader.load_environment(environment_id)).revision

    async def account_revision(self) -> int:
        record = (await self.reader.load_account(KEY)).record
        return 0 if record is None else record.revision


async def test_without_an_update_only_the_replica_is_read():
    pair = Pair()
    pair.primary.revision = 2
    assert await pair.revision() == await pair.account_revision() == 1
    assert pair.primary.asked == 0


async def test_what_was_updated_is_read_from_the_primary_until_the_replica_has_it():
    pair = Pair()
    pair.primary.revision = 2
    await pair.update()
    for _ in range(3):
        assert await pair.revision() == await pair.account_revision() == 2
    assert await pair.revision(OTHER) == 1
    pair.replica.revision = 2
    assert await pair.revision() == await pair.account_revision() == 2
    asked = pair.primary.asked
    assert await pair.revision() == await pair.account_revision() == 2
    assert pair.primary.asked == asked


async def test_an_update_of_which_nothing_is_known_counts_as_one():
    pair = Pair(Unavailable())
    pair.primary.revision = 2
    with pytest.raises(Unavailable):
        await pair.update()
    assert await pair.revision() == 2


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412])
async def test_an_update_that_was_refused_changes_nothing(status):
    pair = Pair(SdkUpdateOutcome(status=status))
    pair.primary.revision = 2
    await pair.update()
    assert await pair.revision() == 1
    assert pair.primary.asked == 0


async def test_a_read_that_began_before_an_update_does_not_settle_it():
    pair = Pair()
    pair.primary.revision = 2
    await pair.update()
    pair.primary.gate = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        early = tasks.create_task(pair.revision())
        await asyncio.sleep(0)
        pair.primary.revision = 3
        await pair.update()
        pair.primary.gate.set()
    assert early.result() == 2
    pair.replica.revision = 2
    assert await pair.revision() == 3


async def test_only_the_primary_says_that_something_is_not_there():
    pair = Pair()
    pair.replica.revision = 0
    assert await pair.revision() == await pair.account_revision() == 1
    pair.primary.revision = 0
    assert await pair.revision() == await pair.account_revision() == 0
    pair.primary.away = True
    with pytest.raises(Unavailable):
        await pair.revision()
    with pytest.raises(Unavailable):
        await pair.account_revision()


async def test_whichever_is_down_the_other_one_answers_what_it_may():
    pair = Pair()
    pair.replica.away = True
    assert await pair.revision() == await pair.account_revision() == 1
    pair.replica.away, pair.primary.away = False, True
    assert await pair.revision() == await pair.account_revision() == 1
    await pair.update()
    with pytest.raises(Unavailable):
        await pair.revision()


async def test_a_key_that_is_gone_since_its_update_stays_gone():
    pair = Pair()
    await pair.update()
    pair.primary.revision = 0
    assert await pair.account_revision() == await pair.account_revision() == 0


async def test_only_so_many_updates_are_remembered_and_the_oldest_go_first():
    pair = Pair(remembered=1)
    pair.primary.revision = 2
    await pair.update(OTHER)
    await pair.update(ENVIRONMENT)
    assert await pair.revision(ENVIRONMENT) == 2
    assert await pair.revision(OTHER) == 1
