"""A backup holds everything, goes into both kinds of database, and comes back whole or not at all."""

import asyncio
import gzip
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import func, select, update

from common.errors import Unavailable
from mr.db.archive import Archive
from mr.db.backup import STANDARD, BackupRefused, back_up, restore
from mr.db.engines import DatabaseInUse
from mr.db.models.delivery import Counter, Delivered, KeyFloor, OutboxRow
from mr.db.models.portfolios import Environment
from mr.db.session import open_database
from mr.origin import DatabaseOrigin
from mr.relay import open_relay
from tests.support.histories import Shop
from tests.support.projection import assert_projection_true
from tests.support.waiting import eventually_sync

FIRST_TABLES = frozenset(
    {
        *("counter", "delivered", "delivered_account", "delivered_environment", "key_floor"),
        *("key_tombstone", "organization", "outbox", "relay", "sdk_update", "system_state", "person"),
        *("portfolio", "application", "feature_filter", "login_session", "person_group"),
        *("service_account", "application_strategy", "environment", "feature", "group_application_role"),
        *("group_member", "service_account_filter", "feature_filter_link", "feature_group"),
        *("feature_value", "group_environment_role", "service_account_permission"),
        *("feature_group_feature", "feature_value_version", "strategy_use"),
    }
)
"""What schema 0001 has."""
OUT_OF_THE_BACKUP = ("database_id", "incarnation", "raising", "raise_by")


@pytest.fixture(scope="module")
def history(migrated_templates):
    """Copies of one database of each kind that has a history of its own, and whose relay is gone."""
    return History(migrated_templates)


class History:
    def __init__(self, templates):
        self._templates = templates
        self._sqlite = None
        self._postgresql = None

    def sqlite(self, folder):
        if self._sqlite is None:
            self._sqlite = self._templates.sqlite()
            asyncio.run(live(self._sqlite))
        source = Path(self._sqlite.removeprefix("sqlite:///"))
        return f"sqlite:///{shutil.copy(source, folder / 'copied.db')}"

    def postgresql(self, server):
        if self._postgresql is None:
            self._postgresql = self._templates.postgresql(server)
            asyncio.run(live(server.url(self._postgresql)))
        return server.create_database(template=self._postgresql)


@pytest.fixture(params=["sqlite", "postgresql"])
def lived_in(request, history, tmp_path):
    """The URL of a database that was in use; one of each kind, of this test alone."""
    if request.param == "sqlite":
        yield history.sqlite(tmp_path)
        return
    server = request.getfixturevalue("postgres_server")
    name = history.postgresql(server)
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def both_kinds(sqlite_url, postgres_server):
    """A migrated database of the one kind, and an empty one of the other."""
    name = postgres_server.create_database()
    yield sqlite_url, postgres_server.url(name)
    postgres_server.drop_database(name)


async def live(url, steps=60):
    numbers = random.Random(11)
    async with open_database(url) as database:
        shop = Shop(database)
        await shop.open()
        async with open_relay(database, holder="before") as relay:
            for _ in range(steps):
                await shop.take((numbers.choice(Shop.STEPS), *(numbers.randrange(31) for _ in range(3))))
            await relay.drained()
        await shop.take(("create_feature", 0, 4, 2))
        await chain_environments(database)
        return await DatabaseOrigin(database).state()


async def edit(database):
    """Make a change that certainly is one."""
    shop = Shop(database)
    shop.prefix = str(uuid4())
    await shop.create_portfolio(0, 0, 0)
    await shop.rename_application(0, 0, 0)
    await shop.create_environment(0, 0, 0)


async def chain_environments(database):
    """Make environments refer to ones that come later in any order by id."""
    async with database.write() as session:
        ids = (await session.scalars(select(Environment.id).order_by(Environment.id))).all()
        for before, after in pairwise(ids):
            await session.execute(
                update(Environment).where(Environment.id == before).values(prior_environment_id=after)
            )


def content(path):
    """Every row by its table, without what makes a restored database another one."""
    with path.open("rb") as file:
        archive = Archive(file)
        rows = {}
        for shape, row in archive.rows():
            if shape.name == "system_state" and row[0] in OUT_OF_THE_BACKUP:
                continue
            if shape.name == "relay":
                del row[list(shape.columns).index("until")]
            rows.setdefault(shape.name, []).append(row)
    return rows, {shape.name: shape.last_number for shape in archive.header.tables}


