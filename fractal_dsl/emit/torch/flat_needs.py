"""When each node of a flat graph is needed: which operands of which joins must live."""

from __future__ import annotations

from typing import Final, TypeAlias

from fractal_dsl.ir.flat import FlatProgram

__all__ = ["ALWAYS", "NEVER", "FlatNeeds", "Need", "Some"]

Some: TypeAlias = frozenset[tuple[int, int]]
"""(join number, operand) pairs, one of which must live."""

Need: TypeAlias = Some | None
"""None: needed in every plan."""

ALWAYS: Final = None
NEVER: Final[Some] = frozenset()


class FlatNeeds:
    """`found[at]` is the need of node `at`, as short as it can be said.

    A join that lives has a live operand: all operands of a join together are the need of the
    join itself. And an operand says nothing new beside the need of its own join.
    """

    def __init__(self, flat: FlatProgram) -> None:
        self.flat = flat
        self.sure = {*flat.inputs, *flat.outputs}
        self.found: list[Need] = [frozenset()] * len(flat.nodes)
        self.at = {flat.nodes[at].join: at for at in flat.joins}
        readers: list[list[tuple[int, int]]] = [[] for _ in flat.nodes]
        for at, node in enumerate(flat.nodes):
            for position, source in enumerate(node.inputs):
                readers[source].append((at, position))
        for at in reversed(range(len(flat.nodes))):
            self.found[at] = self.of(at, readers[at])

    def of(self, at: int, readers: list[tuple[int, int]]) -> Need:
        if at in self.sure:
            return ALWAYS
        total: set[tuple[int, int]] = set()
        for reader, position in readers:
            number = self.flat.nodes[reader].join
            if number is not None:
                total.add((number, position))
                continue
            need = self.found[reader]
            if need is ALWAYS:
                return ALWAYS
            total |= need
        return self.shortened(total)

    def shortened(self, total: set[tuple[int, int]]) -> Need:
        for number in sorted({join for join, _ in total}):  # producers before consumers
            join = self.at[number]
            need = self.found[join]
            mine = {(number, n) for n in range(len(self.flat.nodes[join].inputs))}
            if need is not ALWAYS and need <= total:
                total -= mine
            elif mine <= total:
                if need is ALWAYS:
                    return ALWAYS
                total = (total - mine) | need
        return frozenset(total)
