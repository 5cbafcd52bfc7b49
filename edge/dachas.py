"""Asks Dacha over the bus so that a frozen one costs a moment, not an answer.

One question goes to one Dacha; when it takes too long, the same question goes to another as well, and
the first good answer counts. What a Dacha says of itself as *behind* is only taken when nobody knows
better. Must not know what the bus is, nor what is done with answers.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from common.contracts.lookups import ANY, AccountAnswer, AtLeast, EnvironmentAnswer, Many
from common.errors import Unavailable
from common.origins.remote import RemoteOrigin
from edge.decoded import Decoded
from edge.members import ANYBODY, Members, Pace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from common.contracts.events import CounterId
    from common.contracts.lookups import Changes, CounterState, Snapshots, State
    from common.contracts.questions import AskMany
    from common.contracts.reports import Report
    from common.messaging.bus import Requests

HEDGE_SECONDS: Final = 0.1
"""At least. Dacha answers what it holds in about a millisecond, and what it loads in a few tens."""
LONGEST_HEDGE_SECONDS: Final = 1.0
PASSED_ON_HEDGE_SECONDS: Final = 0.3
"""For what Dacha must ask MR each time: asking twice is asking MR twice."""
ASKED_AT_MOST: Final = 3
"""So many instances by name; the bus's own choice is one of them."""
ANYBODY_AT_MOST: Final = 8
"""While instances are not known by name, it is the bus that must choose another."""
QUESTION_SECONDS: Final = 4.0
"""Below the deadline of whoever loads (`common.caching.loader`), so that it hears why."""

Answer = TypeVar("Answer")
Found = TypeVar("Found", EnvironmentAnswer, AccountAnswer)


class PoolMetrics:
    """How often a second Dacha was asked, and how often that helped."""

    def __init__(self, registry: CollectorRegistry, members: Members) -> None:
        self.hedges = Counter(
            "burgee_edge_dacha_hedges",
            "Questions that were put to one more Dacha because an answer took too long.",
            registry=registry,
        )
        self.wins = Counter(
            "burgee_edge_dacha_hedge_wins",
            "Questions that were answered by another Dacha than the one asked first.",
            registry=registry,
        )
        self.unanswered = Counter(
            "burgee_edge_dacha_unanswered", "Questions that no Dacha could answer.", registry=registry
        )
        Gauge("burgee_edge_dacha_members", "Dachas whose reports are heard.", registry=registry).set_function(
            lambda: len(members)
        )


