"""Random hierarchical programs: what the analyses are compared on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import assume, reject
from hypothesis import strategies as st

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile
from fractal_dsl.ir.flatten import node_count
from fractal_dsl.ir.graph import Program, Recursion, Sampling
from fractal_dsl.ir.operators.elementwise import Concat, Product, Relu, Sigmoid, Silu, Sum
from fractal_dsl.ir.operators.layers import BatchNorm, Conv2d
from fractal_dsl.ir.operators.pooling import AvgPool, GlobalAvgPool, MaxPool
from fractal_dsl.ir.prune import drop_unreached
from fractal_dsl.ir.shapes import Shape, image
from fractal_dsl.ir.verify import verify
from tests.passes.sketch import Flow, Library, Sketch
from tests.programs import fdl_programs

__all__ = ["any_programs", "programs", "wired_programs"]

T = TypeVar("T")

LARGE, SMALL = image(2, 8, 8), image(2, 4, 4)
LAYERS = (
    Conv2d(2), Conv2d(2, 1), Conv2d(2, 3, dilation=2, padding=2), Conv2d(2, 1, counted=False),
    BatchNorm(), Relu(), Sigmoid(), Silu(), MaxPool(3, 1, 1), Conv2d(2, (1, 3)),
)  # fmt: skip
REDUCTIONS = (MaxPool(2), AvgPool(2), Conv2d(2, 3, 2), Conv2d(2, 5, 2))


@dataclass
class Draft:
    """A program being drawn. `callees` may be called where one stands, by shape."""

    draw: st.DrawFn
    library: Library = field(default_factory=Library)
    plain: list[int] = field(default_factory=list)
    groups: int = 0

    def pick(self, *choices: T) -> T:
        return self.draw(st.sampled_from(choices))

    def number(self, least: int, most: int) -> int:
        return self.draw(st.integers(least, most))

    def callees(self, inside: list[int], shape: Shape) -> list[int]:
        graphs = self.library.graphs
        return [at for at in (*self.plain, *inside) if graphs[at].inputs == (shape,)]


def expression(draft: Draft, sketch: Sketch, flow: Flow, inside: list[int], depth: int) -> Flow:
    """Something that keeps the shape; it may leave a join open."""
    shape = sketch.shape(flow)
    callees = draft.callees(inside, shape)
    if depth == 0 or draft.number(0, 4) == 0:
        kinds = ["layer", *["call"] * (3 * bool(callees))]
    else:
        kinds = ["series", "join", "join", "sum", "concat", "gate", "repeat", "id", "each"]
    kind = draft.pick(*kinds)
    if kind == "layer":
        return sketch.apply(draft.pick(*LAYERS), flow)
    if kind == "call":
        return called(draft, sketch, flow, callees)
    if kind == "repeat":
        closed = [at for at in callees if not draft.library.graphs[at].is_open]
        if closed:
            count, inline = draft.number(1, 3), draft.pick(False, True)
            return sketch.call(draft.pick(*closed), flow, count, inline)
        return sketch.apply(Conv2d(2), flow)
    if kind == "id":
        return sketch.close(flow)
    if kind == "each":
        inner = expression(draft, sketch, flow, inside, depth - 1)
        return sketch.each(draft.pick(*LAYERS), inner)
    parts = draft.number(2, 3)
    if kind == "series":
        for _ in range(parts):
            flow = expression(draft, sketch, sketch.close(flow), inside, depth - 1)
        return flow
    start = sketch.close(flow)
    flows = [expression(draft, sketch, start, inside, depth - 1) for _ in range(parts)]
    return combined(draft, sketch, kind, flows)


def body(draft: Draft, sketch: Sketch, inside: list[int], depth: int) -> Flow:
    """What a rule is: more often than not a join that it leaves open."""
    if draft.number(0, 2) == 0:
        return expression(draft, sketch, sketch.start, inside, depth)
    parts = range(draft.number(2, 3))
    flows = [expression(draft, sketch, sketch.start, inside, depth - 1) for _ in parts]
    return sketch.join(*flows, rates=(draft.pick(None, 0.4),))


def called(draft: Draft, sketch: Sketch, flow: Flow, callees: list[int]) -> Flow:
    return sketch.call(draft.pick(*callees), flow)


def combined(draft: Draft, sketch: Sketch, kind: str, flows: list[Flow]) -> Flow:
    if kind == "sum":
        return sketch.apply(Sum(), *flows)
    if kind == "concat":
        return sketch.apply(Conv2d(2, 1), sketch.apply(Concat(), *flows))
    if kind == "gate":
        gates = (sketch.apply(GlobalAvgPool(), flow) for flow in flows[1:])
        return sketch.apply(Product(), flows[0], *gates)
    rates = tuple(draft.pick(None, None, 0.0, 0.3, 0.6) for _ in flows)
    joined = sketch.join(*flows, rates=rates)
    if draft.number(0, 3) == 0:
        return sketch.close(joined, sampled=draft.pick(True, True, False))
    return joined


def plain_graph(draft: Draft, shape: Shape) -> None:
    sketch = Sketch(draft.library, shape)
    flow = body(draft, sketch, [], draft.number(1, 2))
    finish(draft, sketch, flow, "rule", draft.plain)


def finish(
    draft: Draft,
    sketch: Sketch,
    flow: Flow,
    label: str,
    into: list[int],
    recursion: Recursion | None = None,
    is_closure: bool = False,
) -> None:
    """Adds the graph to those that may be called, unless it is an identity."""
    if len(sketch.nodes) > 1:
        into.append(sketch.finish(flow, label, recursion, is_closure))


def recursive_rules(draft: Draft, shape: Shape) -> None:
    """Levels of one or two rules that recur together; a closure now and then."""
    draft.groups += 1
    group = f"g{draft.groups}"
    levels: list[list[int]] = []
    for level in range(1, draft.number(2, 4) + 1):
        below = [at for made in levels[-2:] for at in made]
        outside = len(draft.plain)
        if below and draft.number(0, 2) == 0:
            closure(draft, shape, Recursion(group, level), below)
        here: list[int] = []
        for rule in range(draft.number(1, 2)):
            sketch = Sketch(draft.library, shape)
            depth = draft.number(1, 2) if level > 1 else 1
            flow = body(draft, sketch, below * 2, depth)
            finish(draft, sketch, flow, f"{group}{rule}({level})", here, Recursion(group, level))
        del draft.plain[outside:]
        levels.append(here)
    draft.plain.extend(levels[-1] or levels[-2])


def closure(draft: Draft, shape: Shape, recursion: Recursion, below: list[int]) -> None:
    """A network written in a rule and passed to another, which calls it in its own body."""
    sketch = Sketch(draft.library, shape)
    written: list[int] = []
    flow = body(draft, sketch, below * 2, 1)
    finish(draft, sketch, flow, "argument", written, recursion, is_closure=True)
    sketch = Sketch(draft.library, shape)
    flow = body(draft, sketch, written * 3, 1)
    finish(draft, sketch, flow, "taker", draft.plain)


def entry(draft: Draft) -> int:
    """The net: what was drawn, with a reduction on the way now and then."""
    sketch = Sketch(draft.library, LARGE)
    flow = expression(draft, sketch, sketch.start, [], 1)
    if draft.pick(False, True):
        ways = [draft.pick(*REDUCTIONS) for _ in range(draft.number(1, 2))]
        start = sketch.close(flow)
        flow = sketch.join(*(sketch.apply(way, start) for way in ways)) if len(ways) > 1 else (
            sketch.apply(ways[0], start)
        )  # fmt: skip
    flow = expression(draft, sketch, sketch.close(flow), [], draft.number(1, 2))
    return sketch.finish(sketch.close(flow), "net")


@st.composite
def programs(draw: st.DrawFn, most_nodes: int = 120, sampling: bool = True) -> Program:
    """A program that `verify` accepts, of at most so many flat nodes."""
    draft = Draft(draw)
    for _ in range(draft.number(1, 3)):
        shape = draft.pick(LARGE, LARGE, SMALL)
        make = draft.pick(plain_graph, recursive_rules)
        make(draft, shape)
    rates = Sampling(draft.pick(0.15, 0.5, 0.0), draft.pick(0.5, 0.0, 1.0)) if sampling else None
    program = drop_unreached(draft.library.program(entry(draft), rates))
    assume(node_count(program) <= most_nodes)
    verify(program)
    return program


def wired_graph(draft: Draft, is_entry: bool) -> int:
    """Nodes that read any values before them, as wires allow; nothing is left unused."""
    sketch = Sketch(draft.library, SMALL)
    values = [sketch.start]
    unused: list[Flow] = []
    for _ in range(draft.number(2, 6)):
        chosen = [draft.pick(*values) for _ in range(draft.number(1, 3))]
        made = wired_node(draft, sketch, chosen)
        unused = [flow for flow in unused if flow not in chosen] + [made]
        values.append(made)
    unused = unused or [sketch.apply(Conv2d(2), sketch.start)]
    ends = [*unused, draft.pick(*values)]
    flow = sketch.join(*ends) if draft.pick(True, True, False) else sketch.apply(Sum(), *ends)
    label = "net" if is_entry else f"wired{len(draft.library.graphs)}"
    return sketch.finish(sketch.close(flow) if is_entry else flow, label)


def wired_node(draft: Draft, sketch: Sketch, chosen: list[Flow]) -> Flow:
    if len(chosen) > 1:
        if draft.pick(True, False):
            rates = tuple(draft.pick(None, 0.3) for _ in chosen)
            return sketch.close(sketch.join(*chosen, rates=rates))
        return sketch.apply(Sum(), *chosen)
    callees = draft.plain
    if callees and draft.number(0, 1):
        return sketch.close(sketch.call(draft.pick(*callees), chosen[0]))
    return sketch.apply(draft.pick(*LAYERS), chosen[0])


@st.composite
def wired_programs(draw: st.DrawFn, most_nodes: int = 60) -> Program:
    """Like `programs`, but values are used in several places, as wires allow."""
    draft = Draft(draw)
    for _ in range(draft.number(0, 2)):
        draft.plain.append(wired_graph(draft, is_entry=False))
    entry = wired_graph(draft, is_entry=True)
    program = drop_unreached(draft.library.program(entry, Sampling(0.2, 0.5)))
    assume(node_count(program) <= most_nodes)
    verify(program)
    return program


@st.composite
def written_programs(draw: st.DrawFn, most_nodes: int = 120) -> Program:
    """What the compiler makes of random FDL."""
    try:
        program = compile(draw(fdl_programs(sampling=True))).program
    except DiagnosticError as refused:
        if any(not one.is_limit for one in refused.diagnostics):
            raise
        reject()
    assume(node_count(program) <= most_nodes)
    return program


def any_programs(most_nodes: int = 120) -> st.SearchStrategy[Program]:
    """Programs of every kind that this file draws."""
    wired = wired_programs(min(60, most_nodes))
    return st.one_of(programs(most_nodes), wired, written_programs(most_nodes))
