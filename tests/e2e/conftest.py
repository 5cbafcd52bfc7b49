"""Party servers that the tests of this folder share; each test makes an application of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.party import PartyProcess, running_party
from tests.support.postgres import PostgresServer
from tests.support.world import World, open_world


@pytest.fixture(scope="session")
def sqlite_party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    with running_party(tmp_path_factory.mktemp("sqlite-party")) as party:
        yield party


@pytest.fixture(scope="session")
def postgresql_party(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[PartyProcess]:
    database = postgres_server.create_database()
    folder = tmp_path_factory.mktemp("postgresql-party")
    with running_party(folder, database_url=postgres_server.url(database)) as party:
        yield party
    postgres_server.drop_database(database)


@pytest.fixture
def party(request: pytest.FixtureRequest) -> PartyProcess:
    """A running party server on SQLite, or on what the test is parametrised with."""
    kind = getattr(request, "param", "sqlite")
    found: PartyProcess = request.getfixturevalue(f"{kind}_party")
    return found


@pytest.fixture
async def world(party: PartyProcess) -> AsyncIterator[World]:
    async with open_world(party.url, party.port, party.token) as made:
        yield made
