"""The number between 0 and 999,999 that puts a caller into a share of all callers.

Every SDK that evaluates by itself computes the same number, so nothing here may ever change.
"""

from __future__ import annotations

from typing import Final

import mmh3

EVERYBODY: Final = 1_000_000


def bucket(text: str, feature_id: str) -> int:
    """Return the number of ``text`` (who the caller is) for one feature: 0 … 999,999."""
    number = mmh3.hash((text + feature_id).encode(), 0, signed=False)
    return (number * EVERYBODY) >> 32
