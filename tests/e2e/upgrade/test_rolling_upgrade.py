"""A split installation is upgraded process by process, then taken back by half, and nobody notices.

From a release before to the code of this clone, under polls, streams, updates by SDKs and changes by people.
In the end one of each kind is taken back to a release whose schema is older. `UPGRADE_FROM` and
`UPGRADE_BACK_TO` name other commits.
"""

import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.support.admin import ALL_ROLES, Account
from tests.support.judge import Delivered, delivered
from tests.support.processes import BurgeeProcess
from tests.support.rolling import (
    ROOT,
    SLOTS,
    Figures,
    Load,
    NotInThisClone,
    Service,
    Stranger,
    Upgrade,
    at_work,
    plain_session,
    tree_of,
)
from tests.support.split import Shape, Split, running_split
from tests.support.waiting import eventually
from tests.support.watchers import StreamWatcher, poll

pytestmark = pytest.mark.slow

BEFORE = os.environ.get("UPGRADE_FROM") or "0ff4eb4"
"""There are no tags yet. This commit has a schema of three migrations ago, no fast ways in, and no traces."""
BACK_TO = os.environ.get("UPGRADE_BACK_TO") or "3051df1"
"""The first release that leaves a schema as it is that is newer than its own."""
SAVED = ROOT / "build" / "upgrade.json"
STREAMS = 20
T = 45.0
LEAST_POLLS = 300
LEAST_CHANGES = 50
NAMES = ("mr-1", "mr-2", "dacha-1", "dacha-2", "edge-1", "edge-2", "edge-rest-1")


@pytest.fixture
def releases(tmp_path: Path) -> list[Path]:
    """The trees of the release to come from, and of the one to go back to."""
    try:
        return [tree_of(commit, tmp_path / commit) for commit in (BEFORE, BACK_TO)]
    except NotInThisClone as missing:
        pytest.skip(f"nothing to upgrade from: {missing} (a shallow clone?)")


async def settle_in(admin: Stranger) -> tuple[Account, str]:
    """An application with features that have values, and an account that may do everything."""
    await admin.enter()
    application = await admin.create_application()
    environment = application.environment_id
    account = await admin.create_account(application.portfolio_id, {environment: ALL_ROLES})
    for key in (*(f"slot-{number}" for number in range(SLOTS)), "updated"):
        await admin.create_feature(application.id, key, "STRING")
        await admin.set(environment, key, "first")
    return account, environment


async def everybody_holds(
    upgrade: Upgrade, account: Account, environment: str, streams: list[StreamWatcher]
) -> None:
    """Every stream, and polls of every process, end on what is stored."""
    expected: dict[str, Delivered] = delivered(upgrade.split.database_url, environment)
    await eventually(
        lambda: all(each.held == expected for each in streams),
        within_seconds=T,
        what="every stream to hold what is stored",
    )
    key = account.sdk_key(environment, client=True)
    async with plain_session() as http:

        async def agree(process: BurgeeProcess) -> bool:
            return await poll(http, process.url, key) == (200, expected)

        for process in (*upgrade.split.edges, *upgrade.split.edge_rests):
            await eventually(partial(agree, process), within_seconds=T, what=f"{process.name} to agree")


def judge(load: Load, split: Split) -> None:
    load.count_lost(split.database_url)
    figures = load.figures
    figures.steps_back = load.history.backward_steps
    print(f"from {BEFORE}, and half of it back to {BACK_TO}: {figures}")
    assert not figures.polls_failed, figures.failures
    assert not figures.changes_lost
    assert not figures.changes_failed, figures.failures
    assert not figures.updates_failed, figures.failures
    assert not figures.steps_back, load.history.faults
    load.history.check()
    assert figures.polls_sent > LEAST_POLLS
    assert figures.changes_made > LEAST_CHANGES


async def test_every_process_is_replaced_and_nobody_notices(releases: list[Path]) -> None:
    before, back = releases
    shape = Shape(trees=dict.fromkeys(NAMES, before), common={"BURGEE_DRAIN_SECONDS": "1.5"})
    with running_split(shape) as split:
        figures = Figures()
        upgrade = Upgrade(
            split,
            figures,
            mr=Service(split, *split.mrs),
            edge=Service(split, *split.edges),
            edge_rest=Service(split, *split.edge_rests),
        )
        async with plain_session() as http:
            admin = Stranger(http, upgrade.mr.url)
            account, environment = await settle_in(admin)
            load = Load(admin, environment, figures)
            load.history.note_sent(environment, "first")
            async with at_work(upgrade, load, account, streams=STREAMS) as streams:
                await eventually(lambda: all(each.held for each in streams), within_seconds=T)
                await upgrade.migrate()
                await upgrade.replace_all(None)
                await upgrade.take_back(back)
                figures.begin("comparing")
                load.over = True
                await eventually(lambda: load.resting, within_seconds=T, what="the last change")
                await everybody_holds(upgrade, account, environment, streams)
                figures.streams_opened_again = sum(each.connections - 1 for each in streams)
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()
        judge(load, split)
        figures.save(SAVED, before=BEFORE, after=commit, back_to=BACK_TO)
