"""One flat DAG for a whole program: every instance a node of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.source import Span

__all__ = ["Choice", "FlatCall", "FlatNode", "FlatOperand", "FlatProgram"]


class Choice(NamedTuple):
    """A written join on an operand's way into a flat join, and the branch it came by.

    `call` numbers the top-level recursive call the join belongs to (its group and level
    decide the branch together with all other joins of that call); a join outside recursion
    has a call number of its own, shared with none, and `level` None.
    """

    call: int
    level: int | None
    branch: int
    branches: int


class FlatOperand(NamedTuple):
    """One input of a flat join: which node, by which branches (outermost first), what rate."""

    source: int
    path: tuple[Choice, ...]
    rate: float | None


class FlatCall(NamedTuple):
    """What has columns: a top-level recursive call, or a join written outside recursion.

    `Choice.call` counts them. A recursive call (`branches` None) made the nodes `start` up
    to, not including, `stop`, and returned `outputs`, whose paths begin at its own joins. A
    join outside recursion has `branches` columns, in order; `outputs` are its operands.
    """

    label: str
    start: int
    stop: int
    outputs: tuple[FlatOperand, ...]
    branches: int | None = None


@dataclass(frozen=True, slots=True)
class FlatNode:
    """An instance: an input (`attributes` None, no operands), an operator, or a join.

    `key` is the state-dict prefix of its weights, such as `block.0.f_1.conv.conv2d`.
    `weight` is the key of the node whose weight it uses in place of its own, if it does.
    `calls` is the chain of labels it was reached by, outermost first. `join` is its flat
    join number (data-flow order, from 0), None for what is no join. `start` is, of the end of
    a branch under stochastic depth, the position of the branch's first node: those from there
    on read one value from before, and nothing else reads theirs.
    """

    attributes: Attributes | None
    inputs: tuple[int, ...]
    shape: Shape
    key: str = ""
    calls: tuple[str, ...] = ()
    tag: str | None = None
    join: int | None = None
    operands: tuple[FlatOperand, ...] = ()
    span: Span | None = None
    start: int | None = None
    weight: str = ""

    @property
    def is_input(self) -> bool:
        return self.attributes is None and self.join is None


@dataclass(frozen=True, slots=True)
class FlatProgram:
    """Nodes in topological (data-flow) order, inputs first; `outputs` are what the net gives."""

    name: str
    nodes: tuple[FlatNode, ...]
    outputs: tuple[int, ...]
    calls: tuple[FlatCall, ...] = ()

    @property
    def output(self) -> int:
        """The last of the outputs; of most networks the only one."""
        return self.outputs[-1]

    @property
    def inputs(self) -> tuple[int, ...]:
        """Positions of the inputs, in order."""
        return tuple(at for at, node in enumerate(self.nodes) if node.is_input)

    @property
    def joins(self) -> tuple[int, ...]:
        """Positions of the joins, in order of their numbers."""
        return tuple(at for at, node in enumerate(self.nodes) if node.join is not None)
