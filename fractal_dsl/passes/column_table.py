"""The columns of a net as plain tables, for whoever writes code from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from fractal_dsl.ir.columns import ColumnTable
from fractal_dsl.ir.graph import Call, Join, Program, Share
from fractal_dsl.passes.columns import ColumnMap, Context

__all__ = ["column_table"]

Contexts: TypeAlias = tuple[Context, ...]
Live: TypeAlias = tuple[frozenset[int], ...]
"""For each column, which outputs of an instance are wanted."""


def column_table(program: Program, columns: ColumnMap) -> ColumnTable:
    """What every column keeps at every join; `columns` must list all (`is_listed`).

    Cost is that of the distinct (graph, contexts, wanted outputs), not of instances.
    """
    return _Tables(program, columns).run()


@dataclass(eq=False)
class _Tables:
    program: Program
    columns: ColumnMap
    numbers: dict[tuple[int, Contexts], int] = field(default_factory=dict)
    enter: dict[tuple[int, int, int], int] = field(default_factory=dict)
    picks: dict[tuple[int, int, int], list[tuple[int, ...] | None]] = field(default_factory=dict)

    def number(self, graph: int, contexts: Contexts) -> int:
        return self.numbers.setdefault((graph, contexts), len(self.numbers))

    def run(self) -> ColumnTable:
        entry = self.program.entry
        root = tuple(self.columns.root(k) for k in range(1, self.columns.count + 1))
        wanted = (frozenset(range(len(self.program.net.outputs))),) * len(root)
        todo = [(entry, root, wanted)]
        seen = set(todo)
        while todo:
            for called in self.visit(*todo.pop()):
                if called not in seen:
                    seen.add(called)
                    todo.append(called)
        picks = {key: tuple(rows) for key, rows in self.picks.items()}
        start = self.number(entry, root)
        return ColumnTable(self.columns.count, start, self.enter, picks)

    def visit(self, at: int, contexts: Contexts, wanted: Live) -> list[tuple[int, Contexts, Live]]:
        """Note what stays in one instance; what it calls, in which contexts, for what."""
        graph, here = self.program.graphs[at], self.number(at, contexts)
        needs = [
            self.needs(at, here, context, want, column)
            for column, (context, want) in enumerate(zip(contexts, wanted, strict=True))
        ]
        calls = []
        for position, node in enumerate(graph.nodes):
            if isinstance(node, Call | Share):
                inside = tuple(self.columns.enter(context, node.callee) for context in contexts)
                self.enter[at, here, position] = self.number(node.callee, inside)
                ports = tuple(frozenset(need[position]) for need in needs)
                if isinstance(node, Share):  # whoever uses it asks for all that it gives
                    every = frozenset(range(len(self.program.graphs[node.callee].outputs)))
                    ports = (every,) * len(needs)
                calls.append((node.callee, inside, ports))
        return calls

    def needs(
        self, at: int, here: int, context: Context, wanted: frozenset[int], column: int
    ) -> list[set[int]]:
        """Outputs of each node that one column needs, from the wanted ones of the graph back."""
        graph = self.program.graphs[at]
        need: list[set[int]] = [set() for _ in graph.nodes]
        for port in wanted:
            need[graph.outputs[port].source.node].add(graph.outputs[port].source.port)
        for position in reversed(range(len(graph.nodes))):
            node = graph.nodes[position]
            kept = [bool(need[position])] * len(node.inputs)
            if isinstance(node, Join) and node.sampled:
                rows = self.picks.setdefault((at, here, position), [None] * self.columns.count)
                if need[position]:
                    stays = self.columns.kept(graph, context, node.operands, node.branches)
                    rows[column] = tuple(i for i, one in enumerate(stays) if one)
                    kept = list(stays)
            for ref, one in zip(node.inputs, kept, strict=True):
                if one:
                    need[ref.node].add(ref.port)
        return need
