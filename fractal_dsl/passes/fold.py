"""Folds over distinct graphs: each analysis costs what the program is long, not its expansion."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from fractal_dsl.ir.graph import Apply, Call, Graph, Input, Program, Share

__all__ = ["Algebra", "Memo", "PathFold", "Steps", "bits", "holders", "instances", "totals"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Steps: TypeAlias = Generator[K, V, V]
"""A computation that yields the keys whose values it needs, and returns its own value."""


class Memo(Generic[K, V]):
    """Values by key, each computed once, without recursion however deep the keys hang together.

    `compute(key)` is a generator: it yields a key and is sent that key's value.
    """

    def __init__(self, compute: Callable[[K], Steps[K, V]]) -> None:
        self.compute = compute
        self.known: dict[K, V] = {}

    def __call__(self, key: K) -> V:
        if key in self.known:
            return self.known[key]
        stack = [(key, self.compute(key))]
        answer: V | None = None
        while stack:
            current, steps = stack[-1]
            try:
                needed = steps.send(answer)  # type: ignore[arg-type]
            except StopIteration as finished:
                stack.pop()
                answer = self.known[current] = finished.value
                continue
            answer = self.known.get(needed)
            if answer is None and needed not in self.known:
                stack.append((needed, self.compute(needed)))
        return self.known[key]


def bits(mask: int) -> Iterator[int]:
    """Positions of the ones of a bit mask, ascending."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def instances(program: Program) -> tuple[int, ...]:
    """For each graph, how many instances of it the flat program holds, exactly.

    The entry has one; a graph has, for each call to it, count times those of the caller.
    """
    number = [0] * len(program.graphs)
    number[program.entry] = 1
    for at in range(len(program.graphs) - 1, -1, -1):
        if number[at]:
            for node in program.graphs[at].nodes:
                if isinstance(node, Call):
                    number[node.callee] += number[at] * node.count
    return tuple(number)


def holders(program: Program) -> tuple[int, ...]:
    """For each graph, how many sets of weights of it the flat program holds, exactly.

    A shared instance has one set, however many calls use it.
    """
    number = [0] * len(program.graphs)
    number[program.entry] = 1
    for at in range(len(program.graphs) - 1, -1, -1):
        for node in program.graphs[at].nodes if number[at] else ():
            if isinstance(node, Share):
                number[node.callee] += number[at]
            elif isinstance(node, Call) and node.network is None:
                number[node.callee] += number[at] * node.count
    return tuple(number)


def totals(program: Program, own: Callable[[Graph], int]) -> tuple[int, ...]:
    """For each graph, `own` summed over one instance of it and all that it calls."""
    made: list[int] = []
    for graph in program.graphs:
        calls = (node for node in graph.nodes if isinstance(node, Call))
        made.append(own(graph) + sum(node.count * made[node.callee] for node in calls))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Algebra(Generic[V]):
    """How values of paths combine: a semiring, `chain` distributing over `add`.

    `one` is the value of a path that meets nothing, `add(a, b)` of two sets of paths
    together, `chain(a, b)` of all of `a` followed by all of `b`, `power(a, n)` of `a` n
    times in series. `operator(graph, node)` is what a path gains at an operator, None where
    that is `one`.
    """

    one: V
    add: Callable[[V, V], V]
    chain: Callable[[V, V], V]
    power: Callable[[V, int], V]
    operator: Callable[[Graph, Apply], V | None]


class PathFold(Generic[V]):
    """The value of all paths through a graph, in any algebra of paths.

    It runs backwards: each value of a graph holds the sum over all paths from there to the
    wanted outputs. What a call leaves open usually meets one join, so all its ports hold the
    same sum and, `chain` being distributive, one value of the callee (over all its ports
    together) is enough. Ports that differ are taken apart. So f(C) needs one value a level.
    """

    def __init__(self, program: Program, algebra: Algebra[V]) -> None:
        self.program = program
        self.algebra = algebra
        self.memo: Memo[tuple[int, int], tuple[V | None, ...]] = Memo(self._between)

    def between(self, graph: int, ports: int | None = None) -> tuple[V | None, ...]:
        """For each input of a graph, the paths from it to the outputs in the bit mask `ports`.

        None: no path. `ports` left out stands for all outputs.
        """
        every = (1 << len(self.program.graphs[graph].outputs)) - 1
        return self.memo((graph, every if ports is None else ports))

    def through(self) -> V | None:
        """All paths from the net's inputs to its outputs."""
        found: V | None = None
        for value in self.between(self.program.entry):
            if value is not None:
                found = value if found is None else self.algebra.add(found, value)
        return found

    def _between(self, key: tuple[int, int]) -> Steps[tuple[int, int], tuple[V | None, ...]]:
        index, ports = key
        graph = self.program.graphs[index]
        algebra = self.algebra
        after: dict[tuple[int, int], V] = {}

        def arrive(ref: tuple[int, int], value: V) -> None:
            after[ref] = algebra.add(after[ref], value) if ref in after else value

        for port, operand in enumerate(graph.outputs):
            if ports >> port & 1:
                arrive(operand.source, algebra.one)
        for at in range(len(graph.nodes) - 1, len(graph.inputs) - 1, -1):
            node = graph.nodes[at]
            if isinstance(node, Call):
                for value, mask in self._by_value(after, at, len(node.shapes)):
                    inner = yield node.callee, mask
                    for ref, part in zip(node.inputs, inner, strict=True):
                        if part is not None:
                            arrive(ref, algebra.chain(algebra.power(part, node.count), value))
                continue
            if (at, 0) not in after:
                continue
            value = after[at, 0]
            gained = algebra.operator(graph, node) if isinstance(node, Apply) else None
            if gained is not None:
                value = algebra.chain(gained, value)
            for ref in node.inputs:
                arrive(ref, value)
        return tuple(
            after.get((at, 0)) for at, node in enumerate(graph.nodes) if isinstance(node, Input)
        )

    def _by_value(
        self, after: dict[tuple[int, int], V], at: int, ports: int
    ) -> list[tuple[V, int]]:
        """Ports of a call as bit masks, those with the same paths behind them together."""
        groups: list[tuple[V, int]] = []
        for port in range(ports):
            if (at, port) not in after:
                continue
            value = after[at, port]
            for number, (known, mask) in enumerate(groups):
                if known is value or known == value:
                    groups[number] = known, mask | 1 << port
                    break
            else:
                groups.append((value, 1 << port))
        return groups
