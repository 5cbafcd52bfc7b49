"""How the benchmarks judge: ratios are medians over pairs, goals are about them where there is a baseline."""

from pathlib import Path

import pytest

from tests.benchmarks import report
from tests.benchmarks.rows import Row, interleave


def row(name: str = "polls", *, goal: float | None = 0.9, factor: float = 1.0) -> Row:
    pairs = [(90.0, 100.0), (300.0, 200.0), (50.0, 100.0)]
    return Row.of_pairs(
        name,
        "polls",
        pairs,
        unit="polls/s",
        baseline_name="nginx",
        goal=goal,
        direction="higher",
        baseline_factor=factor,
    )


def test_a_ratio_is_the_median_of_the_ratios_of_the_pairs() -> None:
    made = row()

    assert made.ratio == 0.9
    assert made.spread == (0.5, 1.5)
    assert (made.value, made.baseline) == (90.0, 100.0)
    assert made.reached is True


def test_a_baseline_that_stands_for_another_is_converted() -> None:
    made = row(factor=0.5)

    assert (made.ratio, made.baseline) == (1.8, 50.0)


def test_what_should_be_low_is_reached_below_its_goal() -> None:
    assert Row.of_values("memory", "memory", [5.0], unit="KB", goal=6).reached is True
    assert Row.of_values("memory", "memory", [7.0], unit="KB", goal=6).reached is False


def test_what_is_only_reported_or_not_measured_is_not_judged() -> None:
    assert row(goal=None).reached is None
    assert Row.not_measured("w", "w", "2 cores", unit="1/s", goal=1.7, direction="higher").reached is None


def test_both_sides_take_turns_and_begin_in_turn() -> None:
    order: list[str] = []

    pairs = interleave(lambda: order.append("ours") or 1, lambda: order.append("theirs") or 2, pairs=3)

    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert pairs == [(1, 2)] * 3


def test_rows_of_the_last_run_are_kept_where_they_were_unless_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    report.write(path, [row("first"), row("second")], keep=False)

    report.write(path, [row("first", goal=0.1), row("third")], keep=True)

    kept = report.read(path)
    assert [each.name for each in kept] == ["first", "second", "third"]
    assert kept[0] == row("first", goal=0.1)


def test_the_document_keeps_what_people_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document, results = tmp_path / "performance.md", tmp_path / "bench.json"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "DOCUMENT", document)
    report.write(results, [row()], keep=False)

    report.document(results)

    text = document.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert "| 0.90× (0.5–1.5) | ≥ 0.9× | reached |" in text
