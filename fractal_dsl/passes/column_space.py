"""Columns of one recursive call: counted, listed and bounded without expanding anything.

An assignment gives each level a branch. It is decided from the highest level down: the live
graphs at a level and its branch settle which graphs are live below, so
    count(S) = sum over the distinct outcomes b of level max(S) of count(S after b)
where the state S is the set of live graphs below and two branches are one outcome if they
keep the same nodes. The number of states is the number of sets of rules reached, not of
assignments: for FractalNet one a level.

What a call's own assignment does not decide (joins of other recursions, joins outside any)
counts as live here, and a call counts as something also where all it keeps is `id`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.ir.graph import Call, Join, Operand
from fractal_dsl.passes.column_contexts import Assignment, CallEdges

__all__ = ["CallSpace", "Expansion", "Item", "State", "Step", "sort_key"]

# Sets of live graphs that counting may meet; FractalNet meets one a level.
MOST_STATES = 20_000


class Item(NamedTuple):
    """A live graph of the recursion. `whole`: all its outputs stay, not the column's alone."""

    graph: int
    whole: bool = False


class Expansion(NamedTuple):
    """What is live in a graph for one branch: nodes, graphs of the recursion it calls, and
    whether a join was written among them.

    A call that takes several wires may read only some of them in a column, and that is decided
    below: all count as live here, and `picks` tells apart what joins take of them; so it does
    where joins take one of the graph's own wires or another.
    """

    nodes: tuple[int, ...]
    calls: tuple[Item, ...]
    decides: bool
    picks: tuple[tuple[int, int], ...] = ()


State: TypeAlias = tuple[frozenset[Item], tuple[tuple[int, int], ...]]
"""Live graphs yet to settle, and the levels decided that they can still ask for."""


class Step(NamedTuple):
    """One outcome of a state: the choice made (None where there was nothing to choose), the
    branch at which the items of this level were settled, and the state after."""

    choice: tuple[int, int] | None
    branch: int
    after: State


