"""`burgee check` against real servers: each fault is one line that says what to do, and no secret."""

import asyncio
import json
import os
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import nats as nats_client
import pytest

from burgee.checks.bus import check_bus
from burgee.checks.clocks import compare
from burgee.checks.database import check_database
from burgee.checks.findings import Level
from burgee.reference import used
from common.contracts.events import Heartbeat
from common.messaging.envelope import Message, Seal, heartbeat_headers
from common.messaging.freshness import Stamp
from common.settings import BusSettings
from edge.settings import EdgeSettings
from tests.support.nats import EVENT_KEY, bus_settings, running_cluster, running_nats
from tests.support.processes import BurgeeProcess

ROOT = Path(__file__).parents[2]
SECRET = "lemon-tree-lemon-tree"
PERMISSIONS = ROOT / "compose/nats/permissions.conf"
PASSWORDS = {
    f"BURGEE_NATS_{role}_PASSWORD": f"password-of-{role}" for role in ("MR", "DACHA", "EDGE", "PARTY")
}


def burgee_check(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("BURGEE_")}
    answer = subprocess.run(
        [sys.executable, "-m", "burgee", "check", *words],
        env=inherited | {"BURGEE_PORT": "1"} | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    said = answer.stdout + answer.stderr
    assert SECRET not in said
    assert "Traceback" not in said, said
    return answer


def found(answer: subprocess.CompletedProcess[str]) -> list[tuple[str, str, str]]:
    return [(each["level"], each["what"], each["todo"]) for each in json.loads(answer.stdout)["findings"]]


async def told(url: str, **options) -> list[str]:
    return [str(each) for each in await check_database(url, **{"pool_size": 10} | options)]


def only(lines: list[str], *words: str) -> str:
    (line,) = [each for each in lines if all(word in each for word in words)]
    return line


# ------------------------------------------------------------------ the command


def test_a_fresh_party_has_nothing_to_mend(tmp_path):
    answer = burgee_check("party", "--json", BURGEE_DATA_DIR=str(tmp_path / "data"))
    assert answer.returncode == 0
    body = json.loads(answer.stdout)
    assert body["ok"]
    assert body["settings"]["BURGEE_DATA_DIR"] == str(tmp_path / "data")
    assert not (tmp_path / "data").exists()
    assert any(what.endswith("it is made at the first start") for _, what, _ in found(answer))


def test_faulty_settings_are_told_to_programs_too():
    answer = burgee_check("edge", "--json", BURGEE_PORT="x", BURGEE_NATS_PASSWORD=SECRET)
    assert answer.returncode == 2
    body = json.loads(answer.stdout)
    assert not body["ok"]
    told_of = {each["what"].split(":")[0] for each in body["findings"]}
    assert {"BURGEE_NATS_URLS", "BURGEE_PORT"} <= told_of


def test_what_fails_gives_status_1_and_a_line_that_says_what_to_do():
    answer = burgee_check("mr", BURGEE_DATABASE_URL=f"postgresql://burgee:{SECRET}@127.0.0.1:1/burgee")
    assert answer.returncode == 1
    line = only(answer.stdout.splitlines(), "FAIL database:")
    assert "cannot be reached: Connection refused – is PostgreSQL running" in line


# ------------------------------------------------------------------ PostgreSQL


@pytest.fixture
def server_with_users(postgres_server, postgresql_url):
    """A migrated database, and one user who owns nothing; it must give a password."""
    name = postgresql_url.rpartition("/")[2]
    postgres_server.execute(f"CREATE ROLE stranger_{name} LOGIN PASSWORD '{SECRET}'")
    yield postgres_server, name, f"stranger_{name}"
    postgres_server.execute(f"DROP OWNED BY stranger_{name}", database=name)
    postgres_server.execute(f"DROP ROLE stranger_{name}")


async def test_a_migrated_database_is_good(postgresql_url):
    lines = await told(postgresql_url)
    assert [line for line in lines if line.startswith("FAIL")] == []
    assert "ok" in only(lines, "schema: ")
    assert "within 1 ms" in only(lines, "clock: ") or " ms " in only(lines, "clock: ")
    # As tests run it.
    assert only(lines, "fsync").startswith("warn")


async def test_an_empty_database_is_to_be_migrated(postgres_server):
    name = postgres_server.create_database()
    line = only(await told(postgres_server.url(name)), "schema: none yet")
    assert line.startswith("warn")
    assert "burgee migrate" in line
    assert only(await told(postgres_server.url(name), writes=False), "schema: none yet").startswith("FAIL")
    postgres_server.drop_database(name)


async def test_older_and_newer_schemas_are_told_apart(postgres_server, postgresql_url):
    name = postgresql_url.rpartition("/")[2]
    postgres_server.execute("UPDATE alembic_version SET version_num = '0005'", database=name)
    assert "burgee migrate brings it there" in only(await told(postgresql_url), "schema: 0005")
    postgres_server.execute("UPDATE alembic_version SET version_num = '9001'", database=name)
    assert only(await told(postgresql_url), "schema: 9001").startswith("warn")
    postgres_server.execute("CREATE TABLE schema_floor AS SELECT '9000' AS revision", database=name)
    line = only(await told(postgresql_url), "schema: 9001")
    assert line.startswith("FAIL")
    assert "releases before 9000" in line


async def test_a_user_without_rights_is_told_which_to_get(server_with_users):
    server, name, user = server_with_users
    url = f"postgresql://{user}:{SECRET}@127.0.0.1:{server.port}/{name}"
    lines = await told(url)
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES" in only(lines, "FAIL", "has no right to")
    server.execute("UPDATE alembic_version SET version_num = '0005'", database=name)
    server.execute(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}", database=name
    )
    lines = await told(url)
    assert only(lines, "may do what it needs").startswith("ok")
    assert "as the tables' owner" in only(lines, "FAIL", "schema: 0005")


