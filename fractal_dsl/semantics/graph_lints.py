"""Things worth a word that only the expanded net shows."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.ir.graph import Apply, Call, Graph, Join, Program, Ref
from fractal_dsl.ir.operators.elementwise import Difference, Scalar, StochasticDepth, Sum
from fractal_dsl.semantics.definitions import Resolved
from fractal_dsl.semantics.wording import warning
from fractal_dsl.source import Span

__all__ = ["graph_lints"]


def graph_lints(resolved: Resolved, program: Program) -> Iterator[Diagnostic]:
    source = resolved.syntax.source
    for span in dict.fromkeys(depths_off_sums(program)):
        if span.source is source:
            yield off_sum(span)
    yield from nothing_to_drop(resolved, program)
    yield from idle_share(resolved, program)


def idle_share(resolved: Resolved, program: Program) -> Iterator[Diagnostic]:
    """`global` where every step trains every column, and none is drawn."""
    if program.sampling is None or not program.sampling.simultaneous:
        return
    for argument in resolved.directives[0].arguments:
        if argument.keyword == "global":
            yield warning(
                "W0112",
                '`global` does nothing in mode "simultaneous"',
                argument.span,
                "each step trains all columns and draws none",
                'leave it out, or leave out `mode = "simultaneous"`',
            )


def nothing_to_drop(resolved: Resolved, program: Program) -> Iterator[Diagnostic]:
    """`drop_path` without a join. In a file of several nets another one may have them."""
    joins = any(isinstance(node, Join) for graph in program.graphs for node in graph.nodes)
    if program.sampling is not None and not joins and len(resolved.nets) == 1:
        yield warning(
            "W0111",
            "`drop_path` does nothing here: the net has no join `(+)`",
            resolved.directives[0].span,
            "nothing to drop",
            "`stochastic_depth(e, p)` leaves out a branch of a sum",
        )


def off_sum(span: Span) -> Diagnostic:
    return warning(
        "W0110",
        "`stochastic_depth` belongs on a branch of a sum",
        span,
        "samples that do without it go on with zeros",
        "write `id + stochastic_depth(e, p)`, so that something else goes on",
    )


# Where values with stochastic depth go ----------------------------------------------------


def depths_off_sums(program: Program) -> Iterator[Span]:
    """Where a value that may be zero for a sample is used other than in a sum or a mean.

    Each graph says which of its outputs may be zero, and which inputs it does no more than add.
    """
    adds: list[list[bool]] = []
    zero: list[frozenset[int]] = []
    for at, graph in enumerate(program.graphs):
        added = only_added(graph, adds)
        leaving = [one.source for one in graph.outputs]
        vanishing = list(may_vanish(graph, zero))
        for ref, node in vanishing:
            leaves = at == program.entry and ref in leaving
            repeated = isinstance(node, Call) and node.count > 1
            if node.span is not None and (leaves or repeated or not added.get(ref, True)):
                yield node.span
        refs = {ref for ref, _ in vanishing}
        zero.append(frozenset(port for port, ref in enumerate(leaving) if ref in refs))
        adds.append([added.get(Ref(n), True) for n in range(len(graph.inputs))])


def may_vanish(graph: Graph, zero: list[frozenset[int]]) -> Iterator[tuple[Ref, Apply | Call]]:
    """Values that are zero for some samples, each with what makes it."""
    for n, node in enumerate(graph.nodes):
        if isinstance(node, Call):
            yield from ((Ref(n, port), node) for port in sorted(zero[node.callee]))
        elif isinstance(node, Apply) and isinstance(node.attributes, StochasticDepth):
            yield Ref(n), node


def only_added(graph: Graph, adds: list[list[bool]]) -> dict[Ref, bool]:
    """For each value that something reads: whether all that is done with it is adding it."""
    found: dict[Ref, bool] = {}
    for n, node in reversed([*enumerate(graph.nodes)]):
        for place, ref in enumerate(node.inputs):
            match node:
                case Join() | Apply(attributes=Sum() | Difference()):
                    good = True
                case Apply(attributes=Scalar()):
                    good = found.get(Ref(n), True)
                case Call(callee=callee):
                    good = adds[callee][place]
                case _:
                    good = False
            found[ref] = found.get(ref, True) and good
    return found
