"""Every alert fires when it should and is silent when it should be: judged by Prometheus' own rule tester."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.prometheus import ABSENT, ALERTS, CHECKER, board_expressions, boards, rules

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
POD = 'namespace="n", pod="p"'
NAME = re.compile(r"\b(?:burgee|process)_[a-z_]+")
SUFFIX = re.compile(r"_(bucket|sum|count)$")


@dataclass(frozen=True)
class Case:
    """Series that an alert looks at, in PromQL's test notation; asked after ``minutes``."""

    alert: str
    fires: bool
    series: dict[str, str]
    minutes: int = 15


def every_minute(value: float, minutes: int = 90) -> str:
    return f"{value:g}x{minutes}"


def growing(by: float, minutes: int = 90) -> str:
    return f"0+{by:g}x{minutes}"


def buckets(*, under_a_second: float, all_of_them: float) -> dict[str, str]:
    """A histogram of propagation that grows by so much a minute."""
    counts = {"1.0": under_a_second, "10.0": all_of_them, "+Inf": all_of_them}
    return {
        f'burgee_edge_propagation_seconds_bucket{{{POD}, le="{bound}"}}': growing(count)
        for bound, count in counts.items()
    }


def answers(*, well: float, badly: float) -> dict[str, str]:
    return {
        f'burgee_http_requests_total{{{POD}, status="200"}}': growing(well),
        f'burgee_http_requests_total{{{POD}, status="503"}}': growing(badly),
    }


OLDEST = f"burgee_relay_oldest_unpublished_seconds{{{POD}}}"
LEADS = 'burgee_relay_leads{namespace="n", pod="%s"}'
BUS = f"burgee_bus_connected{{{POD}}}"
SLOW = f"burgee_edge_slow_closes_total{{{POD}}}"
DEAD = f'burgee_delivery_attempts_total{{{POD}, kind="webhook", outcome="dead"}}'
LAG = f"burgee_event_loop_lag_seconds{{{POD}}}"
RESTARTS = f"burgee_workers_restarts_total{{{POD}}}"
WORKERS, RUNNING = f"burgee_workers{{{POD}}}", f"burgee_workers_running{{{POD}}}"
SILENT = 'burgee_%s_silent_seconds{namespace="n", pod="p"}'
BEHIND = 'burgee_%s_position_lag{namespace="n", pod="p"}'
MISMATCHES = 'burgee_%s_digest_mismatches_total{namespace="n", pod="p", kind="environment"}'
BUILD = 'burgee_build_info{namespace="n", pod="%s", version="%s"}'

CASES = (
    Case("BurgeeChangesNotPublished", True, {OLDEST: growing(60)}),
    Case("BurgeeChangesNotPublished", False, {OLDEST: every_minute(5)}),
    Case("BurgeeNoRelay", True, {LEADS % "a": every_minute(0), LEADS % "b": every_minute(0)}),
    Case("BurgeeNoRelay", True, {LEADS % "a": "1x10 _x80", LEADS % "b": "0x10 _x80"}, minutes=30),
    Case("BurgeeNoRelay", False, {LEADS % "a": every_minute(0), LEADS % "b": every_minute(1)}),
    Case("BurgeeNoRelay", False, {LEADS % "a": "1x10 _x80", LEADS % "b": "0x10 1x80"}, minutes=30),
    Case("BurgeeNoRelay", False, {BUS: every_minute(1)}),
    Case("BurgeeBusAway", True, {BUS: every_minute(0)}),
    Case("BurgeeBusAway", False, {BUS: "1x10 0x1 1x60"}),
    Case("BurgeeSlowClientsClosed", True, {SLOW: growing(120)}, minutes=30),
    Case("BurgeeSlowClientsClosed", False, {SLOW: growing(12)}, minutes=30),
    Case("BurgeeServerErrors", True, answers(well=1000, badly=50)),
    Case("BurgeeServerErrors", False, answers(well=1000, badly=10)),
    Case("BurgeeDeadLetters", True, {DEAD: "0x10 1x80"}, minutes=30),
    Case("BurgeeDeadLetters", False, {DEAD: every_minute(7)}, minutes=30),
    Case("BurgeeLoopLag", True, {LAG: every_minute(0.4)}, minutes=30),
    Case("BurgeeLoopLag", False, {LAG: "0.01x10 0.9x1 0.01x80"}, minutes=30),
    Case("BurgeeWorkersRestart", True, {RESTARTS: growing(1)}, minutes=20),
    Case("BurgeeWorkersRestart", False, {RESTARTS: "0x10 1x80"}, minutes=20),
    Case("BurgeeWorkersMissing", True, {WORKERS: every_minute(4), RUNNING: every_minute(3)}),
    Case("BurgeeWorkersMissing", False, {WORKERS: every_minute(4), RUNNING: "4x10 3x1 4x80"}),
    Case("BurgeeCacheSilent", True, {SILENT % "edge": growing(60)}),
    Case("BurgeeCacheSilent", True, {SILENT % "dacha": growing(60)}),
    Case("BurgeeCacheSilent", False, {SILENT % "edge": every_minute(0), SILENT % "dacha": every_minute(3)}),
    Case("BurgeeCacheBehind", True, {BEHIND % "edge": every_minute(2)}),
    Case("BurgeeCacheBehind", True, {BEHIND % "dacha": every_minute(2)}),
    Case("BurgeeCacheBehind", False, {BEHIND % "edge": "0x13 3x1 0x80"}),
    Case("BurgeeDigestMismatch", True, {MISMATCHES % "dacha": "0x10 1x80"}, minutes=30),
    Case("BurgeeDigestMismatch", True, {MISMATCHES % "edge": "0x10 1x80"}, minutes=30),
    Case("BurgeeDigestMismatch", False, {MISMATCHES % "dacha": every_minute(3)}, minutes=30),
    Case("BurgeeChangesLate", True, buckets(under_a_second=90, all_of_them=100), minutes=30),
    Case("BurgeeChangesLate", False, buckets(under_a_second=100, all_of_them=100), minutes=30),
    Case(
        "BurgeeReleasesMixed",
        True,
        {BUILD % ("a", "1.0"): every_minute(1), BUILD % ("b", "1.1"): every_minute(1)},
        minutes=80,
    ),
    Case(
        "BurgeeReleasesMixed",
        False,
        {BUILD % ("a", "1.0"): "1x30 _x60", BUILD % ("b", "1.1"): every_minute(1)},
        minutes=80,
    ),
)


