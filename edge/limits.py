"""What one caller may cost us: look-ups of keys that are not at hand, and streams held for nothing.

A caller is a network address. Nothing here answers anybody: polls turn a refusal into 503, streams wait.
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from edge.recent import Recent

# Generous: a caller may be the proxy in front of a whole installation that starts at once. Keys that
# are at hand cost nothing, so only junk and first sights count.
LOOKUPS_PER_SECOND: Final = 200.0
LOOKUPS_AT_ONCE: Final = 2_000.0
CALLERS_REMEMBERED: Final = 20_000
HOLDS_PER_CALLER: Final = 100
HOLDS_AT_ALL: Final = 5_000

Address = tuple[str, int]


def caller_of(client: Address | None) -> str:
    """Return the caller's address; of IPv6 the /64, which is what one customer owns.

    Proxies are the server's business: it puts the address that a trusted one forwarded in place of theirs.
    """
    return _caller(client[0]) if client else "unknown"


@lru_cache(maxsize=CALLERS_REMEMBERED)
def _caller(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class _Bucket(NamedTuple):
    tokens: float
    at: float


class ColdLookups:
    """A token bucket per caller for look-ups of keys that are not at hand."""

    def __init__(
        self,
        *,
        per_second: float = LOOKUPS_PER_SECOND,
        at_once: float = LOOKUPS_AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._clock = clock
        self._buckets: Recent[str, _Bucket] = Recent(budget=CALLERS_REMEMBERED)

    def take(self, caller: str) -> bool:
        """Return whether the caller may look up one more key now."""
        now = self._clock()
        bucket = self._buckets.find(caller) or _Bucket(self._at_once, now)
        tokens = min(self._at_once, bucket.tokens + (now - bucket.at) * self._per_second)
        allowed = tokens >= 1
        self._buckets.put(caller, _Bucket(tokens - 1 if allowed else tokens, now))
        return allowed


class Holds:
    """How many streams with unknown keys are kept open, for one caller and for all."""

    def __init__(self, *, per_caller: int = HOLDS_PER_CALLER, at_all: int = HOLDS_AT_ALL) -> None:
        self._per_caller = per_caller
        self._at_all = at_all
        self._all = 0
        self._held: Counter[str] = Counter()

    def begin(self, caller: str) -> bool:
        """Count one more, until its `end`; False, and nothing is counted, beyond a limit."""
        if self._held[caller] >= self._per_caller or self._all >= self._at_all:
            return False
        self._held[caller] += 1
        self._all += 1
        return True

    def end(self, caller: str) -> None:
        """Count one less."""
        self._all -= 1
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
