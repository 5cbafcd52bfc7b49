"""What the benchmarks find: rows, each beside what it is compared to, and the groups that make them.

A group is one function that measures and yields rows; `make bench ARGS="--only NAME"` runs it alone. Knows
nothing of what is measured.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

if TYPE_CHECKING:
    from tests.benchmarks.world import World

T = TypeVar("T")
Direction = Literal["higher", "lower"]
PAIRS = 5
"""The fewest interleaved pairs that a ratio is the median of."""


@dataclass(frozen=True)
class Row:
    """One figure. On a shared machine only the ratio to what ran beside it tells anything."""

    name: str
    what: str
    """For people: what was done."""
    value: float | None
    """None when it was not measured; `note` says why."""
    unit: str
    baseline: float | None = None
    baseline_name: str = ""
    ratio: float | None = None
    """Of the value to the baseline: the median over pairs."""
    goal: float | None = None
    """Of the ratio where there is a baseline, else of the value; None when it is only reported."""
    direction: Direction = "lower"
    """Which way is better."""
    spread: tuple[float, float] | None = None
    """The lowest and the highest over the pairs: of the ratio where there is one, else of the value."""
    note: str = ""

    @classmethod
    def of_pairs(
        cls,
        name: str,
        what: str,
        pairs: Sequence[tuple[float, float]],
        *,
        unit: str,
        baseline_name: str,
        goal: float | None = None,
        direction: Direction = "lower",
        baseline_factor: float = 1.0,
        note: str = "",
    ) -> Self:
        """Ours and theirs, measured in turn; ``baseline_factor`` where theirs stands for something else."""
        ratios = [ours / (theirs * baseline_factor) for ours, theirs in pairs]
        return cls(
            name,
            what,
            _short(statistics.median(ours for ours, _ in pairs)),
            unit,
            _short(statistics.median(theirs for _, theirs in pairs) * baseline_factor),
            baseline_name,
            round(statistics.median(ratios), 3),
            goal,
            direction,
            (round(min(ratios), 3), round(max(ratios), 3)),
            note,
        )

    @classmethod
    def of_values(
        cls,
        name: str,
        what: str,
        values: Sequence[float],
        *,
        unit: str,
        goal: float | None = None,
        direction: Direction = "lower",
        note: str = "",
    ) -> Self:
        """The median of what was measured one or more times, compared to nothing."""
        return cls(
            name,
            what,
            _short(statistics.median(values)),
            unit,
            goal=goal,
            direction=direction,
            spread=(_short(min(values)), _short(max(values))) if len(values) > 1 else None,
            note=note,
        )

    @classmethod
    def not_measured(
        cls,
        name: str,
        what: str,
        why: str,
        *,
        unit: str,
        baseline_name: str = "",
        goal: float | None = None,
        direction: Direction,
    ) -> Self:
        return cls(
            name,
            what,
            None,
            unit,
            baseline_name=baseline_name,
            goal=goal,
            direction=direction,
            note=f"not measured: {why}",
        )

    @property
    def reached(self) -> bool | None:
        """Whether the goal is met; None without a goal or a figure."""
        judged = self.value if self.ratio is None else self.ratio
        if self.goal is None or judged is None:
            return None
        return judged >= self.goal if self.direction == "higher" else judged <= self.goal

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        spread = row.pop("spread", None)
        return cls(**row, spread=tuple(spread) if spread else None)

    def line(self) -> str:
        """How it is printed while the benchmarks run."""
        if self.value is None:
            return f"{self.name:<44} {self.note}"
        text = f"{self.name:<44} {self.value:>12,.6g} {self.unit}"
        if self.ratio is not None:
            low, high = self.spread or (self.ratio, self.ratio)
            text += f"   {self.ratio} ({low}–{high}) x {self.baseline_name} {self.baseline:,.6g}"
        if self.reached is not None:
            sign = "≥" if self.direction == "higher" else "≤"
            text += f"   goal {sign} {self.goal}: {'reached' if self.reached else 'NOT REACHED'}"
        return text


def interleave(ours: Callable[[], T], theirs: Callable[[], T], *, pairs: int = PAIRS) -> list[tuple[T, T]]:
    """Measure both in turn, beginning with the other one each time, so that a drift hits both alike."""
    found = []
    for number in range(pairs):
        if number % 2:
            second = theirs()
            found.append((ours(), second))
        else:
            first = ours()
            found.append((first, theirs()))
    return found


@dataclass
class Bench:
    """What a group gets to measure with."""

    folder: Path
    """For whatever files it needs; gone afterwards."""
    quick: bool = False
    """Only whether everything runs is of interest."""
    _world: list["World"] = field(default_factory=list)

    def size(self, full: T, quick: T) -> T:
        """The one or the other, by whether figures are wanted."""
        return quick if self.quick else full

    @property
    def pairs(self) -> int:
        return self.size(PAIRS, 1)

    @cached_property
    def world(self) -> "World":
        """The split topology with real data, started when the first group asks for it."""
        # Programs and servers are of no concern to whoever only reads rows.
        from tests.benchmarks.world import World

        world = World(self.folder / "world", quick=self.quick)
        self._world.append(world)
        world.start()
        return world

    def close(self) -> None:
        """End what was started."""
        while self._world:
            self._world.pop().stop()

    @staticmethod
    def say(text: str) -> None:
        """Tell how it goes."""
        print(text, flush=True)


Measure = Callable[[Bench], Iterable[Row]]


@dataclass(frozen=True)
class Group:
    """Rows that are measured together."""

    name: str
    measure: Measure

    def run(self, bench: Bench) -> Iterator[Row]:
        yield from self.measure(bench)


GROUPS: dict[str, Group] = {}


def group(name: str) -> Callable[[Measure], Measure]:
    """Make a function a group of that name; its rows are measured in the order in which modules come."""

    def register(measure: Measure) -> Measure:
        GROUPS[name] = Group(name, measure)
        return measure

    return register


def _short(figure: float) -> float:
    return float(f"{figure:.5g}")
