"""Dacha2's answers to Edges: environments and accounts from the cache, everything else from MR.

Satisfies `common.caching.loader.Origin` for others. What is held is answered at once when it is as new as
the asker needs it; else MR is asked, once for all who wait. What MR alone can say (changes, revisions,
state, listings) is passed on, each time anew. Must not know what carries questions.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from common.contracts.environments import AccountRecord, EnvironmentSnapshot
from common.contracts.events import CounterId
from common.contracts.lookups import (
    ANY,
    AccountAnswer,
    AtLeast,
    Changes,
    CounterState,
    EnvironmentAnswer,
    HeldEnvironment,
    Listing,
    State,
    encode_many,
)
from common.errors import Unavailable
from common.origins.remote import Lister
from common.revisions.targets import Loaded, Target
from dacha.answers import (
    answer_account,
    answer_environment,
    last_known_account,
    last_known_environment,
    understood,
)
from dacha.encoded import Encoded
from dacha.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from common.caching.app import OpenCache
    from common.caching.loader import Landing
    from common.contracts.questions import AskMany

Answer = TypeVar("Answer", EnvironmentAnswer, AccountAnswer)

CATCH_UP_SECONDS: Final = 0.05
"""How long a look-up waits for the log, when only this process's position is missing to the answer."""
LOOK_SECONDS: Final = 0.005
ANSWER_SECONDS: Final = 3.0
"""When MR says nothing for so long, whoever asked hears what is known here before giving up."""
LOADS: Final = 3
"""A load that was joined may have begun before the asker knew what it knows; the next one has not."""
FOREIGN_EPOCH_SECONDS: Final = 1.0
"""For how long MR's word on an epoch is good against those who come with another one."""


@dataclass(frozen=True, slots=True)
class _Views(Generic[Answer]):
    """What may be said of one target: of what is held, in need of what is, and of what a load brought."""

    held: Callable[[], Answer | None]
    last_known: Callable[[], Answer | None]
    landed: Callable[[Landing], Answer | None]
    absent: Callable[[Landing], Answer]


