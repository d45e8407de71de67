"""Contexts of columns: which branch each join keeps, and how that passes from call to call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from fractal_dsl.ir.graph import Call, Join, Operand, Program
from fractal_dsl.passes.fold import Memo, Steps

__all__ = ["Assignment", "CallEdges", "Context", "Selector"]

Assignment: TypeAlias = tuple[tuple[int, int], ...]
"""A column of one recursive call: (level, branch), highest level first."""

OUTPUTS = -1


class Context(NamedTuple):
    """What decides the joins of an instance.

    `column` is the net's column, 1 = the shallowest; 0 where nothing in the instance asks
    for it, or where no column is chosen and everything stays. `group` is the recursion that
    the instance belongs to, None outside. `chosen` holds the assignment of each recursion's
    current call, by group, as far as the instance can still ask for it: contexts that decide
    the same are equal.
    """

    column: int = 0
    group: str | None = None
    chosen: tuple[tuple[str, Assignment], ...] = ()


class CallEdges:
    """How recursions go on from caller to callee, for one program; nothing of a column yet.

    A call opens a new column scope where it enters a recursion from outside. A closure goes
    on with the recursion it was written in; where none of that is going on it opens one.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.levels = [
            0 if graph.recursion is None else graph.recursion.level for graph in program.graphs
        ]
        self.callees = [
            tuple(dict.fromkeys(node.callee for node in graph.nodes if isinstance(node, Call)))
            for graph in program.graphs
        ]
        self.fresh = frozenset(self._fresh())
        self.peaks = self._peaks()

    def group(self, graph: int) -> str | None:
        """The recursion that instances of `graph` belong to."""
        recursion = self.program.graphs[graph].recursion
        return None if recursion is None or graph == self.program.entry else recursion.group

    def _fresh(self) -> Iterator[tuple[int, int]]:
        """Pairs (caller, callee) of calls that may open a new column scope."""
        todo: list[tuple[int, frozenset[str]]] = [(self.program.entry, frozenset())]
        seen = set(todo)
        while todo:
            caller, remembered = todo.pop()
            for callee in self.callees[caller]:
                group = self.group(callee)
                inside = remembered
                if group is not None and not self._goes_on(caller, callee, group in remembered):
                    inside = remembered | {group}
                    yield caller, callee
                if (callee, inside) not in seen:
                    seen.add((callee, inside))
                    todo.append((callee, inside))

    def _goes_on(self, caller: int, callee: int, remembered: bool) -> bool:
        if self.group(caller) == self.group(callee):
            return True
        return self.program.graphs[callee].is_closure and remembered

    def _peaks(self) -> list[dict[str, int]]:
        """For each graph, the recursions it asks for a branch, and the highest level it asks."""
        peaks: list[dict[str, int]] = []
        for at in range(len(self.program.graphs)):
            group = self.group(at)
            mine = {} if group is None else {group: self.levels[at]}
            for callee in self.callees[at]:
                opens = (at, callee) in self.fresh
                is_closure = self.program.graphs[callee].is_closure
                for name, level in peaks[callee].items():
                    if not (opens and not is_closure and name == self.group(callee)):
                        mine[name] = max(level, mine.get(name, level))
            peaks.append(mine)
        return peaks


_Branch: TypeAlias = tuple[list[int], dict[tuple[int, int], dict[int, list[int]]]]


class _Operands:
    """The operands of one join or open output, by branch: index and where they come from.

    `by_branch[b]` holds the indices without an origin and, for each open call by node and
    callee, {port: indices}. Operands outside any written join stand under every branch.
    """

    __slots__ = ("branches", "by_branch", "every", "sampled")

    def __init__(
        self, nodes: tuple[object, ...], operands: tuple[Operand, ...], branches: int, sampled: bool
    ) -> None:
        self.branches = branches
        self.sampled = sampled
        self.every = tuple(range(len(operands)))
        self.by_branch: list[_Branch] = [([], {}) for _ in range(max(1, branches))]
        for index, operand in enumerate(operands):
            for branch, (plain, origins) in enumerate(self.by_branch):
                if operand.branch not in (None, branch):
                    continue
                if operand.origin is None:
                    plain.append(index)
                    continue
                call = nodes[operand.origin.node]
                assert isinstance(call, Call)
                ports = origins.setdefault((operand.origin.node, call.callee), {})
                ports.setdefault(operand.origin.port, []).append(index)


