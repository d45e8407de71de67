"""Like operations one after the other, such as the blocks of a `chain`, become a loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, cast

from fractal_dsl.emit.torch.bundles import Signature, next_path
from fractal_dsl.emit.torch.tape import (
    Body,
    Formula,
    Invoke,
    Item,
    Layer,
    Loop,
    Meet,
    Open,
    Part,
    Path,
    Turn,
)
from fractal_dsl.emit.torch.uses import Use, inputs_of, is_shared, outputs_of, uses_of

__all__ = ["fold_loops"]

LONGEST_TURN = 12
Leaf: TypeAlias = Layer | Formula | Invoke | Open | Meet
Named: TypeAlias = Layer | Invoke | Open


def fold_loops(body: Body, fresh: Iterator[int], signature: Signature) -> None:
    """Replace every run of like turns in `body` by a loop over lists of modules."""
    uses = uses_of(body)
    at = 0
    while at < len(body.operations):
        for period in range(1, LONGEST_TURN + 1):
            turns = _Run(body, at, period, uses, signature).turns()
            if turns > 1:
                _make_loop(body, at, period, turns, fresh)
                uses = uses_of(body)
                break
        at += 1


class _Run:
    """Turns of `period` operations each that begin at `start`."""

    def __init__(
        self,
        body: Body,
        start: int,
        period: int,
        uses: dict[int, list[Use]],
        signature: Signature,
    ) -> None:
        self.parts = body.operations
        self.start = start
        self.period = period
        self.uses = uses
        self.signature = signature

    def turns(self) -> int:
        first = self.form(0, None)
        turns = 1
        while first is not None:
            before = outputs_of(self.parts[self.start + turns * self.period - 1])[0]
            inside = [value for part in self.turn(turns) for value in inputs_of(part)]
            if len(self.uses[before]) != inside.count(before):
                break
            if self.form(turns, before) != first or not self.counts_on(turns):
                break
            turns += 1
        return turns

    def turn(self, number: int) -> Sequence[Part]:
        start = self.start + number * self.period
        return self.parts[start : start + self.period]

    def form(self, number: int, source: int | None) -> tuple[object, ...] | None:
        """What a turn does, numbers aside; None if these operations are no turn."""
        parts = self.turn(number)
        if len(parts) < self.period or not all(map(_is_leaf, parts)):
            return None
        if isinstance(parts[-1], Open):
            return None  # what goes from turn to turn is a tensor
        if source is None:
            source = next(iter(inputs_of(parts[0])), None)
            if source is None:
                return None
        known = {source: -1}
        form: list[object] = []
        for at, part in enumerate(parts):
            if any(value not in known for value in inputs_of(part)):
                return None
            reads = tuple(known[value] for value in inputs_of(part))
            spread = tuple(item.spread for item in part.items) if isinstance(part, Meet) else ()
            form.append((self.signature(part), reads, spread))
            known[outputs_of(part)[0]] = at
        if not any(isinstance(part, Named) for part in parts) or self.leaks(parts):
            return None
        return tuple(form)

    def leaks(self, parts: Sequence[Part]) -> bool:
        """Whether a value from within the turn is read outside it."""
        return any(
            all(use.part is not part for part in parts)
            for maker in parts[:-1]
            for use in self.uses[outputs_of(maker)[0]]
        )

    def counts_on(self, number: int) -> bool:
        """Whether the modules of this turn are the next in the lists of the first's."""
        return all(
            other.path == (one.path if is_shared(one) else next_path(one.path, number))
            for one, other in zip(self.turn(0), self.turn(number), strict=True)
            if isinstance(one, Named) and isinstance(other, Named)
        )


def _is_leaf(part: Part) -> bool:
    return isinstance(part, Leaf) and len(outputs_of(part)) == 1


def _make_loop(body: Body, start: int, period: int, turns: int, fresh: Iterator[int]) -> None:
    parts = cast("list[Leaf]", body.operations[start : start + period * turns])
    number = next(fresh)
    made = [
        _in_turns(parts[at::period], Turn(number, 0, turns, listed=True)) for at in range(period)
    ]
    source, carried = inputs_of(parts[0])[0], next(fresh)
    for part in made:
        _replace_input(part, source, carried)
    inside = Body((carried,), list(made), (Item(made[-1].result),))
    result = parts[-1].result
    loop = Loop(Turn(number, 0, turns, listed=True), inside, source, result)
    body.operations[start : start + period * turns] = [loop]


def _in_turns(parts: Sequence[Leaf], turn: Turn) -> Leaf:
    """One operation in place of the same in every turn."""
    first = parts[0]
    first.members = tuple(member for part in parts for member in part.members)
    if isinstance(first, Named) and not is_shared(first):
        *before, last = first.path.indices
        assert isinstance(last, int)
        first.path = Path(first.path.name, (*before, turn._replace(first=last)))
    return first


def _replace_input(part: Leaf, old: int, new: int) -> None:
    if isinstance(part, Meet):
        items = (Item(new, spread) if value == old else Item(value, spread)
                 for value, spread in part.items)  # fmt: skip
        part.items = tuple(items)
    else:
        part.inputs = tuple(new if value == old else value for value in part.inputs)
