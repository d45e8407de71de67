"""What every program must keep to, checked after every pass. A failure is our own bug."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from fractal_dsl.diagnostics import InternalError
from fractal_dsl.ir.flatten import segment_of
from fractal_dsl.ir.graph import (
    Apply,
    Call,
    Graph,
    Input,
    Join,
    Node,
    Operand,
    Origin,
    Program,
    Ref,
    Sampling,
    Share,
    references,
)
from fractal_dsl.ir.operators import OPERATORS, ShapeError, spec_of
from fractal_dsl.ir.operators.elementwise import StochasticDepth
from fractal_dsl.ir.shapes import KINDS, NETWORK, Shape

__all__ = ["verify"]


NAME = re.compile(r"[^\W\d]\w*")
Problems = Iterator[str]


def verify(program: Program) -> None:
    """Raise `InternalError`, naming graph, node and fault, unless `program` is well formed.

    Checked in this order, each relying on those before: references and order; shapes,
    inferred anew; joins and where their operands come from; rates; that all is used; that
    state-dict keys are distinct; the entry. Cost is linear in the program's own size.
    """
    for problem in _problems(program):
        raise InternalError(f"program `{program.name}`: {problem}")


def _problems(program: Program) -> Problems:
    for check in (_order, _shapes, _joins, _rates, _branches, _unused):
        for at, graph in enumerate(program.graphs):
            for problem in check(program, at, graph):
                yield f"graph {at} `{graph.label}`, {problem}"
    yield from _keys(program)
    yield from _entry(program)
    if program.sampling is not None:
        yield from _sampling(program.sampling)


def _order(program: Program, at: int, graph: Graph) -> Problems:
    inputs = len(graph.inputs)
    for position, node in enumerate(graph.nodes):
        where = f"node {position}"
        if isinstance(node, Input) and position >= inputs:
            yield f"{where}: an input stands after other nodes"
        if isinstance(node, Call | Share) and not 0 <= node.callee < at:
            yield f"{where}: calls graph {node.callee}, which does not come before this one"
        for ref in node.inputs:
            if problem := _bad_ref(graph, ref, position):
                yield f"{where}: {problem}"
    if not graph.outputs:
        yield "outputs: there are none"
    for operand in graph.outputs:
        if problem := _bad_ref(graph, operand.source, len(graph.nodes)):
            yield f"outputs: {problem}"


def _bad_ref(graph: Graph, ref: Ref, before: int) -> str | None:
    if not 0 <= ref.node < before:
        return f"reads node {ref.node}, which does not come before it"
    ports = len(graph.nodes[ref.node].shapes)
    if not 0 <= ref.port < ports:
        return f"reads port {ref.port} of node {ref.node}, which has {ports}"
    return None


def _shapes(program: Program, at: int, graph: Graph) -> Problems:
    for position, node in enumerate(graph.nodes):
        incoming = tuple(graph.shape_of(ref) for ref in node.inputs)
        for problem in _node_shapes(program, node, incoming):
            yield f"node {position}: {problem}"
        if isinstance(node, Apply):
            yield from _tie(graph, position, node)


def _node_shapes(program: Program, node: Node, incoming: tuple[Shape, ...]) -> Problems:
    for shape in node.shapes:
        if shape == NETWORK:
            continue
        if len(shape.sizes) != len(KINDS.get(shape.kind, ())) or min(shape.sizes) < 1:
            yield f"{shape} is no shape"
    match node:
        case Apply():
            yield from _apply_shape(node, incoming)
        case Call():
            yield from _call_shapes(node, program.graphs[node.callee], incoming)
        case Join():
            if not incoming:
                yield "a join of nothing"
            for shape in incoming:
                if shape != node.shape:
                    yield f"a join of {node.shape} takes {shape}"
        case Input() | Share():
            pass


def _apply_shape(node: Apply, incoming: tuple[Shape, ...]) -> Problems:
    name = node.attributes.operator
    spec = OPERATORS.get(name)
    if spec is None or not isinstance(node.attributes, spec.attributes):
        yield f"`{name}` is no operator"
        return
    if len(incoming) < 2 if spec.many else len(incoming) != spec.arity:
        yield f"`{name}` takes {len(incoming)} inputs"
        return
    try:
        inferred = spec.infer_shape(node.attributes, incoming)
    except ShapeError as error:
        yield f"`{name}` refuses its input: {error.message}"
        return
    if inferred != node.shape:
        yield f"`{name}` gives {inferred}, not {node.shape}"


def _tie(graph: Graph, position: int, node: Apply) -> Problems:
    """What an operator takes another's weight from."""
    if node.weight is None:
        return
    other = graph.nodes[node.weight] if 0 <= node.weight < position else None
    if not isinstance(other, Apply):
        yield f"node {position}: uses the weight of node {node.weight}, which is no operator"
        return
    mine, theirs = (_weight(graph, one) for one in (node, other))
    if mine is None or mine != theirs:
        yield f"node {position}: uses a weight of {theirs}, and needs {mine}"