async def numbers_of(url):
    """The highest of every number that may never be given twice, by what it counts."""
    delivered = (Delivered.environment_id, Delivered.key)
    statements = {
        "revisions": select(Counter.id, Counter.revision),
        "versions": select(*delivered, func.max(Delivered.version)).group_by(*delivered),
        "floors": select(KeyFloor.environment_id, KeyFloor.key, KeyFloor.version),
    }
    numbers = {}
    async with open_database(url) as database, database.read() as session:
        for name, each in statements.items():
            numbers[name] = {tuple(row[:-1]): row[-1] for row in await session.execute(each)}
    return numbers


async def test_everything_comes_back_on_either_kind_of_database(lived_in, both_kinds, tmp_path):
    written = back_up(lived_in, tmp_path / "first")
    assert written.rows > 100
    for number, url in enumerate(both_kinds):
        assert restore(url, tmp_path / "first", force=url == lived_in).rows == written.rows
        back_up(url, tmp_path / f"again-{number}")
        assert content(tmp_path / f"again-{number}") == content(tmp_path / "first")
        async with open_database(url) as database:
            await assert_projection_true(database)
            await edit(database)


async def test_a_restored_database_gives_nothing_that_was_given_before(lived_in, tmp_path):
    await live_on(lived_in, "earlier")
    back_up(lived_in, tmp_path / "backup")
    before = await live_on(lived_in, "later")
    given = await numbers_of(lived_in)
    restore(lived_in, tmp_path / "backup", force=True)
    async with open_database(lived_in) as database:
        with pytest.raises(Unavailable, match="restored"):
            await DatabaseOrigin(database).state()
        async with open_relay(database, holder="after") as relay:
            await relay.drained()
            after = await DatabaseOrigin(database).state()
            await edit(database)
            await assert_projection_true(database)
    assert after.epoch != before.epoch
    now = await numbers_of(lived_in)
    for name in ("revisions", "floors"):
        for what, number in now[name].items():
            assert number > given[name].get(what, 0)
    for what, number in now["versions"].items():
        assert number > given["versions"].get(what, 0) or number == 0


async def live_on(url, prefix):
    async with open_database(url) as database:
        shop = Shop(database)
        shop.prefix = prefix
        async with open_relay(database, holder="between") as relay:
            for number in range(20):
                await shop.take(("save_value", number, number, number))
                await shop.take(("rename_feature", number, number, number))
            await relay.drained()
            return await DatabaseOrigin(database).state()


async def test_the_same_backup_twice_is_two_histories_and_no_number_is_given_twice(lived_in, tmp_path):
    back_up(lived_in, tmp_path / "backup")
    epochs, given = set(), {}
    for attempt in range(3):
        restore(lived_in, tmp_path / "backup", force=True)
        if attempt == 1:
            # Nobody works on it before it is restored again.
            continue
        async with open_database(lived_in) as database, open_relay(database, holder="one") as relay:
            await relay.drained()
            epochs.add((await DatabaseOrigin(database).state()).epoch)
            shop = Shop(database)
            for _ in range(5):
                await shop.rename_application(0, 0, 0)
                await shop.rename_feature(0, 0, 0)
            await assert_projection_true(database)
        numbers = (await numbers_of(lived_in))["revisions"]
        for what, number in given.items():
            assert numbers[what] > number
        given = numbers
    assert len(epochs) == 2


async def test_numbers_of_the_log_go_on_behind_rows_that_were_forgotten(lived_in, tmp_path):
    async with open_database(lived_in) as database, database.write() as session:
        highest = await session.scalar(select(func.max(OutboxRow.seq)))
        await session.execute(OutboxRow.__table__.delete())
    back_up(lived_in, tmp_path / "backup")
    restore(lived_in, tmp_path / "backup", force=True)
    async with open_database(lived_in) as database:
        await edit(database)
        async with database.read() as session:
            assert await session.scalar(select(func.max(OutboxRow.seq))) > highest


async def test_a_backup_is_one_moment_while_others_write(lived_in, tmp_path):
    async with open_database(lived_in) as database:
        shop = Shop(database)
        backup = subprocess.Popen(command("backup", tmp_path / "backup"), env=environment(lived_in))
        number = 0
        while backup.poll() is None:
            number += 1
            await shop.take(("save_value", number, number, number))
        assert backup.returncode == 0
    restore(lived_in, tmp_path / "backup", force=True)
    async with open_database(lived_in) as database:
        await assert_projection_true(database)


async def test_only_the_owner_can_read_a_backup_and_it_appears_when_it_is_whole(lived_in, tmp_path):
    target = tmp_path / "backup"
    target.write_text("the backup of yesterday")
    with pytest.raises(BackupRefused, match="burgee migrate"):
        back_up(f"sqlite:///{empty_file(tmp_path)}", target)
    assert target.read_text() == "the backup of yesterday"
    back_up(lived_in, target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir() if "backup" in each.name] == ["backup"]


def empty_file(folder):
    path = folder / "empty.db"
    path.touch()
    return path


