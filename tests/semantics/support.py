"""Short ways from text to programs and to the codes of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Program
from fractal_dsl.ir.verify import verify
from fractal_dsl.semantics import Elaborated, elaborate, resolve
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse


def elaborated(text: str, **overrides: object) -> Elaborated:
    source = Source("test.fdl", text)
    return elaborate(resolve(parse(source)), None, overrides)  # type: ignore[arg-type]


def compiled(text: str, **overrides: object) -> Program:
    program = elaborated(text, **overrides).program
    verify(program)
    return program


def flat(text: str, **overrides: object) -> FlatProgram:
    return flatten(compiled(text, **overrides))


def codes(text: str, **overrides: object) -> list[str]:
    """Codes of the errors that a file gives, in order."""
    try:
        compiled(text, **overrides)
    except DiagnosticError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


def operators(program: FlatProgram) -> list[str]:
    """Operator names in data-flow order; joins are `mean/n`."""
    found = []
    for node in program.nodes[1:]:
        if node.attributes is None:
            found.append(f"mean/{len(node.operands)}")
        else:
            found.append(node.attributes.operator)
    return found


def keys(program: FlatProgram) -> list[str]:
    """State-dict prefixes of the convolutions and dense layers, in data-flow order."""
    return [
        node.key
        for node in program.nodes
        if node.attributes is not None and node.attributes.operator in ("conv2d", "linear")
    ]


Overrides = Mapping[str, object]
