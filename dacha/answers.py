"""What a replica may say to others: an answer never claims a position that it cannot prove.

Pure: decides from what is held alone whether a question can be answered at all, as new as it has to be.
None = only MR knows. Must not know how MR is asked, nor how questions come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.contracts.events import CounterId
from common.contracts.lookups import ANY, AccountAnswer, AtLeast, EnvironmentAnswer
from common.revisions.targets import Target

if TYPE_CHECKING:
    from common.revisions.replica import Replica


def understood(replica: Replica, at_least: AtLeast) -> AtLeast:
    """How new an answer has to be in terms of this replica; of another epoch nothing can be asked."""
    return at_least if at_least.epoch and at_least.epoch == replica.epoch else ANY


def answer_environment(
    replica: Replica, environment_id: str, at_least: AtLeast, *, silent: bool = False
) -> EnvironmentAnswer | None:
    """Answer from what is held; ``silent`` = the log is not heard, so that misses are not certain."""
    floor = understood(replica, at_least)
    held = replica.environments.get(environment_id)
    if held is not None:
        known = replica.known(held)
        if known < floor.position or held.value.revision < floor.revision or not held.current:
            return None
        return EnvironmentAnswer(
            snapshot=held.value,
            revision=held.value.revision,
            epoch=replica.epoch,
            position=known,
            age=replica.age(held),
        )
    counter = CounterId("environment", environment_id)
    if replica.gone(counter):
        revision = replica.at_least(counter)
        if revision < floor.revision:
            return None
        # It ended for good, so it is absent at every later position too.
        position = max(replica.position, floor.position)
        return EnvironmentAnswer(snapshot=None, revision=revision, epoch=replica.epoch, position=position)
    if silent or floor.revision or not _misses(replica, Target("environment", environment_id), floor):
        return None
    return EnvironmentAnswer(snapshot=None, revision=0, epoch=replica.epoch, position=replica.position)


def answer_account(
    replica: Replica, key_hash: str, at_least: AtLeast, *, silent: bool = False
) -> AccountAnswer | None:
    """Answer from what is held, as `answer_environment` does."""
    floor = understood(replica, at_least)
    held = replica.keys.get(key_hash)
    if held is not None:
        known = replica.known(held)
        if known < floor.position or held.value.revision < floor.revision or not held.current:
            return None
        return AccountAnswer(record=held.value, epoch=replica.epoch, position=known, age=replica.age(held))
    if silent or not _misses(replica, Target("key", key_hash), floor):
        return None
    return AccountAnswer(record=None, epoch=replica.epoch, position=replica.position)


def last_known_environment(replica: Replica, environment_id: str) -> EnvironmentAnswer | None:
    """What is held, marked as older than what was asked for; None = nothing is held."""
    held = replica.environments.get(environment_id)
    if held is None:
        return None
    return EnvironmentAnswer(
        snapshot=held.value,
        revision=held.value.revision,
        epoch=replica.epoch,
        position=max(0, replica.known(held)),
        behind=True,
        age=replica.age(held),
    )


def last_known_account(replica: Replica, key_hash: str) -> AccountAnswer | None:
    """What is held, marked as older than what was asked for; None = nothing is held."""
    held = replica.keys.get(key_hash)
    if held is None:
        return None
    return AccountAnswer(
        record=held.value,
        epoch=replica.epoch,
        position=max(0, replica.known(held)),
        behind=True,
        age=replica.age(held),
    )


def _misses(replica: Replica, target: Target, floor: AtLeast) -> bool:
    return replica.position >= floor.position and replica.missed(target)
