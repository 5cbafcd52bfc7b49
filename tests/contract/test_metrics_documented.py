"""The reference of metrics says what the processes say, and what everybody needs is among it."""

import subprocess
import sys
from pathlib import Path

import pytest

from burgee.metrics_reference import metrics_by_process, metrics_reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"

NEEDED = {
    "requests": ("burgee_http_requests_total", {"party", "party-ish", "mr", "dacha", "edge", "edge-rest"}),
    "streams": ("burgee_edge_streams", {"party", "edge"}),
    "events": ("burgee_edge_stream_events_total", {"party", "edge"}),
    "events on the bus": ("burgee_bus_messages_total", {"mr", "dacha", "edge"}),
    "revisions": ("burgee_relay_revisions_total", {"party", "party-ish", "mr"}),
    "outcomes of the cache": ("burgee_dacha_lookups_total", {"party", "dacha"}),
    "outcomes of the near cache": ("burgee_edge_lookups_total", {"edge"}),
    "age of the outbox": ("burgee_relay_oldest_unpublished_seconds", {"party", "party-ish", "mr"}),
    "propagation to the bus": ("burgee_relay_publish_seconds", {"party", "party-ish", "mr"}),
    "propagation to streams": ("burgee_edge_propagation_seconds", {"party", "edge"}),
    "loop lag": ("burgee_event_loop_lag_seconds", {"party", "party-ish", "mr", "dacha", "edge", "edge-rest"}),
}


async def test_the_reference_is_current():
    assert DOCUMENT.read_text() == await metrics_reference(), "run: make docs"


@pytest.mark.parametrize("what", NEEDED)
def test_there_is_a_metric_of(what: str):
    name, processes = NEEDED[what]
    (row,) = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| `{name}` |")]
    where = row.split(" | ")[3]
    assert where == "all" or processes <= set(where.split(", "))


async def test_no_label_says_who_asked_or_with_what():
    labels = {
        label
        for metrics in (await metrics_by_process()).values()
        for metric in metrics
        for label in metric.labels
    }
    assert not labels & {"key", "api_key", "apikey", "path", "url", "user", "email", "account", "token"}


def test_what_records_traces_is_not_even_imported_while_they_are_off():
    program = (
        "import sys, burgee.topologies.party, burgee.topologies.edge, burgee.topologies.dacha;"
        "sys.exit(bool({'opentelemetry.sdk', 'opentelemetry.exporter', 'common.otlp'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
