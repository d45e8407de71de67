"""What a class does, in order: a graph with its inline repeats opened, values numbered.

Values are numbers. A value is a tensor, or, where a call leaves a join open, the list of
its operands (a *bundle*).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from fractal_dsl.emit.torch.asks import NOTHING, Asked
from fractal_dsl.ir.graph import Apply, Call, Join, Share
from fractal_dsl.ir.shapes import Shape

__all__ = [
    "Body",
    "Each",
    "Formula",
    "Hold",
    "Index",
    "Invoke",
    "Item",
    "Layer",
    "Loop",
    "Meet",
    "Member",
    "Open",
    "Part",
    "Path",
    "Turn",
    "Unpack",
]


class Turn(NamedTuple):
    """An index that counts the turns of a loop, from `first`.

    In a `listed` loop each turn has a module of its own making; else all are copies of one.
    """

    loop: int
    first: int
    count: int  # type: ignore[assignment]
    listed: bool = False


Index: TypeAlias = "int | Turn"


class Path(NamedTuple):
    """Where a module hangs: `self.block[0]`, `self.layer[turn]`."""

    name: str
    indices: tuple[Index, ...] = ()


class Member(NamedTuple):
    """A node of a graph, and the shapes that come into it.

    `route` are the inline calls that lead there from the class's own graph.
    """

    graph: int
    at: int
    node: Apply | Call | Join | Share
    shapes: tuple[Shape, ...]
    route: tuple[int, ...] = ()


class Item(NamedTuple):
    """An operand of a join as written: one value, or all operands of a bundle."""

    value: int
    spread: bool = False


@dataclass(slots=True)
class Layer:
    """An operator that is a module: `x = self.conv2d(x)`."""

    members: tuple[Member, ...]
    path: Path
    inputs: tuple[int, ...]
    result: int
    inplace: bool = False


@dataclass(slots=True)
class Formula:
    """An operator that is an expression: `x = x + h`; `weight` hangs at the module it is of."""

    members: tuple[Member, ...]
    inputs: tuple[int, ...]
    result: int
    weight: Path | None = None


@dataclass(slots=True)
class Invoke:
    """A call to a closed graph: `x = self.block(x)`. `results` has several for a list.

    A `shared` one makes no module: the instance at `path` is used, or, where the class is
    given it, the value `network`. `asked` are the inputs that it needs only in some plans.
    """

    members: tuple[Member, ...]
    path: Path
    inputs: tuple[int, ...]
    result: int
    outputs: tuple[int, ...] = ()
    shared: bool = False
    network: int | None = None
    asked: Asked = NOTHING


@dataclass(slots=True)
class Hold:
    """A module that several calls share, made here and not called."""

    members: tuple[Member, ...]
    path: Path
    result: int


@dataclass(slots=True)
class Open:
    """A call that is told which of its outputs live, such as one to an open graph.

    `result` is the bundle of the values `ports`; the rest as for `Invoke`.
    """

    members: tuple[Member, ...]
    path: Path
    inputs: tuple[int, ...]
    result: int
    ports: tuple[int, ...]
    shared: bool = False
    network: int | None = None
    asked: Asked = NOTHING


@dataclass(slots=True)
class Each:
    """The same network on every operand of bundle `source`.

    `stages` are its layers and calls in order, each with a member for each operand; the last
    index of their paths counts the operands.
    """

    stages: tuple[Layer | Invoke, ...]
    source: int
    result: int


@dataclass(slots=True)
class Unpack:
    """The operands of a bundle as values of their own."""

    source: int
    results: tuple[int, ...]


@dataclass(slots=True)
class Meet:
    """A join: the mean of its live items. `number` counts the joins of the class."""

    members: tuple[Member, ...]
    path: Path
    items: tuple[Item, ...]
    result: int


@dataclass(slots=True)
class Loop:
    """`body` again and again, on what it gave before; `turns` is its place in paths."""

    turns: Turn
    body: Body
    source: int
    result: int


Part: TypeAlias = Layer | Formula | Invoke | Hold | Open | Each | Unpack | Meet | Loop


@dataclass(slots=True)
class Body:
    """Operations in order, from the values `inputs` to `outputs`.

    `end` is the stochastic depth that a class's own body is the branch of.
    """

    inputs: tuple[int, ...]
    operations: list[Part]
    outputs: tuple[Item, ...]
    end: Member | None = None
