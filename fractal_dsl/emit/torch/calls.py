"""Expressions of `forward`: how each operation is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, LiteralString

from fractal_dsl.emit.torch.context import Context
from fractal_dsl.emit.torch.instances import kept_members
from fractal_dsl.emit.torch.loopvars import LoopVariable, element, module
from fractal_dsl.emit.torch.modules_of import Modules
from fractal_dsl.emit.torch.operators import Fact, call_of
from fractal_dsl.emit.torch.tape import Each, Formula, Hold, Invoke, Layer, Loop, Meet, Open, Part
from fractal_dsl.emit.torch.templates import written
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill, ident, literal
from fractal_dsl.emit.torch.uses import facts_of, numbers_of, operator_of
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.shapes import NETWORK

__all__ = ["Calls", "called", "formula_on_samples", "on_samples", "tied"]

ONE = ident("t")


class Calls:
    """Writes calls for one class."""

    def __init__(self, context: Context, modules: Modules) -> None:
        self.context = context
        self.modules = modules

    nests: Final = True

    @property
    def is_sampled(self) -> bool:
        return self.context.is_sampled

    @property
    def per_sample(self) -> bool:
        return self.context.takes_samples

    def note(self, part: Part) -> str:
        return self.context.note(part)

    def expression(self, part: Part, inputs: Sequence[Safe], live: Safe | None) -> Code:
        """An operation on its inputs; `live` is what an open call must give."""
        match part:
            case Layer():
                return self.layer(part, module(self.modules, part.path), *inputs)
            case Formula():
                return self.formula(part, inputs)
            case Invoke():
                return self.call(part, inputs, None)
            case Open():
                return self.call(part, inputs, live)
            case Each():
                return self.each(part, inputs[0], live)
            case _:
                raise AssertionError(part)

    def layer(self, part: Layer, own: Safe, *value: Safe) -> Code:
        """A layer at work, its input brought into the form that torch asks for."""
        member = part.members[0]
        template = call_of(operator_of(member).attributes, member.shapes)
        return called(template, own, value, self.per_sample)

    def formula(self, part: Formula, inputs: Sequence[Safe]) -> Code:
        if part.weight is not None:
            return tied(module(self.modules, part.weight), inputs[0], self.per_sample)
        node = operator_of(part.members[0])
        facts = facts_of(part.members[0])
        numbers = {role: literal(one) for role, one in numbers_of(part.members[0]).items()}
        if not self.per_sample:
            return written(node.attributes, facts, numbers, inputs=inputs)
        return formula_on_samples(node.attributes, facts, numbers, inputs)

    def call(self, part: Invoke | Open, inputs: Sequence[Safe], live: Safe | None) -> Code:
        given = list(inputs)
        if self.context.is_steered(part.members[0]):
            given.append(fill("plan"))
        if live is not None:
            given.append(live)
        if part.network is not None:
            own = given.pop(len(part.inputs))
        else:
            own = module(self.modules, part.path)
        if self.per_sample and not self.context.is_steered(part.members[0]):
            networks = [shape == NETWORK for shape in part.members[0].shapes]
            return called_on_samples(own, given, networks)
        return fill("{}({})", own, commas(given))

    def asking(self, part: Invoke | Open, live: Safe | None, who: Safe | None) -> Code:
        """What a call needs of the inputs that it asks for, of the samples `who`."""
        given: list[Safe] = [fill("reading(plan)"), *([] if live is None else [live])]
        answer = fill("{}.reach({})", self.own_part(part), commas(given))
        if who is None:
            return answer
        return fill("tuple(one & ({}) for one in {})", who, answer)

    def own_part(self, part: Invoke | Open) -> Code:
        """A module that has joins; out of a list, torch has forgotten that it does."""
        own = module(self.modules, part.path)
        is_element = part.path.indices and part.path.name not in self.modules.single
        return fill('cast("Part", {})', own) if is_element else own

    def held(self, part: Hold) -> Code:
        """A shared module as it is handed on."""
        return module(self.modules, part.path)

    def each(self, part: Each, source: Safe, live: Safe | None) -> Code:
        """The same on every operand of a list; modules of dead operands are passed over."""
        text = ONE
        names: list[Safe] = []
        lists: list[Safe] = []
        for stage in part.stages:
            own = module(self.modules, stage.path)
            if len(kept_members(stage)) > 1:
                own = ident(f"part_{len(names) + 1}" if names else "part")
                names.append(own)
                run = self.run_of(stage)
                lists.append(run if live is None else fill("compress({}, {})", run, live))
            if isinstance(stage, Layer):
                text = self.layer(stage, own, text)
            else:
                steered = self.context.is_steered(stage.members[0])
                if self.per_sample and not steered:
                    text = on_samples(own, text)
                else:
                    text = fill("{}({}, plan)" if steered else "{}({})", own, text)
        if not names:
            return fill("[{} for {} in {}]", text, ONE, source)
        names.append(ONE)
        lists.append(source)
        return fill("[{} for {} in zip({})]", text, commas(names), commas(lists))

    def run_of(self, stage: Layer | Invoke) -> Code:
        """The modules of a stage of `each`, one for each operand."""
        name, (*before, base) = stage.path.name, stage.path.indices
        assert isinstance(base, int)
        modules = element(name, before, is_list=True)
        total = len(stage.members)
        if base == 0 and self.modules.length(name, before) == total:
            return modules
        return fill("{}[{}:{}]", modules, literal(base), literal(base + total))

    # Joins -----------------------------------------------------------------------

    def join(self, part: Meet, operands: Safe) -> Code:
        if not self.context.is_sampled:
            shared = self.context.shares(part)
            return fill("mean({}, shared=True)" if shared else "mean({})", operands)
        return fill("{}({})", module(self.modules, part.path), operands)

    def row(self, part: Meet) -> Code:
        """What lives of a join's inputs, from the plan."""
        return fill("plan[{}.number]", module(self.modules, part.path))

    # Loops -----------------------------------------------------------------------

    def loop_header(self, part: Loop, found: Sequence[LoopVariable]) -> Code:
        if not found:
            return fill("for _ in range({}):", self.modules.counts[part.turns.loop])
        sources = [
            fill('cast("list[nn.ModuleList]", {})', one.source)
            if one.holds_lists
            else fill('cast("list[Join]", {})', one.source)
            if is_join(one)
            else one.source
            for one in found
        ]
        names = commas(one.name for one in found)
        if len(found) == 1:
            return fill("for {} in {}:", names, sources[0])
        return fill("for {} in zip({}):", names, commas(sources))

    def loop_note(self, part: Loop) -> str:
        """The shape that a loop ends with, where its turns change it."""
        note = self.context.note(part)
        return note if not part.turns.listed or not note else f"ends as {note}"

    def outputs_note(self) -> str:
        """The shape of the operands that an open graph returns."""
        rows = []
        for _, instance in self.context.family.instances:
            shapes = set(self.context.program.graphs[instance.graph].output_shapes)
            rows.append(shapes.pop() if len(shapes) == 1 else None)
        note = self.context.symbols.shape(rows)
        return note and f"{note} each"


