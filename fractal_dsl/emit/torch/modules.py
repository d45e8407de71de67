"""The `modules` style: one class for each rule level, in the spec's own names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from fractal_dsl.emit.torch.calls import Calls
from fractal_dsl.emit.torch.classes import END, Class, Classes, Family
from fractal_dsl.emit.torch.context import Context
from fractal_dsl.emit.torch.docs import class_doc
from fractal_dsl.emit.torch.forward import forward_lines
from fractal_dsl.emit.torch.instances import walk
from fractal_dsl.emit.torch.lines import Line, laid_out
from fractal_dsl.emit.torch.modules_of import Modules
from fractal_dsl.emit.torch.naming import Names, capitals
from fractal_dsl.emit.torch.operators import call_of
from fractal_dsl.emit.torch.reach import reach_lines
from fractal_dsl.emit.torch.registers import Registers, input_names
from fractal_dsl.emit.torch.sizes import Argument, Key
from fractal_dsl.emit.torch.tape import Body, Invoke, Item, Layer
from fractal_dsl.emit.torch.text import Code, commas, fill, ident, literal
from fractal_dsl.emit.torch.uses import facts_of, inputs_of, operator_of, outputs_of
from fractal_dsl.emit.torch.views import ClassView
from fractal_dsl.ir.graph import Graph, HeadParameter
from fractal_dsl.ir.shapes import NETWORK

__all__ = ["class_views"]


def class_views(classes: Classes, recomputed: Collection[int] = ()) -> list[ClassView]:
    """Every class, callees before callers, the network last.

    The network has parts of all classes whose graphs are `recomputed` keep nothing.
    """
    names = class_names(classes)
    views: list[ClassView] = []
    for cls in classes.ordered:
        family = classes.family[cls.number]
        if cls is family.classes[0]:
            views.append(_ClassWriter(classes, family, names).view())
        else:
            views.append(heir(classes, family, cls, names))
    kinds = [
        names[cls.number]
        for cls in classes.ordered
        if all(instance.graph in recomputed for instance in cls.instances)
    ]
    if kinds:
        call = fill("recompute(self, ({},))" if len(kinds) == 1 else "recompute(self, ({}))",
                    commas(kinds))  # fmt: skip
        views[-1] = replace(views[-1], recompute=laid_out([Line(call)], 2))
    return views


def class_names(classes: Classes) -> dict[int, Code]:
    """The network's own name first; a rule's classes are numbered where there are several."""
    names = Names()
    entry = classes.ordered[-1]
    found = {entry.number: names.free(classes.tapes.program.name)}
    for cls in classes.ordered[:-1]:
        graph = classes.graph(cls)
        level = graph.recursion.level if graph.recursion and not graph.is_closure else None
        rule = "branch" if graph.rule == "stochastic_depth" else graph.rule
        found[cls.number] = names.free(capitals(rule, level))
    return found


def graphs_of(classes: Classes, cls: Class) -> list[Graph]:
    found = dict.fromkeys(instance.graph for instance in cls.instances)
    return [classes.tapes.program.graphs[graph] for graph in found]


def heir(classes: Classes, family: Family, cls: Class, names: dict[int, Code]) -> ClassView:
    """A class that only says what it calls and what numbers it has."""
    context = Context(classes, family, names, {})
    known = {slot.key: slot.value for slot in classes.slots(cls.instances[0])}
    own = {attribute: names[cls.callees[at].number] for at, attribute in context.attributes.items()}
    own |= {ident(one.name): literal(known[one.key]) for one in family.sizes.attributes}
    lines = [Line(fill("{} = {}", commas(own), commas(own.values())))] if own else []
    if len(laid_out(lines, 1)) > 1:
        lines = [Line(fill("{} = {}", name, value)) for name, value in own.items()]
    return ClassView(
        name=names[cls.number],
        base=names[family.classes[0].number],
        doc=class_doc(graphs_of(classes, cls), classes.graph(cls).doc),
        attributes=laid_out(lines, 1),
        methods=False,
        signature=[],
        modules=[],
        reach=[],
        head=[],
        forward=[],
    )  # fmt: skip


class _ClassWriter:
    def __init__(self, classes: Classes, family: Family, names: dict[int, Code]) -> None:
        self.classes = classes
        self.family = family
        self.graph = classes.graph(family.classes[0])
        program = classes.tapes.program
        self.is_entry = family.classes[0] is classes.ordered[-1]
        self.heads = program.head_parameters if self.is_entry else ()
        taken = Names(["plan_seed"])
        self.head_names = {head: taken.free(head.name) for head in self.heads}
        self.keys = head_keys(family, self.head_names)
        self.context = Context(classes, family, names, self.keys)
        self.modules = Modules(self.context)
        self.calls = Calls(self.context, self.modules)
        self.name = names[family.classes[0].number]
        self.steered = classes.tapes.steered[family.classes[0].graph]
        self.is_told = classes.tapes.is_told(family.classes[0].graph)

    def view(self) -> ClassView:
        doc = self.graph.doc or (self.classes.tapes.program.doc if self.is_entry else "")
        draws = self.steered and self.is_entry
        runs = not self.is_entry and not self.steered and is_chain(self.context.body)
        kind = fill("nn.Sequential" if runs else "Part" if self.steered else "nn.Module")
        if self.context.body.end is not None:
            kind = fill("StochasticDepth")
        return ClassView(
            name=self.name,
            base=fill("DropPath") if draws else kind,
            doc=class_doc(graphs_of(self.classes, self.family.classes[0]), doc),
            attributes=laid_out(self.attributes(), 1),
            is_net=draws,
            per_sample=self.context.per_sample,
            signature=laid_out([Line(self.signature())], 1),
            given=self.given(),
            modules=laid_out(self.chained() if runs else self.modules.lines(), 2),
            reach=laid_out(reach_lines(self.calls), 2) if self.steered else [],
            head=[] if runs else laid_out([Line(self.head())], 1),
            forward=[] if runs else laid_out(self.forward(), 2),
            answers=self.context.first.graph in self.classes.tapes.asked,
            is_told=self.classes.tapes.told[self.context.first.graph],
        )

    def chained(self) -> list[Line]:
        """Modules that run in the order in which they stand, each with the shape it gives."""
        notes = [self.context.note(part) for part in self.context.body.operations]
        lines = zip(self.modules.lines(), notes, strict=True)
        return [line._replace(note=note) for line, note in lines]

    def forward(self) -> list[Line]:
        body, shapes = self.context.body, self.graph.inputs
        networks = [v for v, s in zip(body.inputs, shapes, strict=True) if s == NETWORK]
        names = Registers(body, input_names(shapes), networks=networks)
        return forward_lines(self.calls, body, names, self.is_told, self.is_entry)

    def attributes(self) -> list[Line]:
        lines = []
        for place, attribute in self.context.attributes.items():
            callee = self.context.first.callees[place]
            kind = "Part" if self.classes.tapes.steered[callee.graph] else "nn.Module"
            lines.append(
                fill("{}: type[{}] = {}", attribute, fill(kind), self.context.names[callee.number])
            )
        for one in self.family.sizes.attributes:
            value = self.context.values[one.key]
            lines.append(
                fill(
                    "{}: {} = {}",
                    ident(one.name),
                    kind_of(one, self.values_of(one.key)),
                    literal(value),
                )
            )
        return [Line(line) for line in dict.fromkeys(lines)]

    def given_as(self, name: str) -> list[object]:
        """What the constructor is given under `name`, by whoever makes one."""
        return [self.classes.given[one].get(name) for _, one in self.family.instances]

    def values_of(self, key: Key) -> list[object]:
        rows = (self.classes.slots(one) for _, one in self.family.instances)
        return [slot.value for row in rows for slot in row if slot.key == key]

    def signature(self) -> Code:
        given = [fill("self")]
        for one in self.family.sizes.arguments:
            given.append(fill("{}: {}", ident(one.name), kind_of(one, self.given_as(one.name))))
        for head in self.heads:
            given.append(fill("{}: int = {}", ident(self.head_names[head]), literal(head.value)))
        if self.steered and self.is_entry:
            given.append(fill("plan_seed: int = 0"))
        return fill("def __init__({}) -> None:", commas(given))

    def given(self) -> Code:
        """What the constructor of the base class is given."""
        if self.context.body.end is None:
            return fill("")
        rate = self.context.number(Key(END, 0, "rate"))
        per_batch = facts_of(self.context.body.end)["per"] == "batch"
        return fill("{}, per_batch=True" if per_batch else "{}", rate)

    def head(self) -> Code:
        per_sample = self.context.takes_samples
        kind = fill("Samples" if per_sample else "Tensor")
        given = [fill("self")]
        for name, shape in zip(input_names(self.graph.inputs), self.graph.inputs, strict=True):
            given.append(fill("{}: {}", name, fill("nn.Module") if shape == NETWORK else kind))
        if self.steered:
            draws = self.is_entry and not per_sample
            given.append(fill("plan: Plan | None = None" if draws else "plan: Plan"))
        if self.steered and self.is_told:
            given.append(fill("live: Live"))
        several = "list[{}]" if self.is_told else "tuple[{}, ...]"
        result = kind if len(self.graph.outputs) == 1 else fill(several, kind)
        name = fill("compute" if per_sample and self.is_entry else "forward")
        if self.context.body.end is not None:
            name = fill("branch")
        return fill("def {}({}) -> {}:", name, commas(given), result)


def is_chain(body: Body) -> bool:
    """Whether `forward` would call every module once, in order, on what the last one gave."""
    if body.end is not None or len(body.inputs) != 1:
        return False
    value, names = body.inputs[0], set[str]()
    for part in body.operations:
        if not isinstance(part, Layer | Invoke) or inputs_of(part) != (value,):
            return False
        if part.path.indices or part.path.name in names or outputs_of(part) != (part.result,):
            return False
        if isinstance(part, Layer) and not is_direct(part):
            return False
        names.add(part.path.name)
        value = part.result
    return body.outputs == (Item(value),)


def is_direct(part: Layer) -> bool:
    """Whether the module takes its input as it is."""
    member = part.members[0]
    return call_of(operator_of(member).attributes, member.shapes) == "{}({})"


def head_keys(family: Family, heads: Mapping[HeadParameter, str]) -> dict[Key, str]:
    """The numbers that are arguments of the network, and their names."""
    found: dict[Key, str] = {}
    for head, name in heads.items():
        for at, part in enumerate(walk(family.body)):
            if not isinstance(part, Layer):
                continue
            for number, member in enumerate(part.members):
                if member.at in head.nodes and not member.route:
                    found[Key(at, number, head.attribute)] = name
    return found


def kind_of(argument: Argument, values: Sequence[object]) -> Code:
    """The type of an argument or an attribute, from all the values it has."""
    if argument.kind == "picks":
        return fill("Sequence[int] | None")
    if argument.kind == "shared":
        return fill("bool")
    if argument.kind == "rates":
        return fill("Sequence[float | None] | None")
    if any(isinstance(value, tuple) for value in values):
        return fill("int | tuple[int, int]")
    return fill("float" if any(isinstance(value, float) for value in values) else "int")