async def test_a_wrong_password_a_missing_database_and_no_server_are_three_things(postgres_server):
    hba = postgres_server.home / "data" / "pg_hba.conf"
    before = hba.read_text()
    role = "with_a_password"
    postgres_server.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'right'")
    hba.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{before}")
    postgres_server.execute("SELECT pg_reload_conf()")
    try:
        url = f"postgresql://{role}:{SECRET}@127.0.0.1:{postgres_server.port}/postgres"
        async with asyncio.timeout(60):
            # Reloading takes a moment.
            while not any("password" in line for line in await told(url)):
                await asyncio.sleep(0.05)
        (line,) = await told(url)
        assert line.endswith("correct user and password in BURGEE_DATABASE_URL")
        assert SECRET not in line
    finally:
        hba.write_text(before)
        postgres_server.execute("SELECT pg_reload_conf()")
        postgres_server.execute(f"DROP ROLE {role}")
    assert "create it on the server" in only(await told(postgres_server.url("nowhere")), "FAIL")
    assert "is PostgreSQL running" in only(await told("postgresql://x:y@127.0.0.1:1/z"), "FAIL")


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://x:{SECRET}@127.0.0.1:1/z",
        f"postgresql://x@127.0.0.1:1/z?password={SECRET}",
        f"postgresql://x:[{SECRET}@127.0.0.1:1/z",
        f"postgresql://x:a/{SECRET}@b@127.0.0.1:1/z",
        f"postgresql://127.0.0.1:1/z?sslmode=disable&sslpassword={SECRET}&user=x",
    ],
)
async def test_whatever_an_address_looks_like_its_password_is_not_shown(address: str):
    lines = await told(address)
    assert only(lines, "FAIL", "database: postgresql://")
    assert not any(SECRET in line for line in lines)


def test_settings_are_shown_without_the_ways_in_that_addresses_hold():
    settings = EdgeSettings(
        nats_urls=("nats://edge:word-of-edge@n1:4222", "nats://token-of-edge@n2:4222"),
        event_key=EVENT_KEY,
        trace_endpoint="http://user:word-of-user@collector:4318",
    )
    shown = dict(used(settings))
    assert shown["BURGEE_NATS_URLS"] == "nats://…@n1:4222,nats://…@n2:4222"
    assert "-of-" not in "".join(shown.values())


