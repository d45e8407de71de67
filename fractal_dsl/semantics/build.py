"""One graph under construction, and what flows through it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.ir.graph import (
    Apply,
    Call,
    Graph,
    Input,
    Join,
    Node,
    Origin,
    Ref,
    Segment,
    Share,
)
from fractal_dsl.ir.operators import Attributes, ShapeError, spec_of
from fractal_dsl.ir.operators.elementwise import Concat
from fractal_dsl.ir.operators.kinds import not_tokens
from fractal_dsl.ir.shapes import NETWORK, Shape
from fractal_dsl.semantics.mismatch import Side, meeting, unequal
from fractal_dsl.semantics.strands import (
    Arrival,
    Flow,
    Form,
    Strand,
    Strands,
    alone,
    leaves,
    refilled,
)
from fractal_dsl.semantics.trace import set_at
from fractal_dsl.semantics.values import SharedNetwork
from fractal_dsl.semantics.world import Made, World
from fractal_dsl.source import Span

# Parts that comprehensions may write into one graph.
MAX_PARTS = 5_000

__all__ = ["Dropping", "GraphBuilder", "is_identity"]


@dataclass(frozen=True, slots=True)
class Dropping:
    """What `drop(e, local = rate, global = sampled)` says of the joins written inside `e`."""

    rate: float | None = None
    sampled: bool = True


@dataclass(eq=False, slots=True)
class GraphBuilder:
    """Collects the nodes of one graph in data-flow order.

    `names` gives the state-dict segment of each part of the equation; `indices` are the
    turns of the comprehensions, repeats and `each` that the builder is in; `named` are the
    operators with an `@name`. `shared` are the shared networks in use, by key, `borrowed` those
    of other graphs, by the input that they come in by.
    """

    world: World
    names: dict[int, str]
    nodes: list[Node] = field(default_factory=list)
    indices: tuple[int, ...] = ()
    turns: int = 1
    tagged: dict[Segment, Span] = field(default_factory=dict)
    dropping: Dropping = Dropping()
    named: dict[str, int] = field(default_factory=dict)
    shared: dict[int, Ref] = field(default_factory=dict)
    borrowed: dict[int, SharedNetwork] = field(default_factory=dict)
    number: int = field(init=False)

    def __post_init__(self) -> None:
        self.number = self.world.next_builder()

    def input(self, shape: Shape, span: Span, learned: bool = False) -> Strand:
        self.nodes.append(Input(shape))
        return Strand(Ref(len(self.nodes) - 1), shape, span, learned=learned)

    def entering(self, value: Arrival, span: Span) -> Arrival:
        """What comes in where `value` of another graph is handed to this one."""
        inside = [self.input(one.shape, span, one.learned) for one in leaves(value)]
        return refilled(value, inside)

    def name_inputs(self, value: Arrival, name: str) -> None:
        """Remember what the text calls `value`, where it comes into the graph just so."""
        strands = leaves(value)
        for at, strand in enumerate(strands):
            node = self.nodes[strand.ref.node]
            if isinstance(node, Input) and not node.name:
                text = name if len(strands) == 1 else f"{name}[{at}]"
                self.nodes[strand.ref.node] = replace(node, name=text)

    def arrival(self, form: Form, span: Span) -> Arrival:
        """What comes into the graph: an input for each tensor of a list."""
        if isinstance(form, Shape):
            return self.input(form, span)
        made: list[Arrival] = []
        waiting: list[tuple[Form, bool]] = [(form, False)]
        while waiting:
            one, is_ready = waiting.pop()
            if isinstance(one, Shape):
                made.append(self.input(one, span))
            elif is_ready:
                first = len(made) - len(one)
                made[first:] = [Strands(tuple(made[first:]), span)]
            else:
                waiting.append((one, True))
                waiting.extend((item, False) for item in reversed(one))
        return made[0]

    def tensor(self, value: Arrival, span: Span, what: str = "this") -> Strand:
        """`value`, which must be one tensor: F0410 for a list."""
        if isinstance(value, Strand):
            return value
        raise DiagnosticError(
            Diagnostic(
                "F0410",
                f"a list of {len(value.items)} comes in where `{what}` takes one tensor",
                span,
                "one tensor is needed here",
                helps=(
                    Help(f"`>> each({what})` works on every item"),
                    Help("`concat` makes one tensor of a list, `x[0]` takes an item of it"),
                ),
            )
        )

    def tensors(self, value: Arrival, span: Span, what: str, count: int) -> list[Strand]:
        """The tensors that come into an operator which takes so many: F0410 for any others."""
        if count == 1:
            return [self.tensor(value, span, what)]
        items = value.items if isinstance(value, Strands) else (value,)
        strands = [one for one in items if isinstance(one, Strand)]
        if len(items) == len(strands) == count:
            return strands
        came = "one tensor comes" if len(items) == 1 else f"a list of {len(items)} comes"
        raise DiagnosticError(
            Diagnostic(
                "F0410",
                f"{came} in where `{what}` takes a list of {count}",
                span,
                f"{count} tensors are needed here",
                helps=(Help(f"give both as a list: `[x, memory] >> {what}`"),),
            )
        )

    def batched(self, strand: Strand, message: str) -> Strand:
        """`strand`, which must depend on what comes in: F0413 where it is learned alone."""
        if not strand.learned:
            return strand
        raise DiagnosticError(
            Diagnostic(
                "F0413",
                message,
                strand.span,
                "learned, and the same whatever comes in",
                helps=(Help("add it to a value, or put it beside one with `concat`"),),
            )
        )

    @contextmanager
    def at(self, indices: tuple[int, ...]) -> Iterator[None]:
        """Segments carry `indices`, whatever turn asks for them: elements of a family."""
        before = self.indices, self.turns
        self.indices, self.turns = indices, 1
        try:
            yield
        finally:
            self.indices, self.turns = before

    @contextmanager
    def turn(self, index: int, of: int = 1) -> Iterator[None]:
        """Turn `index` of a loop of `of` turns: inside, segments carry `index` at their end."""
        before = self.indices, self.turns
        self.indices, self.turns = (*self.indices, index), self.turns * of
        try:
            yield
        finally:
            self.indices, self.turns = before

    def check_turns(self, count: int, span: Span) -> None:
        """Refuses a loop inside loops that would build too many parts of one graph."""
        if count * self.turns > MAX_PARTS:
            message = f"this would build {count * self.turns:,} parts in one graph"
            label = f"{count:,} turns here" + (
                f", {self.turns:,} times over" if self.turns > 1 else ""
            )
            note = f"the limit is {MAX_PARTS:,}"
            help_ = Help("make a rule of the loop's body: its graph is then built once")
            raise DiagnosticError(
                Diagnostic("F0307", message, span, label, notes=(note,), helps=(help_,))
            )

    @contextmanager
    def drops(self, dropping: Dropping) -> Iterator[None]:
        before = self.dropping
        self.dropping = dropping
        try:
            yield
        finally:
            self.dropping = before

    def segment(self, name: str) -> Segment:
        return Segment(name, self.indices)

    def claim(self, segment: Segment, span: Span) -> None:
        """Keeps a place in the state dict for what is tagged; F0601 if it is taken."""
        first = self.tagged.setdefault(segment, span)
        if first is not span:
            raise DiagnosticError(
                Diagnostic(
                    "F0601",
                    f"two parts of one network are named `@{segment.name}`",
                    span,
                    "again here",
                    labels=(Label(first, "first here"),),
                    helps=(Help("give one of them another name: names are state-dict keys"),),
                )
            )

    def shape_of(self, ref: Ref) -> Shape:
        return self.nodes[ref.node].shapes[ref.port]

    def add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def apply(
        self,
        attributes: Attributes,
        strands: Sequence[Strand],
        name: str,
        span: Span,
        tag: str | None = None,
        sign: Span | None = None,
        weight: int | None = None,
    ) -> Strand:
        """One operator at work; its refusal becomes a diagnostic at `span`, or at its `sign`."""
        try:
            shape = spec_of(attributes).infer_shape(attributes, [s.shape for s in strands])
        except ShapeError as refusal:
            if refusal.code == "F0401":
                raise self.unequal(strands, partial(fits, attributes), sign or span) from None
            raise self.refused(refusal, strands, span) from None
        if tag is not None:
            self.claim(self.segment(name), span)
            self.named[tag] = len(self.nodes)
        learned = [at for at, strand in enumerate(strands) if strand.learned]
        is_learned = len(learned) == len(strands)
        if isinstance(attributes, Concat) and learned and not is_learned:
            attributes = replace(attributes, learned=tuple(learned))
        inputs = tuple(strand.ref for strand in strands)
        at = self.add(Apply(attributes, inputs, shape, self.segment(name), tag, weight, span))
        return Strand(Ref(at), shape, span, learned=is_learned)

    def refused(
        self, refusal: ShapeError, strands: Sequence[Strand], span: Span
    ) -> DiagnosticError:
        notes: tuple[str, ...] = ()
        label = f"{strands[0].shape} comes in"
        message = refusal.message
        if refusal.code == "F0402":
            message, _, detail = refusal.message.partition(": ")
            label = detail
            notes = (f"sizes on the way: {self.world.trail()}",)
        helps = tuple(Help(text) for text in refusal.helps)
        return DiagnosticError(
            Diagnostic(refusal.code, message, span, label, notes=notes, helps=helps)
        )

    def unequal(
        self, strands: Sequence[Strand], fit: Callable[[Shape, Shape], bool], closing: Span
    ) -> DiagnosticError:
        """F0401 for the first two that do not fit, at the join in which both were written."""
        first = strands[0]
        other = next((s for s in strands[1:] if not fit(first.shape, s.shape)), strands[-1])
        sides = {id(strand): self.side(strand) for strand in strands}
        sign = meeting(first.written, other.written) or closing
        left_open = self.nodes[first.origin.node] if first.origin is not None else None
        notes: tuple[str, ...] = ()
        if sign != closing and isinstance(left_open, Call):
            label = self.world.graphs[left_open.callee].label
            notes = (f"`{label}` leaves this join open; what follows it at {closing} closes it",)
        return unequal(list(sides.values()), sides[id(first)], sides[id(other)], sign, notes)

    def side(self, strand: Strand) -> Side:
        def set_here(channels: bool) -> Span | None:
            return set_at(self.world.graphs, self.nodes, strand.ref, channels)

        return Side(strand.span, strand.shape, set_here)

    def share(self, network: SharedNetwork) -> Ref:
        """The one instance of a shared network: made here, or handed to this graph."""
        if network.key in self.shared:
            return self.shared[network.key]
        if network.home == self.number:
            segment = Segment(network.name)
            at = self.add(Share(self.world.shares[network.key][0], segment, span=network.span))
        else:
            at = self.add(Input(NETWORK))
            self.borrowed[at] = network
        self.shared[network.key] = Ref(at)
        return Ref(at)

    def call(
        self,
        made: Made,
        value: Arrival,
        segment: Segment,
        span: Span,
        tag: str | None = None,
        shared: SharedNetwork | None = None,
    ) -> Flow:
        """A copy of a graph, fresh unless `shared`; what it leaves open stays open."""
        graph = self.world.graphs[made.graph]
        tensors = leaves(value)
        taken = [alone(tensors[at]) for at in made.reads]
        if is_identity(graph):
            outputs = [taken[operand.source.node] for operand in graph.outputs]
            return Flow.of(refilled(made.form or outputs[0], outputs))
        if tag is not None:
            self.claim(segment, span)
        shapes = graph.output_shapes
        handed = [self.share(one) for one in made.borrows]
        inputs = (*(strand.ref for strand in taken), *handed)
        network = None if shared is None else self.share(shared)
        at = self.add(
            Call(made.graph, inputs, shapes, segment, tag=tag, network=network, span=span)
        )
        self.world.count_strands(len(shapes), span)
        if not graph.is_open:
            ports = [
                Strand(Ref(at, port), shape, span, learned=learned)
                for port, (shape, learned) in enumerate(zip(shapes, made.learned, strict=True))
            ]
            return Flow.of(refilled(made.form or ports[0], ports))
        places = self.world.output_places[made.graph]
        strands = tuple(
            Strand(Ref(at, port), shape, span, None, Origin(at, port), operand.rate, written)
            for port, (shape, operand, (span, written)) in enumerate(
                zip(shapes, graph.outputs, places, strict=True)
            )
        )
        return Flow(strands, is_open=True, sign=span)

    def close(self, flow: Flow, tag: str | None = None) -> Arrival:
        """The one value of a flow: an open join becomes the mean of its operands."""
        if flow.items is not None:
            return flow.items
        if not flow.is_open or len(flow.strands) == 1:
            return alone(flow.strands[0])
        shape = flow.strands[0].shape
        for strand in flow.strands:
            self.batched(strand, "a parameter is no branch of a join")
        if any(strand.shape != shape for strand in flow.strands):
            raise self.unequal(flow.strands, operator.eq, flow.sign or flow.strands[0].span)
        operands = tuple(strand.operand for strand in flow.strands)
        span = flow.sign or flow.strands[0].span
        try:
            not_tokens("(+)", [shape])
        except ShapeError as refusal:
            raise self.refused(refusal, flow.strands, span) from None
        sampled = self.dropping.sampled
        at = self.add(Join(operands, shape, flow.branches, sampled, tag, span))
        return Strand(Ref(at), shape, span)


def fits(attributes: Attributes, first: Shape, other: Shape) -> bool:
    """Whether an operator takes two values of these shapes together."""
    try:
        spec_of(attributes).infer_shape(attributes, [first, other])
    except ShapeError:
        return False
    return True


def is_identity(graph: Graph) -> bool:
    """True of a graph that computes nothing: `id`, a `project` that fits, an item of a list."""
    return not graph.is_open and all(isinstance(node, Input) for node in graph.nodes)
