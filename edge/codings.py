"""Bodies made smaller for those who can take it: gzip, once per body, in bounded memory.

Must not know requests or answers beyond their bytes and tags. Small bodies are packed at once, big ones
in a thread; until that has happened whoever asks gets the body as it is.
"""

import asyncio
import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from edge.recent import Recent

PACKED_BYTES: Final = 32 * 1024 * 1024
GZIP_SUFFIX: Final = "-gzip"
# Below this a packet is a packet.
_WORTH_BYTES: Final = 1_000
# What takes less than a millisecond is not worth a thread.
_AT_ONCE_BYTES: Final = 32 * 1024
_LEVEL: Final = 6
_WAITING_AT_MOST: Final = 16
_ENTRY_BYTES: Final = 256


def is_worth_packing(body: bytes) -> bool:
    """Return whether the body is ever packed."""
    return len(body) >= _WORTH_BYTES


class Packed:
    """Gzipped bodies by their tag. Owns a thread from the first big one on; `close` it.

    Without ``threaded`` there is nothing to close, and big bodies are left as they are.
    """

    def __init__(self, *, max_bytes: int = PACKED_BYTES, threaded: bool = True) -> None:
        self._held: Recent[str, bytes] = Recent(budget=max_bytes)
        self._waiting: set[str] = set()
        self._thread: ThreadPoolExecutor | None = None
        self._closed = not threaded

    def find(self, tag: str, body: bytes) -> bytes | None:
        """Return the body gzipped; None = take it as it is, now or for ever."""
        if not is_worth_packing(body):
            return None
        held = self._held.find(tag)
        if held is not None:
            return held
        if len(body) <= _AT_ONCE_BYTES:
            packed = _pack(body)
            self._put(tag, packed)
            return packed
        self._pack_aside(tag, body)
        return None

    def _pack_aside(self, tag: str, body: bytes) -> None:
        if self._closed or tag in self._waiting or len(self._waiting) >= _WAITING_AT_MOST:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="gzip")
        self._waiting.add(tag)
        future = asyncio.get_running_loop().run_in_executor(self._thread, _pack, body)
        future.add_done_callback(lambda done: self._packed(tag, done))

    def _packed(self, tag: str, done: "asyncio.Future[bytes]") -> None:
        self._waiting.discard(tag)
        if not done.cancelled():
            self._put(tag, done.result())

    def _put(self, tag: str, packed: bytes) -> None:
        self._held.put(tag, packed, weight=len(packed) + _ENTRY_BYTES)

    def close(self) -> None:
        """End the thread; what it has not begun is left out."""
        self._closed = True
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)


def _pack(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)