class CallSpace:
    """All columns of a call to graph `top` that enters its recursion."""

    def __init__(self, edges: CallEdges, top: int) -> None:
        self.edges = edges
        self.graphs = edges.program.graphs
        self.top = top
        group = edges.group(top)
        assert group is not None
        self.group = group
        self.closures = self._closures()
        self.widths = self._widths()
        self.expansions: dict[tuple[Item, int], Expansion] = {}
        self.start: State = (frozenset([Item(top)]), ())
        self.steps: dict[State, tuple[Step, ...]] = {}
        self._explore()
        self.counts = self._counts()

    @property
    def count(self) -> int:
        return self.counts[self.start]

    @property
    def decides(self) -> bool:
        """Whether any join hangs on the column."""
        return any(step.choice for steps in self.steps.values() for step in steps)

    def assignments(self) -> Iterator[Assignment]:
        """Every column, in no particular order; levels it does not reach are left out."""
        stack: list[tuple[State, Assignment]] = [(self.start, ())]
        while stack:
            state, made = stack.pop()
            if not state[0]:
                yield made
            for step in self.steps[state]:
                stack.append((step.after, made if step.choice is None else (*made, step.choice)))

    def _closures(self) -> tuple[frozenset[int], ...]:
        """For each graph outside the recursion, its closures that are reached through it."""
        found: list[frozenset[int]] = []
        for at, callees in enumerate(self.edges.callees):
            inside: set[int] = set()
            for callee in callees:
                if self.edges.group(callee) != self.group:
                    inside |= found[callee]
                elif self.graphs[callee].is_closure:
                    inside.add(callee)
            found.append(frozenset() if self.edges.group(at) == self.group else frozenset(inside))
        return tuple(found)

    def _widths(self) -> dict[int, int]:
        """For each level, the most branches of a join written at it."""
        widths: dict[int, int] = {}
        for at, graph in enumerate(self.graphs):
            if self.edges.group(at) == self.group:
                joins = [node.branches for node in graph.nodes if isinstance(node, Join)]
                level = self.edges.levels[at]
                widths[level] = max(widths.get(level, 1), graph.branches, *joins)
        return widths

    def _explore(self) -> None:
        todo = [self.start]
        while todo:
            state = todo.pop()
            if state in self.steps:
                continue
            self.steps[state] = tuple(self._outcomes(state)) if state[0] else ()
            todo.extend(step.after for step in self.steps[state])
            if len(self.steps) > MOST_STATES:
                raise self._too_many()

    def _too_many(self) -> DiagnosticError:
        graph = self.graphs[self.top]
        message = f"the columns of `{graph.label}` hang together in too many ways to be counted"
        note = f"more than {MOST_STATES:,} sets of rules can be live at one level"
        return DiagnosticError(Diagnostic("F0308", message, graph.span, notes=(note,)))

    def _counts(self) -> dict[State, int]:
        counts: dict[State, int] = {}
        for state in self.bottom_up():
            counts[state] = sum(counts[step.after] for step in self.steps[state]) or 1
        return counts

    def bottom_up(self) -> Iterator[State]:
        """All states, each after those it leads to."""
        done: set[State] = set()
        stack = [self.start]
        while stack:
            state = stack[-1]
            missing = [step.after for step in self.steps[state] if step.after not in done]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if state not in done:
                done.add(state)
                yield state

    def _outcomes(self, state: State) -> Iterator[Step]:
        """The distinct outcomes of the highest level of a state, smallest branch first."""
        items, decided = state
        level = max(self.edges.levels[item.graph] for item in items)
        fixed = dict(decided).get(level)
        seen = set()
        for branch in range(self.widths[level]) if fixed is None else (fixed,):
            settled, below = self.settle(items, level, branch)
            peak = max((self._peak(item) for item in below), default=None)
            choice = (level, branch) if any(e.decides for e in settled.values()) else None
            again = peak is not None and peak >= level
            kept_nodes = tuple((item, e.nodes, e.picks) for item, e in settled.items())
            outcome = (kept_nodes, branch if again else None)
            if outcome in seen:
                continue
            seen.add(outcome)
            known = (*decided, (level, branch)) if again and fixed is None else decided
            kept = tuple(one for one in known if peak is not None and one[0] <= peak)
            yield Step(choice if fixed is None else None, branch, (below, kept))

    def _peak(self, item: Item) -> int:
        return self.edges.peaks[item.graph][self.group]

    def settle(
        self, items: frozenset[Item], level: int, branch: int
    ) -> tuple[dict[Item, Expansion], frozenset[Item]]:
        """What is live at one level for a branch, callers first, and what remains below."""
        todo = sorted(item for item in items if self.edges.levels[item.graph] == level)
        below = {item for item in items if self.edges.levels[item.graph] != level}
        settled: dict[Item, Expansion] = {}
        while todo:
            item = todo.pop()
            if item in settled:
                continue
            settled[item] = self.expand(item, branch)
            for call in settled[item].calls:
                if self.edges.levels[call.graph] == level:
                    todo.append(call)
                else:
                    below.add(call)
        return dict(sorted(settled.items(), reverse=True)), frozenset(below)

    def expand(self, item: Item, branch: int) -> Expansion:
        """What is live in one graph of the recursion if its level takes `branch`."""
        if (item, branch) not in self.expansions:
            self.expansions[item, branch] = self._expand(item, branch)
        return self.expansions[item, branch]

    def _expand(self, item: Item, branch: int) -> Expansion:
        graph = self.graphs[item.graph]
        live: set[int] = set()
        wholes: set[int] = set()
        decides = False
        is_wired = len(graph.inputs) > 1 or any(
            isinstance(n, Call) and len(n.inputs) > 1 for n in graph.nodes
        )
        picks: list[tuple[int, int]] = []

        def want(at: int, operands: tuple[Operand, ...], branches: int, chosen: bool) -> None:
            for number, operand in enumerate(operands):
                skipped = operand.branch is not None and operand.branch != min(branch, branches - 1)
                if chosen and skipped:
                    continue
                if is_wired:
                    picks.append((at, number))
                live.add(operand.source.node)
                if not chosen and operand.origin is not None:
                    wholes.add(operand.origin.node)

        chosen = graph.is_open and not item.whole
        want(len(graph.nodes), graph.outputs, graph.branches, chosen)
        decides = chosen and graph.branches > 0
        calls: set[Item] = set()
        for at in range(len(graph.nodes) - 1, len(graph.inputs) - 1, -1):
            if at not in live:
                continue
            node = graph.nodes[at]
            if isinstance(node, Join):
                want(at, node.operands, node.branches, node.sampled)
                decides = decides or (node.sampled and node.branches > 0)
                continue
            live.update(ref.node for ref in node.inputs)
            if isinstance(node, Call):
                calls.update(self._called(node.callee, at in wholes))
        live.difference_update(range(len(graph.inputs)))
        return Expansion(tuple(sorted(live)), tuple(sorted(calls)), decides, tuple(picks))

    def _called(self, callee: int, whole: bool) -> Iterator[Item]:
        if self.edges.group(callee) == self.group:
            yield Item(callee, whole and self.graphs[callee].is_open)
        else:
            for closure in self.closures[callee]:
                yield Item(closure)


def sort_key(assignment: Assignment) -> Assignment:
    """Orders assignments by their branches from the highest level down, 0 where not reached."""
    return tuple(one for one in assignment if one[1])