class Selector:
    """Which operands each join keeps in a context. Contexts go by number inside the passes.

    `assign(callee, column)` gives the column of a call that opens a column scope;
    `most(graph)` the largest column that anything in an instance of `graph` tells apart from
    those before it, 0 where nothing asks for the column.
    """

    def __init__(
        self,
        edges: CallEdges,
        assign: Callable[[int, int], Assignment],
        most: Callable[[int], int],
    ) -> None:
        self.edges = edges
        self.graphs = edges.program.graphs
        self.assign = assign
        self.most = most
        self.contexts: list[Context] = []
        self.numbers: dict[Context, int] = {}
        self.entered: dict[tuple[int, int], int] = {}
        self.operands: dict[tuple[int, int], _Operands] = {}
        self.ports: Memo[tuple[int, int], int] = Memo(self._kept_ports)

    def number(self, context: Context) -> int:
        """The number of a context, the same for equal ones."""
        if context not in self.numbers:
            self.numbers[context] = len(self.contexts)
            self.contexts.append(context)
        return self.numbers[context]

    def root(self, column: int) -> int:
        """The context of the net itself in its column `column`; 0 keeps everything."""
        return self.number(Context(min(column, self.most(self.edges.program.entry))))

    def enter(self, context: int, callee: int) -> int:
        """The context of an instance of `callee` called in `context`."""
        key = context, callee
        if key not in self.entered:
            self.entered[key] = self.number(self._enter(self.contexts[context], callee))
        return self.entered[key]

    def _enter(self, context: Context, callee: int) -> Context:
        group = self.edges.group(callee)
        column = min(context.column, self.most(callee))
        chosen = dict(context.chosen)
        goes_on = group == context.group or (self.graphs[callee].is_closure and group in chosen)
        if group is not None and not goes_on:
            chosen.pop(group, None)
            if context.column:
                chosen[group] = self.assign(callee, context.column)
        peaks = self.edges.peaks[callee]
        kept = (
            (name, _below(peaks[name], chosen[name])) for name in sorted(chosen) if name in peaks
        )
        return Context(column, group, tuple(kept))

    def kept(self, graph: int, context: int, node: int = OUTPUTS) -> tuple[int, ...]:
        """Which operands of a join, or of a graph's open output, stay: ascending indices.

        One, where the column decides all written joins on the operands' way.
        """
        operands = self._operands(graph, node)
        if not operands.sampled:
            return operands.every
        found: list[int] = []
        for plain, origins in self._chosen(graph, context, operands):
            found += plain
            for (_, callee), ports in origins.items():
                found += _indices(ports, self.ports((callee, self.enter(context, callee))))
        return (found[0],) if len(found) == 1 else tuple(sorted(set(found)))

    def _chosen(self, graph: int, context: int, operands: _Operands) -> list[_Branch]:
        """The branches of a written join that the context chooses: one, or all."""
        branches = operands.branches
        if branches == 0:
            return operands.by_branch
        branch = self.choice(self.contexts[context], self.edges.levels[graph])
        if branch is None:
            return operands.by_branch
        return [operands.by_branch[min(branch, branches - 1)]]

    def _operands(self, graph: int, node: int) -> _Operands:
        key = graph, node
        if key not in self.operands:
            home = self.graphs[graph]
            if node == OUTPUTS:
                made = _Operands(home.nodes, home.outputs, home.branches, home.is_open)
            else:
                join = home.nodes[node]
                assert isinstance(join, Join)
                made = _Operands(home.nodes, join.operands, join.branches, join.sampled)
            self.operands[key] = made
        return self.operands[key]

    def choice(self, context: Context, level: int) -> int | None:
        """The branch chosen for written joins at `level`, before it is cut to a join's last."""
        if context.group is None:
            return context.column - 1 if context.column else None
        for name, assignment in context.chosen:
            if name == context.group:
                if assignment and assignment[0][0] == level:
                    return assignment[0][1]
                return dict(assignment).get(level, 0)
        return None

    def _kept_ports(self, key: tuple[int, int]) -> Steps[tuple[int, int], int]:
        """The outputs of an instance that stay, as a bit mask; all of a closed graph's."""
        graph, context = key
        operands = self._operands(graph, OUTPUTS)
        if not operands.sampled:
            return (1 << len(operands.every)) - 1
        kept = 0
        for plain, origins in self._chosen(graph, context, operands):
            for index in plain:
                kept |= 1 << index
            for (_, callee), ports in origins.items():
                mask = yield callee, self.enter(context, callee)
                for index in _indices(ports, mask):
                    kept |= 1 << index
        return kept


def _below(peak: int, assignment: Assignment) -> Assignment:
    """An assignment without the levels above `peak`."""
    start = 0
    while start < len(assignment) and assignment[start][0] > peak:
        start += 1
    return assignment[start:]


def _indices(ports: dict[int, list[int]], mask: int) -> list[int]:
    """Operands whose port is in `mask`."""
    if mask & (mask - 1) == 0:
        return ports.get(mask.bit_length() - 1, [])
    return [index for port, indices in ports.items() if mask >> port & 1 for index in indices]
