"""What an Edge tells MR of its use: everything once, nothing late, and never in anybody's way."""

from prometheus_client import CollectorRegistry

from common.contracts.usage import UsageReport, decode_usage, encode_usage
from common.errors import Unavailable
from edge.telling import COUNTS_AT_ONCE, LATE_SECONDS, Counted, UsageTeller
from edge.usage import Usage


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


class Listener:
    """Takes reports in while `there`."""

    def __init__(self):
        self.there = True
        self.told = {}
        self.reports = 0

    async def tell(self, report: UsageReport):
        if not self.there:
            raise Unavailable("nobody is there")
        self.reports += 1
        for count in decode_usage(encode_usage(report)).counts:
            key = (count.environment_id, count.account_id, count.kind)
            self.told[key] = self.told.get(key, 0) + count.count


class Told:
    """An Edge's counters with a teller, on a clock of ours."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.usage = Usage(self.registry)
        self.streams = {}
        self.clock = Clock()
        self.listener = Listener()
        counted = Counted(lambda: self.usage.hits, lambda: self.streams, clock=self.clock)
        self.teller = UsageTeller("edge-1", counted, self.listener.tell, self.registry, clock=self.clock)

    def poll(self, result="found", times=1):
        for _ in range(times):
            self.usage.hit("poll", result, environment_id="e", account_id="a")


async def test_every_hit_is_told_once():
    it = Told()
    it.poll(times=3)
    it.poll("unchanged")
    await it.teller.tell()
    it.poll(times=2)
    it.usage.hit("update", "202", environment_id="e", account_id="a")
    it.usage.hit("stream", "found", environment_id="e", account_id="b")
    await it.teller.tell()
    await it.teller.tell()
    assert it.listener.told == {
        ("e", "a", "poll"): 5,
        ("e", "a", "unchanged"): 1,
        ("e", "a", "update"): 1,
        ("e", "b", "stream"): 1,
    }
    assert it.listener.reports == 2  # nothing to tell is not told


async def test_keys_that_nobody_knows_are_told_to_nobody():
    it = Told()
    it.usage.hit("poll", "unknown")
    it.usage.hit("stream", "unknown")
    await it.teller.tell()
    assert it.listener.told == {}


async def test_streams_are_told_by_how_long_they_were_open():
    it = Told()
    it.streams = {"e": 4, "empty": 0}
    it.clock.now += 10
    await it.teller.tell()
    it.streams = {"e": 1}
    it.clock.now += 10
    await it.teller.tell()
    assert it.listener.told == {("e", "", "stream-seconds"): 50}


async def test_what_could_not_be_told_goes_with_the_next_report():
    it = Told()
    it.listener.there = False
    it.poll(times=2)
    await it.teller.tell()
    it.listener.there = True
    it.poll()
    await it.teller.tell()
    assert it.listener.told == {("e", "a", "poll"): 3}


async def test_what_is_late_for_long_is_dropped_and_counted():
    it = Told()
    it.listener.there = False
    it.poll(times=2)
    await it.teller.tell()
    it.clock.now += LATE_SECONDS + 1
    await it.teller.tell()
    it.listener.there = True
    it.poll()
    await it.teller.tell()
    assert it.listener.told == {("e", "a", "poll"): 1}
    assert it.registry.get_sample_value("burgee_edge_usage_dropped_total") == 2


async def test_very_much_is_told_in_portions():
    it = Told()
    for number in range(COUNTS_AT_ONCE + 1):
        it.usage.hit("poll", "found", environment_id=f"e{number}", account_id="a")
    await it.teller.tell()
    assert it.listener.reports == 2
    assert len(it.listener.told) == COUNTS_AT_ONCE + 1
