"""What a cache keeps over a restart, and what it makes of it: served at once, verified when MR answers."""

from __future__ import annotations

import asyncio
import gc
import stat
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from structlog.testing import capture_logs

from common.caching.state import Mark, StateFile
from common.contracts.environments import snapshot_to_wire, states_digest
from common.contracts.events import CounterId
from common.errors import Unavailable
from common.revisions.environments import fresh_digest
from common.revisions.replica import Replica
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.origins import SOON_SILENT, ModelOrigin, running_dacha
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from common.revisions.saved import Saved

HOME = environment_id("home")
OTHER = environment_id("other")
ACCOUNT = account_id("shop")
CLIENT = key_hash("client")
SERVER = key_hash("server")
MARK = Mark("dacha", "default")


@pytest.fixture
def log():
    log = ChangeLog()
    for name in (HOME, OTHER):
        log.create_environment(name)
        log.set_feature(name, "a", b"true")
        log.set_feature(name, "spaced", b'[ "x",\n 1.50 ]')
        log.set_feature(name, "gone", b"true")
        log.delete_feature(name, "gone")
    log.save_account(ACCOUNT, CLIENT, SERVER, environments=[HOME])
    return log


@pytest.fixture
def origin(log):
    return ModelOrigin(log)


def value(cache, environment=HOME):
    snapshot = cache.peek_environment(environment)
    return None if snapshot is None else {each.key: each.value for each in snapshot.ordered}.get("a")


async def fill(dacha):
    await dacha.cache.find_environment(HOME)
    await dacha.cache.find_environment(OTHER)
    await dacha.cache.find_account(CLIENT)


async def kept_by_one(origin, folder, **settings):
    """Run a cache once, so that it leaves its state."""
    async with running_dacha(origin, state_dir=folder, **settings) as dacha:
        await fill(dacha)


class Silent:
    def environment_changed(self, environment_id, snapshot):
        """Nobody is told."""

    def account_changed(self, record):
        """Nobody is told."""

    def wants_changed(self):
        """Nobody asks."""

    def digest_mismatched(self, counter):
        raise AssertionError(counter)


def replica():
    return Replica(Silent(), clock=time.monotonic, miss_seconds=lambda: 5.0)


def file_of(folder, **settings):
    return StateFile(folder, settings.pop("mark", MARK), clock=time.monotonic, **settings)


async def test_what_is_read_is_what_was_written(origin, log, tmp_path):
    async with running_dacha(origin) as dacha:
        await fill(dacha)
        log.delete_environment(OTHER)
        await eventually(lambda: not log.drafts and dacha.cache.position == log.position)
        dacha.holdings.replica._suspect(CounterId("account", ACCOUNT))
        dacha.holdings.replica.environments[HOME].since -= 1_000
        file = file_of(tmp_path / "state")
        assert await file.write(dacha.holdings.replica)
        saved: Saved | None = await file.read()
        assert saved is not None
        assert (saved.epoch, saved.term, saved.position) == ("epoch-0", 1, log.position)
        (home,), (account,) = saved.environments, saved.accounts
        truth = log.environments[HOME]
        assert snapshot_to_wire(home.value) == snapshot_to_wire(truth)
        assert home.value.tombstones == truth.tombstones
        assert states_digest(home.value.features.values(), {}) == home.value.digest == truth.digest
        assert (home.current, home.suspect, account.suspect) == (True, False, True)
        assert account.value == log.accounts[ACCOUNT]
        assert abs(home.since - dacha.holdings.replica.environments[HOME].since) < 100
        another = replica()
        another.resume(saved)
        assert another.gone(CounterId("environment", OTHER))
        assert not another.live
        assert another.wants_state
        assert another.suspects.keys() == {CounterId("account", ACCOUNT)}


