"""The body of `forward`: operations in order, nothing dead computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fractal_dsl.emit.torch.conditions import Conditions
from fractal_dsl.emit.torch.context import Context
from fractal_dsl.emit.torch.instances import is_counted
from fractal_dsl.emit.torch.lines import Line, nest
from fractal_dsl.emit.torch.loopvars import module, variables
from fractal_dsl.emit.torch.modules_of import Modules
from fractal_dsl.emit.torch.needs import ALWAYS, OUTPUT, Atom, Need
from fractal_dsl.emit.torch.tape import (
    Body,
    Each,
    Formula,
    Invoke,
    Item,
    Layer,
    Loop,
    Meet,
    Open,
    Part,
    Unpack,
)
from fractal_dsl.emit.torch.templates import written
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill, ident, literal
from fractal_dsl.emit.torch.uses import facts_of, inputs_of, operator_of, outputs_of, uses_of

__all__ = ["forward_lines", "input_names"]

SINGLE = ("x", "h", "u", "v", "w", "z")
LISTED = ("y", "p", "q")


def input_names(body: Body) -> list[Code]:
    return [register(SINGLE, at) for at in range(len(body.inputs))]


def register(pool: Sequence[str], number: int) -> Code:
    """Variable `number` of a pool, which never runs out."""
    name = pool[number % len(pool)]
    round_ = number // len(pool)
    return ident(f"{name}_{round_ + 1}" if round_ else name)


def forward_lines(context: Context, modules: Modules) -> list[Line]:
    """Statements of `forward`, from the arguments to what is returned."""
    body = context.body
    names = dict(zip(body.inputs, input_names(body), strict=True))
    writer = _Writer(context, modules, body, names, context.graph.is_open)
    return [*writer.lines(), *writer.returned()]


@dataclass(slots=True)
class _Statement:
    need: Need
    line: Line


@dataclass(slots=True)
class _List:
    """The operands of a join being gathered: the variable, and how many are in it."""

    items: tuple[Item, ...]
    name: Code
    done: int = 0
    started: bool = False


class _Writer:
    """Writes one body: the class's own, or that of a loop in it."""

    def __init__(
        self,
        context: Context,
        modules: Modules,
        body: Body,
        names: Mapping[int, Code],
        is_open: bool,
        carried: Code | None = None,
    ) -> None:
        self.context = context
        self.modules = modules
        self.body = body
        self.names = dict(names)
        self.is_open = is_open
        self.sampled = context.is_sampled
        self.uses = uses_of(body)
        self.conditions = Conditions(context, modules, body, is_open)
        self.statements: list[_Statement] = []
        self.lists: dict[int, _List] = {}
        self.feeds: dict[int, tuple[int, int]] = {}
        self.last = self.last_reads()
        self.final = None if is_open else carried or ident(SINGLE[0])
        self.inlined: dict[int, Code] = {}

    def last_reads(self) -> dict[int, int]:
        last = {value: at for at, p in enumerate(self.body.operations) for value in inputs_of(p)}
        last.update((item.value, len(self.body.operations)) for item in self.body.outputs)
        return last
