"""Measure from outside: real processes with real data and all checks on, each beside a named baseline.

Server and clients share this machine, so compare within one run and trust ratios, not numbers. Results go
to build/bench.json; a whole run also writes the table of docs/performance.md.
"""

import argparse
import importlib
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.benchmarks import pinning, report
from tests.benchmarks.programs import build
from tests.benchmarks.rows import GROUPS, Bench, Row

MODULES = (
    "polls",
    "streams",
    "beside",
    "asked",
    "herd",
    "workers",
    "propagation",
    "backbone",
    "management",
    "interface",
)
"""In this order their groups are measured."""
OUTPUT = Path("build/bench.json")


def main() -> int:
    for module in MODULES:
        importlib.import_module(f"tests.benchmarks.{module}")
    options = _options()
    build()
    # Whoever stops this wants everything that it started to stop as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        pinning.standing_aside(ahead=not options.quick),
        tempfile.TemporaryDirectory(prefix="burgee-bench-") as folder,
    ):
        everything = _measure_in(Path(folder), options)
    whole = options.keep or not options.only
    if everything and whole and options.output == OUTPUT and not options.quick:
        report.document(options.output)
    return 0 if everything else 1


def _measure_in(home: Path, options: argparse.Namespace) -> bool:
    """Measure all that is wanted; answer whether everything could be measured."""
    # PostgreSQL and nginx run as somebody else when this is root, and must reach their folders.
    home.chmod(0o711)
    bench = Bench(home, quick=options.quick)
    rows: list[Row] = []
    try:
        failed = [name for name in options.only or GROUPS if not _measured(bench, name, rows, options)]
    finally:
        bench.close()
    if failed:
        bench.say(f"FAILED: {', '.join(failed)}")
    return not failed


def _measured(bench: Bench, name: str, rows: list[Row], options: argparse.Namespace) -> bool:
    """Measure a group; what goes wrong in one keeps no other from being measured."""
    began = time.monotonic()
    try:
        for row in GROUPS[name].run(bench):
            bench.say(row.line())
            rows.append(row)
            # What has been found is not lost with what comes later.
            report.write(options.output, rows, keep=options.keep)
    except Exception:  # noqa: BLE001 - whatever it was, it is told, and this ends as failed
        traceback.print_exc()
        return False
    bench.say(f"    {name}: {time.monotonic() - began:.1f} s")
    return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(GROUPS), help="a group; may be repeated")
    parser.add_argument("--keep", action="store_true", help="keep the other rows of the last run")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only whether everything runs")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