async def test_only_its_owner_may_read_it(origin, tmp_path):
    folder = tmp_path / "deep" / "state"
    await kept_by_one(origin, folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_after_a_restart_with_everything_away_what_was_known_is_served(origin, tmp_path):
    await kept_by_one(origin, tmp_path)
    origin.cut_off = origin.log_cut_off = True
    async with running_dacha(origin, heard=False, heartbeat_seconds=SOON_SILENT, state_dir=tmp_path) as dacha:
        assert dacha.cache.ready
        assert value(dacha.cache) == b"true"
        assert dacha.cache.peek_account(SERVER).id == ACCOUNT
        await eventually(lambda: dacha.cache.silent_seconds > 0)
        for cold in (
            dacha.cache.find_account(key_hash("cold")),
            dacha.cache.find_environment(environment_id("cold")),
        ):
            with pytest.raises(Unavailable):
                await cold


async def test_a_restart_loads_only_what_moved_meanwhile_and_before_it_serves(log, origin, tmp_path):
    await kept_by_one(origin, tmp_path)
    log.set_feature(HOME, "a", b"false")
    log.save_account(ACCOUNT, key_hash("another"), SERVER, environments=[HOME])
    log.assign()
    asked = dict(origin.asked)
    async with running_dacha(origin, heard=False, state_dir=tmp_path) as dacha:
        assert value(dacha.cache) == b"false"
        assert dacha.cache.peek_account(CLIENT) is None
        assert value(dacha.cache, OTHER) == b"true"
        assert origin.asked["environment"] == asked["environment"] + 1
        assert origin.asked["account"] <= asked["account"] + 2
        await eventually(lambda: dacha.holdings.replica.live)
        await dacha.upkeep.audit_once()
        assert not dacha.metrics.mismatches


async def test_a_restart_after_the_log_was_pruned_compares_everything(log, origin, tmp_path):
    await kept_by_one(origin, tmp_path)
    log.set_feature(HOME, "a", b"false")
    log.delete_environment(OTHER)
    log.assign()
    log.prune(log.position)
    async with running_dacha(origin, state_dir=tmp_path) as dacha:
        await eventually(lambda: value(dacha.cache) == b"false")
        await eventually(lambda: dacha.cache.peek_environment(OTHER) is None)
        assert await dacha.cache.find_environment(OTHER) is None


async def test_a_restart_after_a_restore_takes_over_the_other_history(log, origin, tmp_path):
    log.assign()
    backup = log.backup()
    log.set_feature(HOME, "a", b"false")
    await kept_by_one(origin, tmp_path)
    log.restore(backup)
    async with running_dacha(origin, heard=False, state_dir=tmp_path) as dacha:
        await eventually(lambda: dacha.cache.epoch == "epoch-1")
        await eventually(lambda: value(dacha.cache) == b"true")


async def test_keys_are_not_believed_longer_for_a_restart(origin, tmp_path):
    await kept_by_one(origin, tmp_path)
    file = file_of(tmp_path)
    saved = await file.read()
    # As if it had been kept two hours ago.
    ago = file_of(tmp_path, wall=lambda: time.time() - 7_200)
    aged = replica()
    aged.resume(saved)
    assert await ago.write(aged)
    origin.cut_off = origin.log_cut_off = True
    async with running_dacha(origin, heard=False, state_dir=tmp_path, max_stale_keys=7_000) as dacha:
        await eventually(lambda: dacha.cache.peek_account(CLIENT) is None)
        assert value(dacha.cache) == b"true"
        assert dacha.cache.silent_seconds > 7_000
        with pytest.raises(Unavailable):
            await dacha.cache.find_account(CLIENT)
    async with running_dacha(origin, heard=False, state_dir=tmp_path, max_stale_keys=8_000) as dacha:
        assert dacha.cache.peek_account(CLIENT) is not None


async def test_a_clock_that_was_set_back_makes_nothing_from_the_future(origin, tmp_path):
    await kept_by_one(origin, tmp_path)
    saved = await file_of(tmp_path, wall=lambda: time.time() - 90_000).read()
    assert saved.heard_at <= time.monotonic()
    assert all(each.since <= time.monotonic() for each in (*saved.environments, *saved.accounts))


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"something else altogether, and long enough to be cut into pieces",
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: data + b"more",
    ],
)
async def test_a_damaged_file_is_ignored_and_said_so(origin, tmp_path, damage):
    await kept_by_one(origin, tmp_path)
    path = tmp_path / "dacha.state"
    path.write_bytes(damage(path.read_bytes()))
    with capture_logs() as logs:
        assert await file_of(tmp_path).read() is None
    assert [each["event"] for each in logs] == ["cache.state_ignored"]
    async with running_dacha(origin, state_dir=tmp_path) as dacha:
        assert (await dacha.cache.find_account(CLIENT)).id == ACCOUNT


@pytest.mark.parametrize("mark", [Mark("edge", "default"), Mark("dacha", "elsewhere")])
async def test_the_file_of_another_cache_is_ignored(origin, tmp_path, mark):
    await kept_by_one(origin, tmp_path)
    (tmp_path / "dacha.state").rename(tmp_path / f"{mark.owner}.state")
    with capture_logs() as logs:
        assert await file_of(tmp_path, mark=mark).read() is None
    assert len(logs) == 1


async def test_it_is_kept_while_running_too_and_a_folder_that_cannot_be_written_harms_nobody(
    log, origin, tmp_path
):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with capture_logs() as logs:
        async with running_dacha(origin, state_dir=blocked / "state", save_seconds=0.02) as dacha:
            await fill(dacha)
            await eventually(lambda: any(each["event"] == "cache.state_not_kept" for each in logs))
            assert value(dacha.cache) == b"true"
    async with running_dacha(origin, state_dir=tmp_path / "state", save_seconds=0.02) as dacha:
        await fill(dacha)
        path = tmp_path / "state" / "dacha.state"
        await eventually(path.exists)
        log.set_feature(HOME, "a", b"false")
        await eventually(lambda: value(dacha.cache) == b"false")

        async def kept():
            saved = await file_of(tmp_path / "state").read()
            return saved is not None and any(each.value.revision == 6 for each in saved.environments)

        await eventually(kept)


async def test_writing_a_large_cache_leaves_the_loop_to_others(tmp_path):
    """20 ms is what a look-up may wait at most; only what holds the loop itself is measured."""
    log = ChangeLog()
    features = [log_feature(number) for number in range(50)]
    big = replica()
    big.adopt(log.where())
    for number in range(300):
        log.create_environment(environment_id(str(number)), features)
    for event in log.assign():
        big.on_event(event)
    assert len(big.environments) == 300
    gc.collect()  # Or its turn might come while the time is taken.
    longest = 0.0
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(file_of(tmp_path)._collect(big))
        while not writing.done():
            began = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)
    assert longest < 0.02
    assert await file_of(tmp_path).write(big)
    saved = await file_of(tmp_path).read()
    assert all(fresh_digest(each.value) == each.value.digest for each in saved.environments)


def log_feature(number):
    log = ChangeLog()
    log.create_environment(HOME)
    return msgspec.structs.replace(
        log.set_feature(HOME, f"f{number}", b'"some text"'), type="STRING", _fingerprint=None
    )
