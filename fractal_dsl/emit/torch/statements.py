"""Statements of `forward`, under the `if`s that say in which plans they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from fractal_dsl.emit.torch.lines import Line
from fractal_dsl.emit.torch.text import Safe, fill

__all__ = ["Statement", "grouped"]

Some = TypeVar("Some", bound="frozenset[Any]")


class Statement(NamedTuple, Generic[Some]):
    """A line, and what must live for it to run; None where it runs always."""

    need: Some | None
    line: Line


def grouped(statements: Iterable[Statement[Some]], test: Callable[[Some], Safe]) -> list[Line]:
    """Statements that are needed at the same time stand under one `if`."""
    made: list[Line] = []
    current: Some | None = None
    for need, line in statements:
        if need is None:
            made.append(line)
        else:
            if need != current:
                made.append(Line(fill("if {}:", test(need))))
            made.append(line._replace(depth=line.depth + 1))
        current = need
    return made
