"""Asks MR, carefully: one load per target at a time, few at once, with deadlines.

Waiters share a load and cannot hurt each other: it belongs to the process, not to whoever asked first.
Where the origin has much at hand, what begins in one turn of the event loop is one question with one
deadline, and whoever it does not answer asks alone. Says *unknown* (`Unavailable`) whenever it is not
certain. Must not know who asks for what.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

import structlog

from common.contracts.lookups import ANY, AccountAnswer, AtLeast
from common.contracts.questions import AskMany
from common.errors import Unavailable
from common.revisions.targets import Loaded, Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable, Sequence

    from common.caching.metrics import CacheMetrics
    from common.contracts.environments import AccountRecord, EnvironmentSnapshot
    from common.contracts.events import CounterId
    from common.contracts.lookups import Changes, CounterState, EnvironmentAnswer, Many, State
    from common.revisions.replica import Replica
    from common.revisions.targets import Ticket

_log = structlog.get_logger(__name__)

T = TypeVar("T")

LOADS_AT_ONCE: Final = 16
"""Of an origin that pays for each with queries of its own."""
TOGETHER_AT_MOST: Final = 32
"""Look-ups in one question for what is at hand: while one is on its way back, the next one is on its way."""
PATIENCE_SECONDS: Final = 1.0
"""A question for many that fails sooner is asked one by one; after that there is no time left to."""
LANDING_SECONDS: Final = 0.001
"""So long answers are taken over in one go: to prove large environments takes milliseconds each."""


class Origin(Protocol):
    """Whoever owns the data, or is nearer to it. Each answer is one snapshot that says how far it reaches.

    Every method raises `Unavailable` when it cannot know now; an answer of *none* is certain.
    """

    async def load_environment(self, environment_id: str, at_least: AtLeast = ANY, /) -> EnvironmentAnswer:
        """The environment as it is now; ``at_least`` tells what an answer is worth nothing below."""

    async def load_account(self, key_hash: str, at_least: AtLeast = ANY, /) -> AccountAnswer:
        """The service account that has a key with this hash now."""

    async def changes(self, after: int) -> Changes:
        """Which counters moved after a position."""

    async def revisions(self, counters: Sequence[CounterId]) -> list[CounterState]:
        """Where counters stand; one that has no positioned revision is left out."""

    async def state(self) -> State:
        """Where MR stands."""


@runtime_checkable
class ManyLoader(Protocol):
    """An origin that loads several environments for little more than one."""

    async def load_many(self, question: AskMany, /) -> Many:
        """The answers to the question's environments; None = ask for it alone. Raises `Unavailable`."""


@runtime_checkable
class AtHand(Protocol):
    """An origin that answers many look-ups at once as far as nothing has to be loaded for it."""

    async def load_at_hand(self, question: AskMany, /) -> Many:
        """The answers; None = ask for it alone. Raises `Unavailable`."""


def pause(failures: int, *, first: float = 0.05, longest: float = 15.0) -> float:
    """Seconds to wait after so many failures in a row: doubling, bounded, jittered."""
    return min(longest, first * 2.0 ** min(failures, 16)) * random.uniform(0.5, 1.0)  # noqa: S311


class TokenBucket:
    """So many per second on average, so many at once."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock()

    def take(self) -> bool:
        """Take one, if there is one."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Landing(NamedTuple):
    """How a load ended, and up to which position of which epoch its answer reached.

    ``value`` is what was found, also where it was not kept; it was true ``age`` seconds before.
    """

    outcome: Loaded
    epoch: str = ""
    position: int = 0
    value: EnvironmentSnapshot | AccountRecord | None = None
    age: float = 0.0


Told = Callable[[Landing | Unavailable], None]
"""Hears how a load ended; must return at once and never raise."""


