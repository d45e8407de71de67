"""What a caller may ask of a drawing, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["FORMATS", "DrawOptions", "Drawing", "Plan"]

FORMATS = ("svg", "png", "pdf", "dot")

Plan: TypeAlias = tuple[tuple[bool, ...], ...]
"""For each join, in data-flow order, which of its inputs are live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawOptions:
    """How to draw.

    `expand` draws every instance, and not repeats once. `plan` greys out what it leaves dead,
    which needs the expanded drawing; `highlight` is what the title says of it, such as
    `column=3`. Above `nodes` parts, or `layered` parts in a graph that Graphviz must lay out,
    the drawing falls back on repeats drawn once. `seconds` and `memory` (bytes) bound each
    run of Graphviz.
    """

    expand: bool = False
    highlight: str | None = None
    plan: Plan | None = None
    legend: bool = True
    nodes: int = 2_000
    layered: int = 400
    seconds: float = 20.0
    memory: int = 2 << 30


@dataclass(frozen=True, slots=True)
class Drawing:
    """The finished file, and what the reader must know of it (limits met, parts left out)."""

    data: bytes
    notes: tuple[str, ...] = ()
