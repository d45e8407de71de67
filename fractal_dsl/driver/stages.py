"""What each stage of the compiler made, as text: `fractalc dump --stage NAME`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from fractal_dsl.driver.compilation import Compilation
from fractal_dsl.driver.compile import compile_source
from fractal_dsl.driver.imports import resolved
from fractal_dsl.driver.limits import check_expansion
from fractal_dsl.ir import text
from fractal_dsl.ir.flat import FlatNode
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.semantics.definitions import Definition, Resolved
from fractal_dsl.semantics.values import Value
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse, tree
from fractal_dsl.syntax.parser_table import lexemes_of
from fractal_dsl.syntax.printer import print_program

__all__ = ["OF_TEXT", "STAGES", "Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """A file, which net of it with which values, and which column of that, if only one."""

    source: Source
    net: str | None
    params: dict[str, Value]
    column: int | None = None


Stage: TypeAlias = Callable[[Request], str]


def tokens(request: Request) -> str:
    lines = []
    for lexeme in lexemes_of(request.source):
        line, column = request.source.location(lexeme.span.start)
        lines.append(f"{line}:{column}\t{lexeme.type}\t{lexeme.text!r}")
    return "\n".join(lines)


def syntax(request: Request) -> str:
    return print_program(parse(request.source))


def names(request: Request) -> str:
    """Each rule of the file with its cases, its recursion and what it takes implicitly."""
    found = resolved(request.source)
    lines: list[str] = []
    for definition in found.names.own:
        lines += rule_lines(found, definition)
    for name, param in found.params.items():
        lines.append(f"param {name} = {one_line(param.declaration.value)}")
    for net in found.nets:
        lines.append(f"net {net.name or ''}".rstrip())
    return "\n".join(lines)


def rule_lines(found: Resolved, definition: Definition) -> Iterator[str]:
    marks = []
    if definition.group is not None:
        marks.append(f"recurs in group {definition.group}")
    implicit = sorted(found.implicits[definition])
    if implicit:
        marks.append(f"implicit {', '.join(implicit)}")
    yield f"rule {definition.name}" + (f": {'; '.join(marks)}" if marks else "")
    for equation in definition.equations:
        yield f"  {' '.join(equation.head.text.split())} = {one_line(equation.body)}"


def one_line(expression: tree.Expression) -> str:
    return " ".join(expression.span.text.split())


def ir(request: Request) -> str:
    return text.print_program(compiled(request).program)


def flat(request: Request) -> str:
    """One line a node of the flat DAG: number, operator, inputs, shape, state-dict key."""
    hierarchical = compiled(request).program
    check_expansion(hierarchical)
    program = flatten(hierarchical)
    lines = [flat_line(at, node) for at, node in enumerate(program.nodes)]
    return "\n".join([*lines, "return " + ", ".join(f"%{at}" for at in program.outputs)])


def flat_line(at: int, node: FlatNode) -> str:
    if node.join is not None:
        what, inputs = f"join {node.join}", tuple(operand.source for operand in node.operands)
    elif node.attributes is None:
        what, inputs = "input", ()
    else:
        what, inputs = text.print_attributes(node.attributes), node.inputs
    sources = "".join(f" %{one}" for one in inputs)
    key = f"  {node.key}" if node.key else ""
    return f"%{at} = {what}{sources} : {node.shape}{key}"


def report(request: Request) -> str:
    import json

    from fractal_dsl.driver.facts import report_data

    return json.dumps(report_data(compiled(request)), indent=2)


def python(request: Request) -> str:
    return compiled(request).source


def dot(request: Request) -> str:
    return compiled(request).draw("dot").data.decode()


def compiled(request: Request) -> Compilation:
    whole = compile_source(request.source, net=request.net, params=request.params)
    return whole if request.column is None else whole.column(request.column)


STAGES: dict[str, Stage] = {
    "tokens": tokens,
    "syntax": syntax,
    "resolved": names,
    "ir": ir,
    "flat": flat,
    "report": report,
    "python": python,
    "dot": dot,
}

OF_TEXT = ("tokens", "syntax", "resolved")
"""Stages of the file as a whole, whichever net and column of it is asked for."""