class Lookups:
    """Answers Edges from a running cache and, through it, from MR.

    Safe to share among everything that carries questions.
    """

    def __init__(
        self,
        dacha: OpenCache,
        *,
        catch_up_seconds: float = CATCH_UP_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._dacha = dacha
        self._holdings = dacha.holdings
        self._replica = dacha.holdings.replica
        self._loader = dacha.loader
        self._counts = dacha.metrics.lookups
        self._mr = dacha.loader.origin
        self._catch_up_seconds = catch_up_seconds
        self._answer_seconds = answer_seconds
        self._changes: Shared[Changes] = Shared()
        self._states: Shared[None] = Shared()
        self._refuted: tuple[str, float] = ("", 0.0)
        self._encoded = Encoded()
        dacha.cache.watch(self._encoded)

    @property
    def ready(self) -> bool:
        """True once questions are better asked here than not at all."""
        return self._dacha.cache.ready

    async def readiness(self) -> None:
        """Wait until `ready`."""
        while True:
            if self.ready:
                return
            await asyncio.sleep(LOOK_SECONDS)

    def at_hand(self, asked: AskMany) -> bytes:
        """Answer several look-ups at once, each only if nothing has to be asked for it."""
        environments = [self._held_form(*each) for each in asked.environments]
        accounts = [self._held_record(*each) for each in asked.accounts]
        for kind, answers in (("environment", environments), ("account", accounts)):
            self._counts[kind, "hit"] += sum(each is not None for each in answers)
        return encode_many(environments, accounts)

    def _held_form(self, environment_id: str, at_least: AtLeast) -> HeldEnvironment | None:
        answer = self._held_environment(environment_id, at_least)
        if answer is None or answer.snapshot is None or not self._same_history(at_least):
            return None
        return HeldEnvironment(
            snapshot=self._encoded.of(answer.snapshot),
            revision=answer.revision,
            epoch=answer.epoch,
            position=answer.position,
            age=answer.age,
        )

    def _held_record(self, key_hash: str, at_least: AtLeast) -> AccountAnswer | None:
        answer = self._held_account(key_hash, at_least)
        return None if answer is None or answer.record is None or not self._same_history(at_least) else answer

    def _same_history(self, at_least: AtLeast) -> bool:
        return not at_least.epoch or at_least.epoch == self._replica.epoch

    def _held_environment(self, environment_id: str, at_least: AtLeast) -> EnvironmentAnswer | None:
        """The answer from what is held, if it is good enough."""
        if (
            environment_id in self._replica.environments
            and self._holdings.fresh_environment(environment_id) is None
        ):
            return None
        return answer_environment(self._replica, environment_id, at_least, silent=self._silent)

    def _held_account(self, key_hash: str, at_least: AtLeast) -> AccountAnswer | None:
        """The answer from what is held, if it is good enough."""
        if key_hash in self._replica.keys and self._holdings.fresh_account(key_hash) is None:
            return None
        return answer_account(self._replica, key_hash, at_least, silent=self._silent)

    async def load_environment(self, environment_id: str, at_least: AtLeast = ANY, /) -> EnvironmentAnswer:
        def held() -> EnvironmentAnswer | None:
            return self._held_environment(environment_id, at_least)

        def last_known() -> EnvironmentAnswer | None:
            if self._holdings.fresh_environment(environment_id) is None:
                return None
            return last_known_environment(self._replica, environment_id)

        def landed(landing: Landing) -> EnvironmentAnswer | None:
            if not isinstance(landing.value, EnvironmentSnapshot):
                return None
            return EnvironmentAnswer(
                snapshot=landing.value,
                revision=landing.value.revision,
                epoch=landing.epoch,
                position=landing.position,
                age=landing.age,
            )

        def absent(landing: Landing) -> EnvironmentAnswer:
            revision = self._replica.at_least(CounterId("environment", environment_id))
            gone = self._replica.gone(CounterId("environment", environment_id))
            return EnvironmentAnswer(
                snapshot=None,
                revision=revision if gone else 0,
                epoch=landing.epoch,
                position=landing.position,
            )

        target = Target("environment", environment_id)
        return await self._look_up("environment", target, at_least, _Views(held, last_known, landed, absent))

    async def load_account(self, key_hash: str, at_least: AtLeast = ANY, /) -> AccountAnswer:
        def held() -> AccountAnswer | None:
            return self._held_account(key_hash, at_least)

        def last_known() -> AccountAnswer | None:
            if self._holdings.fresh_account(key_hash) is None:
                return None
            return last_known_account(self._replica, key_hash)

        def landed(landing: Landing) -> AccountAnswer | None:
            if not isinstance(landing.value, AccountRecord):
                return None
            return AccountAnswer(
                record=landing.value, epoch=landing.epoch, position=landing.position, age=landing.age
            )

        def absent(landing: Landing) -> AccountAnswer:
            return AccountAnswer(record=None, epoch=landing.epoch, position=landing.position)

        target = Target("key", key_hash)
        return await self._look_up("account", target, at_least, _Views(held, last_known, landed, absent))

    async def changes(self, after: int) -> Changes:
        return await self._changes.ask(after, lambda: self._loader.ask("changes", self._mr.changes(after)))

    async def revisions(self, counters: Sequence[CounterId]) -> list[CounterState]:
        return await self._loader.ask("revisions", self._mr.revisions(counters))

    async def state(self) -> State:
        """Where MR stands; while it cannot be asked, the epoch of what is held, for those who know none."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                return await self._loader.ask("state", self._mr.state())
        except (TimeoutError, Unavailable) as error:
            if not self._replica.epoch or self._replica.doubts_epoch:
                raise Unavailable("MR cannot be asked where it stands.") from error
            return State(epoch=self._replica.epoch, term=0, position=0, second_hand=True)

    async def listing(self, after: str | None, limit: int) -> Listing:
        if not isinstance(self._mr, Lister):
            raise Unavailable("What this cache asks cannot list what there is.")
        return await self._loader.ask("listing", self._mr.listing(after, limit))

    @property
    def _silent(self) -> bool:
        return self._holdings.silent_seconds > 0

    async def _look_up(
        self,
        kind: str,
        target: Target,
        at_least: AtLeast,
        views: _Views[Answer],
    ) -> Answer:
        await self._meet(at_least.epoch)
        answer = views.held()
        if answer is None and await self._catch_up(target, at_least):
            answer = views.held()
        if answer is not None:
            self._counts[kind, "hit" if _is_found(answer) else "negative_hit"] += 1
            return answer
        self._admit(kind, target, at_least)
        try:
            async with asyncio.timeout(self._answer_seconds):
                answer = await self._load(target, at_least, views)
            outcome, refusal = "behind", Unavailable("MR's answers are older than what is known here.")
        except TimeoutError:
            outcome, refusal = "unavailable", Unavailable("MR did not answer in time.")
        except Unavailable as error:
            outcome, refusal = "unavailable", error
        if answer is not None:
            self._counts[kind, "load" if _is_found(answer) else "miss"] += 1
            return answer
        answer = views.last_known()
        self._counts[kind, outcome if answer is None else "behind"] += 1
        if answer is None:
            raise refusal
        return answer

    async def _load(
        self,
        target: Target,
        at_least: AtLeast,
        views: _Views[Answer],
    ) -> Answer | None:
        """Ask MR until what is known here is new enough; None = it cannot be brought to that."""
        for _ in range(LOADS):
            landing = await self._loader.load(target)
            answer = views.held()
            if answer is not None:
                return answer
            floor = understood(self._replica, at_least)
            if landing.outcome is Loaded.ABSENT and landing.position >= floor.position:
                return views.absent(landing)
            if landing.outcome is Loaded.FOUND and not self._holds(target):
                # What came may have had to make room already, before those who waited looked.
                answer = views.landed(landing)
                if answer is not None and landing.epoch == self._replica.epoch and _is_enough(answer, floor):
                    return answer
            if landing.outcome is Loaded.AGAIN:
                return None
        return None

    async def _catch_up(self, target: Target, at_least: AtLeast) -> bool:
        """Give the log a moment, if it can make what is held here new enough."""
        replica = self._replica
        floor = understood(replica, at_least)
        if replica.position >= floor.position or not replica.live or self._silent:
            return False
        if not self._has_a_view(target):
            return False
        clock = asyncio.get_running_loop().time
        until = clock() + self._catch_up_seconds
        while True:
            # Looked at again and again: a wake-up would cost something with every event.
            if replica.position >= floor.position or clock() >= until:
                return replica.position >= floor.position
            await asyncio.sleep(LOOK_SECONDS)

    def _holds(self, target: Target) -> bool:
        held = self._replica.environments if target.kind == "environment" else self._replica.keys
        return target.id in held

    def _has_a_view(self, target: Target) -> bool:
        """True when something is held or remembered that would do if only the log were heard further."""
        if target.kind == "environment":
            environment = self._replica.environments.get(target.id)
            return not environment.suspect if environment is not None else self._replica.missed(target)
        account = self._replica.keys.get(target.id)
        return not account.suspect if account is not None else self._replica.missed(target)

    def _admit(self, kind: str, target: Target, at_least: AtLeast) -> None:
        """Let a load begin, unless it is one of too many for keys that nobody here or there ever saw.

        Environments are asked for only when an account names them, which nobody can make up: an Edge that has
        just started may need all of one that has ten thousand.
        """
        if target.kind == "environment":
            return
        if at_least.revision or not self._replica.strange(target) or self._loader.loading(target):
            return
        if not self._dacha.strangers.take():
            self._counts[kind, "refused"] += 1
            raise Unavailable("Too many look-ups of what is not known here.", retry_after_seconds=2)

    async def _meet(self, epoch: str) -> None:
        """Ask MR where it stands when somebody comes from another epoch: one of the two is late."""
        refuted, until = self._refuted
        if not epoch or epoch == self._replica.epoch:
            return
        clock = asyncio.get_running_loop().time
        if epoch == refuted and clock() < until:
            return
        try:
            await self._states.ask("state", self._loader.ask_state)
        except Unavailable:
            # The answer is of our own epoch then, and the asker's to judge.
            return
        if epoch != self._replica.epoch:
            self._refuted = (epoch, clock() + FOREIGN_EPOCH_SECONDS)


def _is_enough(answer: EnvironmentAnswer | AccountAnswer, floor: AtLeast) -> bool:
    found = answer.snapshot if isinstance(answer, EnvironmentAnswer) else answer.record
    return found is not None and found.revision >= floor.revision and answer.position >= floor.position


def _is_found(answer: EnvironmentAnswer | AccountAnswer) -> bool:
    if isinstance(answer, EnvironmentAnswer):
        return answer.snapshot is not None
    return answer.record is not None
