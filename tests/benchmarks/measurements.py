"""What a benchmark found, in one form for people and for whoever compares runs."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self


@dataclass(frozen=True)
class Measurement:
    """One number, with what it is compared to in the same run: on a shared machine only ratios tell."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    baseline_name: str | None = None
    ratio: float | None = None
    goal: float | None = None
    """Of the ratio where there is one, else of the value."""
    direction: Literal["lower", "higher"] = "lower"

    @classmethod
    def plain(cls, name: str, value: float, unit: str = "ms") -> Self:
        return cls(name, value, unit)

    @classmethod
    def against(
        cls, name: str, seconds: float, baseline_seconds: float, baseline_name: str, goal: float | None = None
    ) -> Self:
        """A latency beside another one."""
        return cls(
            name,
            milliseconds(seconds),
            "ms",
            milliseconds(baseline_seconds),
            baseline_name,
            round(seconds / baseline_seconds, 2),
            goal,
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        """How it is printed."""
        text = f"{self.name:<48} {self.value:>10.3f} {self.unit}"
        if self.ratio is not None:
            text += f"   {self.ratio:.1f} x {self.baseline_name} ({self.baseline:.3f} {self.unit})"
        return text


def milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
