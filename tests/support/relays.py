"""A relay over the model of MR's log, for a bus between processes: as MR's own, without a database."""

from __future__ import annotations

import asyncio
from typing import Self

import msgspec

from common.contracts.events import Event, LoggedEvent, encode_data, event_type
from common.errors import Unavailable
from common.messaging.bus import Publisher
from tests.support.change_log import ChangeLog

AGAIN_SECONDS = 0.02


class ModelRelay:
    """Gives positions, publishes, and only then counts as sent; beats; as long as it is entered."""

    def __init__(self, log: ChangeLog, publisher: Publisher, *, heartbeat_seconds: float = 2.0) -> None:
        self.log = log
        self.sent = 0
        self._publisher = publisher
        self._heartbeat_seconds = heartbeat_seconds
        self._woken = asyncio.Event()
        self._working = asyncio.Lock()
        self._away = False
        self._epoch = log.epoch
        self._tasks = asyncio.TaskGroup()
        log.on_commit = self._woken.set

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._stop_hearing = self._publisher.on_sync(self._woken.set)
        self._task = self._tasks.create_task(self._run(), name="model-relay")
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stop_hearing()
        self._task.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def cut(self, *, away: bool) -> None:
        """Stop, and return when nothing more is being sent; or go on."""
        self._away = away
        self._woken.set()
        async with self._working:
            pass

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._heartbeat_seconds):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            async with self._working:
                if not self._away:
                    await self._step()

    async def _step(self) -> None:
        if self.log.epoch != self._epoch:
            self._epoch, self.sent = self.log.epoch, self.log.position
        self.log.assign()
        # What the log no longer holds cannot be sent: a heartbeat ahead shows it.
        self.sent = max(self.sent, self.log.pruned)
        try:
            await self._publisher.publish([logged(each) for each in self.log.events[self.sent :]])
            self.sent = self.log.position
            await self._publisher.beat(self.log.heartbeat())
        except Unavailable:
            await asyncio.sleep(AGAIN_SECONDS)
            self._woken.set()


def logged(event: Event) -> LoggedEvent:
    """The event as MR's log holds it."""
    data = event.data
    if data is None:
        raise ValueError("a pointer is not in a log")
    members = {name: getattr(event, name) for name in event.__struct_fields__ if name != "data"}
    return msgspec.convert(members | {"type": event_type(data), "payload": encode_data(data)}, LoggedEvent)
