"""Many environments in a database at once, as the projection leaves them, and bursts of changes to them.

What people do one by one through the API takes hours at this size. The rows are the projection's own:
digests hold, revisions follow one another, so caches judge them as they judge everything.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import bindparam, insert, update

from common.contracts.environments import DIGEST_MODULUS, AccountRecord, hash_key, states_digest
from common.contracts.events import FeaturesChanged
from common.contracts.features import FeatureState, to_wire
from mr.db.delivered import table_of
from mr.db.models.delivery import (
    ACCOUNT,
    ENVIRONMENT,
    Counter,
    Delivered,
    DeliveredAccount,
    DeliveredEnvironment,
)
from mr.db.outbox import Move, record
from mr.db.session import Database

CLIENT_KEY = "bulk*client0123456789012345678901234567890"
SERVER_KEY = "bulkserver0123456789012345678901234567890"
ROLES = ("CHANGE_VALUE", "EXTENDED_DATA", "LOCK", "READ", "UNLOCK")
CHUNK = 20_000


@dataclass
class Place:
    """One environment as it stands."""

    id: uuid.UUID
    features: list[FeatureState]
    revision: int
    digest: int


@dataclass
class Bulk:
    """What was made: environments, and one account that may see all of them."""

    places: list[Place]
    account: AccountRecord

    def sdk_keys(self) -> list[str]:
        """A server-evaluated key for each environment."""
        return [f"{place.id}/{SERVER_KEY}" for place in self.places]


async def fill(
    database: Database, *, environments: int, features: int, strategies: bytes | None = None
) -> Bulk:
    """Make so many environments with so many features each, all of which have these strategies."""
    ids = [uuid.uuid4() for _ in range(features)]
    places = []
    for _ in range(environments):
        states = [_state(identity, number, 1, "off", strategies) for number, identity in enumerate(ids)]
        places.append(Place(uuid.uuid4(), states, 1, states_digest(states, {})))
    account = AccountRecord(
        id=str(uuid.uuid4()),
        revision=1,
        client_key_hash=hash_key(CLIENT_KEY),
        server_key_hash=hash_key(SERVER_KEY),
        permissions={str(place.id): ROLES for place in places},
    )
    for start in range(0, environments, max(1, CHUNK // features)):
        await _insert(database, places[start : start + max(1, CHUNK // features)])
    await _insert_account(database, account)
    return Bulk(places, account)


def burst(bulk: Bulk, count: int) -> "Burst":
    """So many changes of one feature each, going round the environments."""
    moves: list[Move] = []
    touched: dict[uuid.UUID, tuple[Place, set[int]]] = {}
    for number in range(count):
        place = bulk.places[number % len(bulk.places)]
        which = (number // len(bulk.places)) % len(place.features)
        before = place.features[which]
        after = _state(uuid.UUID(before.id), which, before.version + 1, f"value {place.revision}")
        digest = (place.digest + after.row_digest - before.row_digest) % DIGEST_MODULUS
        data = FeaturesChanged(environment_id=str(place.id), states=(after,))
        moves.append(Move(ENVIRONMENT, place.id, place.revision, place.digest, digest, data))
        place.features[which] = after
        place.revision, place.digest = place.revision + 1, digest
        touched.setdefault(place.id, (place, set()))[1].add(which)
    return Burst(moves, list(touched.values()))


@dataclass
class Burst:
    """Changes that are not committed yet."""

    moves: list[Move]
    touched: Sequence[tuple[Place, set[int]]]

    async def commit(self, database: Database) -> None:
        """Commit all of them in one transaction, with what is delivered afterwards."""
        counters, delivered = table_of(Counter), table_of(Delivered)
        async with database.write() as session:
            await session.execute(
                update(counters)
                .where(counters.c.kind == ENVIRONMENT, counters.c.id == bindparam("which"))
                .values(revision=bindparam("now_at"), digest=bindparam("sum")),
                [
                    {"which": place.id, "now_at": place.revision, "sum": place.digest}
                    for place, _ in self.touched
                ],
            )
            await session.execute(
                update(delivered)
                .where(
                    delivered.c.environment_id == bindparam("place"),
                    delivered.c.feature_id == bindparam("feature"),
                )
                .values(version=bindparam("at"), state=bindparam("form"), hash=bindparam("print")),
                [
                    {
                        "place": place.id,
                        "feature": uuid.UUID(place.features[which].id),
                        "at": place.features[which].version,
                        "form": _form(place.features[which]),
                        "print": place.features[which].fingerprint.hex(),
                    }
                    for place, numbers in self.touched
                    for which in numbers
                ],
            )
            for part in _parts(self.moves):
                await record(session, part)


async def _insert(database: Database, places: Sequence[Place]) -> None:
    async with database.write() as session:
        await session.execute(
            insert(table_of(Counter)),
            [
                {"kind": ENVIRONMENT, "id": each.id, "revision": each.revision, "digest": each.digest}
                for each in places
            ],
        )
        owner = uuid.uuid4()
        await session.execute(
            insert(table_of(DeliveredEnvironment)),
            [
                {
                    "id": each.id,
                    "organization_id": owner,
                    "portfolio_id": owner,
                    "application_id": owner,
                    "info": {},
                    "tombstone": False,
                }
                for each in places
            ],
        )
        await session.execute(
            insert(table_of(Delivered)),
            [
                {
                    "environment_id": place.id,
                    "feature_id": uuid.UUID(each.id),
                    "key": each.key,
                    "version": each.version,
                    "state": _form(each),
                    "hash": each.fingerprint.hex(),
                }
                for place in places
                for each in place.features
            ],
        )


async def _insert_account(database: Database, account: AccountRecord) -> None:
    async with database.write() as session:
        identity = uuid.UUID(account.id)
        await session.execute(
            insert(table_of(Counter)),
            [{"kind": ACCOUNT, "id": identity, "revision": account.revision, "digest": account.digest}],
        )
        await session.execute(
            insert(table_of(DeliveredAccount)),
            [
                {
                    "id": identity,
                    "client_key_hash": account.client_key_hash,
                    "server_key_hash": account.server_key_hash,
                    "permissions": {key: ",".join(roles) for key, roles in account.permissions.items()},
                    "filters": (),
                    "restricted": False,
                    "tombstone": False,
                }
            ],
        )


def _state(
    identity: uuid.UUID, number: int, version: int, value: str, strategies: bytes | None = None
) -> FeatureState:
    some = (
        b'[{"id":"s%04d","percentage":%d,"percentageAttributes":["userkey"],"value":"on","attributes":'
        b'[{"conditional":"EQUALS","fieldName":"country","values":["nz","de"],"type":"STRING"}]}]'
        % (number, 10_000 * (number % 100))
    )
    return FeatureState(
        id=str(identity),
        key=f"FEATURE_{number:04}",
        type="STRING",
        locked=False,
        version=version,
        value=msgspec.json.encode(value),
        strategies=strategies or (some if number % 4 == 0 else b"[]"),
    )


def _form(state: FeatureState) -> str:
    return msgspec.json.encode(to_wire(state)).decode()


def _parts(moves: Sequence[Move]) -> Iterator[Sequence[Move]]:
    for start in range(0, len(moves), CHUNK // 4):
        yield moves[start : start + CHUNK // 4]
