"""What may stand at the margin of a file, and what its tree holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from fractal_dsl.syntax import tree, walk
from tests.syntax.support import FIXTURES, codes, outline, parsed

STATEMENTS = {
    "f = conv": "Equation(f, conv)",
    "f(1) = conv": "Equation(f, LiteralPattern(1), conv)",
    "f(-2) = conv": "Equation(f, LiteralPattern(-2), conv)",
    "f(n) = n": "Equation(f, Parameter(n), n)",
    "f(C+1) = f(C)": "Equation(f, SuccessorPattern(C, 1), Call(f, C))",
    "f(n + 12, w = n,) = id": "Equation(f, SuccessorPattern(n, 12), Parameter(w, n), id)",
    "f(n) if n > 2 = id": "Equation(f, Parameter(n), Compare(>, n, 2), id)",
    "f() = id": "Equation(f, id)",
    "f if c = id": None,
    "f(1)(2) = id": None,
    "f[1] = id": None,
    "[a, b] = id": None,
    "a, b = id": None,
    "b::f = id": None,
    "f": None,
    "f = ": None,
    "= f": None,
    "f = g = h": None,
    "param C = 4": "ParamDeclaration(C, 4)",
    "param C": None,
    "param f(x) = 4": None,
    "implicit w = 4": "ImplicitDeclaration(w, 4)",
    "net = f": "NetDeclaration(f)",
    "net(p = 1) = f": "NetDeclaration(Parameter(p, 1), f)",
    "net N = f": "NetDeclaration(N, f)",
    "net N() on image[3] = f": "NetDeclaration(N, Index(image, 3), f)",
    "net on x = f": "NetDeclaration(x, f)",
    "net N(a, b = 1) = f": "NetDeclaration(N, Parameter(a), Parameter(b, 1), f)",
    "net N(1) = f": None,
    "net N(n+1) = f": None,
    "net N": None,
    "net N if c = f": None,
    "assert a == b": "Assertion(Compare(==, a, b))",
    "assert a = b": None,
    'import "a/b.fdl" as b': "Import(b, Origin(a/b.fdl))",
    'import "b.fdl"': None,
    "import b": None,
    'from "b.fdl" import c, d': "FromImport(c, d, Origin(b.fdl))",
    'import "b.fdl"(w = 2) as b': "Import(b, Origin(b.fdl, Argument(w, 2)))",
    'from "b.fdl"(w = 2, 3) import c': "FromImport(c, Origin(b.fdl, Argument(w, 2), 3))",
    'import "b.fdl" as b(w = 2)': None,
    'from "b.fdl" import c,': None,
    'from "b.fdl" import *': None,
    'extern "m.G" g(a, b = 1) = s': (
        "ExternDeclaration(g, Extern(m.G), Parameter(a), Parameter(b, 1), s)"
    ),
    'extern "m.G" g = s': None,
    "drop_path(local = 0.1, 2)": "Directive(drop_path, Argument(local, 0.1), 2)",
    "drop_path(0.1) >> f": None,
}


@pytest.mark.parametrize(("text", "meaning"), STATEMENTS.items())
def test_statement(text: str, meaning: str | None) -> None:
    if meaning is None:
        assert len(codes(text)) == 1
    else:
        (statement,) = parsed(text).statements
        assert outline(statement) == meaning


def test_head_without_brackets_has_no_patterns() -> None:
    plain, empty = parsed("f = id\ng() = id").statements
    assert isinstance(plain, tree.Equation)
    assert isinstance(empty, tree.Equation)
    assert (plain.patterns, empty.patterns) == (None, ())
    assert (plain.head.text, empty.head.text) == ("f", "g()")


@pytest.mark.parametrize(
    "head",
    ["1+n", "n-1", "n+0", "2*n", "n*2", "1.5", '"x"', "true", "(n)", "[a]", "n+m", "n+1.5", "-n",
     "g(n)", "n, n", "n, n = 1", "n+1, n", "x for x in n"],
)  # fmt: skip
def test_no_pattern(head: str) -> None:
    assert codes(f"f({head}) = id") == ["F0106"]


def test_every_bad_pattern_of_a_head_is_told() -> None:
    assert codes("f(2*n, 1.5, m) = id") == ["F0106", "F0106"]


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_fixture_parses(path: Path) -> None:
    assert parsed(path.read_text("utf-8")).statements


def test_fixtures_hold_every_kind_of_node() -> None:
    made = {type(node) for path in FIXTURES for node in walk(parsed(path.read_text("utf-8")))}
    kinds = {
        kind
        for kind in vars(tree).values()
        if isinstance(kind, type) and issubclass(kind, tree.Node) and kind is not tree.Node
    }
    assert made == kinds
