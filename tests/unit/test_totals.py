"""Metrics of several processes as one."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from burgee.totals import Page, Totals


class Process:
    """One process's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter("answers", "Answers.", ["status"], registry=self.registry)
        self.streams = Gauge("streams", "Streams.", registry=self.registry)
        self.seconds = Histogram("seconds", "Seconds.", buckets=(0.5, 1), registry=self.registry)

    @property
    def page(self) -> Page:
        return Page(generate_latest(self.registry).decode())


def samples(totals: Totals) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(totals.text().decode())
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in families
        for each in family.samples
    }


def test_what_counts_is_added_up() -> None:
    one, other, totals = Process(), Process(), Totals()
    one.answers.labels("200").inc(3)
    other.answers.labels("200").inc(4)
    other.answers.labels("404").inc()
    one.seconds.observe(0.1)
    other.seconds.observe(0.7)
    totals.saw("0", one.page)
    totals.saw("1", other.page)
    found = samples(totals)
    assert found["answers_total", (("status", "200"),)] == 7
    assert found["answers_total", (("status", "404"),)] == 1
    assert found["seconds_bucket", (("le", "0.5"),)] == 1
    assert found["seconds_bucket", (("le", "+Inf"),)] == 2
    assert found["seconds_sum", ()] == 0.1 + 0.7


def test_what_measures_is_told_apart() -> None:
    one, other, totals = Process(), Process(), Totals()
    one.streams.set(5)
    other.streams.set(7)
    totals.saw("0", one.page)
    totals.saw("1", other.page)
    found = samples(totals)
    assert found["streams", (("worker", "0"),)] == 5
    assert found["streams", (("worker", "1"),)] == 7


def test_no_sum_falls_when_a_process_ends() -> None:
    one, other, totals = Process(), Process(), Totals()
    one.answers.labels("200").inc(3)
    other.answers.labels("200").inc(4)
    other.streams.set(7)
    totals.saw("0", one.page)
    totals.saw("1", other.page)
    totals.ended("1")
    totals.ended("1")
    found = samples(totals)
    assert found["answers_total", (("status", "200"),)] == 7
    assert ("streams", (("worker", "1"),)) not in found
    successor = Process()
    successor.answers.labels("200").inc()
    totals.saw("1", successor.page)
    assert samples(totals)["answers_total", (("status", "200"),)] == 8
