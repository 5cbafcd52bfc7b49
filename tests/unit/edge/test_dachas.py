"""An Edge asks Dachas so that a frozen, slow, lagging or lost one costs little and decides nothing."""

import asyncio
import time

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from common.contracts.lookups import ANY, AtLeast, Changes, EnvironmentAnswer
from common.errors import Unavailable
from edge.dachas import DachaPool, open_dacha_pool
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.dachas import ScriptedDacha, ScriptedRequests
from tests.support.origins import ModelOrigin
from tests.support.waiting import eventually

HERE = environment_id("here")
HEDGE = 0.05
SECONDS = 30.0
"""The deadline of a question: so far away that what is quick without it is told from what is not."""


class Behind(ModelOrigin):
    """Says of everything that it may be old."""

    async def load_environment(self, environment: str, at_least: AtLeast = ANY, /) -> EnvironmentAnswer:
        answer = await super().load_environment(environment, at_least)
        return msgspec.structs.replace(answer, behind=True)


class Bench:
    """Two Dachas over one log, and a pool that asks them."""

    def __init__(self, *, hedge_seconds: float = HEDGE) -> None:
        self.log = ChangeLog()
        self.log.create_environment(HERE)
        self.log.save_account(account_id("a"), key_hash("client"), key_hash("server"), environments=[HERE])
        self.log.assign()
        self.first = ScriptedDacha("first", ModelOrigin(self.log))
        self.second = ScriptedDacha("second", ModelOrigin(self.log))
        self.requests = ScriptedRequests(self.first, self.second)
        self.registry = CollectorRegistry()
        self.pool = DachaPool(
            self.requests,
            registry=self.registry,
            hedge_seconds=hedge_seconds,
            passed_on_hedge_seconds=hedge_seconds,
            seconds=SECONDS,
        )

    def all_report(self) -> None:
        for dacha in self.requests.dachas.values():
            self.pool.told(dacha.report(epoch=self.log.epoch, position=self.log.position))

    def count(self, name: str) -> float:
        return self.registry.get_sample_value(name) or 0.0


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def patient() -> Bench:
    """Where it is counted whom a question goes to, a moment in which nothing runs asks nobody else."""
    return Bench(hedge_seconds=SECONDS)


async def test_a_question_goes_to_one_dacha(patient: Bench) -> None:
    patient.all_report()
    answer = await patient.pool.load_environment(HERE)
    assert answer.snapshot is not None
    assert (answer.revision, answer.position) == (1, patient.log.position)
    assert patient.first.asked + patient.second.asked == 1
    assert patient.count("burgee_edge_dacha_hedges_total") == 0


async def test_every_question_has_its_own_answer(bench: Bench) -> None:
    bench.all_report()
    assert (await bench.pool.load_account(key_hash("server"))).record == bench.log.accounts[account_id("a")]
    assert await bench.pool.state() == bench.log.where()
    assert await bench.pool.changes(0) == bench.log.changes_after(0)
    counters = list(bench.log.revisions_by_counter)
    assert await bench.pool.revisions(counters) == bench.log.counter_states(counters)


async def test_an_empty_answer_is_an_answer(patient: Bench) -> None:
    patient.all_report()
    assert await patient.pool.revisions([]) == []
    assert patient.first.asked + patient.second.asked == 1


async def test_a_frozen_dacha_costs_a_moment_and_no_answer(bench: Bench) -> None:
    bench.all_report()
    bench.first.frozen = True
    bench.requests.next_for_all("first")
    begun = time.monotonic()
    answer = await bench.pool.load_environment(HERE)
    assert answer.snapshot is not None
    assert HEDGE * 0.9 <= time.monotonic() - begun < SECONDS / 2
    assert bench.first.given_up >= 1
    assert bench.count("burgee_edge_dacha_hedges_total") >= 1
    assert bench.count("burgee_edge_dacha_hedge_wins_total") == 1


async def test_while_a_dacha_is_frozen_most_questions_cost_nothing_extra(bench: Bench) -> None:
    bench.all_report()
    bench.first.frozen = True
    for _ in range(60):
        bench.all_report()
        assert (await bench.pool.load_environment(HERE)).snapshot is not None
    # Without memory every second question would be put twice.
    assert bench.count("burgee_edge_dacha_hedges_total") < 20


async def test_before_any_report_the_bus_is_asked_for_another(bench: Bench) -> None:
    bench.first.frozen = True
    bench.requests.next_for_all("first")
    begun = time.monotonic()
    assert (await bench.pool.load_environment(HERE)).snapshot is not None
    assert time.monotonic() - begun < SECONDS / 2
    assert set(bench.requests.words) == {"dacha"}


async def test_a_dacha_that_is_heard_of_while_a_question_waits_is_asked(bench: Bench) -> None:
    del bench.requests.dachas["second"]
    bench.first.frozen = True
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(bench.pool.load_environment(HERE))
        await eventually(lambda: bench.first.asked >= 8)
        bench.requests.dachas["second"] = bench.second
        bench.pool.told(bench.second.report())
        assert (await asking).snapshot is not None


async def test_when_mr_is_slow_it_is_not_asked_twice_for_everything(bench: Bench) -> None:
    bench.all_report()
    for dacha in (bench.first, bench.second):
        dacha.delay_seconds = 2 * HEDGE
    for _ in range(30):
        assert (await bench.pool.load_environment(HERE)).snapshot is not None
    assert bench.first.asked + bench.second.asked < 50