def _weight(graph: Graph, node: Apply) -> tuple[int, ...] | None:
    incoming = [graph.shape_of(ref) for ref in node.inputs]
    tensors = OPERATORS[node.attributes.operator].parameters(node.attributes, incoming)
    return next((one.shape for one in tensors if one.name == "weight"), None)


def _call_shapes(node: Call, callee: Graph, incoming: tuple[Shape, ...]) -> Problems:
    if incoming != callee.inputs:
        yield f"gives {_listed(incoming)} to `{callee.label}`, which takes {_listed(callee.inputs)}"
    if node.shapes != callee.output_shapes:
        yield (
            f"takes {_listed(node.shapes)} from `{callee.label}`, "
            f"which gives {_listed(callee.output_shapes)}"
        )
    if node.count < 1:
        yield f"is repeated {node.count} times"
    if node.count > 1 and (callee.is_open or incoming != node.shapes or len(incoming) != 1):
        yield f"repeats `{callee.label}`, which is open or does not give the shape it takes"


def _listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, shapes)) or "nothing"


def _joins(program: Program, at: int, graph: Graph) -> Problems:
    for position, node in enumerate(graph.nodes):
        if isinstance(node, Join):
            for problem in _join(program, graph, node.operands, node.branches):
                yield f"node {position}: {problem}"
    if graph.is_open:
        for problem in _join(program, graph, graph.outputs, graph.branches):
            yield f"outputs: {problem}"
    elif graph.branches or any(one != Operand(one.source) for one in graph.outputs):
        yield "outputs: a closed graph returns operands of a join"


def _join(program: Program, graph: Graph, operands: tuple[Operand, ...], branches: int) -> Problems:
    numbers = [operand.branch for operand in operands if operand.branch is not None]
    if numbers and len(numbers) != len(operands):
        yield "some operands have a branch and some have none"
    if sorted(numbers) != numbers or sorted(set(numbers)) != list(range(branches)):
        yield f"branches {numbers} do not count 0 to {branches - 1} in order"
    for number, operand in enumerate(operands):
        alone = operand.branch is not None and numbers.count(operand.branch) == 1
        if problem := _bad_origin(program, graph, operand, alone):
            yield f"operand {number} {problem}"
        if operand.branch is None and operand.origin is None and operand.rate is None:
            yield f"operand {number} has neither a branch, nor an origin, nor a rate of its own"


def _bad_origin(program: Program, graph: Graph, operand: Operand, alone: bool) -> str | None:
    """What is wrong with an operand's origin; one `alone` in its branch may be any value, such
    as the operand of another join that `each(id (+) g)` was handed."""
    source, origin = operand.source, operand.origin
    direct = Origin(*source) if _is_open(program, graph, source.node) else None
    if origin is None:
        return f"hides that it comes from open call {source.node}" if direct and not alone else None
    if not _is_open(program, graph, origin.node):
        return f"comes from node {origin.node}, which is no open call"
    if not 0 <= origin.port < len(graph.nodes[origin.node].shapes):
        return f"comes from port {origin.port} of node {origin.node}, which is not there"
    if direct not in (None, origin):
        return f"comes from {tuple(source)}, not from ({origin.node}, {origin.port})"
    if not _reaches(graph, Ref(origin.node, origin.port), source):
        return f"does not depend on ({origin.node}, {origin.port}), its origin"
    return None


def _is_open(program: Program, graph: Graph, at: int) -> bool:
    node = graph.nodes[at] if 0 <= at < len(graph.nodes) else None
    return isinstance(node, Call) and program.graphs[node.callee].is_open


def _reaches(graph: Graph, start: Ref, end: Ref) -> bool:
    todo, seen = [end], {end}
    while todo:
        ref = todo.pop()
        if ref == start:
            return True
        fresh = {one for one in graph.nodes[ref.node].inputs if one.node >= start.node} - seen
        seen |= fresh
        todo.extend(fresh)
    return False


def _rates(program: Program, at: int, graph: Graph) -> Problems:
    lists: list[tuple[str, tuple[Operand, ...]]] = [("outputs", graph.outputs)]
    for position, node in enumerate(graph.nodes):
        if isinstance(node, Join):
            lists.append((f"node {position}", node.operands))
    for where, operands in lists:
        for operand in operands:
            if operand.rate is not None and not 0 <= operand.rate < 1:
                yield f"{where}: a drop rate of {operand.rate}"


