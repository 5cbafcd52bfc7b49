"""Where Edge gets environments and accounts from, as Edge sees it.

Three outcomes are kept apart everywhere: found (a value), certainly absent (None), unknown
(`common.errors.Unavailable`). A source never says "absent" because something is down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from common.contracts.environments import AccountRecord, EnvironmentSnapshot
    from common.errors import Unavailable


class Watcher(Protocol):
    """Told of every swap, synchronously and in order; must return at once and never raise."""

    def environment_changed(self, environment_id: str, snapshot: EnvironmentSnapshot | None) -> None:
        """The environment is now ``snapshot``; None = it is gone for good."""

    def account_changed(self, record: AccountRecord) -> None:
        """The account is now ``record`` (also when removed or its keys were reset)."""


class FeatureSource(Protocol):
    """A cache of environments and accounts that the change log keeps true.

    What it returns is immutable; a later change swaps the value and tells the watchers, so whoever
    joins a watcher and peeks in one synchronous step misses nothing.
    """

    @property
    def epoch(self) -> str:
        """The epoch of what is held; empty while nothing is known yet."""

    @property
    def ready(self) -> bool:
        """True once the change log was heard (or the process may serve degraded)."""

    @property
    def silent_seconds(self) -> float:
        """For how long the change log has not been heard; 0 while it is."""

    def peek_account(self, key_hash: str) -> AccountRecord | None:
        """The record held for this key, without I/O; None = not held (which says nothing)."""

    def peek_environment(self, environment_id: str) -> EnvironmentSnapshot | None:
        """The snapshot held, without I/O; None = not held (which says nothing)."""

    async def find_account(self, key_hash: str) -> AccountRecord | None:
        """The record; None = certainly no such key. Raises Unavailable."""

    def is_sure_of_account(self, key_hash: str) -> bool:
        """True when the record held for this key is MR's latest, as far as the change log tells."""

    async def confirm_account(self, key_hash: str) -> AccountRecord | None:
        """The record as MR has it, for whoever is about to say what it lacks. Raises Unavailable.

        Unlike `find_account`, gives no record that may be behind.
        """

    async def find_environment(self, environment_id: str) -> EnvironmentSnapshot | None:
        """The snapshot; None = certainly no such environment. Raises Unavailable.

        Only for an environment that an account names: nobody can make one up, so nothing limits how many.
        """

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell ``watcher`` of every swap from now on; call the result to stop."""

    def hold(self, environment_id: str, account_id: str) -> AbstractContextManager[None]:
        """Keep both from being evicted while a stream of theirs is open; load again when lost."""


@runtime_checkable
class Seeker(Protocol):
    """A source that can be asked without a task for each who asks."""

    def seek_environment(
        self, environment_id: str, told: Callable[[EnvironmentSnapshot | Unavailable | None], None], /
    ) -> None:
        """Do what `FeatureSource.find_environment` does, and tell the outcome, once and perhaps at once.

        What is told is true in the very step in which ``told`` is called.
        """