async def test_only_so_many_questions_are_put_however_long_the_silence(bench: Bench) -> None:
    del bench.requests.dachas["second"]
    bench.pool = DachaPool(bench.requests, hedge_seconds=HEDGE, seconds=2.0)
    bench.first.frozen = True
    bench.all_report()
    with pytest.raises(Unavailable):
        await bench.pool.load_environment(HERE)
    assert bench.first.asked <= 9


async def test_a_refusal_moves_on_at_once(bench: Bench) -> None:
    bench.all_report()
    origin = bench.first.origin
    assert isinstance(origin, ModelOrigin)
    origin.cut_off = True
    bench.pool = DachaPool(bench.requests, hedge_seconds=30, seconds=60)
    bench.all_report()
    for _ in range(4):
        async with asyncio.timeout(20):
            assert (await bench.pool.load_environment(HERE)).snapshot is not None


async def test_when_all_refuse_the_reason_is_told(bench: Bench) -> None:
    bench.all_report()
    for dacha in (bench.first, bench.second):
        assert isinstance(dacha.origin, ModelOrigin)
        dacha.origin.cut_off = True
    with pytest.raises(Unavailable, match="MR is away"):
        await bench.pool.load_environment(HERE)
    assert bench.count("burgee_edge_dacha_unanswered_total") == 1


async def test_when_all_are_frozen_the_deadline_ends_it(bench: Bench) -> None:
    bench.pool = DachaPool(bench.requests, hedge_seconds=0.02, seconds=0.2)
    bench.all_report()
    bench.first.frozen = bench.second.frozen = True
    with pytest.raises(Unavailable):
        await bench.pool.state()
    assert bench.first.given_up == bench.first.asked
    assert bench.second.given_up == bench.second.asked


async def test_an_answer_that_is_behind_gives_way_to_one_that_is_not(bench: Bench) -> None:
    bench.first.origin = Behind(bench.log)
    bench.all_report()
    bench.requests.next_for_all("first")
    assert not (await bench.pool.load_environment(HERE)).behind


async def test_an_answer_that_is_behind_is_better_than_none(bench: Bench) -> None:
    bench.first.origin = Behind(bench.log)
    bench.second.frozen = True
    bench.all_report()
    bench.requests.next_for_all("first")
    begun = time.monotonic()
    assert (await bench.pool.load_environment(HERE)).behind
    assert time.monotonic() - begun < SECONDS / 2


async def test_an_answer_below_what_is_known_gives_way(bench: Bench) -> None:
    lagging = bench.log.backup()
    bench.log.set_feature(HERE, "NEW")
    bench.log.assign()
    bench.first.origin = ModelOrigin(lagging)
    bench.all_report()
    bench.requests.next_for_all("first")
    floor = AtLeast(bench.log.epoch, 2, bench.log.position)
    answer = await bench.pool.load_environment(HERE, floor)
    assert answer.revision == 2


async def test_absence_at_an_older_position_gives_way(bench: Bench) -> None:
    lagging = bench.log.backup()
    later = environment_id("later")
    bench.log.create_environment(later)
    bench.log.save_account(account_id("b"), key_hash("c"), key_hash("s"), environments=[later])
    bench.log.assign()
    bench.first.origin = ModelOrigin(lagging)
    bench.all_report()
    floor = AtLeast(bench.log.epoch, 0, bench.log.position)
    bench.requests.next_for_all("first")
    assert (await bench.pool.load_environment(later, floor)).snapshot is not None
    bench.requests.next_for_all("first")
    assert (await bench.pool.load_account(key_hash("s"), floor)).record is not None


async def test_what_is_absent_now_is_absent(patient: Bench) -> None:
    patient.all_report()
    floor = AtLeast(patient.log.epoch, 0, patient.log.position)
    assert (await patient.pool.load_account(key_hash("junk"), floor)).record is None
    assert patient.first.asked + patient.second.asked == 1


async def test_without_a_connection_nobody_is_asked(bench: Bench) -> None:
    bench.requests.connected = False
    with pytest.raises(Unavailable):
        await bench.pool.state()
    assert not bench.requests.words


async def test_without_any_dacha_there_is_no_waiting(bench: Bench) -> None:
    bench.requests.dachas.clear()
    async with asyncio.timeout(SECONDS / 2):
        with pytest.raises(Unavailable):
            await bench.pool.load_environment(HERE)


async def test_whoever_stops_waiting_leaves_nothing_behind(bench: Bench) -> None:
    bench.first.frozen = bench.second.frozen = True
    bench.all_report()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await bench.pool.changes(3)
    assert bench.first.given_up + bench.second.given_up == bench.first.asked + bench.second.asked > 0


async def test_a_pool_hears_reports_while_it_is_open(bench: Bench) -> None:
    async with open_dacha_pool(bench.requests, registry=CollectorRegistry()) as pool:
        bench.requests.report_all()
        bench.first.frozen = True
        bench.requests.next_for_all("first")
        assert await pool.changes(0) == Changes(
            epoch=bench.log.epoch,
            term=bench.log.term,
            position=bench.log.position,
            counters=bench.log.changes_after(0).counters,
        )
    bench.requests.report_all()
