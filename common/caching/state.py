"""What a cache remembers over the end of its process: a file that is whole or not used at all.

Holds hashes of keys, never keys; readable by its owner alone. Encoding happens beside the event loop.
Must not know what is done with what was read: that is `common.revisions.replica`'s `resume`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from common.contracts.environments import (
    AccountRecord,
    WireSnapshot,
    snapshot_from_wire,
    snapshot_to_wire,
)
from common.contracts.events import CounterId
from common.revisions.held import Held, Value
from common.revisions.memory import Sighting
from common.revisions.saved import Saved, copied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from common.revisions.held import AnyHeld
    from common.revisions.replica import Replica

_log = structlog.get_logger(__name__)

FORMAT: Final = 1
MAGIC: Final = b"burgee cache state\n"
SLICE: Final = 500
"""Values copied in one go: well below a millisecond."""
_LENGTH_BYTES: Final = 4
_CHECKSUM_BYTES: Final = 32


class Unusable(ValueError):
    """The file is damaged, of another release, or of another cache."""


class Mark(NamedTuple):
    """Whose file it is."""

    owner: str
    cluster: str


class _Head(msgspec.Struct, frozen=True, tag_field="kind", tag="head", rename="camel"):
    format: int
    owner: str
    cluster: str
    epoch: str
    term: int
    position: int
    blind_until: int
    heard_at: float | None
    complete: bool


class _Known(msgspec.Struct, frozen=True, tag_field="kind", rename="camel", kw_only=True):
    """What is known about a value; ``since`` in seconds since the epoch of clocks on walls."""

    position: int
    since: float
    current: bool
    suspect: bool


class _Environment(_Known, frozen=True, tag="environment", kw_only=True):
    snapshot: WireSnapshot


class _Account(_Known, frozen=True, tag="account", kw_only=True):
    record: AccountRecord


class _Sighting(msgspec.Struct, frozen=True, tag_field="kind", tag="sighting", rename="camel"):
    counter: CounterId
    revision: int
    position: int
    gone: bool


_decoder: msgspec.json.Decoder[_Head | _Environment | _Account | _Sighting] = msgspec.json.Decoder(
    _Head | _Environment | _Account | _Sighting
)


class StateFile:
    """One cache's file in ``folder``, which is made when absent. ``clock`` is the replica's."""

    def __init__(
        self,
        folder: Path,
        mark: Mark,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.path = folder / f"{mark.owner}.state"
        self._mark = mark
        self._clock = clock
        self._wall = wall
        self._writing = asyncio.Lock()

    async def read(self) -> Saved | None:
        """What was kept; None = nothing, or nothing that can be used, which is logged."""
        # Monotonic seconds mean nothing in another process. A clock on the wall that was set back
        # makes nothing younger than it is: what seems to come from the future is of now.
        ahead = self._wall() - self._clock()
        try:
            return await asyncio.to_thread(self._read, ahead, self._clock())
        except FileNotFoundError:
            return None
        except (OSError, Unusable, msgspec.MsgspecError, ValueError) as error:
            _log.warning("cache.state_ignored", file=self.path.name, detail=str(error))
            return None

    async def write(self, replica: Replica) -> bool:
        """Keep what the replica holds; False = nothing is known yet, or it was not possible (logged)."""
        # One at a time: the last words of a process may come while it writes anyway.
        async with self._writing:
            saved = await self._collect(replica)
            if saved is None:
                return False
            ahead = self._wall() - self._clock()
            try:
                await asyncio.to_thread(self._write, saved, ahead)
            except OSError as error:
                _log.warning("cache.state_not_kept", file=self.path.name, detail=str(error))
                return False
            return True

    async def _collect(self, replica: Replica) -> Saved | None:
        """Copy what is known, a slice at a time; None when there is no history to go on from.

        The position is taken first and everything else later: values may be newer than it, never older.
        """
        if not replica.epoch:
            return None
        saved = replica.save()
        await _copy(saved.environments)
        await _copy(saved.accounts)
        return saved if replica.epoch == saved.epoch else None

    def _write(self, saved: Saved, ahead: float) -> None:
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        checksum = blake2b(digest_size=_CHECKSUM_BYTES)
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for part in self._parts(saved, ahead):
                    checksum.update(part)
                    file.write(part)
                file.write(checksum.digest())
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _sync_folder(folder)

    def _parts(self, saved: Saved, ahead: float) -> Iterator[bytes]:
        yield MAGIC
        head = _Head(
            format=FORMAT,
            owner=self._mark.owner,
            cluster=self._mark.cluster,
            epoch=saved.epoch,
            term=saved.term,
            position=saved.position,
            blind_until=saved.blind_until,
            heard_at=None if saved.heard_at is None else saved.heard_at + ahead,
            complete=saved.complete,
        )
        yield _framed(head)
        for environment in saved.environments:
            yield _framed(
                _Environment(
                    position=environment.position,
                    since=environment.since + ahead,
                    current=environment.current,
                    suspect=environment.suspect,
                    snapshot=snapshot_to_wire(environment.value),
                )
            )
        for account in saved.accounts:
            yield _framed(
                _Account(
                    position=account.position,
                    since=account.since + ahead,
                    current=account.current,
                    suspect=account.suspect,
                    record=account.value,
                )
            )
        for counter, seen in saved.sightings:
            yield _framed(_Sighting(counter, *seen))

    def _read(self, ahead: float, now: float) -> Saved:
        data = self.path.read_bytes()
        body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if not body.startswith(MAGIC):
            raise Unusable("It is not the state of a cache.")
        if blake2b(body, digest_size=_CHECKSUM_BYTES).digest() != checksum:
            raise Unusable("It is damaged.")
        frames = _frames(memoryview(body)[len(MAGIC) :])
        head = _decoder.decode(next(frames, b""))
        if not isinstance(head, _Head) or head.format != FORMAT:
            raise Unusable("Another release wrote it.")
        if (head.owner, head.cluster) != self._mark:
            raise Unusable("It belongs to another cache.")
        saved = Saved(
            epoch=head.epoch,
            term=head.term,
            position=head.position,
            blind_until=head.blind_until,
            heard_at=None if head.heard_at is None else min(now, head.heard_at - ahead),
            complete=head.complete,
            environments=[],
            accounts=[],
            sightings=[],
        )
        for frame in frames:
            _take(saved, _decoder.decode(frame), ahead, now)
        return saved


async def _copy(values: list[Held[Value]]) -> None:
    for start in range(0, len(values), SLICE):
        values[start : start + SLICE] = [copied(each) for each in values[start : start + SLICE]]
        await asyncio.sleep(0)


def _framed(part: msgspec.Struct) -> bytes:
    encoded = msgspec.json.encode(part)
    return len(encoded).to_bytes(_LENGTH_BYTES, "big") + encoded


def _frames(data: memoryview) -> Iterator[memoryview]:
    start = 0
    while start < len(data):
        end = start + _LENGTH_BYTES + int.from_bytes(data[start : start + _LENGTH_BYTES], "big")
        yield data[start + _LENGTH_BYTES : end]
        start = end


def _take(saved: Saved, part: _Head | _Environment | _Account | _Sighting, ahead: float, now: float) -> None:
    if isinstance(part, _Environment):
        environment = Held(snapshot_from_wire(part.snapshot), min(now, part.since - ahead))
        saved.environments.append(environment)
        _recall(environment, part)
    elif isinstance(part, _Account):
        account = Held(part.record, min(now, part.since - ahead))
        saved.accounts.append(account)
        _recall(account, part)
    elif isinstance(part, _Sighting):
        saved.sightings.append((part.counter, Sighting(part.revision, part.position, part.gone)))


def _recall(held: AnyHeld, known: _Known) -> None:
    held.position = known.position
    held.current = known.current
    held.suspect = known.suspect


def _sync_folder(folder: Path) -> None:
    """Make the new name last: a rename is only as lasting as its folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
