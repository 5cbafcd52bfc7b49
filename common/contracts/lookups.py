"""What processes ask one another: look-ups, changes, revisions, state and SDK updates."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from common.contracts.environments import AccountRecord, EnvironmentSnapshot
from common.contracts.events import CounterId


class AtLeast(NamedTuple):
    """How new an answer has to be, as far as whoever asks knows.

    What is found has to be at ``revision`` or above, what is absent must have been so at ``position`` or
    later; both mean something only within ``epoch``. Who cannot do that says that it is `behind`.
    """

    epoch: str
    revision: int
    position: int


ANY: Final = AtLeast("", 0, 0)
"""Whoever asks knows nothing."""


class EnvironmentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An environment as its owner knows it.

    ``snapshot`` None = certainly not there. ``revision`` is the counter's (0 = never existed) also then,
    so that a deletion is remembered. ``position`` = last position known to be in what was read.
    ``behind`` = the answer is older than what was asked for, and nothing newer could be had.
    """

    snapshot: EnvironmentSnapshot | None
    revision: int
    epoch: str
    position: int
    behind: bool = False


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A service account by the hash of one of its keys; members as in `EnvironmentAnswer`."""

    record: AccountRecord | None
    epoch: str
    position: int
    behind: bool = False


class CounterState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a counter stands: its last *positioned* revision, and the digest of its rows then."""

    counter: CounterId
    revision: int
    digest: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Where MR stands: asked before a new epoch is believed."""

    epoch: str
    term: int
    position: int


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Which counters moved after a position, each with its highest revision up to ``position``.

    ``complete`` False = the log no longer reaches back that far: compare everything held.
    """

    epoch: str
    term: int
    position: int
    counters: tuple[tuple[CounterId, int], ...] = ()
    complete: bool = True


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One page of everything there is, for a cache that wants to hold all of it.

    ``ids`` are environments in the order of their ids, ``hashes`` one key hash of each account in the
    order of the accounts' ids, both behind what was asked for; ``next`` is what to ask for next, None =
    that was all.
    """

    ids: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    next: str | None = None


class SdkUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A test update by an SDK: syntax was checked, everything else is MR's to decide.

    ``value`` is the JSON token that was sent, None = the member was missing or null.
    ``deadline`` is absolute, seconds since the epoch; MR starts nothing after it.
    """

    request_id: str
    environment_id: str
    key_hash: str
    feature_key: str
    value: bytes | None = None
    update_value: bool | None = None
    lock: bool | None = None
    deadline: float


class SdkUpdateOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """MR's answer: the HTTP status of contract section 6 and a short reason."""

    status: int
    detail: str = ""
