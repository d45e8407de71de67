"""The graph as text, one node a line: what `fractalc dump` prints and tests compare."""

from __future__ import annotations

from dataclasses import MISSING, fields

from fractal_dsl.ir.graph import Apply, Call, Graph, Input, Join, Node, Operand, Program, Ref, Share
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.extern import Extern
from fractal_dsl.ir.shapes import Shape

__all__ = ["print_attributes", "print_program"]


def print_program(program: Program) -> str:
    """All graphs of `program`, callees first; the same text for the same program."""
    lines = [f"program {program.name}: {program.input} -> {program.output}"]
    lines += [
        f"  argument {one.name} = {one.value}, node {', '.join(f'%{at}' for at in one.nodes)}"
        for one in program.head_parameters
    ]
    if program.sampling is not None:
        lines.append(f"  drop_path {_settings(program.sampling)}")
    for at, graph in enumerate(program.graphs):
        lines += ["", *_graph_lines(program, at, graph)]
    return "\n".join(lines) + "\n"


def print_attributes(attributes: Attributes) -> str:
    """An operator with what differs from its defaults: `conv2d(channels=64, stride=2)`."""
    if isinstance(attributes, Extern):
        return f"extern {attributes.written}"
    settings = _settings(attributes)
    return f"{attributes.operator}({settings})" if settings else attributes.operator


def _settings(record: object) -> str:
    shown = []
    for field in fields(record):  # type: ignore[arg-type]
        value = getattr(record, field.name)
        if field.default is MISSING or value != field.default:
            shown.append(f"{field.name}={value!r}")
    return ", ".join(shown)


def _graph_lines(program: Program, at: int, graph: Graph) -> list[str]:
    marks = ["entry"] * (at == program.entry) + ["open"] * graph.is_open
    marks += ["closure"] * graph.is_closure
    if graph.recursion is not None:
        marks.append(f"recursion {graph.recursion.group} level {graph.recursion.level}")
    head = f"graph {at} {graph.label}" + (f" ({', '.join(marks)})" if marks else "")
    lines = [head + (f"    {graph.equation}" if graph.equation else "")]
    for position, node in enumerate(graph.nodes):
        lines.append(f"  %{position} = {_node(program, node)}")
    outputs = ", ".join(_operand(operand, graph.branches) for operand in graph.outputs)
    return [*lines, f"  return {outputs}"]


def _node(program: Program, node: Node) -> str:
    match node:
        case Input():
            text = "input"
        case Apply():
            text = f"{print_attributes(node.attributes)} {_refs(node.inputs)} as {node.segment}"
        case Call():
            text = _call(program, node)
        case Share():
            text = f"share {node.callee} {program.graphs[node.callee].label} as {node.segment}"
        case Join():
            text = (
                "join "
                + ("" if node.sampled else "unsampled ")
                + ", ".join(_operand(one, node.branches) for one in node.operands)
            )
    tag = "" if isinstance(node, Input) or node.tag is None else f" @{node.tag}"
    return f"{text}{tag} : {_shapes(node.shapes)}"


def _call(program: Program, node: Call) -> str:
    label = program.graphs[node.callee].label
    times = f" x {node.count}" if node.count > 1 else ""
    times += f" from {node.first}" if node.first else ""
    inline = " inline" if node.inline else ""
    inline += f" of {_ref(node.network)}" if node.network is not None else ""
    return f"call {node.callee} {label} {_refs(node.inputs)}{times}{inline} as {node.segment}"


def _shapes(shapes: tuple[Shape, ...]) -> str:
    """Shapes of all outputs; equal ones, as open joins have, are counted."""
    if len(shapes) > 1 and len(set(shapes)) == 1:
        return f"{len(shapes)} x {shapes[0]}"
    return ", ".join(map(str, shapes))


def _refs(refs: tuple[Ref, ...]) -> str:
    return "(" + ", ".join(map(_ref, refs)) + ")"


def _ref(ref: Ref) -> str:
    return f"%{ref.node}.{ref.port}" if ref.port else f"%{ref.node}"


def _operand(operand: Operand, branches: int) -> str:
    text = _ref(operand.source)
    if operand.branch is not None:
        text += f" branch {operand.branch} of {branches}"
    if operand.origin is not None:
        text += f" from %{operand.origin.node}.{operand.origin.port}"
    if operand.rate is not None:
        text += f" rate {operand.rate}"
    return text
