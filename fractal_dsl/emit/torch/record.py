"""From a graph to its tape: inline repeats opened, one operation for each node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from fractal_dsl.emit.torch.asks import NOTHING, Asked
from fractal_dsl.emit.torch.operators import is_formula
from fractal_dsl.emit.torch.tape import (
    Body,
    Formula,
    Hold,
    Index,
    Invoke,
    Item,
    Layer,
    Loop,
    Meet,
    Member,
    Open,
    Part,
    Path,
    Turn,
)
from fractal_dsl.ir.flatten import segment_of
from fractal_dsl.ir.graph import Apply, Call, Input, Join, Program, Ref, Share
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.elementwise import StochasticDepth

__all__ = ["record"]


@dataclass(slots=True)
class _Frame:
    """A graph being recorded: the class's own, or an inline call on the way in it."""

    graph: int
    operations: list[Part]
    arguments: tuple[int, ...]
    indices: tuple[Index, ...] = ()
    route: tuple[int, ...] = ()
    turns: Turn | None = None
    values: list[tuple[int, ...]] = field(default_factory=list)


def record(program: Program, graph: int, told: Sequence[bool], asked: Mapping[int, Asked]) -> Body:
    """The tape of one graph; bundles are not folded yet, and no join has a path.

    `told` and `asked` say of each graph that is called how it takes part in plans.
    """
    return _Recorder(program, told, asked).run(graph)


