"""A histogram of path lengths in the cells of a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

from fractal_dsl.passes.path_lengths import PathLengths

__all__ = ["histogram", "spread"]

MOST_BARS = 24
MOST_CELLS = 60
EIGHTHS = " ▏▎▍▌▋▊▉█"

Bar = tuple[int, int, int]
"""Paths of the lengths `first` up to `last`, both included: `(first, last, count)`."""


def histogram(lengths: Sequence[tuple[int, int]], width: int) -> list[str]:
    """One line a length, or a range of lengths where there are many: bar and exact count."""
    bars = gathered(lengths)
    labels = [str(first) if first == last else f"{first}-{last}" for first, last, _ in bars]
    counts = [short(count) for _, _, count in bars]
    room = width - max(map(len, labels)) - max(map(len, counts)) - 8
    room = min(max(room, 10), MOST_CELLS)
    most = max(count for _, _, count in bars)
    return [
        f"  {label:>{max(map(len, labels))}}  {bar(count, most, room)} {shown}"
        for label, shown, (_, _, count) in zip(labels, counts, bars, strict=True)
    ]


def gathered(lengths: Sequence[tuple[int, int]]) -> list[Bar]:
    """The counts in at most 24 ranges of equal width; empty ranges show as such."""
    counts = dict(lengths)
    shortest, longest = min(counts), max(counts)
    step = max(1, ceil((longest - shortest + 1) / MOST_BARS))
    if step == 1:
        return [(n, n, counts.get(n, 0)) for n in range(shortest, longest + 1)]
    bars = []
    for first in range(shortest, longest + 1, step):
        last = min(first + step - 1, longest)
        bars.append((first, last, sum(counts.get(n, 0) for n in range(first, last + 1))))
    return bars


def bar(count: int, most: int, room: int) -> str:
    """A bar of eighths of cells; never nothing for a count above zero."""
    eighths = count * room * 8 // most
    if count and not eighths:
        eighths = 1
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def short(count: int) -> str:
    """An exact count up to fifteen digits, a power of ten beyond."""
    text = str(count)
    return f"{count:,}" if len(text) <= 15 else f"{text[0]}.{text[1:4]}e{len(text) - 1}"


def spread(found: PathLengths) -> str:
    return (
        f"shortest {found.shortest:,}, longest {large(found.longest)}, "
        f"mean {large(found.mean)}, standard deviation {large(sqrt(found.variance))}"
    )


def large(value: float) -> str:
    """A number with thousands marked, or with an exponent where that gets long."""
    if value >= 1e12:
        return f"{value:.4g}".replace("e+", "e")
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
