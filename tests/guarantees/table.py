"""The table of a run of the guarantees: who was tested how often, against what, with which result.

`Table` collects while pytest runs (see `conftest.py`) and writes `build/guarantees.json` and `.md`, whose
last line is the summary.
"""

import json
import os
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

BUILD = Path(__file__).resolve().parents[2] / "build"
SAVED = BUILD / "guarantees.md"
COMMAND = "make guarantees"
HEADINGS = (
    "row",
    "guarantee",
    "runs",
    "faults",
    "changes",
    "lost",
    "backward steps",
    "converged p50",
    "p99",
    "MR loads",
    "held",
)
TITLES = {
    1: "a committed change reaches all caches",
    2: "a rolled-back change is never seen",
    3: "convergence after bus loss",
    4: "no step backwards",
    5: "a load and an update cannot cross",
    6: "a cached miss never outlives creation",
    7: "absence only when confirmed",
    8: "revocation cuts streams",
    9: "filters hold on streams",
    10: "no gap when a stream opens",
    11: "slow clients harm nobody",
    12: "graceful drain",
    13: "one effect per PUT",
    14: "single flight",
    15: "bounded under junk",
    16: "a cut-off region heals",
    17: "half-open links",
    18: "frozen bus",
    19: "duplicates and disorder",
    20: "the etag tells the truth",
    21: "the bus is only speed",
    22: "webhooks arrive at least once",
    23: "a restored database is noticed",
    24: "anti-entropy finds what is wrong",
    25: "a frozen queue member",
    26: "a cut between NATS servers",
    27: "structure edits in parallel",
    28: "keys that go and come back",
    29: "time rules",
}


@dataclass
class Row:
    """One guarantee: the sums over its tests."""

    number: int
    runs: int = 0
    failed: int = 0
    faults: int = 0
    changes: int = 0
    lost: int = 0
    backward: int = 0
    loads: float = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, account: "Account", *, passed: bool) -> None:
        self.runs += 1
        self.failed += not passed
        self.faults += account.faults
        self.changes += account.changes
        self.lost += account.lost
        self.backward += account.backward
        self.loads += account.loads
        self.seconds += account.seconds

    def cells(self) -> list[str]:
        return [
            f"G{self.number}",
            TITLES[self.number],
            *(f"{count:,}" for count in (self.runs, self.faults, self.changes, self.lost, self.backward)),
            _seconds(self.seconds, 50),
            _seconds(self.seconds, 99),
            f"{self.loads:,.0f}" if self.loads else "",
            "yes" if not self.failed else f"NO: {self.failed} failed",
        ]


class Account:
    """What `tests.support.ledger.Ledger` has; named here so that this file runs on its own."""

    changes: int
    faults: int
    lost: int
    backward: int
    loads: float
    seconds: list[float]


class Table:
    """All rows of one run."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.seconds = 0.0
        self.settings: dict[str, Any] = {}

    def add(self, number: int, account: Account, *, passed: bool) -> None:
        self.rows.setdefault(number, Row(number)).add(account, passed=passed)

    def save(self) -> None:
        BUILD.mkdir(exist_ok=True)
        told = {
            "machine": machine(),
            "command": COMMAND,
            "settings": self.settings,
            "seconds": round(self.seconds, 1),
            "rows": [vars(row) for _, row in sorted(self.rows.items())],
        }
        (BUILD / "guarantees.json").write_text(json.dumps(told, indent=1) + "\n")
        SAVED.write_text(text(told))


def text(told: dict[str, Any]) -> str:
    """Answer the table as Markdown; its last line is the summary."""
    rows = [Row(**row) for row in told["rows"]]
    lines = [HEADINGS, *([*row.cells()] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    printed = [_line(line, widths) for line in lines]
    printed.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    scale = ", ".join(f"{name} {value}" for name, value in told["settings"].items())
    about = f"`{told['command']}` on {told['machine']}, {told['seconds']:.0f} s ({scale})"
    return "\n".join([*printed, "", about, "", _summary(rows), ""])


def machine() -> str:
    """Name what this runs on, without its name."""
    model = re.search(r"model name\s*:\s*(.*)", _read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+) kB", _read("/proc/meminfo"))
    parts = [
        f"{os.cpu_count()} cores",
        model[1].strip() if model else platform.machine(),
        f"{int(memory[1]) / 1024 / 1024:.0f} GiB" if memory else "",
        f"{platform.system()}, Python {platform.python_version()}",
    ]
    return ", ".join(filter(None, parts))


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def _summary(rows: list[Row]) -> str:
    def total(name: str) -> int:
        return sum(getattr(row, name) for row in rows)

    failed = total("failed")
    return (
        f"{len(rows)} rows, {total('runs')} runs, {total('changes'):,} changes, {total('faults'):,} faults, "
        f"lost {total('lost')}, backward steps {total('backward')}"
        + (f", {failed} FAILED" if failed else ", all held")
    )


def _line(cells: list[str] | tuple[str, ...], widths: list[int]) -> str:
    return "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)) + " |"


def _seconds(samples: list[float], percent: int) -> str:
    if not samples:
        return ""
    cuts = quantiles(samples, n=100, method="inclusive") if len(samples) > 1 else samples * 99
    return f"{cuts[percent - 1]:.2f} s"