def called(template: LiteralString, own: Safe, value: Sequence[Safe], per_sample: bool) -> Code:
    """A module at work on a value, or on what is there of the samples; some take none."""
    if not per_sample:
        return fill(template, own, *value)
    if not value:
        return fill("Samples({})", fill(template, own))
    if template in ("{}({})", "{}({}, {})"):
        return on_samples(own, *value)
    return on_samples(fill("lambda t: {}", fill(template, own, ONE)), *value)


def tied(home: Safe, value: Safe, per_sample: bool) -> Code:
    """A dense layer that uses the weight of another module."""
    template: LiteralString = "nn.functional.linear({1}, {0}.weight)"
    return called(template, home, [value], per_sample)


def on_samples(function: Safe, *values: Safe) -> Code:
    """A function of tensors, applied to what is there of the samples."""
    return fill("on({}, {})", function, commas(values))


def called_on_samples(own: Safe, given: Sequence[Safe], networks: Sequence[bool]) -> Code:
    """A part applied to what is there of the samples; networks are given to it as they are."""
    if not any(networks):
        return on_samples(own, *given)
    tensors = [one for one, whole in zip(given, networks, strict=True) if not whole]
    names = [Code(f"t{at}" if at else "t") for at in range(len(tensors))]
    left = iter(names)
    inside = [one if whole else next(left) for one, whole in zip(given, networks, strict=True)]
    return on_samples(fill("lambda {}: {}({})", commas(names), own, commas(inside)), *tensors)


def formula_on_samples(
    attributes: Attributes,
    facts: Mapping[str, Fact],
    numbers: Mapping[str, Safe],
    inputs: Sequence[Safe],
) -> Code:
    """An operator's formula as a function of tensors, and that applied."""
    names = [Code(f"t{at}" if at else "t") for at in range(len(inputs))]
    formula = written(attributes, facts, numbers, inputs=names)
    return on_samples(fill("lambda {}: {}", commas(names), formula), *inputs)


def is_join(variable: LoopVariable) -> bool:
    return any(isinstance(part, Meet) for part in variable.users)