async def test_more_connections_than_there_are_is_a_fault(postgresql_url):
    assert only(await told(postgresql_url, pool_size=10), "connections:").startswith("ok")
    assert "lower BURGEE_DATABASE_POOL_SIZE" in only(
        await told(postgresql_url, pool_size=500), "FAIL", "connections:"
    )


async def test_a_server_that_lets_nobody_write_is_a_fault_for_who_writes(postgres_server, postgresql_url):
    name = postgresql_url.rpartition("/")[2]
    postgres_server.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    assert "name the primary" in only(await told(postgresql_url), "FAIL", "read-only by default")
    assert not [line for line in await told(postgresql_url, writes=False) if line.startswith("FAIL")]


# ------------------------------------------------------------------ SQLite


async def test_a_file_that_runs_and_one_that_is_broken(sqlite_url, tmp_path):
    assert only(await told(sqlite_url), "database:").endswith("can be used")
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 100)
    assert only(await told(f"sqlite:///{broken}"), "cannot be read").startswith("FAIL")


async def test_a_file_in_memory_is_a_warning():
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("/dev/shm is not there")
    assert "everything is gone" in only(await told("sqlite:////dev/shm/burgee.db"), "disk:")


def test_clocks_are_compared_with_what_the_bus_believes():
    assert compare("the database's", 0.0004).level is Level.OK
    assert compare("the database's", -3.0).level is Level.WARN
    assert "301.0 s ahead of" in compare("the database's", 301.0).what
    assert compare("the database's", 301.0).level is Level.FAIL
    assert compare("the database's", -301.0).level is Level.FAIL


# ------------------------------------------------------------------ NATS


@pytest.fixture(scope="module")
def nats():
    with running_nats(settings=PERMISSIONS.read_text(), environment=PASSWORDS) as server:
        yield server


def as_role(server, role: str, **others: object) -> BusSettings:
    password = f"password-of-{role.upper()}"
    return bus_settings(server.url, **{"nats_user": role, "nats_password": password} | others)


async def on_the_bus(settings: BusSettings, process: str, *, seconds: float = 0.2) -> list[str]:
    findings = await check_bus(settings, process, release="9.9.9", listen_seconds=seconds)
    lines = [str(each) for each in findings]
    assert not any(SECRET in line for line in lines)
    return lines


async def test_an_edge_alone_on_the_bus_may_do_its_work_and_misses_its_neighbours(nats):
    lines = await on_the_bus(as_role(nats, "edge"), "edge")
    assert not [line for line in lines if line.startswith("FAIL")]
    assert only(lines, "may say and hear what it needs to").startswith("ok")
    assert "start MR" in only(lines, "warn", "no heartbeat")
    assert "start Dacha" in only(lines, "warn", "a Dacha does not answer: nobody is there")


@pytest.mark.parametrize("process", ["mr", "dacha", "edge", "party"])
async def test_each_role_has_what_its_process_needs(nats, process):
    assert not [line for line in await on_the_bus(as_role(nats, process), process) if line.startswith("FAIL")]


@pytest.mark.parametrize(
    ("process", "user", "missing"),
    [("mr", "edge", "burgee.default.c.check"), ("edge", "dacha", "q.update"), ("dacha", "mr", "default.c.>")],
)
async def test_the_rights_of_another_role_are_not_enough(nats, process, user, missing):
    faults = [line for line in await on_the_bus(as_role(nats, user), process) if line.startswith("FAIL")]
    assert all(line.endswith("compose/nats/permissions.conf has them") for line in faults)
    assert any(missing in line for line in faults), faults


async def test_a_wrong_password_no_server_and_no_encryption_are_three_things(nats):
    wrong = only(await on_the_bus(as_role(nats, "edge", nats_password=SECRET), "edge"), "FAIL")
    assert "correct the user's name, password" in wrong
    nobody = only(await on_the_bus(bus_settings("nats://127.0.0.1:1"), "edge"), "FAIL")
    assert "is nats-server running there" in nobody
    with running_nats() as server:
        lines = await on_the_bus(bus_settings(f"tls://127.0.0.1:{server.port}"), "edge")
    assert "does not speak TLS – give the server a certificate" in only(lines, "FAIL")


