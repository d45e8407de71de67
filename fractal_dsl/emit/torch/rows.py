"""Rows of joins in one body: where its code reads which inputs of a join live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fractal_dsl.emit.torch.conditions import Conditions
from fractal_dsl.emit.torch.expressions import Expressions
from fractal_dsl.emit.torch.inlining import is_direct
from fractal_dsl.emit.torch.instances import kept_members
from fractal_dsl.emit.torch.needs import OUTPUT, Atom, Need
from fractal_dsl.emit.torch.tape import Body, Each, Invoke, Item, Meet, Open, Part
from fractal_dsl.emit.torch.text import Code, Safe, fill, ident
from fractal_dsl.emit.torch.uses import outputs_of

__all__ = ["Rows"]


class Rows:
    """What says which inputs of a join live: a variable, a call's answer, or the plan.

    `items` are the inputs of the joins whose operands the body puts together. `wants` are calls
    that say first which inputs they need, last first, and what holds the answer.
    """

    def __init__(
        self,
        calls: Expressions,
        body: Body,
        conditions: Conditions,
        items: Mapping[int, Sequence[Item]],
    ) -> None:
        self.calls = calls
        self.body = body
        self.conditions = conditions
        self.meets = {part.result: part for part in body.operations if isinstance(part, Meet)}
        self.names = self.variables(items)
        self.wants = self.asking_calls()

    def begin(self) -> list[tuple[Code, Code]]:
        """Variables that hold rows, and what is put into them."""
        return [(name, self.calls.row(self.meets[join])) for join, name in self.names.items()]

    def variables(self, items: Mapping[int, Sequence[Item]]) -> dict[int, Code]:
        """Variables for what lives of each join, where that is asked for more than once."""
        if not self.calls.is_sampled or not self.calls.nests:
            return {}
        twice = {outputs_of(part)[0] for part in self.body.operations if asks_twice(part)}
        gathered = [
            join for join, taken in items.items() if not is_direct(taken) or taken[0].value in twice
        ]
        asked = self.conditions.joins_asked(gathered)
        return {
            part.result: ident(part.path.name.replace("join", "kept"))
            for part in self.meets.values()
            if part.result in asked
        }

    def asking_calls(self) -> dict[int, tuple[Code, Invoke | Open]]:
        """Calls that say first which inputs they need, last first, and what holds the answer."""
        if not self.calls.is_sampled:
            return {}
        read = {atom.join for need in self.conditions.found.values() for atom in need or ()}
        calls = [part for part in self.body.operations if isinstance(part, Invoke | Open)]
        asking = [
            part
            for part in calls
            if part.asked.inputs and (part.result in read or self.calls.per_sample)
        ]
        names = (ident(f"wants_{at}" if at else "wants") for at in range(len(asking)))
        pairs = [*zip(names, asking, strict=False)]
        return {part.result: (name, part) for name, part in reversed(pairs)}

    def of(self, join: int) -> Safe:
        """What is read of a join's inputs, before an index or a slice."""
        if join == OUTPUT:
            return fill("live")
        if join in self.names:
            return self.names[join]
        if join in self.wants:
            return self.wants[join][0]
        return self.calls.row(self.meets[join])

    def test(self, need: Need) -> Code:
        """An expression that is true where a value is needed."""
        return self.conditions.test(need, self.of)

    def who(self, need: frozenset[Atom]) -> Code:
        """The samples, as bits, for which a value is needed."""
        return self.conditions.who(need, self.of)

    def live(self, bundle: int) -> Code:
        """What lives of a bundle's operands, as its maker is told."""
        return self.conditions.live(bundle, self.of, self.calls.per_sample)


def asks_twice(part: Part) -> bool:
    """Whether the row of a bundle's join is read again, to pass over modules."""
    return isinstance(part, Each) and any(len(kept_members(s)) > 1 for s in part.stages)
