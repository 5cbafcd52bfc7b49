"""Prove the audit's chain, for somebody at the command line."""

from __future__ import annotations

import re

from common.errors import Mendable
from mr.db.sealing import Head, verify
from mr.db.session import open_database

_KNOWN = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


class NoSuchHead(Mendable):
    """What was given as an earlier head is none."""


async def prove(url: str, *, known: str | None) -> tuple[bool, str]:
    """Go through the chain of the database at ``url``; answer whether it holds, and what to say.

    Only reads. Raises `NoSuchHead`.
    """
    head = None if known is None else _head(known)
    async with open_database(url, pool_size=1, read_only=True) as database:
        found = await verify(database, known=head)
    if found.fault is not None:
        return False, f"The audit's chain breaks: {found.fault}. It holds up to {found.head}."
    waiting = f" {found.unsealed} later rows are not sealed yet." if found.unsealed else ""
    return True, (
        f"The audit's chain holds: {found.head.position} rows.{waiting}\n"
        f"Keep this elsewhere, to prove later that nothing was cut off its end:\n{found.head}"
    )


def _head(text: str) -> Head:
    match = _KNOWN.fullmatch(text.strip())
    if match is None:
        raise NoSuchHead(f"{text!r} is not POSITION:HASH, as an earlier run printed it.")
    return Head(int(match[1]), match[2])
