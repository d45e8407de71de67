"""What no output needs is no part of the network."""

from __future__ import annotations

from dataclasses import replace

from fractal_dsl.ir.graph import Graph, Join, Operand, Origin, Program, Ref
from fractal_dsl.ir.prune import drop_unreached
from fractal_dsl.passes.rebuild import Draft, rebuilt

__all__ = ["leave_out_unneeded"]


def leave_out_unneeded(program: Program) -> Program:
    """Without the parts of lists that nothing reads, and what computes them alone.

    Rules that return lists are read in part, as the last layer of a net of several scales is:
    then this call has a graph of its own. A program of which everything is needed stays itself.
    """
    found = rebuilt(program, _Everything(), None)
    return drop_unreached(found.program) if found.is_less else program


class _Everything:
    """All operands of joins stay."""

    def enter(self, context: None, callee: int) -> None:
        return None

    def kept(self, graph: Graph, context: None, node: Join) -> tuple[Operand, ...]:
        return node.operands

    def join(self, draft: Draft, graphs: list[Graph], node: Join, kept: tuple[Operand, ...]) -> Ref:
        moved = tuple(_moved(draft, one) for one in kept)
        draft.nodes.append(replace(node, operands=moved))
        return Ref(len(draft.nodes) - 1, 0)

    def finish(
        self, draft: Draft, graphs: list[Graph], graph: Graph, outputs: tuple[Operand, ...]
    ) -> Graph:
        moved = tuple(_moved(draft, one) for one in outputs)
        return replace(graph, nodes=tuple(draft.nodes), outputs=moved)

    def goes_through(self, is_part: bool) -> bool:
        return is_part


def _moved(draft: Draft, one: Operand) -> Operand:
    origin = one.origin
    if origin is not None:
        call = draft.values[Ref(origin.node, origin.port)]
        origin = Origin(call.node, call.port)
    return replace(one, source=draft.values[one.source], origin=origin)