class _Recorder:
    def __init__(self, program: Program, told: Sequence[bool], asked: Mapping[int, Asked]) -> None:
        self.program = program
        self.told = told
        self.asked = asked
        self.count = 0
        self.loops = 0

    def fresh(self, count: int) -> tuple[int, ...]:
        self.count += count
        return tuple(range(self.count - count, self.count))

    def run(self, graph: int) -> Body:
        inputs = self.fresh(len(self.program.graphs[graph].inputs))
        top = _Frame(graph, [], inputs)
        stack = [top]
        while stack:
            frame = stack[-1]
            nodes = self.program.graphs[frame.graph].nodes
            if len(frame.values) < len(nodes):
                self.step(frame, stack)
            elif len(stack) > 1:
                self.leave(stack.pop(), stack[-1])
            else:
                stack.pop()
        parts = sorted(top.operations, key=lambda part: not isinstance(part, Hold))
        return branch(Body(inputs, parts, self.items(top)))

    def items(self, frame: _Frame) -> tuple[Item, ...]:
        graph = self.program.graphs[frame.graph]
        return tuple(Item(read(frame, operand.source)) for operand in graph.outputs)

    def step(self, frame: _Frame, stack: list[_Frame]) -> None:
        at = len(frame.values)
        node = self.program.graphs[frame.graph].nodes[at]
        match node:
            case Input():
                frame.values.append((frame.arguments[at],))
            case Apply():
                frame.values.append(self.apply(frame, node))
            case Join():
                items = tuple(Item(read(frame, ref)) for ref in node.inputs)
                (result,) = self.fresh(1)
                member = self.member(frame, node)
                frame.operations.append(Meet((member,), Path("join"), items, result))
                frame.values.append((result,))
            case Call(inline=True):
                stack.append(self.enter(frame, node))
            case Call():
                frame.values.append(self.call(frame, node))
            case Share():
                (result,) = self.fresh(1)
                member = Member(frame.graph, at, node, (), frame.route)
                frame.operations.append(Hold((member,), path_of(node, frame.indices), result))
                frame.values.append((result,))
            case _:
                assert_never(node)

    def member(self, frame: _Frame, node: Apply | Call | Join) -> Member:
        graph = self.program.graphs[frame.graph]
        shapes = tuple(graph.shape_of(ref) for ref in node.inputs)
        return Member(frame.graph, len(frame.values), node, shapes, frame.route)

    def apply(self, frame: _Frame, node: Apply) -> tuple[int, ...]:
        member = self.member(frame, node)
        inputs = tuple(read(frame, ref) for ref in node.inputs)
        (result,) = self.fresh(1)
        if node.weight is not None:
            source = self.program.graphs[frame.graph].nodes[node.weight]
            assert isinstance(source, Apply)
            home = path_of(source, frame.indices)
            frame.operations.append(Formula((member,), inputs, result, home))
        elif is_formula(node.attributes, member.shapes):
            frame.operations.append(Formula((member,), inputs, result))
        else:
            path = path_of(node, frame.indices)
            frame.operations.append(Layer((member,), path, inputs, result))
        return (result,)

    def call(self, frame: _Frame, node: Call) -> tuple[int, ...]:
        member = self.member(frame, node)
        inputs = tuple(read(frame, ref) for ref in node.inputs)
        path = path_of(node, frame.indices)
        if node.count > 1:
            return self.repeat(frame, member, path, inputs[0], node)
        callee = self.program.graphs[node.callee]
        (result,) = self.fresh(1)
        outputs = self.fresh(len(callee.outputs)) if len(callee.outputs) > 1 else (result,)
        network: int | None = None
        if node.network is not None:
            home = self.program.graphs[frame.graph].nodes[node.network.node]
            if isinstance(home, Share):
                path = path_of(home, frame.indices)
            else:
                path, network = Path(""), read(frame, node.network)
        is_bundle = callee.is_open or self.told[node.callee]
        made = (Open if is_bundle else Invoke)((member,), path, inputs, result, outputs)
        made.shared, made.network = node.network is not None, network
        made.asked = self.asked.get(node.callee, NOTHING)
        frame.operations.append(made)
        return outputs

    def repeat(
        self, frame: _Frame, member: Member, path: Path, source: int, node: Call
    ) -> tuple[int, ...]:
        turns = self.turns(node)
        carried, result, after = self.fresh(3)
        inside = Path(path.name, (*path.indices, turns))
        call = Invoke((member,), inside, (carried,), result, (result,))
        body = Body((carried,), [call], (Item(result),))
        frame.operations.append(Loop(turns, body, source, after))
        return (after,)

    def turns(self, node: Call) -> Turn:
        self.loops += 1
        return Turn(self.loops, node.first, node.count)

    def enter(self, frame: _Frame, node: Call) -> _Frame:
        """The body of an inline call; a single copy needs no loop."""
        inputs = tuple(read(frame, ref) for ref in node.inputs)
        indices = (*frame.indices, *segment_of(node).indices)
        route = (*frame.route, len(frame.values))
        if node.count == 1:
            return _Frame(node.callee, frame.operations, inputs, (*indices, node.first), route)
        turns = self.turns(node)
        return _Frame(node.callee, [], self.fresh(1), (*indices, turns), route, turns)

    def leave(self, frame: _Frame, caller: _Frame) -> None:
        items = self.items(frame)
        if frame.turns is None:
            caller.values.append(tuple(item.value for item in items))
            return
        node = self.program.graphs[caller.graph].nodes[len(caller.values)]
        body = Body(frame.arguments, frame.operations, items)
        (result,) = self.fresh(1)
        caller.operations.append(Loop(frame.turns, body, read(caller, node.inputs[0]), result))
        caller.values.append((result,))


def branch(body: Body) -> Body:
    """`body` without the stochastic depth at its end: its class knows what that does."""
    last = body.operations[-1] if body.operations else None
    if not isinstance(last, Layer) or not isinstance(attributes_of(last), StochasticDepth):
        return body
    return Body(body.inputs, body.operations[:-1], (Item(last.inputs[0]),), last.members[0])


def attributes_of(layer: Layer) -> Attributes:
    node = layer.members[0].node
    assert isinstance(node, Apply)
    return node.attributes


def read(frame: _Frame, ref: Ref) -> int:
    return frame.values[ref.node][ref.port]


def path_of(node: Apply | Call | Share, outer: tuple[Index, ...]) -> Path:
    name, indices = segment_of(node)
    return Path(name, (*outer, *indices))
