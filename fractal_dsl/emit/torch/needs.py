"""When a value is needed: which inputs of which joins must live for it to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from fractal_dsl.emit.torch.tape import Body, Invoke, Item, Meet, Open, Part, Unpack
from fractal_dsl.emit.torch.uses import inputs_of, outputs_of

__all__ = ["ALWAYS", "OUTPUT", "Atom", "Need", "Run", "asking", "key_of", "needs_of", "runs"]


class Atom(NamedTuple):
    """Item `item` of a join lives; `join` is its result, or OUTPUT for what a graph gives.

    A call that asks counts as a join of the inputs it asks for, under the call's result.
    """

    join: int
    item: int


OUTPUT = -1
ALWAYS: None = None
Need: TypeAlias = "frozenset[Atom] | None"
"""Any of these; ALWAYS where the value is needed whenever the body runs."""


class Run(NamedTuple):
    """Neighbouring items of one join: `first` up to, not including, `last`."""

    join: int
    first: int
    last: int


def needs_of(body: Body, is_told: bool) -> dict[int, Need]:
    """When each value of `body` is needed; if `is_told`, its outputs only where they live.

    All inputs of a join together are needed when the join is, and the input of a join is
    only ever needed where the join is: conditions say no more than they must.
    """
    return _Needs(body, is_told).found


def asking(part: Part) -> tuple[Item, ...]:
    """The inputs that a call asks for."""
    if not isinstance(part, Invoke | Open):
        return ()
    return tuple(Item(part.inputs[at]) for at in part.asked.inputs)


def key_of(part: Part) -> int:
    """What atoms call a join, or a call that asks."""
    assert isinstance(part, Meet | Invoke | Open)
    return part.result


class _Needs:
    def __init__(self, body: Body, is_told: bool) -> None:
        self.items: dict[int, tuple[Item, ...]] = {}
        self.atoms: dict[int, set[Atom]] = {}
        self.always: set[int] = set()
        self.found: dict[int, Need] = {}
        self.loose: set[int] = set()
        if is_told:
            self.items[OUTPUT] = body.outputs
            self.found[OUTPUT] = ALWAYS
            self.read(OUTPUT, body.outputs)
        else:
            self.always.update(item.value for item in body.outputs)
        for part in reversed(body.operations):
            if isinstance(part, Unpack):
                for value in part.results:
                    self.found[value] = self.need([value])
            need = self.need(outputs_of(part))
            self.found.update((value, need) for value in self.made(part))
            if isinstance(part, Meet):
                self.items[part.result] = part.items
                self.read(part.result, part.items)
            elif items := asking(part):
                self.ask(part, items, need)
            else:
                self.pass_on(need, inputs_of(part))
        for value in body.inputs:
            self.found[value] = self.need([value])

    def ask(self, part: Part, items: tuple[Item, ...], need: Need) -> None:
        """What a call asks for is needed as it says, the rest of its inputs as the call is."""
        assert isinstance(part, Invoke | Open)
        self.items[part.result] = items
        self.found[part.result] = need
        if not part.asked.whole:
            self.loose.add(part.result)
        self.read(part.result, items)
        others = [v for at, v in enumerate(inputs_of(part)) if at not in part.asked.inputs]
        self.pass_on(need, others)

    def made(self, part: object) -> Sequence[int]:
        return () if isinstance(part, Unpack) else outputs_of(part)  # type: ignore[arg-type]

    def read(self, join: int, items: Sequence[Item]) -> None:
        for at, item in enumerate(items):
            self.atoms.setdefault(item.value, set()).add(Atom(join, at))

    def pass_on(self, need: Need, values: Sequence[int]) -> None:
        for value in values:
            if need is ALWAYS:
                self.always.add(value)
            else:
                self.atoms.setdefault(value, set()).update(need)

    def need(self, values: Sequence[int]) -> Need:
        if any(value in self.always for value in values):
            return ALWAYS
        atoms = {atom for value in values for atom in self.atoms.get(value, ())}
        while True:
            for join in sorted({atom.join for atom in atoms}, reverse=True):
                whole = {Atom(join, at) for at in range(len(self.items[join]))}
                outer = self.found[join]
                every = whole <= atoms and join not in self.loose
                if outer is ALWAYS and every:
                    return ALWAYS
                if outer is not ALWAYS and (every or outer <= atoms):
                    atoms = (atoms - whole) | outer
                    break
            else:
                return frozenset(atoms)


def runs(need: frozenset[Atom]) -> Iterator[Run]:
    """The atoms of a need as neighbouring items, in order."""
    current: Run | None = None
    for join, item in sorted(need):
        if current is not None and current.join == join and current.last == item:
            current = current._replace(last=item + 1)
            continue
        if current is not None:
            yield current
        current = Run(join, item, item + 1)
    if current is not None:
        yield current
