"""What flows through a graph under construction: tensors, lists of them, open joins."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TypeAlias

from fractal_dsl.ir.graph import Operand, Origin, Ref
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.semantics.mismatch import Written
from fractal_dsl.source import Span

__all__ = [
    "Arrival",
    "Flow",
    "Form",
    "Strand",
    "Strands",
    "alone",
    "entry_key",
    "leaves",
    "refilled",
]

Form: TypeAlias = "Shape | tuple[Form, ...]"
"""Shape of a value: of a tensor, or of each item of a list."""


@dataclass(frozen=True, slots=True)
class Strand:
    """One tensor on its way, and what a join has to know of it (see `ir.graph.Operand`).

    `written` are the joins that it was written in, the outermost first, for messages.
    `learned`: it comes from parameters alone and is the same for the whole batch.
    """

    ref: Ref
    shape: Shape
    span: Span
    branch: int | None = None
    origin: Origin | None = None
    rate: float | None = None
    written: Written | None = None
    learned: bool = False

    @property
    def operand(self) -> Operand:
        return Operand(self.ref, self.branch, self.origin, self.rate)


@dataclass(frozen=True, slots=True)
class Strands:
    """A list on its way: several scales, streams or exits."""

    items: tuple[Arrival, ...]
    span: Span

    @property
    def shape(self) -> Form:
        found: dict[int, Form] = {}
        for one in _bottom_up(self):
            if isinstance(one, Strands):
                found[id(one)] = tuple(found[id(item)] for item in one.items)
            else:
                found[id(one)] = one.shape
        return found[id(self)]


Arrival: TypeAlias = "Strand | Strands"
"""What comes into a network: a tensor or a list."""


def _bottom_up(value: Arrival) -> list[Arrival]:
    """`value` and all that it holds, each after its items."""
    found, waiting = [], [value]
    while waiting:
        one = waiting.pop()
        found.append(one)
        if isinstance(one, Strands):
            waiting.extend(one.items)
    found.reverse()
    return found


def leaves(value: Arrival) -> list[Strand]:
    """The tensors of a value, in the order written."""
    found: list[Strand] = []
    waiting: list[Arrival] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Strands):
            waiting.extend(reversed(one.items))
        else:
            found.append(one)
    return found


def entry_key(value: Arrival) -> Hashable:
    """What a graph depends on of the value that comes into it."""
    return value.shape, tuple(one.learned for one in leaves(value))


def refilled(form: Arrival, tensors: list[Strand]) -> Arrival:
    """A value nested like `form` that holds `tensors`, in the order written."""
    made: dict[int, Arrival] = {}
    rest = iter(tensors)
    waiting: list[tuple[Arrival, bool]] = [(form, False)]
    while waiting:
        one, is_ready = waiting.pop()
        if not isinstance(one, Strands):
            made[id(one)] = next(rest)
        elif is_ready:
            made[id(one)] = Strands(tuple(made[id(item)] for item in one.items), one.span)
        else:
            waiting.append((one, True))
            waiting.extend((item, False) for item in reversed(one.items))
    return made[id(form)]


@dataclass(frozen=True, slots=True)
class Flow:
    """What an expression gives: one value, or the operands of a join that is still open.

    `sign` is the join as written here, or the call that leaves it open.
    """

    strands: tuple[Strand, ...]
    is_open: bool = False
    branches: int = 0
    sign: Span | None = None
    items: Strands | None = None

    @staticmethod
    def of(value: Arrival) -> Flow:
        return Flow((), items=value) if isinstance(value, Strands) else Flow((value,))


def alone(strand: Strand) -> Strand:
    """A value that is no longer an operand of an open join."""
    return replace(strand, branch=None, origin=None, rate=None, written=None)
