"""Snapshots in the form in which they travel, kept for as long as there is room: most are asked for again.

Must not know who asks.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from common.contracts.lookups import encode_snapshot

if TYPE_CHECKING:
    from common.contracts.environments import AccountRecord, EnvironmentSnapshot

ROOM_BYTES: Final = 64 * 1024 * 1024
OVERHEAD_BYTES: Final = 300


class _Kept(NamedTuple):
    snapshot: EnvironmentSnapshot
    encoded: msgspec.Raw

    @property
    def weight(self) -> int:
        return OVERHEAD_BYTES + len(memoryview(self.encoded))


class Encoded:
    """Encodes each snapshot once, within a bound of bytes; the least recently asked for goes first."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._room = room_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, snapshot: EnvironmentSnapshot) -> msgspec.Raw:
        """The snapshot's bytes."""
        kept = self._kept.get(snapshot.id)
        if kept is not None and kept.snapshot is snapshot:
            self._kept.move_to_end(snapshot.id)
            return kept.encoded
        encoded = msgspec.Raw(encode_snapshot(snapshot))
        self._forget(snapshot.id)
        self._keep(_Kept(snapshot, encoded))
        return encoded

    # common.caching.holdings.Watcher

    def environment_changed(self, environment_id: str, snapshot: EnvironmentSnapshot | None) -> None:
        """Its old form need not be kept, nor the old snapshot with it."""
        kept_for = self._kept.get(environment_id)
        if kept_for is not None and kept_for.snapshot is not snapshot:
            self._forget(environment_id)

    def account_changed(self, record: AccountRecord) -> None:
        """Accounts are not kept here."""

    def _forget(self, environment_id: str) -> None:
        kept = self._kept.pop(environment_id, None)
        if kept is not None:
            self._bytes -= kept.weight

    def _keep(self, kept: _Kept) -> None:
        if kept.weight > self._room:
            return
        self._kept[kept.snapshot.id] = kept
        self._bytes += kept.weight
        while self._bytes > self._room:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.weight
