"""From an API key to what it may see: found, certainly absent, or unknown.

The one place where Edge decides whether a key is known. Knows no transport.
"""

from collections.abc import Callable
from typing import NamedTuple

from common.contracts.environments import AccountRecord, EnvironmentSnapshot, Policy, SdkKey
from common.errors import Unavailable
from edge.limits import ColdLookups
from edge.source import FeatureSource, Seeker


class Grant(NamedTuple):
    """What a key opens, as of one moment."""

    account: AccountRecord
    policy: Policy
    snapshot: EnvironmentSnapshot


class TooManyLookups(Unavailable):
    """This caller asked for too many unknown keys; those that are at hand are still answered."""

    code = "too-many-lookups"


class Outrun(Exception):
    """The account has changed while its environment was looked up: the key is to be looked up again."""


class Access:
    """Look keys up, first in what is at hand, then through the source.

    ``cold`` None = nothing is ever at hand in this source, so look-ups are not limited.
    """

    def __init__(self, source: FeatureSource, cold: ColdLookups | None) -> None:
        self._source = source
        self._cold = cold
        self._seeker = source if isinstance(source, Seeker) and cold is not None else None

    def peek(self, key: SdkKey) -> Grant | None:
        """Return the grant if everything is at hand, without I/O; None says nothing."""
        account = self._source.peek_account(key.key_hash)
        policy = account.policy(key.environment_id) if account else None
        if account is None or policy is None:
            return None
        snapshot = self._source.peek_environment(key.environment_id)
        return None if snapshot is None else Grant(account, policy, snapshot)

    def admit(self, key: SdkKey, caller: str) -> bool:
        """Return whether the caller may look this key up now; what is known to exist is always allowed."""
        return self.is_free(key) or self._cold is None or self._cold.take(caller)

    def is_free(self, key: SdkKey) -> bool:
        """Return whether anybody may look this key up at any time."""
        if self._cold is None:
            return True
        account = self._source.peek_account(key.key_hash)
        if account is None:
            return False
        # An account that lacks the environment needs no look-up to be told so, unless it may be behind.
        # A key that certainly opens something is nobody's invention, whether it is here or not.
        return bool(account.roles(key.environment_id)) or self._source.is_sure_of_account(key.key_hash)

    async def find(self, key: SdkKey) -> Grant | None:
        """Return the grant; None = certainly no such key. Raises Unavailable when that is not known."""
        found = await self._find_account(key)
        if found is None:
            return None
        account, policy = found
        snapshot = await self._source.find_environment(key.environment_id)
        if snapshot is None:
            return None
        # The account may have changed while the environment was loaded: the newest one decides.
        if self._cold is not None and self._source.peek_account(key.key_hash) is not account:
            found = await self._find_account(key)
            if found is None:
                return None
            account, policy = found
        return Grant(account, policy, snapshot)

    def seek(self, key: SdkKey, told: Callable[[Grant | Unavailable | Outrun | None], None]) -> bool:
        """Do what `find` does without a task, if no more than the environment is missing.

        ``told`` hears the outcome, perhaps at once; False = this cannot be done for this key.
        """
        seeker, peek_account, key_hash = self._seeker, self._source.peek_account, key.key_hash
        record = None if seeker is None else peek_account(key_hash)
        policy = None if record is None else record.policy(key.environment_id)
        if seeker is None or record is None or policy is None:
            return False

        def found(outcome: EnvironmentSnapshot | Unavailable | None) -> None:
            if outcome is None or isinstance(outcome, Unavailable):
                told(outcome)
            elif peek_account(key_hash) is record:
                told(Grant(record, policy, outcome))
            else:
                told(Outrun())

        seeker.seek_environment(key.environment_id, found)
        return True

    def is_newest(self, key: SdkKey, grant: Grant) -> bool:
        """Return whether a grant is what is known now, as far as anything is at hand that says so."""
        if self._cold is None:
            return True
        if self._source.peek_account(key.key_hash) is not grant.account:
            return False
        snapshot = self._source.peek_environment(key.environment_id)
        return snapshot is None or snapshot is grant.snapshot

    async def _find_account(self, key: SdkKey) -> tuple[AccountRecord, Policy] | None:
        """The account and what it sees of the environment; None = certainly nothing."""
        account = await self._source.find_account(key.key_hash)
        if account is None:
            return None
        if account.policy(key.environment_id) is None and not self._source.is_sure_of_account(key.key_hash):
            # It may have got the environment while nobody here could hear of it.
            account = await self._source.confirm_account(key.key_hash)
        policy = account.policy(key.environment_id) if account else None
        return None if account is None or policy is None else (account, policy)

    async def find_admitted(self, key: SdkKey, caller: str) -> Grant | None:
        """Do the same for a caller who may have asked too much already: raises TooManyLookups."""
        if not self.admit(key, caller):
            raise TooManyLookups
        return await self.find(key)