def _branches(program: Program, at: int, graph: Graph) -> Problems:
    """Stochastic depth ends a graph of its own, which is the branch."""
    for position, node in enumerate(graph.nodes):
        if not isinstance(node, Apply) or not isinstance(node.attributes, StochasticDepth):
            continue
        ends = tuple(operand.source for operand in graph.outputs) == (Ref(position),)
        came = [shape for shape in graph.inputs if shape != NETWORK]
        if not ends or graph.is_open or len(came) != 1 or at == program.entry:
            yield f"node {position}: stochastic depth that does not end a graph of one input"


def _unused(program: Program, at: int, graph: Graph) -> Problems:
    used = {operand.source for operand in graph.outputs}
    live = {ref.node for ref in used}
    for position in reversed(range(len(graph.nodes))):
        if position in live:
            needed = references(graph.nodes[position])
            used.update(needed)
            live.update(ref.node for ref in needed)
    for position, node in enumerate(graph.nodes):
        if position not in live:
            if at != program.entry or not isinstance(node, Input):
                yield f"node {position}: nothing uses it"
            continue
        ports = len(node.shapes) if _is_open(program, graph, position) else 0
        for port in range(ports):
            if Ref(position, port) not in used:
                yield f"node {position}: nothing uses its port {port}"


def _keys(program: Program) -> Problems:
    """State-dict keys of siblings differ, and none is the beginning of another."""
    known: list[list[_Path]] = []
    for at, graph in enumerate(program.graphs):
        known.append(sorted(_paths(graph, known)))
        for path in known[at]:
            if not NAME.fullmatch(path.name):
                yield f"graph {at} `{graph.label}`: segment `{path.name}` is no name"
        for one, other in pairwise(known[at]):
            if _collide(one, other):
                yield f"graph {at} `{graph.label}`: segments `{one}` and `{other}` collide"


class _Path(NamedTuple):
    """A name and its indices, each from the first up to, not including, the last."""

    name: str
    indices: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        shown = (str(a) if b == a + 1 else f"{a}..{b - 1}" for a, b in self.indices)
        return ".".join([self.name, *shown])


def _collide(one: _Path, other: _Path) -> bool:
    """Whether neighbours in sorted order share a key; their ranges are equal or disjoint."""
    if one.name != other.name:
        return False
    for first, second in zip(one.indices, other.indices, strict=False):
        if first != second:
            return second[0] < first[1]
    return True


def is_sign(node: Apply | Call | Share) -> bool:
    """True of the operators behind signs such as `+`: they have no place in the state dict."""
    return isinstance(node, Apply) and not spec_of(node.attributes).callable_by_name


def _paths(graph: Graph, known: list[list[_Path]]) -> Iterator[_Path]:
    for node in graph.nodes:
        if not isinstance(node, Apply | Call | Share) or is_sign(node):
            continue
        if isinstance(node, Call) and node.network is not None:
            continue
        name, numbers = segment_of(node)
        indices = tuple((number, number + 1) for number in numbers)
        if isinstance(node, Call) and (node.inline or node.count > 1):
            indices = (*indices, (node.first, node.first + node.count))
        if isinstance(node, Call) and node.inline:
            for path in known[node.callee]:
                yield _Path(path.name, indices + path.indices)
        else:
            yield _Path(name, indices)


def _entry(program: Program) -> Problems:
    if program.entry != len(program.graphs) - 1:
        yield f"the entry is graph {program.entry} of {len(program.graphs)}, not the last"
    elif program.net.is_open:
        yield "the net leaves a join open"
    for argument in program.head_parameters:
        for at in argument.nodes:
            node = dict(enumerate(program.net.nodes)).get(at)
            attributes = getattr(node, "attributes", None)
            if getattr(attributes, argument.attribute, None) != argument.value:
                yield f"argument `{argument.name}` is no attribute of node {at} of the net"
    nodes = (node for graph in program.graphs for node in graph.nodes)
    called = {node.callee for node in nodes if isinstance(node, Call | Share)}
    for at, graph in enumerate(program.graphs[:-1]):
        if at not in called:
            yield f"graph {at} `{graph.label}`: nothing calls it"


def _sampling(sampling: Sampling) -> Problems:
    if not 0 <= sampling.local < 1:
        yield f"sampling: a local rate of {sampling.local}"
    if not 0 <= sampling.mixture <= 1:
        yield f"sampling: a share of global mini-batches of {sampling.mixture}"
    if sampling.columns is not None and min(sampling.columns, default=0) < 1:
        yield f"sampling: columns {sampling.columns}"
