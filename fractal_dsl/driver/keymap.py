"""Which weights of a small net seed which of a larger one: f(C) for f(C+1).

Works on the hierarchical graphs, without torch. A tensor outside recursion takes the one of
the same key and shape. Inside a recursive call that the net makes under the same key in both,
an instance of a rule takes the small net's instance of the same rule and level whose tensors
have all the same shapes: the one at the same place, if it fits, else the first that does.
Where none fits, its own parts are looked at. What is left stays fresh.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from fractal_dsl.driver.compilation import Compilation
from fractal_dsl.driver.limits import check_expansion
from fractal_dsl.ir.flatten import segment_of
from fractal_dsl.ir.graph import Apply, Call, Graph, Program, Ref, Segment, Share
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.ir.shapes import NETWORK

__all__ = ["KeyMap", "keymap"]

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyMap:
    """`keys`: state-dict keys of the large net, each with the small net's that seeds it.

    `fresh` are the large net's that none seeds; `unused` the small net's that seed none.
    """

    keys: dict[str, str]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]


class Held(NamedTuple):
    key: str
    shape: Shape


class Kind(NamedTuple):
    """What makes two instances the same network, up to sizes."""

    group: str
    rule: str
    level: int


@dataclass(frozen=True, slots=True)
class Instance:
    """A call of a recursive rule: its tensors are `start` up to, not including, `stop`.

    `top` is the key of the outermost call of the recursion, which the net makes.
    """

    kind: Kind
    key: str
    top: str
    start: int
    stop: int


@dataclass(slots=True)
class Inventory:
    """All tensors of a net in data-flow order, and its recursive calls, outer ones first."""

    tensors: list[Held] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)

    def of(self, one: Instance) -> Sequence[Held]:
        return self.tensors[one.start : one.stop]

    def signature(self, one: Instance) -> tuple[Held, ...]:
        """Keys within the instance, with shapes: equal where all weights fit."""
        return tuple(Held(key.removeprefix(one.key), shape) for key, shape in self.of(one))


def keymap(small: Compilation, large: Compilation) -> KeyMap:
    """Raises DiagnosticError (F0301) for a net of more nodes than can be built."""
    if not (isinstance(small, Compilation) and isinstance(large, Compilation)):
        raise TypeError("two compiled nets were expected, as compile(...) of fractal_dsl gives")
    theirs, ours = inventory(small.program), inventory(large.program)
    keys = dict(outside(theirs, ours))
    keys.update(inside(theirs, ours))
    used = set(keys.values())
    return KeyMap(
        {one.key: keys[one.key] for one in ours.tensors if one.key in keys},
        tuple(one.key for one in ours.tensors if one.key not in keys),
        tuple(one.key for one in theirs.tensors if one.key not in used),
    )


def outside(theirs: Inventory, ours: Inventory) -> Iterator[tuple[str, str]]:
    """Tensors that no recursive call holds, by key and shape."""
    known = set(theirs.tensors) - covered(theirs)
    own = covered(ours)
    return ((one.key, one.key) for one in ours.tensors if one in known and one not in own)


def covered(net: Inventory) -> set[Held]:
    return {held for one in net.instances if one.key == one.top for held in net.of(one)}


def inside(theirs: Inventory, ours: Inventory) -> Iterator[tuple[str, str]]:
    """Tensors of recursive calls, instance by instance, outer ones first."""
    candidates = catalogue(theirs)
    done = 0
    for one in ours.instances:
        if one.start < done:  # lies in an instance that found its match
            continue
        found = candidates.get((one.top, one.kind, ours.signature(one)), [])
        if found:
            match = next((other for other in found if other.key == one.key), found[0])
            pairs = zip(ours.of(one), theirs.of(match), strict=True)
            yield from ((mine.key, given.key) for mine, given in pairs)
            done = one.stop


Sought: TypeAlias = tuple[str, Kind, tuple[Held, ...]]


def catalogue(net: Inventory) -> dict[Sought, list[Instance]]:
    found: dict[Sought, list[Instance]] = {}
    for one in net.instances:
        found.setdefault((one.top, one.kind, net.signature(one)), []).append(one)
    return found


# Tensors and instances of one net ---------------------------------------------------


@dataclass(slots=True)
class Frame:
    """A graph being walked; `key` begins the keys of its tensors.

    `networks` are the keys of the shared instances that it is handed, by input.
    """

    graph: Graph
    key: str
    turns: tuple[int, ...] = ()
    tops: tuple[tuple[str, str], ...] = ()
    place: int | None = None
    left: Iterator[Frame | Apply] = field(default_factory=lambda: iter(()))
    networks: dict[int, str] = field(default_factory=dict)


def inventory(program: Program) -> Inventory:
    check_expansion(program)
    return Walk(program).run()


def network(frame: Frame, ref: Ref) -> str:
    """The key of a shared instance that a graph makes, or is handed."""
    node = frame.graph.nodes[ref.node]
    if isinstance(node, Share):
        return f"{frame.key}{segment_of(node, frame.turns)}."
    return frame.networks[ref.node]


class Walk:
    """Depth first, without recursion, in the order of `ir.flatten`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.found = Inventory()
        self.known: set[str] = set()

    def run(self) -> Inventory:
        stack = [self.opened(Frame(self.program.net, ""))]
        while stack:
            frame = stack[-1]
            part = next(frame.left, None)
            if part is None:
                self.close(stack.pop())
            elif isinstance(part, Frame):
                stack.append(self.opened(part))
            else:
                self.hold(part, frame)
        return self.found

    def parts(self, frame: Frame) -> Iterator[Frame | Apply]:
        for node in frame.graph.nodes:
            if isinstance(node, Apply):
                yield node
            elif isinstance(node, Call):
                yield from (self.called(node, frame, copy) for copy in range(node.count))

    def called(self, node: Call, frame: Frame, copy: int) -> Frame:
        """As `ir.flatten` names copies and the parts of an inline call."""
        graph = self.program.graphs[node.callee]
        inputs = enumerate(graph.inputs)
        handed = {at: network(frame, node.inputs[at]) for at, s in inputs if s == NETWORK}
        if node.network is not None:
            return Frame(graph, network(frame, node.network), (), frame.tops, networks=handed)
        segment = segment_of(node, frame.turns)
        if node.inline or node.count > 1:
            segment = Segment(segment.name, (*segment.indices, node.first + copy))
        if node.inline:
            return Frame(graph, frame.key, segment.indices, frame.tops, networks=handed)
        return Frame(graph, f"{frame.key}{segment}.", (), frame.tops, networks=handed)

    def opened(self, frame: Frame) -> Frame:
        """An instance of a rule is noted where it begins; what it holds is known at its end."""
        frame.left = self.parts(frame)
        recursion = frame.graph.recursion
        if recursion is None or frame.graph.is_closure or frame.turns:
            return frame
        tops = dict(frame.tops)
        top = tops.setdefault(recursion.group, frame.key)
        frame.tops = tuple(tops.items())
        kind = Kind(recursion.group, frame.graph.rule, recursion.level)
        frame.place, start = len(self.found.instances), len(self.found.tensors)
        self.found.instances.append(Instance(kind, frame.key, top, start, start))
        return frame

    def close(self, frame: Frame) -> None:
        if frame.place is not None:
            one = self.found.instances[frame.place]
            stop = len(self.found.tensors)
            self.found.instances[frame.place] = Instance(
                one.kind, one.key, one.top, one.start, stop
            )

    def hold(self, node: Apply, frame: Frame) -> None:
        spec = spec_of(node.attributes)
        shapes = [frame.graph.shape_of(ref) for ref in node.inputs]
        key = f"{frame.key}{segment_of(node, frame.turns)}"
        for tensors in (spec.parameters, spec.buffers):
            for one in tensors(node.attributes, shapes):
                tied = node.weight is not None and one.name == "weight"
                if not tied and f"{key}.{one.name}" not in self.known:
                    self.known.add(f"{key}.{one.name}")
                    self.found.tensors.append(Held(f"{key}.{one.name}", one.shape))
