"""What a reviewer asked of the state file: two who write it at once, as at the end of a process."""

from __future__ import annotations

import asyncio
import time

from common.caching.state import Mark, StateFile
from common.revisions.replica import Replica
from tests.support.change_log import ChangeLog, environment_id
from tests.support.tiers import Witness


async def test_who_writes_while_another_still_does_waits_for_it(tmp_path):
    log = ChangeLog()
    witness = Witness()
    replica = Replica(witness, clock=time.monotonic, miss_seconds=lambda: 1.0)
    witness.replica = replica
    replica.adopt(log.where())
    replica.on_heartbeat(log.heartbeat())
    for number in range(300):
        log.create_environment(environment_id(str(number)))
    for event in log.assign():
        replica.on_event(event)
    file = StateFile(tmp_path, Mark("dacha", "default"), clock=time.monotonic)
    for _ in range(5):
        assert all(await asyncio.gather(*(file.write(replica) for _ in range(4))))
        saved = await file.read()
        assert saved is not None
        assert len(saved.environments) == 300
