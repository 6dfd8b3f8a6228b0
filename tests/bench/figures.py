"""What a run comes down to: quantiles, ratios, and a table that shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """Measured values, sorted; a quantile lies on the line between its two neighbours."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Distribution:
        """Take values in any order."""
        return cls(tuple(sorted(values)))

    def quantile(self, share: float) -> float:
        """Give the value that this share (0 to 1) of all values is not above."""
        at = share * (len(self.values) - 1)
        low = int(at)
        high = min(low + 1, len(self.values) - 1)
        return self.values[low] + (self.values[high] - self.values[low]) * (at - low)

    @property
    def median(self) -> float:
        """The middle one."""
        return self.quantile(0.5)

    @property
    def p95(self) -> float:
        """The one that 95 of 100 are not above."""
        return self.quantile(0.95)

    @property
    def p99(self) -> float:
        """The one that 99 of 100 are not above."""
        return self.quantile(0.99)

    @property
    def maximum(self) -> float:
        """The greatest."""
        return self.values[-1]


def ratio(ours: float, theirs: float) -> str:
    """Write ours as a multiple of theirs."""
    return f"{ours / theirs:.2f}x" if theirs > 0 else "-"


def milliseconds(seconds: float) -> str:
    """Write a time with the digits that mean something at its size."""
    value = seconds * 1000
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table, its columns aligned so that it reads in a terminal too."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    written = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    written.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(written)
