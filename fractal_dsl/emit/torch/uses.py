"""Who makes and who reads the values of a tape."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple, assert_never

from fractal_dsl.emit.torch.operators import ENTRIES, Fact, Number, facts
from fractal_dsl.emit.torch.tape import (
    Body,
    Each,
    Formula,
    Hold,
    Invoke,
    Layer,
    Loop,
    Meet,
    Member,
    Open,
    Part,
    Unpack,
)
from fractal_dsl.ir.graph import Apply, Program
from fractal_dsl.ir.operators.elementwise import StochasticDepth

__all__ = [
    "Use",
    "facts_of",
    "inputs_of",
    "is_shared",
    "leaves_out",
    "mark_inplace",
    "numbers_of",
    "operator_of",
    "outputs_of",
    "uses_of",
]


class Use(NamedTuple):
    """Who reads a value: an operation, or None for the body's own outputs, and where."""

    part: Part | None
    position: int


def inputs_of(part: Part) -> tuple[int, ...]:
    """Values that `part` reads."""
    match part:
        case Layer() | Formula():
            return part.inputs
        case Invoke() | Open():
            return part.inputs if part.network is None else (*part.inputs, part.network)
        case Hold():
            return ()
        case Meet():
            return tuple(item.value for item in part.items)
        case Each() | Unpack() | Loop():
            return (part.source,)
        case _:
            assert_never(part)


def is_shared(part: Part) -> bool:
    """A call that makes no module of its own."""
    return isinstance(part, Invoke | Open) and part.shared


def outputs_of(part: Part) -> tuple[int, ...]:
    """Values that `part` makes."""
    match part:
        case Invoke():
            return part.outputs
        case Unpack():
            return part.results
        case _:
            return (part.result,)


def uses_of(body: Body) -> dict[int, list[Use]]:
    """Every reading of every value of `body`, in order."""
    uses: dict[int, list[Use]] = defaultdict(list)
    for part in body.operations:
        for position, value in enumerate(inputs_of(part)):
            uses[value].append(Use(part, position))
    for position, item in enumerate(body.outputs):
        uses[item.value].append(Use(None, position))
    return uses


def operator_of(member: Member) -> Apply:
    assert isinstance(member.node, Apply)
    return member.node


def facts_of(member: Member) -> dict[str, Fact]:
    """What decides how the operator is written; see `operators`."""
    return facts(operator_of(member).attributes, member.shapes)


def numbers_of(member: Member) -> dict[str, Number]:
    """The numbers of the operator, by role; see `operators`."""
    attributes = operator_of(member).attributes
    return ENTRIES[attributes.operator].numbers(attributes, member.shapes)


def leaves_out(program: Program) -> bool:
    """Whether samples do without some branch, by stochastic depth."""
    nodes = (node for graph in program.graphs for node in graph.nodes if isinstance(node, Apply))
    return any(isinstance(node.attributes, StochasticDepth) for node in nodes)


def mark_inplace(body: Body) -> None:
    """Let a ReLU overwrite the output of a batch norm that nothing else reads."""
    uses = uses_of(body)
    normed = {
        part.result
        for part in body.operations
        if isinstance(part, Layer)
        and operator_of(part.members[0]).attributes.operator == "batch_norm"
        and len(uses[part.result]) == 1
    }
    for part in body.operations:
        if isinstance(part, Layer) and part.inputs and part.inputs[0] in normed:
            part.inplace = operator_of(part.members[0]).attributes.operator in ("relu", "relu6")