async def test_a_database_with_data_is_replaced_only_by_force(lived_in, tmp_path):
    back_up(lived_in, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="--force"):
        restore(lived_in, tmp_path / "backup")
    back_up(lived_in, tmp_path / "again")
    assert content(tmp_path / "again") == content(tmp_path / "backup")


async def test_a_postgresql_database_whose_relay_is_at_work_is_refused(postgresql_url, tmp_path):
    await live(postgresql_url, steps=5)
    back_up(postgresql_url, tmp_path / "backup")
    async with open_database(postgresql_url) as database, open_relay(database, holder="busy") as relay:
        await relay.drained()
        with pytest.raises(BackupRefused, match="the relay is busy"):
            await asyncio.to_thread(restore, postgresql_url, tmp_path / "backup", force=True)


async def test_a_sqlite_file_that_a_server_has_is_refused_and_can_be_backed_up(sqlite_url, tmp_path):
    await live(sqlite_url, steps=5)
    async with open_database(sqlite_url):
        back_up(sqlite_url, tmp_path / "backup")
        with pytest.raises(DatabaseInUse):
            restore(sqlite_url, tmp_path / "backup", force=True)


def lines_of(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def write_lines(path, lines):
    """Write a backup that is whole in itself."""
    *content, end = lines
    text = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in content)
    end["rows"] = sum(isinstance(line, list) for line in content)
    end["checksum"] = blake2b(text, digest_size=32).hexdigest()
    path.write_bytes(gzip.compress(text + json.dumps(end, separators=(",", ":")).encode() + b"\n"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def cut_and_close(path):
    path.write_bytes(
        gzip.compress(b"".join(gzip.decompress(path.read_bytes()).splitlines(keepends=True)[:-1]))
    )


def alter_a_value(path):
    text = gzip.decompress(path.read_bytes())
    assert b'"Ours"' in text
    path.write_bytes(gzip.compress(text.replace(b'"Ours"', b'"Hers"')))


def flip_bits(path):
    found = bytearray(path.read_bytes())
    found[len(found) // 2] ^= 255
    path.write_bytes(found)


def append(path):
    path.write_bytes(path.read_bytes() + gzip.compress(b"more\n"))


def forget_a_row(path):
    lines = lines_of(path)
    place = next(number for number, line in enumerate(lines) if line == {"table": "organization"})
    del lines[place + 1]
    write_lines(path, lines)


def come_from_the_future(path):
    lines = lines_of(path)
    lines[0]["schema"] = "9999"
    write_lines(path, lines)


def have_another_format(path):
    lines = lines_of(path)
    lines[0]["version"] = 2
    write_lines(path, lines)


def name_another_table(path):
    lines = lines_of(path)
    lines[0]["tables"].append({"name": "pg_authid", "columns": {"rolname": "text"}})
    write_lines(path, lines)


def be_something_else(path):
    path.write_text("hello")


DAMAGES = {
    cut: "not whole",
    cut_and_close: "not whole",
    alter_a_value: "checksum",
    # Now and then it looks like an end.
    flip_bits: "damaged|not whole",
    append: "checksum",
    forget_a_row: "contradicts itself",
    come_from_the_future: "newer",
    have_another_format: "format 2",
    name_another_table: "pg_authid",
    be_something_else: "not a backup",
}


async def test_a_backup_that_is_not_right_changes_nothing(lived_in, tmp_path):
    back_up(lived_in, tmp_path / "backup")
    for damage, told in DAMAGES.items():
        shutil.copy(tmp_path / "backup", tmp_path / "damaged")
        damage(tmp_path / "damaged")
        with pytest.raises(BackupRefused, match=told):
            restore(lived_in, tmp_path / "damaged", force=True)
    back_up(lived_in, tmp_path / "after")
    assert content(tmp_path / "after") == content(tmp_path / "backup")


async def test_a_backup_of_an_older_schema_is_brought_to_this_one(lived_in, tmp_path):
    back_up(lived_in, tmp_path / "backup")
    lines = lines_of(tmp_path / "backup")
    lines[0]["schema"] = "0001"
    younger = {each["name"] for each in lines[0]["tables"]} - FIRST_TABLES
    lines[0]["tables"] = [each for each in lines[0]["tables"] if each["name"] in FIRST_TABLES]
    older = without_column(list(without_tables(lines, younger)), "outbox", "trace")
    write_lines(tmp_path / "older", older)
    restore(lived_in, tmp_path / "older", force=True)
    back_up(lived_in, tmp_path / "again")
    (rows, _), (expected, _) = content(tmp_path / "again"), content(tmp_path / "backup")
    assert rows == {name: found for name, found in expected.items() if name not in younger}


def without_tables(lines, names):
    """Leave out tables with their rows: each begins with a line that names it."""
    left_out = False
    for line in lines:
        if isinstance(line, dict) and "table" in line:
            left_out = line["table"] in names
        elif isinstance(line, dict):
            left_out = False
        if not left_out:
            yield line


def without_column(lines, table, column):
    """Leave out a column that the schema did not have yet."""
    (shape,) = [each for each in lines[0]["tables"] if each["name"] == table]
    place = list(shape["columns"]).index(column)
    del shape["columns"][column]
    begin = next(number for number, line in enumerate(lines) if line == {"table": table})
    for row in itertools.takewhile(lambda line: isinstance(line, list), lines[begin + 1 :]):
        assert row.pop(place) is None
    return lines


async def test_a_restore_that_is_killed_leaves_what_was_there(lived_in, postgres_server, tmp_path):
    back_up(lived_in, tmp_path / "backup")
    process = (
        killed_on_sqlite(lived_in, tmp_path)
        if lived_in.startswith("sqlite")
        else killed_on_postgresql(lived_in, tmp_path)
    )
    assert process.wait(timeout=60) == -signal.SIGKILL
    back_up(lived_in, tmp_path / "after")
    assert content(tmp_path / "after") == content(tmp_path / "backup")
    restore(lived_in, tmp_path / "backup", force=True)


def killed_on_postgresql(url, folder):
    """Somebody's lock stops it in the middle of dropping tables."""
    with psycopg.connect(url) as holding:
        holding.execute("LOCK TABLE organization IN ACCESS SHARE MODE")
        process = subprocess.Popen(command("restore", folder / "backup", "--force"), env=environment(url))
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'organization'::regclass"
        eventually_sync(lambda: holding.execute(waiting).fetchall(), within_seconds=120)
        process.kill()
        process.wait(timeout=60)
    return process


def killed_on_sqlite(url, folder):
    """Its uncommitted rows are in the write-ahead log already."""
    lines = lines_of(folder / "backup")
    place = next(number for number, line in enumerate(lines) if line == {"table": "outbox"})
    columns = next(each["columns"] for each in lines[0]["tables"] if each["name"] == "outbox")
    template = dict(zip(columns, lines[place + 1], strict=True))
    for number in range(20_000):
        row = template | {
            "seq": 10**6 + number,
            "id": f"{number:032x}",
            "position": None,
            "payload": "x" * 2000,
        }
        lines.insert(place + 1, list(row.values()))
    write_lines(folder / "large", lines)
    process = subprocess.Popen(command("restore", folder / "large", "--force"), env=environment(url))
    log = Path(url.removeprefix("sqlite:///") + "-wal")
    eventually_sync(
        lambda: process.poll() is not None or (log.exists() and log.stat().st_size > 4_000_000),
        within_seconds=120,
        every_seconds=0.002,
    )
    process.kill()
    return process


def command(*arguments):
    return [sys.executable, "-m", "burgee", *map(str, arguments)]


def environment(url):
    return {"PATH": os.environ["PATH"], "BURGEE_DATABASE_URL": url, "BURGEE_LOG_LEVEL": "warning"}


def test_the_commands_carry_a_backup_through_a_pipe(history, both_kinds, tmp_path):
    one, (_, other) = history.sqlite(tmp_path), both_kinds
    written = subprocess.run(
        command("backup", STANDARD), env=environment(one), check=True, stdout=subprocess.PIPE
    )
    told = subprocess.run(
        command("restore", STANDARD),
        env=environment(other) | {"BURGEE_DATA_DIR": str(tmp_path)},
        check=True,
        input=written.stdout,
        stdout=subprocess.PIPE,
    )
    assert b"Restored" in told.stdout
    back_up(one, tmp_path / "one")
    back_up(other, tmp_path / "other")
    assert content(tmp_path / "one") == content(tmp_path / "other")
    again = subprocess.run(
        command("restore", tmp_path / "one"),
        env=environment(other) | {"BURGEE_DATA_DIR": str(tmp_path)},
        check=False,
        capture_output=True,
    )
    assert again.returncode == 1
    assert again.stderr.count(b"\n") == 1


async def test_a_database_that_is_not_there_is_told_in_one_line(tmp_path):
    with pytest.raises(BackupRefused, match="no database"):
        back_up(f"sqlite:///{tmp_path / 'nothing.db'}", tmp_path / "backup")
    with pytest.raises(BackupRefused, match="cannot be used"):
        back_up("postgresql://nobody@127.0.0.1:1/nothing", tmp_path / "backup")
    assert not (tmp_path / "nothing.db").exists()
    assert not (tmp_path / "backup").exists()
