"""The hierarchical program as JSON, for other tools to read.

The format, version 1. Positions count from 0; objects keep the order of keys given here.

- the document: `format` ("fractalc-program"), `version`, `name`, `doc`, `input` and `output`
  (a shape, or a list of shapes where there are several), `entry` (position of the net among
  `graphs`), `sampling` (what `drop_path` says, or null), `head_parameters` (each with `name`,
  `value`, and the `nodes` of the net and the `attribute` of them that it sets), `graphs`
  (callees before callers);
- a shape: `{"kind": "image", "sizes": [3, 32, 32]}`, without the batch axis;
- a graph, a template for all its instances: `label`, `rule`, `equation`, `doc`, `recursion`
  (`{"group", "level"}` or null), `is_open`, `branches`, `is_closure`, `file` and `line` (the name
  of the file of FDL that it was written in and a line of it, or null; the lines of its nodes are
  of that file too), `outputs` (operands; those of an open join where `is_open`), `nodes`
  (topological order, inputs first);
- a node: `kind` ("input", "operator", "call" or "join"), `inputs` (references), `shapes` (one
  for each output), `tag` (its `@name` or null), `line`; and by kind
  - operator: `operator`, `attributes`, `segment`, `parameters` and `buffers` (name and shape
    of each tensor that an instance holds);
  - call: `callee`, `count` (copies in series), `inline` (adds no segment), `segment`;
  - join: `operands`, `branches` (of the join as written in this graph);
- a reference: `[node, port]`;
- an operand: `source` (reference), `branch`, `origin` (reference to an open call's port, or
  null), `rate` (set by `drop`, or null);
- a segment: one part of state-dict keys, such as `block.0`. A key is the segments on the way
  from the net to a tensor, and the tensor's name, joined by dots. A tag takes the place of
  the segment's name; copies add their number; inline calls add it to the segments inside.

Numbers that JSON has no sign for (infinities) are strings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from math import isfinite
from pathlib import PurePath
from typing import Any, TypeAlias, assert_never

from fractal_dsl.ir.graph import Apply, Call, Graph, Input, Join, Node, Operand, Program, Ref, Share
from fractal_dsl.ir.operators import Attributes, Tensor, spec_of
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.source import Span

__all__ = ["VERSION", "to_json"]

VERSION = 1

Object: TypeAlias = dict[str, Any]


def to_json(program: Program) -> str:
    """`program` as a JSON document (see the module's text); the same bytes for equal programs."""
    document = {
        "format": "fractalc-program",
        "version": VERSION,
        "name": program.name,
        "doc": program.doc,
        "input": _shapes(program.net.inputs),
        "output": _shapes(program.net.output_shapes),
        "entry": program.entry,
        "sampling": asdict(program.sampling) if program.sampling else None,
        "head_parameters": [given._asdict() for given in program.head_parameters],
    }
    graphs = ",\n".join(_indented(_graph(graph)) for graph in program.graphs)
    return f'{_fields(document)},\n"graphs": [\n{graphs}\n]\n}}\n'


def _indented(graph: Object) -> str:
    """A graph with a line for each of its nodes."""
    nodes = ",\n   ".join(_line_of(node) for node in graph.pop("nodes"))
    return f' {_fields(graph, "  ")},\n  "nodes": [\n   {nodes}\n  ]\n }}'


def _fields(known: Object, indent: str = "") -> str:
    """An object, left open, with a line for each field."""
    lines = [f"{indent}{_line_of(name)}: {_line_of(value)}" for name, value in known.items()]
    return "{\n" + ",\n".join(lines)


def _line_of(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _graph(graph: Graph) -> Object:
    recursion = graph.recursion
    return {
        "label": graph.label,
        "rule": graph.rule,
        "equation": graph.equation,
        "doc": graph.doc,
        "recursion": recursion._asdict() if recursion else None,
        "is_open": graph.is_open,
        "branches": graph.branches,
        "is_closure": graph.is_closure,
        "file": PurePath(graph.span.source.name).name if graph.span else None,
        "line": _line(graph.span),
        "outputs": [_operand(operand) for operand in graph.outputs],
        "nodes": [_node(graph, node) for node in graph.nodes],
    }


def _node(graph: Graph, node: Node) -> Object:
    common = {
        "inputs": [list(ref) for ref in node.inputs],
        "shapes": [_shape(shape) for shape in node.shapes],
    }
    match node:
        case Input():
            return {"kind": "input", **common, "tag": None, "line": None}
        case Apply():
            kind, own = "operator", _operator(graph, node)
        case Call():
            kind, own = "call", _call(node)
        case Share():
            kind, own = "share", {"callee": node.callee, "segment": str(node.segment)}
        case Join():
            operands = [_operand(operand) for operand in node.operands]
            kind, own = "join", {"operands": operands, "branches": node.branches}
        case _:
            assert_never(node)
    return {"kind": kind, **common, "tag": node.tag, "line": _line(node.span), **own}


def _operator(graph: Graph, node: Apply) -> Object:
    spec = spec_of(node.attributes)
    shapes = [graph.shape_of(ref) for ref in node.inputs]
    return {
        "operator": spec.name,
        "attributes": _attributes(node.attributes),
        "segment": str(node.segment),
        "weight": node.weight,
        "parameters": _tensors(spec.parameters(node.attributes, shapes)),
        "buffers": _tensors(spec.buffers(node.attributes, shapes)),
    }


def _call(node: Call) -> Object:
    return {
        "callee": node.callee,
        "count": node.count,
        "inline": node.inline,
        "segment": str(node.segment),
        "network": list(node.network) if node.network else None,
    }


def _attributes(attributes: Attributes) -> Object:
    return {field.name: _plain(getattr(attributes, field.name)) for field in fields(attributes)}


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value


def _tensors(tensors: tuple[Tensor, ...]) -> list[Object]:
    return [{"name": tensor.name, "shape": list(tensor.shape)} for tensor in tensors]


def _operand(operand: Operand) -> Object:
    origin = operand.origin
    return {
        "source": list(operand.source),
        "branch": operand.branch,
        "origin": list(Ref(origin.node, origin.port)) if origin else None,
        "rate": operand.rate,
    }


def _shape(shape: Shape) -> Object:
    return {"kind": shape.kind, "sizes": list(shape.sizes)}


def _shapes(shapes: Sequence[Shape]) -> Object | list[Object]:
    """The one shape as it is, several as a list."""
    written = [_shape(shape) for shape in shapes]
    return written[0] if len(written) == 1 else written


def _line(span: Span | None) -> int | None:
    return span.line if span else None
