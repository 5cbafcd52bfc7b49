"""Snapshots that came before are not decoded again: the same bytes are the same snapshot.

An Edge that keeps little asks for the same ones again and again; what it answers with them is found by the
snapshot itself, so that it has to be the same one. Bounded by bytes. Must not know who sends them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.contracts.lookups import decode_snapshot
from edge.recent import Recent

if TYPE_CHECKING:
    from common.contracts.environments import EnvironmentSnapshot

DECODED_BYTES: Final = 16 * 1024 * 1024
FEATURE_BYTES: Final = 800
NAME_BYTES: Final = 64
"""With so many bytes a snapshot begins that tell whose it is (and maybe more): to look it up by."""


class Decoded:
    """Satisfies `common.contracts.lookups.Snapshots`."""

    def __init__(self, max_bytes: int = DECODED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._held: Recent[bytes, tuple[bytes, EnvironmentSnapshot]] = Recent(budget=max_bytes)

    def __call__(self, data: bytes) -> EnvironmentSnapshot:
        """The snapshot that these bytes are; raises `msgspec.MsgspecError`."""
        name = data[:NAME_BYTES]
        held = self._held.find(name)
        # To compare all of it costs a tenth of what it costs to look it up by all of it.
        if held is not None and held[0] == data:
            return held[1]
        snapshot = decode_snapshot(data)
        weight = 2 * len(data) + FEATURE_BYTES * len(snapshot.features)
        self._held.put(name, (data, snapshot), weight=weight)
        return snapshot

    def forget(self) -> None:
        """Something that is held was found to be wrong: whatever is asked for now is decoded anew."""
        self._held = Recent(budget=self._max_bytes)
