"""Fixtures that more than one folder of tests uses; what they hold lives in tests/support."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.postgres import PostgresServer, running_postgres

# A build fails because something was changed, and not because the machine was slow or a number was unlucky:
# nothing is timed, and the examples are the same ones until the test is another. Others are hunted with
# --hypothesis-profile=default.
settings.register_profile(
    "build", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("build")

NO_SOCKETS = Path(__file__).parent / "unit"

_unit_test_running = False


def _refuse_sockets(event: str, arguments: tuple[object, ...]) -> None:
    if _unit_test_running and event in {"socket.connect", "socket.bind", "socket.getaddrinfo"}:
        raise RuntimeError(f"tests/unit may not touch the network: {event} {arguments[1:]!r}")


# An audit hook rather than a patched socket module: it also sees what C code does, and hides nothing.
sys.addaudithook(_refuse_sockets)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    global _unit_test_running  # noqa: PLW0603 - an audit hook can be reached in no other way
    _unit_test_running = item.path.is_relative_to(NO_SOCKETS)
    try:
        return (yield)
    finally:
        _unit_test_running = False


def pytest_collection_finish() -> None:
    """Leave what was imported out of all later collections, and collect more seldom.

    Hundreds of applications are built in one process; looking at all of them again and again took a
    quarter of the time, and seconds at a stretch, in which transactions of tests were given up.
    """
    gc.set_threshold(20_000, 20, 20)
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _leave_behind() -> Iterator[None]:
    """What a module has left is looked at once more, and then never again."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One real PostgreSQL for the whole run."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_templates(tmp_path_factory: pytest.TempPathFactory) -> object:
    from tests.support.databases import MigratedTemplates

    return MigratedTemplates(tmp_path_factory.mktemp("databases"))


@pytest.fixture
def sqlite_url(migrated_templates) -> str:
    """A fresh migrated SQLite database of this test alone."""
    return migrated_templates.sqlite()


@pytest.fixture
def postgresql_url(migrated_templates, postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh migrated PostgreSQL database of this test alone."""
    name = migrated_templates.postgresql(postgres_server)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The test runs once on SQLite and once on PostgreSQL, each time on a fresh migrated database."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
