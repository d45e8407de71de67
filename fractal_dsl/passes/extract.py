"""One column of a network as a network of its own, with the same names of parameters."""

from __future__ import annotations

from dataclasses import replace

from fractal_dsl.ir.graph import Call, Graph, Join, Operand, Origin, Program, Ref
from fractal_dsl.passes import pipeline
from fractal_dsl.passes.columns import ColumnMap, Context
from fractal_dsl.passes.rebuild import Draft, rebuilt

__all__ = ["extract_column"]


def extract_column(program: Program, column: int) -> Program:
    """Column `column` of a net, 1 = the shallowest: what it leaves out is not there.

    Joins of which one input stays are gone. Parameters keep their names, so weights of the
    whole net load into it (semantics.md, section 4). Nothing is sampled any more.
    """
    columns = ColumnMap(program)
    found = rebuilt(program, _Column(columns), columns.root(column))
    return pipeline.run(replace(found.program, sampling=None))


class _Column:
    """The operands of joins that stay in a column."""

    def __init__(self, columns: ColumnMap) -> None:
        self.columns = columns

    def enter(self, context: Context, callee: int) -> Context:
        return self.columns.enter(context, callee)

    def kept(self, graph: Graph, context: Context, node: Join) -> tuple[Operand, ...]:
        stays = self.columns.kept(graph, context, node.operands, node.branches, node.sampled)
        return tuple(one for one, stay in zip(node.operands, stays, strict=True) if stay)

    def join(self, draft: Draft, graphs: list[Graph], node: Join, kept: tuple[Operand, ...]) -> Ref:
        operands = _operands(draft, graphs, kept)
        if len(operands) == 1:
            return operands[0].source
        draft.nodes.append(replace(node, operands=operands, branches=len(operands)))
        return Ref(len(draft.nodes) - 1, 0)

    def finish(
        self, draft: Draft, graphs: list[Graph], graph: Graph, outputs: tuple[Operand, ...]
    ) -> Graph:
        outputs = _operands(draft, graphs, outputs)
        is_open = graph.is_open and len(outputs) > 1
        if not is_open:
            outputs = tuple(Operand(one.source) for one in outputs)
        branches = len(outputs) if is_open else 0
        nodes = tuple(draft.nodes)
        return replace(graph, nodes=nodes, outputs=outputs, is_open=is_open, branches=branches)

    def goes_through(self, is_part: bool) -> bool:
        return True


def _operands(draft: Draft, graphs: list[Graph], kept: tuple[Operand, ...]) -> tuple[Operand, ...]:
    """Operands of what is left of a join, each a branch of its own."""
    found = []
    for number, one in enumerate(kept):
        source = draft.values[one.source]
        maker = draft.nodes[source.node]
        opened = isinstance(maker, Call) and graphs[maker.callee].is_open
        found.append(Operand(source, number, Origin(*source) if opened else None, None))
    return tuple(found)
