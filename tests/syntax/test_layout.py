"""Which newlines end a statement, and which definition a `##` comment documents."""

from __future__ import annotations

import pytest

from fractal_dsl.syntax import tree
from tests.syntax.support import codes, outline, parsed

SIGNS = [">>", ".", "∘", "(+)", "⊕", "+", "-", "++", "*", "/", "//", "%", "**", "==", "!=", "<",
         "<=", ">", ">=", "..", "and", "or"]  # fmt: skip


def heads(text: str) -> list[str]:
    return [one.span.text.split()[0] for one in parsed(text).statements]


@pytest.mark.parametrize("sign", SIGNS)
def test_operators_carry_on(sign: str) -> None:
    whole = outline(parsed(f"it = a {sign} b").statements[0])
    assert outline(parsed(f"it = a {sign}\n\n  b").statements[0]) == whole
    assert outline(parsed(f"it = a # why\n# so\n  {sign} b").statements[0]) == whole


@pytest.mark.parametrize(
    "text",
    [
        "it =\n a",
        "it\n = a",
        "it = a\n @t",
        "it = a @\n t",
        "it = b::\n f",
        "it = b\n ::f",
        "it = if\n a\n then b\n else\n c",
        "it = not\n a",
        "it = f(\n a\n ,\n b\n)",
        "it = [\n e\n for x in xs\n if c\n]",
        "it = {\n\n a = b\n\n\n return a\n}",
        "it = {\n x[i] = b\n for i in 1..3\n return x }",
        "it = f({\n a = b\n return a\n}, (\nc\n))",
        "net\n N = a",
    ],
)
def test_carries_on(text: str) -> None:
    if text.startswith("net"):
        assert codes(text)  # a name is no operator
    else:
        assert len(parsed(text).statements) == 1


@pytest.mark.parametrize("second", ["(b)", "[b]", "if b then c else d", "not b", "{ return b }"])
def test_starts_anew(second: str) -> None:
    assert codes(f"it = a\n{second}") == ["F0101"]


def test_every_other_line_is_a_statement() -> None:
    assert heads("a = b\nc = d\r\n\r\n  e = f\n\tg(1) = h") == ["a", "c", "e", "g(1)"]


def test_newlines_in_a_block_within_brackets_end_bindings() -> None:
    assert codes("it = f({\n a = b c = d\n return a\n})") == ["F0101"]


@pytest.mark.parametrize("text", ["", "\n", "# only\n", "   ", "\n\n# a\n\n", "\r\n"])
def test_empty_files(text: str) -> None:
    assert parsed(text).statements == ()


def doc_of(statement: tree.Statement) -> str:
    assert isinstance(
        statement,
        tree.Equation | tree.ParamDeclaration | tree.ImplicitDeclaration | tree.NetDeclaration,
    )
    return statement.doc


DOCS = {
    # text: documentation of the file, then of each definition
    "## one\n## two\na = b": ["one\ntwo", "one\ntwo"],
    "## one\n##\n##  two \na = b": ["one\n\n two", "one\n\n two"],
    "## file\n\na = b": ["file", ""],
    "## file\n\n## one\na = b": ["file", "one"],
    "# plain\n\n## one\na = b": ["one", "one"],
    "a = b\n## one\nc = d": ["", "", "one"],
    "a = b\n## one\n\nc = d": ["", "", "one"],
    "a = b\n## far\n\n## near\nc = d": ["", "", "near"],
    "a = b\n## one\n# plain\nc = d": ["", "", "one"],
    "a = b ## beside\nc = d": ["", "", ""],
    "a = b\n### ruler\nc = d": ["", "", ""],
    "a = f(\n## inside\nb)\nc = d": ["", "", ""],
    "## one\nparam a = b\n## two\nimplicit c = d\n## three\nnet = e": [
        "one", "one", "two", "three"
    ],
    "## only": ["only"],
    "a = b\n## last": ["", ""],
}  # fmt: skip


@pytest.mark.parametrize(("text", "docs"), DOCS.items())
def test_documentation(text: str, docs: list[str]) -> None:
    program = parsed(text)
    assert [program.doc, *map(doc_of, program.statements)] == docs


def test_comment_signs_in_strings_are_text() -> None:
    assert outline(parsed('a = "# no ## comment"').statements[0]) == (
        "Equation(a, String(# no ## comment))"
    )