async def test_two_servers_that_are_not_one_cluster_are_a_fault_and_a_cluster_is_not():
    with running_nats() as one, running_nats() as other:
        lines = await on_the_bus(bus_settings(one.url, other.url), "edge")
        assert "connect them by routes" in only(lines, "FAIL", "are not one cluster")
    with running_cluster(size=2) as cluster:
        lines = await on_the_bus(bus_settings(*cluster.urls, "nats://127.0.0.1:1"), "edge")
        assert not [line for line in lines if line.startswith("FAIL")]
        assert only(lines, "2 of 3 servers of the settings answer").startswith("ok")
        assert only(lines, "127.0.0.1:1 cannot be used").startswith("warn")


@pytest.mark.parametrize(("seconds", "level"), [(-400.0, Level.FAIL), (30.0, Level.WARN), (0.0, Level.OK)])
async def test_an_mr_whose_clock_is_off_is_told_by_its_heartbeats(seconds, level):
    with running_nats() as server:
        settings = bus_settings(server.url)
        seal = Seal(EVENT_KEY.encode(), "default")
        client = await nats_client.connect(server.url)

        async def beat() -> None:
            for number in count(1):
                stamp = Stamp("/burgee/default/mr-1", number, time.time() + seconds)
                heartbeat = Heartbeat(term=1, epoch="e", position=1)
                headers = heartbeat_headers(heartbeat, stamp, f"id-{number}", release="0.0.1")
                sealed = seal.sealed(Message("burgee.default.c.hb", "", headers, b""))
                await client.publish(sealed.subject, b"", headers=dict(sealed.headers))
                await asyncio.sleep(0.2)

        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(beat())
            findings = await check_bus(settings, "edge", release="9.9.9", listen_seconds=2.0)
            beating.cancel()
        await client.close()
    (clock,) = [each for each in findings if each.what.startswith("clock: mr-1's")]
    assert clock.level is level
    assert any("this is 9.9.9, others are 0.0.1 (mr-1)" in each.what for each in findings)


async def test_neighbours_are_heard_with_their_release_and_strangers_by_their_key(nats, tmp_path, sqlite_url):
    settings = {
        "BURGEE_DATABASE_URL": sqlite_url,
        "BURGEE_DRAIN_SECONDS": "0",
        "BURGEE_EVENT_KEY": EVENT_KEY,
        "BURGEE_NATS_URLS": nats.url,
        "BURGEE_NATS_USER": "party",
        "BURGEE_NATS_PASSWORD": "password-of-PARTY",
    }
    process = BurgeeProcess("party", tmp_path, settings)
    process.start()
    try:
        lines = await on_the_bus(as_role(nats, "edge"), "edge", seconds=5.0)
        assert only(lines, "hears the heartbeat of party-").startswith("ok")
        assert only(lines, "clock: party-").startswith("ok")
        assert only(lines, "version: ").startswith("warn version: this is 9.9.9, others are ")
        assert len([line for line in lines if line.startswith("ok ") and line.endswith(" answers")]) == 3
        lines = await on_the_bus(as_role(nats, "edge", event_key="another-key-of-16"), "edge", seconds=5.0)
        assert "the same BURGEE_EVENT_KEY" in only(lines, "FAIL", "sealed with another key")
        # What was said and asked left nothing behind.
        assert process.metric("burgee_bus_dropped_total", reason="malformed") == 0
        # Beside what runs, with its settings, port and data.
        here = burgee_check("party", "--json", **settings | {"BURGEE_PORT": str(process.port)})
        assert here.returncode == 0, here.stdout
        assert any(f"runs on {process.url}" in what for level, what, _ in found(here) if level == "ok")
        assert any("in use by a running process" in what for level, what, _ in found(here) if level == "ok")
    finally:
        process.stop()
