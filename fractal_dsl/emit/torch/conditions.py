"""Needs as Python: `any(live[:-1])`, `kept[0]`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fractal_dsl.emit.torch.needs import (
    ALWAYS,
    OUTPUT,
    Atom,
    Need,
    Run,
    asking,
    key_of,
    needs_of,
    runs,
)
from fractal_dsl.emit.torch.tape import Body, Each, Item, Meet, Open, Unpack
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill, joined, literal

__all__ = ["Conditions", "Row"]

Row = Callable[[int], Safe]


class Conditions:
    """When the values of one body are needed, and how that is asked in code.

    `row` writes what lives of the inputs of a join, given its result.
    """

    def __init__(self, body: Body, is_told: bool) -> None:
        self.found = needs_of(body, is_told)
        self.inputs = body.inputs
        self.items: dict[int, tuple[Item, ...]] = {OUTPUT: body.outputs}
        self.widths: dict[int, int] = {}
        self.unpacked: dict[int, tuple[int, ...]] = {}
        self.destination: dict[int, tuple[int, int] | int] = {}
        for part in body.operations:
            if items := asking(part):
                self.items[key_of(part)] = items
            match part:
                case Meet():
                    self.items[part.result] = part.items
                case Open():
                    self.widths[part.result] = len(part.ports)
                case Each():
                    self.widths[part.result] = len(part.stages[0].members)
                    self.destination[part.source] = part.result
                case Unpack():
                    self.unpacked[part.source] = part.results
                case _:
                    pass
        for join, items in self.items.items():
            for at, item in enumerate(items):
                if item.spread:
                    self.destination[item.value] = (join, at)

    def have_inputs(self) -> None:
        """What comes into the net is there whole, whatever lives."""
        self.found.update(dict.fromkeys(self.inputs, ALWAYS))

    def need(self, value: int) -> Need:
        return self.found[value]

    def test(self, need: Need, row: Row) -> Code:
        """An expression that is true where a value is needed."""
        if not need:
            return fill("True" if need is ALWAYS else "False")
        parts: list[Safe] = []
        for join, first, last in runs(need):
            one = last == first + 1 and not self.items[join][first].spread
            text = self.index(join, first) if one else self.slice(join, first, last)
            parts.append(fill("{}{}" if one else "any({}{})", row(join), text))
        return joined(" or ", parts)

    def who(self, need: frozenset[Atom], row: Row) -> Code:
        """The samples, as bits, for which a value is needed."""
        if not need:
            return fill("0")
        parts: list[Safe] = []
        for join, first, last in runs(need):
            one = last == first + 1 and not self.items[join][first].spread
            text = self.index(join, first) if one else self.slice(join, first, last)
            parts.append(fill("{}{}" if one else "union({}{})", row(join), text))
        return joined(" | ", parts)

    def live(self, bundle: int, row: Row, per_sample: bool = False) -> Code:
        """What lives of a bundle's operands, as its maker is told."""
        if bundle in self.unpacked:
            if (run := self.run_of(self.unpacked[bundle])) is not None:
                return fill("{}{}", row(run.join), self.slice(*run))
            needs = [self.need(value) for value in self.unpacked[bundle]]
            tests = [
                self.test(need, row) if not per_sample
                else fill("-1") if need is ALWAYS
                else self.who(need, row)
                for need in needs
            ]  # fmt: skip
            return fill("({},)" if len(tests) == 1 else "({})", commas(tests))
        goes = self.destination[bundle]
        while isinstance(goes, int):
            goes = self.destination[goes]
        join, at = goes
        return fill("{}{}", row(join), self.slice(join, at, at + 1))

    def run_of(self, values: Sequence[int]) -> Run | None:
        """The neighbouring items that are needed exactly as values are, if they are."""
        needs = [self.need(value) for value in values]
        first = next(iter(needs[0] or ()), None)
        if first is None:
            return None
        join, start = first
        wanted = [frozenset({Atom(join, start + at)}) for at in range(len(values))]
        return Run(join, start, start + len(values)) if needs == wanted else None

    def joins_asked(self, bundles_only: Sequence[int]) -> set[int]:
        """Joins whose rows are asked for by anything but the one bundle that feeds them."""
        asked = {
            atom.join
            for value, need in self.found.items()
            if need is not ALWAYS and value not in self.destination
            for atom in need
        }
        return asked | set(bundles_only)

    def index(self, join: int, at: int) -> Code:
        """The position of a single item, from whichever end no bundle stands between."""
        items = self.items[join]
        if not any(item.spread for item in items[:at]):
            return fill("[{}]", literal(at))
        if not any(item.spread for item in items[at + 1 :]):
            return fill("[{}]", literal(at - len(items)))
        return fill("[{}]", literal(self.offset(join, at)))

    def slice(self, join: int, first: int, last: int) -> Code:
        items = self.items[join]
        if first == 0 and last == len(items):
            return fill("")
        start, end = self.edge(join, first), self.edge(join, last)
        return fill("[{}:{}]", start, end)

    def edge(self, join: int, at: int) -> Safe:
        """An end of a slice; nothing where it is the end of the row."""
        items = self.items[join]
        if at in (0, len(items)):
            return fill("")
        if not any(item.spread for item in items[:at]):
            return literal(at)
        if not any(item.spread for item in items[at:]):
            return literal(at - len(items))
        return literal(self.offset(join, at))

    def offset(self, join: int, at: int) -> int:
        return sum(self.widths[v] if spread else 1 for v, spread in self.items[join][:at])
