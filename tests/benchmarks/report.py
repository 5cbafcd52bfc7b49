"""The results for machines (build/bench.json) and for people (the table in docs/performance.md)."""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.rows import Row

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN = "<!-- Written by `make bench`; edits between these two lines are lost. -->"
END = "<!-- End of what `make bench` writes. -->"
LIBRARIES = ("uvicorn", "httptools", "uvloop", "starlette", "nats-py", "msgspec")


def write(path: Path, rows: Sequence[Row], *, keep: bool) -> None:
    """Write the rows, after those of the last run that were not measured again if they are kept."""
    kept = read(path) if keep and path.exists() else []
    new = {row.name: row for row in rows}
    names = [row.name for row in kept]
    merged = [new.get(row.name, row) for row in kept] + [row for row in rows if row.name not in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in merged], indent=2, ensure_ascii=False) + "\n")


def read(path: Path) -> list[Row]:
    return [Row.from_json(each) for each in json.loads(path.read_text())]


def document(path: Path) -> None:
    """Put the table of these results, and what they were measured on, into the document."""
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{table(read(path))}\n\n{_measured_on()}\n\n{END}{after}")


def table(rows: Sequence[Row]) -> str:
    """Answer a Markdown table."""
    lines = [
        "| what | value | baseline in the same run | ratio (lowest–highest) | goal | |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in rows]
    return "\n".join(lines)


def _line(row: Row) -> str:
    value = f"{_figure(row.value)} {row.unit}" if row.value is not None else "–"
    if row.ratio is None and row.spread is not None:
        value += f" ({_range(row.spread)})"
    baseline = row.baseline_name or "–"
    if row.baseline is not None:
        baseline = f"{_figure(row.baseline)} {row.unit}, {row.baseline_name}"
    judged = {True: "reached", False: "**not reached**", None: "reported"}[row.reached]
    note = f"<br>{row.note}" if row.note else ""
    return f"| {row.what}{note} | {value} | {baseline} | {_ratio(row)} | {_goal(row)} | {judged} |"


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return "–"
    wide = row.spread is not None and row.spread[0] != row.spread[1]
    return f"{row.ratio:.2f}×" + (f" ({_range(row.spread)})" if wide and row.spread else "")


def _range(spread: tuple[float, float]) -> str:
    return "–".join(_figure(each) for each in spread)


def _goal(row: Row) -> str:
    if row.goal is None:
        return "–"
    sign = "≥" if row.direction == "higher" else "≤"
    return f"{sign} {row.goal:g}×" if row.baseline_name else f"{sign} {_figure(row.goal)} {row.unit}"


def _figure(figure: float | None) -> str:
    if figure is None:
        return "–"
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def _measured_on() -> str:
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"Machine: {os.cpu_count()} × {processor[1] if processor else platform.machine()},"
        f" {platform.system()} {platform.release().partition('-')[0]}."
        f" Versions: Burgee {version('burgee')}, Python {platform.python_version()}, {libraries}, {_nginx()}."
    )


def _nginx() -> str:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        return "no nginx"
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    return said.strip().removeprefix("nginx version: ").replace("/", " ")