class DachaPool:
    """Satisfies `common.caching.loader.Origin` and `AtHand` over all Dachas on a bus.

    Feed it with reports (`told`): it then knows instances by name, whom to ask besides the one that the
    bus picks, and whom not to.
    """

    def __init__(
        self,
        requests: Requests,
        *,
        registry: CollectorRegistry | None = None,
        clock: Callable[[], float] = time.monotonic,
        hedge_seconds: float = HEDGE_SECONDS,
        passed_on_hedge_seconds: float = PASSED_ON_HEDGE_SECONDS,
        seconds: float = QUESTION_SECONDS,
    ) -> None:
        self._requests = requests
        self._clock = clock
        self._lookups = Pace(hedge_seconds, LONGEST_HEDGE_SECONDS)
        self._passed_on_to_mr = Pace(passed_on_hedge_seconds, LONGEST_HEDGE_SECONDS)
        self._seconds = seconds
        self._members = Members(clock)
        self._metrics = PoolMetrics(registry or CollectorRegistry(), self._members)
        self.told: Callable[[Report], None] = self._members.told
        self.distrust: Callable[[], None]
        """Call it when something that came from here is found to be wrong: nothing is reused then."""
        self._decoded = Decoded()
        self.distrust = self._decoded.forget

    async def load_environment(self, environment_id: str, at_least: AtLeast = ANY, /) -> EnvironmentAnswer:
        return await self._ask(
            lambda dacha: dacha.load_environment(environment_id, at_least),
            at_least,
            self._lookups,
            lambda answer: _environment_is_new_enough(answer, at_least),
        )

    async def load_account(self, key_hash: str, at_least: AtLeast = ANY, /) -> AccountAnswer:
        return await self._ask(
            lambda dacha: dacha.load_account(key_hash, at_least),
            at_least,
            self._lookups,
            lambda answer: _account_is_new_enough(answer, at_least),
        )

    async def load_at_hand(self, question: AskMany, /) -> Many:
        """Satisfies `AtHand`: what some Dacha has at hand, if it is as new as it has to be.

        Who is asked first is whoever would likely have all of it.
        """
        asked = [at_least for _, at_least in (*question.environments, *question.accounts)]
        newest = max(asked, key=attrgetter("position"))
        many = await self._ask(lambda dacha: dacha.many(question), newest, self._lookups, lambda _: True)
        return Many(
            environments=_those(many.environments, question.environments, _environment_is_new_enough),
            accounts=_those(many.accounts, question.accounts, _account_is_new_enough),
        )

    async def changes(self, after: int) -> Changes:
        return await self._passed_on(lambda dacha: dacha.changes(after))

    async def revisions(self, counters: Sequence[CounterId]) -> list[CounterState]:
        return await self._passed_on(lambda dacha: dacha.revisions(counters))

    async def state(self) -> State:
        return await self._passed_on(lambda dacha: dacha.state())

    async def _passed_on(self, question: Callable[[RemoteOrigin], Awaitable[Answer]]) -> Answer:
        """Ask what every Dacha passes on to MR: whichever answers first is right."""
        return await self._ask(question, ANY, self._passed_on_to_mr, lambda _: True)

    async def _ask(
        self,
        question: Callable[[RemoteOrigin], Awaitable[Answer]],
        at_least: AtLeast,
        pace: Pace,
        good: Callable[[Answer], bool],
    ) -> Answer:
        if not self._requests.connected:
            raise Unavailable("This Edge is not connected to the bus.")
        async with asyncio.TaskGroup() as tasks:
            race = _Race(
                self._requests, self._members, tasks, question, good, pace, self._seconds, self._decoded
            )
            try:
                async with asyncio.timeout(self._seconds):
                    answer = await self._run(race, at_least, pace.patience)
            except TimeoutError:
                race.failure = Unavailable("No Dacha answered in time.")
                answer = race.second_best_or_failure()
            finally:
                race.stop()
        if isinstance(answer, Unavailable):
            self._metrics.unanswered.inc()
            raise answer
        if race.winner != race.asked[0]:
            self._metrics.wins.inc()
        return answer

    async def _run(
        self, race: _Race[Answer], at_least: AtLeast, hedge_seconds: float
    ) -> Answer | Unavailable:
        """Ask one after the other, each sooner if its predecessors have already failed."""
        patience = hedge_seconds
        while True:
            word = self._next(race, at_least)
            if word is not None:
                if race.waiting:
                    self._metrics.hedges.inc()
                race.ask(word)
            answer = await race.answer(patience)
            if answer is not None:
                return answer
            # Somebody who has answered, though behind, is not kept waiting for who may never answer.
            if word is None and (race.second_best is not None or not race.waiting):
                return race.second_best_or_failure()
            race.note_late()
            # Quick at first: the one that was asked second may be the one that the bus had picked.
            patience = hedge_seconds / 2 if len(race.asked) <= ASKED_AT_MOST else 2 * hedge_seconds

    def _next(self, race: _Race[Answer], at_least: AtLeast) -> str | None:
        """Whom to ask besides those who were asked; looked up each time, for reports may have come."""
        if len(set(race.asked)) < ASKED_AT_MOST:
            for word in self._members.words(at_least):
                if word not in race.asked:
                    return word
        unknown = len(self._members) < 2 and race.asked.count(ANYBODY) < ANYBODY_AT_MOST
        return ANYBODY if unknown and race.waiting else None


