"""How much memory this process may use: what its container allows, else what the machine has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Version 2, then version 1. Without a limit the one says ``max``, the other something astronomic."""


def memory_bytes(limits: Sequence[Path] = CGROUP_LIMITS) -> int:
    """Bytes of memory that may be used."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in limits:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            return min(machine, int(text))
    return machine
