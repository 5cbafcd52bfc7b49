"""What a process tells the others of itself: that it is there, how far it is, whom it reached."""

from __future__ import annotations

from typing import Literal

import msgspec


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How far one change has come at one Edge.

    ``streams`` are open on the environment, ``reached`` of them have been sent the change;
    ``slowest_milliseconds`` is the longest time from the commit (`Event.time`) to the write so far.
    """

    position: int
    environment_id: str
    revision: int
    streams: int
    reached: int
    slowest_milliseconds: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One process's word on itself, at least every 2 s and at most 5 times a second.

    ``position`` is the last one up to which nothing is missing there. ``live`` False = it does not hear
    the log now. ``streams`` by environment are those with at least one. ``reaches`` are the latest changes
    that open streams were concerned by, in the order of their positions. ``leaving`` = do not count on it
    any more. ``release`` is written by whoever carries the report; empty = of one that does not.
    """

    instance: str
    role: Literal["dacha", "edge"]
    epoch: str
    position: int
    live: bool
    streams: dict[str, int] = {}
    reaches: tuple[Reach, ...] = ()
    leaving: bool = False
    release: str = ""
