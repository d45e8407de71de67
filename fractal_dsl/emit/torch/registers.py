"""Variables of `forward`: as few as do, so that no value lives longer than it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate

from fractal_dsl.emit.torch.tape import Body
from fractal_dsl.emit.torch.text import Code, ident
from fractal_dsl.emit.torch.uses import inputs_of
from fractal_dsl.ir.shapes import NETWORK, Shape

__all__ = ["Registers", "input_names"]

SINGLE = ("x", "h", "u", "v", "w", "z")
BUNDLES = ("ys",)
LISTS = ("y",)
NETWORKS = ("net",)


def input_names(shapes: Sequence[Shape]) -> list[Code]:
    """The arguments of `forward` that hold the inputs of the class: tensors, shared networks."""
    networks = list(accumulate(shape == NETWORK for shape in shapes))
    return [
        ident(name(NETWORKS, count - 1) if shape == NETWORK else name(SINGLE, at - count))
        for at, (shape, count) in enumerate(zip(shapes, networks, strict=True))
    ]


class Registers:
    """Names of values while one body is written; a name is free once its value is read last.

    The one output of a closed body gets the name of its first input, `start`, which is
    never without a value.
    """

    def __init__(
        self,
        body: Body,
        inputs: Sequence[Code],
        busy: frozenset[str] = frozenset(),
        declared: set[str] | None = None,
        singles: Sequence[str] = SINGLE,
        networks: Iterable[int] = (),
    ) -> None:
        self.body = body
        self.networks = set(networks)
        self.at = 0
        self.start = next(iter(inputs), ident("x"))
        self.known: dict[int, Code] = dict(zip(body.inputs, inputs, strict=True))
        self.lists: dict[int, Code] = {}
        self.outer = busy
        self.singles = singles
        self.declared = set() if declared is None else declared
        self.final = inputs[0] if inputs and len(body.outputs) == 1 else None
        self.last = self.last_reads({})

    def postpone(self, positions: Mapping[int, int]) -> None:
        """Tell which operations are written at a later position than their own."""
        self.last = self.last_reads(positions)

    def last_reads(self, positions: Mapping[int, int]) -> dict[int, int]:
        last: dict[int, int] = {}
        for at, part in enumerate(self.body.operations):
            for value in inputs_of(part):
                last[value] = max(last.get(value, 0), positions.get(at, at))
        last.update((item.value, len(self.body.operations)) for item in self.body.outputs)
        return last

    def move_to(self, at: int) -> None:
        """From here on, values read last before position `at` need no name."""
        self.at = at
        self.known = {v: name for v, name in self.known.items() if self.last.get(v, at) >= at}

    def keep(self, value: int, until: Sequence[int]) -> None:
        """Keep the name of `value` until all of other values are read last."""
        self.last[value] = max(self.last.get(one, 0) for one in until)

    def read_last(self, values: Sequence[int]) -> list[int]:
        """Those of `values` that nothing reads any more; what came in belongs to the caller."""
        return [
            value
            for value in dict.fromkeys(values)
            if value in self.known and value not in self.body.inputs
            and self.last.get(value) == self.at
        ]  # fmt: skip

    def of(self, value: int) -> Code:
        return self.known[value]

    def is_known(self, value: int) -> bool:
        return value in self.known

    def hold(self, value: int, text: Code) -> None:
        """A value that is no variable: a module."""
        self.known[value] = text
        self.networks.add(value)

    def is_network(self, value: int) -> bool:
        """Whether a value is a shared module, not a tensor."""
        return value in self.networks

    def give(self, value: int, is_list: bool = False, beside: bool = False) -> Code:
        """A name for a new value: that of an input which is read here last, if there is one.

        One that stands `beside` what is read here gets a name of its own.
        """
        output = self.body.outputs[0].value
        is_final = value == output and not self.body.outputs[0].spread and not beside
        if is_final and self.final is not None:
            self.known[value] = self.final
            return self.final
        least = self.at if beside else self.at + 1
        busy = {name for v, name in self.known.items() if self.last.get(v, -1) >= least}
        chosen = self.free(BUNDLES if is_list else self.singles, busy)
        self.known[value] = chosen
        return chosen

    def free(self, pool: Sequence[str], busy: AbstractSet[str]) -> Code:
        number = 0
        while name(pool, number) in busy or name(pool, number) in self.outer:
            number += 1
        return ident(name(pool, number))

    def start_list(self, join: int, taken: frozenset[str] = frozenset()) -> Code:
        """A name for the list of a join's operands, none of those `taken`."""
        chosen = self.free(LISTS, {*self.lists.values(), *taken})
        self.lists[join] = chosen
        return chosen

    def of_list(self, join: int) -> Code:
        return self.lists[join]

    def drop_list(self, join: int) -> None:
        del self.lists[join]

    def is_new(self, list_name: Code) -> bool:
        """Whether a list has not had its type said yet."""
        fresh = list_name not in self.declared
        self.declared.add(list_name)
        return fresh

    def inside(self, body: Body, carried: Code) -> Registers:
        """Names for the body of a loop, which leaves alone what is read after it."""
        busy = {name for v, name in self.known.items() if self.last.get(v, -1) > self.at}
        outer = self.outer | busy | set(self.lists.values())
        made = Registers(body, [carried], frozenset(outer - {carried}), self.declared)
        made.start = self.start
        return made


def name(pool: Sequence[str], number: int) -> str:
    """Variable `number` of a pool, which never runs out."""
    rounds, at = divmod(number, len(pool))
    return f"{pool[at]}_{rounds + 1}" if rounds else pool[at]