def test_every_alert_is_tried_both_ways() -> None:
    alerts = {rule["alert"] for rule in rules()}
    assert {case.alert for case in CASES if case.fires} == alerts
    assert {case.alert for case in CASES if not case.fires} == alerts


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}, rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        assert rule["annotations"]["description"], rule["alert"]


def test_the_page_on_observability_names_every_alert_and_its_severity() -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    told = re.findall(r"^\| `(Burgee\w+)` \|.*\| (\w+) \|$", page, re.MULTILINE)
    assert sorted(told) == sorted((rule["alert"], rule["labels"]["severity"]) for rule in rules())


@pytest.mark.skipif(CHECKER is None, reason=ABSENT)
def test_prometheus_takes_the_rules() -> None:
    checked("check", "rules", str(ALERTS))


@pytest.mark.skipif(CHECKER is None, reason=ABSENT)
def test_alerts_fire_and_are_silent_as_their_cases_say(tmp_path: Path) -> None:
    # Only that it fires is compared, by Prometheus' own series: labels and texts may change.
    file = tmp_path / "cases.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": [_test(case) for case in CASES]}, width=10_000)
    )
    checked("test", "rules", str(file))


def _test(case: Case) -> dict[str, Any]:
    firing = f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}}) or vector(0)'
    return {
        "name": f"{case.alert} {'fires' if case.fires else 'is silent'}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": f"{case.minutes}m",
                "exp_samples": [{"labels": "{}", "value": 1 if case.fires else 0}],
            }
        ],
    }


@pytest.mark.skipif(CHECKER is None, reason=ABSENT)
def test_prometheus_understands_every_panel(tmp_path: Path) -> None:
    rules_of_panels = [
        {"record": f"panel:{number}", "expr": expression}
        for number, expression in enumerate(sorted(set(board_expressions().values())))
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules_of_panels}]}))
    checked("check", "rules", str(file))


def checked(*words: str) -> None:
    assert CHECKER is not None
    ended = subprocess.run([CHECKER, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"


def catalogued() -> set[str]:
    """Every metric of `docs/metrics.md`, without the suffix of histograms."""
    lines = (ROOT / "docs" / "metrics.md").read_text().splitlines()
    return {line.split("`")[1] for line in lines if line.startswith("| `")}


def test_alerts_and_panels_ask_for_metrics_of_the_catalogue_alone() -> None:
    asked = {rule["alert"]: rule["expr"] for rule in rules()} | board_expressions()
    known = catalogued()
    for where, expression in asked.items():
        names = NAME.findall(expression)
        assert names, where
        for name in names:
            assert name in known or SUFFIX.sub("", name) in known, (where, name)


def test_dashboards_can_be_loaded_side_by_side() -> None:
    shown = boards()
    assert {"burgee.json", "burgee-mr.json", "burgee-edge.json", "burgee-dacha.json"} == set(shown)
    assert len({board["uid"] for board in shown.values()}) == len(shown)
    for name, board in shown.items():
        places = [json.dumps(panel["gridPos"], sort_keys=True) for panel in board["panels"]]
        assert len(set(places)) == len(places), name
        assert len({panel["id"] for panel in board["panels"]}) == len(places), name
        for panel in board["panels"]:
            assert panel["type"] == "row" or panel["targets"], (name, panel["title"])
            assert panel.get("description"), (name, panel["title"])
