"""The judge of convergence: what real SDK processes hold against what the database delivers.

Reads the `delivered` table by its own SQL, in its own connection, so it believes neither the cache nor
the ORM of the product.
"""

import json
import sqlite3
import time
from contextlib import closing
from typing import Any, NamedTuple

import msgspec
import psycopg

from common.contracts.features import FeatureState, WireState, from_wire
from tests.support.fleet import Fleet, forgets
from tests.support.ledger import ledger
from tests.support.sdk import Sdk, SdkSnapshot
from tests.support.waiting import PATIENCE_SECONDS

QUERY = "SELECT key, version, state FROM delivered WHERE environment_id = "


class Delivered(NamedTuple):
    """One feature as SDKs should hold it."""

    type: str
    value: Any
    locked: bool
    version: int


def stored(database_url: str, environment_id: str) -> dict[str, FeatureState]:
    """Answer everything that is stored for delivery of an environment, by key; retired features too."""
    states = (_state(version, state) for _, version, state in _rows(database_url, environment_id))
    return {state.key: state for state in states}


def as_held(state: FeatureState) -> Delivered:
    """Answer how an SDK holds this state."""
    value = None if state.value is None else json.loads(state.value)
    return Delivered(state.type, value, state.locked, state.version)


def delivered(database_url: str, environment_id: str) -> dict[str, Delivered]:
    """Answer what an unrestricted account should hold of an environment, by key; nothing retired."""
    states = stored(database_url, environment_id)
    return {key: as_held(state) for key, state in states.items() if not state.retired}


def held(snapshot: SdkSnapshot) -> dict[str, Delivered]:
    """Answer what an SDK holds, in the same terms."""
    return {
        key: Delivered(str(feature.type), feature.value, feature.locked, feature.version)
        for key, feature in snapshot.existing.items()
    }


def agrees(sdk: Sdk, snapshot: SdkSnapshot, expected: dict[str, Delivered]) -> bool:
    """True when the SDK holds exactly this; one that never drops anything may hold more."""
    if not snapshot.ready:
        return False
    found = held(snapshot)
    if not forgets(sdk):
        found = {key: each for key, each in found.items() if key in expected}
    return found == expected


async def agree(
    fleet: Fleet, database_url: str, environment_id: str, within_seconds: float = PATIENCE_SECONDS
) -> dict[str, Delivered]:
    """Wait until every SDK of the fleet agrees with the database; answer what that is."""
    began = time.monotonic()
    expected = delivered(database_url, environment_id)
    try:
        await fleet.each(
            lambda sdk: sdk.eventually(
                lambda now: agrees(sdk, now, expected), within_seconds, what=f"agreement with {expected}"
            )
        )
    except AssertionError:
        ledger().missed()
        raise
    ledger().converged(time.monotonic() - began)
    return expected


def _rows(database_url: str, environment_id: str) -> list[tuple[Any, ...]]:
    if database_url.startswith("sqlite:///"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
            # SQLite has no UUID type; whatever form the column has, its hexadecimal digits are the id.
            where = "replace(?, '-', '')"
            column = "replace(environment_id, '-', '')"
            query = QUERY.replace("environment_id", column) + where
            return connection.execute(query, (environment_id,)).fetchall()
    with psycopg.connect(database_url) as connection:
        return connection.execute(f"{QUERY}%s".encode(), (environment_id,)).fetchall()


def _state(version: int, state: Any) -> FeatureState:
    return from_wire(msgspec.json.decode(state, type=WireState), version=version)