class Loader:
    """Loads into a replica. Its tasks belong to ``tasks``; `close` ends them.

    ``seconds`` bounds a load with all its repetitions, ``at_once`` the questions under way,
    ``flights`` the loads that exist at all, waiting ones included.
    """

    def __init__(
        self,
        origin: Origin,
        replica: Replica,
        tasks: asyncio.TaskGroup,
        metrics: CacheMetrics,
        *,
        seconds: float = 5.0,
        at_once: int = LOADS_AT_ONCE,
        flights: int = 2_000,
    ) -> None:
        self.origin = origin
        self._at_hand = origin if isinstance(origin, AtHand) else None
        self._replica = replica
        self._tasks = tasks
        self._metrics = metrics
        self._seconds = seconds
        self._slots = asyncio.Semaphore(at_once)
        self._flight_limit = flights
        self._flights: dict[Target, list[Told]] = {}
        self._turn: list[Target] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    async def load(self, target: Target) -> Landing:
        """Load, or join the load that is under way; AGAIN = MR could not be brought to a usable answer.

        Raises `Unavailable`. A waiter that is cancelled leaves the load running.
        """
        future: asyncio.Future[Landing | Unavailable] = asyncio.get_running_loop().create_future()
        self.begin(target, partial(_hand_over, future))
        result = await future
        if isinstance(result, Unavailable):
            raise Unavailable(str(result), retry_after_seconds=result.retry_after_seconds)
        return result

    def loading(self, target: Target) -> bool:
        """True while a load of the target is under way."""
        return target in self._flights

    def begin(self, target: Target, told: Told) -> None:
        """Load, or join the load that is under way; ``told`` hears once how it ended, perhaps at once."""
        waiting = self._flights.get(target)
        if waiting is not None:
            waiting.append(told)
        elif self._closed:
            told(Unavailable("This process is ending."))
        elif len(self._flights) >= self._flight_limit:
            told(Unavailable("Too many loads are under way."))
        else:
            self._flights[target] = [told]
            if target.kind != "account" and self._at_hand is not None:
                self._join(target)
            else:
                self._spawn(self._fly(target, self._deadline()), f"load {target.kind}")

    def _join(self, target: Target) -> None:
        """Ask for it with the others that begin in this turn."""
        turn = self._turn
        if turn is None:
            turn = self._turn = []
            asyncio.get_running_loop().call_soon(self._end_turn, turn)
        turn.append(target)
        if len(turn) >= TOGETHER_AT_MOST:
            self._end_turn(turn)

    def _end_turn(self, turn: list[Target]) -> None:
        if self._turn is not turn:
            return  # It was full before the turn ended.
        self._turn = None
        if self._closed:
            return
        if len(turn) > 1 and self._at_hand is not None:
            self._spawn(self._fly_together(self._at_hand, turn), "load together")
        else:
            for target in turn:
                self._spawn(self._fly(target, self._deadline()), f"load {target.kind}")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = self._tasks.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._seconds

    def _tell(self, target: Target, result: Landing | Unavailable) -> None:
        """End a flight: all who wait for it hear of it now, in this very step."""
        for told in self._flights.pop(target, ()):
            try:
                told(result)
            except Exception:  # noqa: BLE001
                # The others wait for the same, and nobody else would tell them.
                _log.exception("load.waiter_failed", kind=target.kind)

    async def load_many(self, environments: Sequence[str]) -> None:
        """Load environments with one question to an origin that takes it, and one by one what is left then.

        Raises `Unavailable` when one of them cannot be loaded now, or its answer was of no use.
        """
        if isinstance(self.origin, ManyLoader):
            await self._land_many(self.origin, environments)
        for each in environments:
            if each not in self._replica.environments:
                landing = await self.load(Target("environment", each))
                if landing.outcome is Loaded.AGAIN:
                    raise Unavailable("An answer was older than what is known here.")

    async def _land_many(self, origin: ManyLoader, environments: Sequence[str]) -> None:
        """Take over what one question brings; whoever joined meanwhile is served by a load of its own."""
        targets = [Target("environment", each) for each in environments]
        tickets = {target: self._replica.begin(target) for target in targets if target not in self._flights}
        if not tickets:
            return
        for target in tickets:
            self._flights[target] = []
        try:
            async with self._slots:
                question = AskMany(tuple((each.id, self._replica.floor(each)) for each in tickets))
                many = await self.ask("environments", origin.load_many(question))
            for ticket, answer in zip(tuple(tickets.values()), many.environments, strict=False):
                if answer is not None:
                    del tickets[ticket.target]
                    self._settle(ticket.target, self._landing(ticket, answer))
                # To prove a large environment takes milliseconds; readers come first.
                await asyncio.sleep(0)
        finally:
            for target, ticket in tickets.items():
                self._replica.abandon(ticket)
                self._settle(target, None)

    def _settle(self, target: Target, landing: Landing | None) -> None:
        """End a flight that was part of a question for many."""
        if landing is not None and landing.outcome is not Loaded.AGAIN:
            self._tell(target, landing)
        else:
            self._tell(target, Unavailable("It has to be asked for again."))

    async def _fly_together(self, origin: AtHand, targets: Sequence[Target]) -> None:
        """Load what is at hand with one question; what is left then flies alone, by the same deadline."""
        left = dict.fromkeys(targets)
        deadline = self._deadline()
        failure: Unavailable | None = Unavailable("The load was ended.")
        try:
            async with asyncio.timeout_at(deadline), self._slots:
                await self._know_epoch()
                failure = await self._land_together(origin, left)
        except TimeoutError:
            self._count(left, "late")
            failure = Unavailable("MR did not answer in time.")
        except Unavailable as error:
            failure = error
        finally:
            for target in left:
                if failure is None:
                    self._spawn(self._fly(target, deadline), f"load {target.kind}")
                else:
                    self._tell(target, failure)

    async def _land_together(self, origin: AtHand, left: dict[Target, None]) -> Unavailable | None:
        """Take over what is at hand, out of ``left``; the result is what ends the others, None = nothing."""
        clock = asyncio.get_running_loop().time
        tickets = [self._replica.begin(each) for each in left]
        environments = [each for each in tickets if each.target.kind == "environment"]
        accounts = [each for each in tickets if each.target.kind == "key"]
        begun = clock()
        try:
            many = await origin.load_at_hand(AskMany(self._asked(environments), self._asked(accounts)))
            await self._take_over(
                (
                    *zip(environments, many.environments, strict=False),
                    *zip(accounts, many.accounts, strict=False),
                ),
                left,
            )
        except Unavailable as error:
            if clock() - begun <= PATIENCE_SECONDS:
                return None
            self._count(left, "unavailable")
            return error
        finally:
            # The others were ended by what came for them.
            for ticket in tickets:
                if ticket.target in left:
                    self._replica.abandon(ticket)
        return None

    def _asked(self, tickets: Sequence[Ticket]) -> tuple[tuple[str, AtLeast], ...]:
        return tuple([(each.target.id, self._replica.floor(each.target)) for each in tickets])

    async def _take_over(
        self,
        answers: Sequence[tuple[Ticket, EnvironmentAnswer | AccountAnswer | None]],
        left: dict[Target, None],
    ) -> None:
        self._count([ticket.target for ticket, answer in answers if answer is not None], "answered")
        since = time.perf_counter()
        for ticket, answer in answers:
            if answer is None:
                continue
            target = ticket.target
            landing = self._landing(ticket, answer)
            if landing.outcome is not Loaded.AGAIN:
                del left[target]
                self._tell(target, landing)
            if time.perf_counter() - since > LANDING_SECONDS:
                await asyncio.sleep(0)
                since = time.perf_counter()

    def _landing(self, ticket: Ticket, answer: EnvironmentAnswer | AccountAnswer) -> Landing:
        if isinstance(answer, AccountAnswer):
            outcome = self._replica.finish_account(ticket, answer)
        else:
            outcome = self._replica.finish_environment(ticket, answer)
        return Landing(outcome, answer.epoch, answer.position, ticket.value, answer.age)

    def _count(self, targets: Iterable[Target], outcome: str) -> None:
        kinds = ["environment" if target.kind == "environment" else "account" for target in targets]
        for kind in ("environment", "account"):
            if kind in kinds:
                self._metrics.questions[kind, outcome] += kinds.count(kind)

    async def _know_epoch(self) -> None:
        """Ask MR where it stands, if nothing can be believed before.

        After a restart the kept epoch tells which answers may be believed, unless somebody has spoken of
        another one: nobody waits then for a word that may never come.
        """
        if not self._replica.epoch or self._replica.doubts_epoch:
            await self.ask_state()

    async def ask_state(self) -> None:
        """Ask MR where it stands and believe it. Raises `Unavailable`."""
        while True:
            epoch = self._replica.epoch
            state = await self.ask("state", self.origin.state())
            if self._replica.epoch in {epoch, state.epoch}:
                break
            # Another answer brought a new epoch meanwhile; this one may be of the one before.
        if state.second_hand and self._replica.epoch:
            raise Unavailable("MR cannot be asked where it stands.")
        self._replica.adopt(state)

    async def ask(self, question: str, answer: Awaitable[T]) -> T:
        """Await an answer of the origin within the deadline; a late one is Unavailable."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._counted(question, answer)
        except TimeoutError:
            self._metrics.questions[question, "late"] += 1
            raise Unavailable("MR did not answer in time.") from None

    async def _counted(self, question: str, answer: Awaitable[T]) -> T:
        """Await an answer for somebody who has a deadline of his own."""
        try:
            result = await answer
        except Unavailable:
            self._metrics.questions[question, "unavailable"] += 1
            raise
        self._metrics.questions[question, "answered"] += 1
        return result

    def close(self) -> None:
        """End every load; waiters hear Unavailable."""
        self._closed = True
        for task in self._running:
            task.cancel()
        # Also those whose task has not run yet and so never will.
        for target in tuple(self._flights):
            self._tell(target, Unavailable("This process is ending."))

    async def _fly(self, target: Target, deadline: float) -> None:
        result: Landing | Unavailable = Unavailable("The load was ended.")
        try:
            async with asyncio.timeout_at(deadline):
                result = await self._until_usable(target)
        except TimeoutError:
            self._count((target,), "late")
            result = Unavailable("MR did not answer in time.")
        except Unavailable as error:
            result = error
        finally:
            self._tell(target, result)

    async def _until_usable(self, target: Target) -> Landing:
        """Repeat while answers are older than what is known; that ends when MR or the log catches up."""
        for attempt in range(8):
            async with self._slots:
                await self._know_epoch()
                landing = await self._attempt(target)
            if landing.outcome is not Loaded.AGAIN:
                return landing
            await asyncio.sleep(pause(attempt, first=0.01, longest=0.5))
        return Landing(Loaded.AGAIN)

    async def _attempt(self, target: Target) -> Landing:
        floor = self._replica.floor(target)
        ticket = self._replica.begin(target)
        try:
            if target.kind == "environment":
                answer = await self._counted("environment", self.origin.load_environment(target.id, floor))
                return self._landing(ticket, answer)
            hashes = (target.id,) if target.kind == "key" else self._replica.hashes(target.id)
            found = await self._ask_for_account(hashes, floor)
            # Without a hash it was evicted or removed meanwhile: there is nothing left to make true.
            return Landing(Loaded.ABSENT) if found is None else self._landing(ticket, found)
        finally:
            self._replica.abandon(ticket)

    async def _ask_for_account(self, hashes: Sequence[str], floor: AtLeast) -> AccountAnswer | None:
        """The account under one of its keys; else the refusal that is worth least: all must be good."""
        refusals: list[AccountAnswer] = []
        for key_hash in hashes:
            answer = await self._counted("account", self.origin.load_account(key_hash, floor))
            if answer.record is not None:
                return answer
            refusals.append(answer)
        return min(refusals, key=self._worth, default=None)

    def _worth(self, answer: AccountAnswer) -> tuple[bool, int]:
        return not answer.behind and answer.epoch == self._replica.epoch, answer.position


def _hand_over(future: asyncio.Future[Landing | Unavailable], result: Landing | Unavailable) -> None:
    if not future.done():
        future.set_result(result)