class _Race(Generic[Answer]):
    """One question and those who were asked it. Its tasks never fail: they come to an outcome."""

    def __init__(
        self,
        requests: Requests,
        members: Members,
        tasks: asyncio.TaskGroup,
        question: Callable[[RemoteOrigin], Awaitable[Answer]],
        good: Callable[[Answer], bool],
        pace: Pace,
        seconds: float,
        snapshots: Snapshots,
    ) -> None:
        self.asked: list[str] = []
        self.winner = ""
        self.second_best: Answer | None = None
        self.failure = Unavailable("There is no Dacha to ask.")
        self._requests = requests
        self._members = members
        self._tasks = tasks
        self._question = question
        self._good = good
        self._pace = pace
        self._seconds = seconds
        self._snapshots = snapshots
        self._running: dict[asyncio.Task[Answer | Unavailable], str] = {}
        self._late: set[str] = set()

    def ask(self, word: str) -> None:
        """Put the question to one more."""
        self.asked.append(word)
        self._members.trust(word).asked()
        task = self._tasks.create_task(self._outcome(word), name=f"ask {word}")
        self._running[task] = word

    async def _outcome(self, word: str) -> Answer | Unavailable:
        async def ask(question: bytes, seconds: float) -> bytes:
            return await self._requests.request(word, question, seconds=seconds)

        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            dacha = RemoteOrigin(ask, seconds=self._seconds, snapshots=self._snapshots)
            answer = await self._question(dacha)
        except Unavailable as error:
            self._pace.refused(clock() - begun)
            return error
        self._pace.answered(clock() - begun)
        return answer

    async def answer(self, seconds: float) -> Answer | None:
        """The first good answer; None when there was none within the time, or nobody is left to give one."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._running:
            left = deadline - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait(
                self._running, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return None
            for task in done:
                word = self._running.pop(task)
                if (good := self._judge(word, task.result())) is not None:
                    return good
        return None

    def _judge(self, word: str, outcome: Answer | Unavailable) -> Answer | None:
        if isinstance(outcome, Unavailable):
            self.failure = outcome
            return None
        if word not in self._late:
            self._members.trust(word).answered()
        self.winner = word
        if self._good(outcome):
            return outcome
        self.second_best = outcome
        return None

    @property
    def waiting(self) -> bool:
        """True while somebody who was asked has not answered."""
        return bool(self._running)

    def note_late(self) -> None:
        """Hold it against those who have not answered yet."""
        for word in self._running.values():
            if word not in self._late:
                self._late.add(word)
                self._members.trust(word).was_silent()

    def second_best_or_failure(self) -> Answer | Unavailable:
        """What is left when nobody gave a good answer."""
        return self.failure if self.second_best is None else self.second_best

    def stop(self) -> None:
        """Wait for nobody any more."""
        for task in self._running:
            task.cancel()


def _environment_is_new_enough(answer: EnvironmentAnswer, at_least: AtLeast) -> bool:
    if answer.behind or (at_least.epoch and answer.epoch != at_least.epoch):
        return False
    present = answer.snapshot is not None or answer.revision > 0
    return answer.revision >= at_least.revision and (present or answer.position >= at_least.position)


def _account_is_new_enough(answer: AccountAnswer, at_least: AtLeast) -> bool:
    if answer.behind or (at_least.epoch and answer.epoch != at_least.epoch):
        return False
    if answer.record is None:
        return answer.position >= at_least.position
    return answer.record.revision >= at_least.revision


def _those(
    answers: Sequence[Found | None],
    asked: Sequence[tuple[str, AtLeast]],
    good: Callable[[Found, AtLeast], bool],
) -> tuple[Found | None, ...]:
    """The answers that are good enough, None in place of the others."""
    return tuple(
        [
            each if each is not None and good(each, at_least) else None
            for each, (_, at_least) in zip(answers, asked, strict=False)
        ]
    )


@asynccontextmanager
async def open_dacha_pool(
    requests: Requests, *, registry: CollectorRegistry | None = None
) -> AsyncIterator[DachaPool]:
    """Ask Dachas over ``requests``, and hear their reports, until the block ends."""
    pool = DachaPool(requests, registry=registry)
    async with requests.on_report(pool.told):
        yield pool
