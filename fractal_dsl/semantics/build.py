"""One graph under construction, and what flows through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.ir.graph import (
    Apply,
    Call,
    Graph,
    Input,
    Join,
    Node,
    Operand,
    Origin,
    Ref,
    Segment,
)
from fractal_dsl.ir.operators import Attributes, ShapeError, spec_of
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.semantics.world import World
from fractal_dsl.source import Span

# Parts that comprehensions may write into one graph.
MAX_PARTS = 5_000

__all__ = ["Dropping", "Flow", "GraphBuilder", "Strand", "is_identity"]


@dataclass(frozen=True, slots=True)
class Strand:
    """One value on its way, and what a join has to know of it (see `ir.graph.Operand`)."""

    ref: Ref
    shape: Shape
    span: Span
    branch: int | None = None
    origin: Origin | None = None
    rate: float | None = None

    @property
    def operand(self) -> Operand:
        return Operand(self.ref, self.branch, self.origin, self.rate)


@dataclass(frozen=True, slots=True)
class Flow:
    """What an expression gives: a value, or the operands of a join that is still open."""

    strands: tuple[Strand, ...]
    is_open: bool = False
    branches: int = 0
    sign: Span | None = None

    @staticmethod
    def of(strand: Strand) -> Flow:
        return Flow((strand,))


@dataclass(frozen=True, slots=True)
class Dropping:
    """What `drop(e, local = rate, global = sampled)` says of the joins written inside `e`."""

    rate: float | None = None
    sampled: bool = True


@dataclass(eq=False, slots=True)
class GraphBuilder:
    """Collects the nodes of one graph in data-flow order.

    `names` gives the state-dict segment of each part of the equation; `indices` are the
    turns of the comprehensions, repeats and `each` that the builder is in.
    """

    world: World
    names: dict[int, str]
    nodes: list[Node] = field(default_factory=list)
    indices: tuple[int, ...] = ()
    turns: int = 1
    tagged: dict[Segment, Span] = field(default_factory=dict)
    dropping: Dropping = Dropping()

    def input(self, shape: Shape, span: Span) -> Strand:
        self.nodes.append(Input(shape))
        return Strand(Ref(len(self.nodes) - 1), shape, span)

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
    ) -> Strand:
        """One operator at work; its refusal becomes a diagnostic at `span`."""
        try:
            shape = spec_of(attributes).infer_shape(attributes, [s.shape for s in strands])
        except ShapeError as refusal:
            raise self.refused(refusal, strands, span) from None
        if tag is not None:
            self.claim(self.segment(name), span)
        inputs = tuple(strand.ref for strand in strands)
        at = self.add(Apply(attributes, inputs, shape, self.segment(name), tag, span))
        return Strand(Ref(at), shape, span)

    def refused(
        self, refusal: ShapeError, strands: Sequence[Strand], span: Span
    ) -> DiagnosticError:
        if refusal.code == "F0401":
            return unequal(strands, span, "the operands here need equal shapes")
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

    def call(
        self, callee: int, strand: Strand, segment: Segment, span: Span, tag: str | None = None
    ) -> Flow:
        """One fresh copy of graph `callee`; what it leaves open stays open."""
        graph = self.world.graphs[callee]
        if is_identity(graph):
            return Flow.of(replace(strand, branch=None, origin=None, rate=None))
        if tag is not None:
            self.claim(segment, span)
        shapes = graph.output_shapes
        at = self.add(Call(callee, (strand.ref,), shapes, segment, tag=tag, span=span))
        self.world.count_strands(len(shapes), span)
        if not graph.is_open:
            return Flow.of(Strand(Ref(at), shapes[0], span))
        spans = self.world.output_spans[callee]
        strands = tuple(
            Strand(Ref(at, port), shape, spans[port], None, Origin(at, port), operand.rate)
            for port, (shape, operand) in enumerate(zip(shapes, graph.outputs, strict=True))
        )
        return Flow(strands, is_open=True, sign=span)

    def close(self, flow: Flow, tag: str | None = None) -> Strand:
        """The one value of a flow: an open join becomes the mean of its operands."""
        if not flow.is_open or len(flow.strands) == 1:
            return replace(flow.strands[0], branch=None, origin=None, rate=None)
        check_equal(flow)
        shape = flow.strands[0].shape
        operands = tuple(strand.operand for strand in flow.strands)
        span = flow.sign or flow.strands[0].span
        sampled = self.dropping.sampled
        at = self.add(Join(operands, shape, flow.branches, sampled, tag, span))
        return Strand(Ref(at), shape, span)


def is_identity(graph: Graph) -> bool:
    """True of a graph that gives back what comes in: `id`, or a `project` that fits."""
    return len(graph.nodes) == 1 and not graph.is_open


def check_equal(flow: Flow) -> None:
    if any(strand.shape != flow.strands[0].shape for strand in flow.strands):
        raise unequal(flow.strands, flow.sign or flow.strands[0].span, "mean needs equal shapes")


def unequal(strands: Sequence[Strand], span: Span, label: str) -> DiagnosticError:
    """Two operands whose shapes differ: both are named, with the mend that fits."""
    first = strands[0]
    other = next((s for s in strands if s.shape != first.shape), strands[-1])
    message = f"the operands of this join differ in shape: {first.shape} and {other.shape}"
    if first.shape.kind == other.shape.kind == "image":
        if first.shape.spatial == other.shape.spatial:
            message = "the inputs of this join have different channel counts"
        elif first.shape.channels == other.shape.channels:
            message = "the inputs of this join have different heights and widths"
    labels = tuple(
        Label(strand.span, str(strand.shape)) for strand in (first, other) if strand.span != span
    )
    return DiagnosticError(
        Diagnostic("F0401", message, span, label, labels=labels, helps=mends(first, other))
    )


def mends(first: Strand, other: Strand) -> tuple[Help, ...]:
    a, b = first.shape, other.shape
    if a.kind != b.kind or a.kind != "image":
        return ()
    helps = []
    if a.channels != b.channels and a.spatial == b.spatial:
        total = a.channels + b.channels
        helps.append(
            Help(f"widen one by `>> project({max(a.channels, b.channels)})`, or give both a width")
        )
        helps.append(Help(f"`++` in place of the join concatenates to {total} channels"))
    elif a.spatial != b.spatial:
        large, small = max(a.spatial, b.spatial), min(a.spatial, b.spatial)
        if all(small) and all(x % y == 0 for x, y in zip(large, small, strict=True)):
            factor = large[0] // small[0]
            helps.append(
                Help(f"`>> max_pool({factor})` or `stride = {factor}` brings the larger one down")
            )
    return tuple(helps)
