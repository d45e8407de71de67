"""How a value is read: by its variable, as the next of a bundle, for some samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fractal_dsl.emit.torch.expressions import Expressions
from fractal_dsl.emit.torch.needs import ALWAYS, Need
from fractal_dsl.emit.torch.registers import Registers
from fractal_dsl.emit.torch.rows import Rows
from fractal_dsl.emit.torch.tape import Unpack
from fractal_dsl.emit.torch.text import Code, commas, fill
from fractal_dsl.emit.torch.uses import Use

__all__ = ["Reads"]


class Reads:
    """Reads values while a body is written; `waiting` are operands of bundles not yet taken.

    `add` puts a statement before the one that reads.
    """

    def __init__(
        self,
        calls: Expressions,
        names: Registers,
        rows: Rows,
        uses: Mapping[int, Sequence[Use]],
        add: Callable[[Need, Code], None],
    ) -> None:
        self.calls = calls
        self.names = names
        self.rows = rows
        self.conditions = rows.conditions
        self.uses = uses
        self.add = add
        self.waiting: dict[int, Code] = {}

    def is_there(self, value: int) -> bool:
        """Whether a value has been computed."""
        return self.names.is_known(value) or value in self.waiting

    def unpack(self, part: Unpack, source: Code) -> None:
        """Name the operands of a bundle; those that may be dead are taken when they are read."""
        if not self.calls.is_sampled:
            names = [self.names.give(value) for value in part.results]
            self.add(ALWAYS, fill("{} = {}", commas(names), source))
            return
        rest = self.names.give(part.source, is_list=True)
        self.add(self.conditions.need(part.source), fill("{} = iter({})", rest, source))
        self.names.keep(part.source, part.results)
        live = (value for value in part.results if self.conditions.need(value) != frozenset())
        self.waiting.update((value, rest) for value in live)

    def read(self, value: int, need: Need) -> Code:
        """A value as something with `need` reads it: where samples differ, those that it needs."""
        text = self.variable(value)
        if not self.calls.per_sample or need is ALWAYS or self.names.is_network(value):
            return text
        if need == self.conditions.need(value):
            return text
        return fill("{}.at({})", text, self.rows.who(need))

    def variable(self, value: int) -> Code:
        """The variable of a value; an operand of a bundle that is read once needs none."""
        rest = self.waiting.get(value)
        if rest is not None and len(self.uses[value]) == 1 and self.is_next(value):
            del self.waiting[value]
            return fill("next({})", rest)
        self.fetch(value)
        return self.names.of(value)

    def is_next(self, value: int) -> bool:
        return value == next(v for v, name in self.waiting.items() if name == self.waiting[value])

    def fetch(self, value: int) -> None:
        """Take an operand of a bundle, and those before it, just before it is read."""
        while value in self.waiting:
            first, rest = next(
                (v, name) for v, name in self.waiting.items() if name == self.waiting[value]
            )
            del self.waiting[first]
            taken = fill("{} = next({})", self.names.give(first, beside=True), rest)
            self.add(self.conditions.need(first), taken)
