"""Printing: canonical spacing, brackets where they mean something, and a fixed point."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fractal_dsl.source import Source, Span
from fractal_dsl.syntax import print_expression, print_program, print_statement, tree
from tests.syntax.support import FIXTURES, expression, parsed, unbracketed

SPAN = Span(Source("made", ""), 0, 0)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_fixtures_print_to_a_fixed_point(path: Path) -> None:
    program = parsed(path.read_text("utf-8"))
    once = print_program(program)
    assert unbracketed(parsed(once)) == unbracketed(program)
    assert print_program(parsed(once)) == once


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("f(C+1)=(f(C)∘f(C))⊕conv", "f(C+1) = (f(C) . f(C)) (+) conv"),
        ("f( C + 1 ) = ( f(C) . f(C) ) (+) conv", "f(C+1) = (f(C) . f(C)) (+) conv"),
        ("f(-1, w=(a)) if (n>2) = ((a)) + ((b + c))", "f(-1, w = a) if n > 2 = a + (b + c)"),
        ("a = ((b >> c))", "a = b >> c"),
        ("a = f((b >> c), k = (d))", "a = f(b >> c, k = d)"),
        ("a = (b)(c)[(d)]", "a = b(c)[d]"),
        ("a = x[ i - 1 , (j + 1) * 2 ]", "a = x[i-1, (j + 1)*2]"),
        ("a = [e for i in 0 .. len(xs) - 1]", "a = [e for i in 0..len(xs)-1]"),
        ("a = -(-b)", "a = -(-b)"),
        ("a = + + b", "a = + +b"),
        ("a = x[i + +b * c]", "a = x[i + +b*c]"),
        ("a = if (if b then c else d) then (e) else (f)",
         "a = if (if b then c else d) then e else f"),
        ("net (p=1) on x=a", "net(p = 1) on x = a"),
        ("net N() = a", "net N = a"),
        ("a = { return b }", "a = { return b }"),
        ("a = {\nb=c\n\nreturn f({ d=e\nreturn d })}",
         "a = {\n    b = c\n    return f({\n        d = e\n        return d\n    })\n}"),
        ("a = net.depth", "a = net.depth"),
        ("a = 0.10", "a = 0.1"),
        ('a = "\\\\ \\" #"', 'a = "\\\\ \\" #"'),
    ],
)  # fmt: skip
def test_canonical_text(written: str, printed: str) -> None:
    (statement,) = parsed(written).statements
    assert print_statement(statement) == printed


@pytest.mark.parametrize(
    "text",
    [
        "## file\n\n## one\na = b\n",
        "## one\n##\n## two\na = b\n",
        "## file\n\nassert a\n",
        "a = b\n## one\nparam c = d\n",
    ],
)
def test_documentation_is_printed(text: str) -> None:
    assert print_program(parsed(text)) == text


NAMES = st.sampled_from(["a", "conv", "x1", "if_", "_"])


def atoms() -> st.SearchStrategy[tree.Expression]:
    return st.one_of(
        NAMES.map(lambda name: tree.Name(SPAN, name)),
        st.integers(0, 10**30).map(lambda value: tree.Number(SPAN, value)),
        st.floats(0, allow_infinity=False, allow_nan=False).map(lambda v: tree.Number(SPAN, v)),
        st.booleans().map(lambda value: tree.Boolean(SPAN, value)),
        st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Cn"]), max_size=5)
        .map(lambda value: tree.String(SPAN, value)),
        st.just(tree.Extern(SPAN, "torch.nn.GELU")),
        st.just(tree.Reference(SPAN, "wte")),
        st.just(tree.Qualified(SPAN, "b", "f")),
    )  # fmt: skip


def larger(inner: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tree.Expression]:
    many = st.lists(inner, min_size=2, max_size=3).map(tuple)
    some = st.lists(inner, max_size=3).map(tuple)
    generators = st.lists(
        st.builds(tree.Generator, st.just(SPAN), st.just(("x", "y")), inner), min_size=1, max_size=2
    ).map(tuple)
    comprehension = st.builds(
        tree.Comprehension, st.just(SPAN), inner, generators, st.none() | inner
    )
    target = st.one_of(
        st.just(tree.Target(SPAN, ("w",))),
        st.just(tree.Target(SPAN, ("u", "v"), unpacks=True)),
        many.map(lambda indices: tree.Target(SPAN, ("t",), indices)),
    )
    binding = st.one_of(
        st.builds(tree.Binding, st.just(SPAN), target, inner, generators, st.none() | inner),
        st.builds(tree.Binding, st.just(SPAN), target, inner, st.just(()), st.none()),
    )
    block = st.builds(tree.Block, st.just(SPAN), st.lists(binding, max_size=2).map(tuple), inner)
    argument = st.builds(tree.Argument, st.just(SPAN), st.none() | NAMES, inner)
    alone = comprehension.map(lambda one: (tree.Argument(SPAN, None, one),))
    arguments = st.lists(argument, max_size=3).map(tuple) | alone
    span = st.just(SPAN)
    return st.one_of(
        st.builds(tree.Call, span, inner, arguments),
        st.builds(tree.Index, span, inner, many),
        st.builds(tree.Power, span, inner, inner),
        st.builds(tree.Unary, span, st.sampled_from(["-", "+", "not"]), inner),
        st.builds(tree.Series, span, many),
        st.builds(tree.Compose, span, many),
        st.builds(tree.Tag, span, inner, NAMES, span),
        st.builds(
            tree.Binary, span, st.sampled_from(["*", "/", "//", "%", "+", "-", "++"]), inner, inner,
            span,
        ),
        st.builds(tree.Join, span, many, st.just(())),
        st.builds(tree.Compare, span, st.sampled_from(["==", "!=", "<", ">="]), inner, inner),
        st.builds(tree.Logic, span, st.sampled_from(["and", "or"]), many),
        st.builds(tree.Range, span, inner, inner),
        st.builds(tree.Conditional, span, inner, inner, inner),
        st.builds(tree.Parenthesised, span, inner),
        st.builds(tree.TupleDisplay, span, some.filter(bool)),
        st.builds(tree.ListDisplay, span, some),
        st.builds(tree.ListComprehension, span, comprehension),
        st.builds(tree.Shared, span, inner),
        block,
        st.builds(tree.Wiring, span, st.just(("p",)), st.booleans(), block),
    )  # fmt: skip


A, B, C = (tree.Name(SPAN, name) for name in "abc")


@pytest.mark.parametrize(
    ("made", "printed"),
    [
        (tree.Power(SPAN, tree.Power(SPAN, A, B), C), "(a ** b) ** c"),
        (tree.Power(SPAN, A, tree.Power(SPAN, B, C)), "a ** b ** c"),
        (tree.Power(SPAN, tree.Number(SPAN, -1), B), "(-1) ** b"),
        (tree.Power(SPAN, A, tree.Unary(SPAN, "-", B)), "a ** -b"),
        (tree.Binary(SPAN, "-", A, tree.Binary(SPAN, "-", B, C, SPAN), SPAN), "a - (b - c)"),
        (tree.Binary(SPAN, "-", tree.Binary(SPAN, "-", A, B, SPAN), C, SPAN), "a - b - c"),
        (tree.Unary(SPAN, "-", tree.Compose(SPAN, (A, B))), "-(a . b)"),
        (tree.Series(SPAN, (A, tree.Series(SPAN, (B, C)))), "a >> (b >> c)"),
        (tree.Join(SPAN, (A, tree.Join(SPAN, (B, C), ())), ()), "a (+) (b (+) c)"),
        (tree.Tag(SPAN, tree.Series(SPAN, (A, B)), "t", SPAN), "(a >> b) @t"),
        (tree.Call(SPAN, tree.Series(SPAN, (A, B)), ()), "(a >> b)()"),
        (tree.Index(SPAN, tree.Unary(SPAN, "-", A), (B,)), "(-a)[b]"),
        (tree.Compare(SPAN, "==", tree.Compare(SPAN, "<", A, B), C), "(a < b) == c"),
        (tree.Conditional(SPAN, tree.Conditional(SPAN, A, B, C), B, C),
         "if (if a then b else c) then b else c"),
    ],
)  # fmt: skip
def test_brackets_that_a_tree_made_by_hand_needs(made: tree.Expression, printed: str) -> None:
    assert print_expression(made) == printed
    assert print_expression(expression(printed)) == printed


@settings(max_examples=300, deadline=None)
@given(st.recursive(atoms(), larger, max_leaves=12))
def test_any_tree_survives(made: tree.Expression) -> None:
    """Printed, parsed and printed again: the same tree but for brackets, and the same text."""
    once = print_expression(made)
    read = expression(once)
    assert print_expression(read) == once
    root = tree.Program(SPAN.source, (tree.Assertion(SPAN, made),), "")
    again = tree.Program(SPAN.source, (tree.Assertion(SPAN, read),), "")
    assert unbracketed(again) == unbracketed(root)
