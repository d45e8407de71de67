"""Every node knows exactly which characters it was written in."""

from __future__ import annotations

from pathlib import Path

import pytest

from fractal_dsl.source import Source
from fractal_dsl.syntax import children, parse, tree, walk
from tests.syntax.support import FIXTURES, expression, parsed


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_spans_nest_and_follow(path: Path) -> None:
    text = path.read_text("utf-8")
    program = parse(Source(path.name, text))
    for node in walk(program):
        assert 0 <= node.span.start < node.span.end <= len(text)
        assert node.span.source is program.source
        at = node.span.start
        for child in children(node):
            assert at <= child.span.start
            assert child.span.end <= node.span.end
            at = child.span.end


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_the_text_of_an_operand_alone_gives_the_same_kind(path: Path) -> None:
    for node in walk(parsed(path.read_text("utf-8"))):
        if isinstance(node, tree.Call | tree.Parenthesised | tree.Series | tree.Block | tree.Join):
            again = expression(f"\n  {node.span.text}")
            assert type(again) is type(node)
            assert again.span.text == node.span.text


@pytest.mark.parametrize(
    "text",
    ["a >> b", "f( 1 , k = 2 )", "( a )", "a [ 1 ]", "-a", "a ** b", "a @ t", "b :: f", "[ ]",
     "( a , )", "[ e for x in xs ]", '"s"', "@ t", "shared ( a )", "wiring ( x ) { return x }",
     "net . depth", "if a then b else c", "1 .. 2", "not a", "a (+) b", "a and b", "a == b",
     'extern "m"', "{ return a }", "1.5e-3", "true", "a + b", "a . b"],
)  # fmt: skip
def test_span_covers_the_expression(text: str) -> None:
    node = expression(f"  {text}   # comment")
    assert node.span.text == text


def test_inner_spans() -> None:
    tag = expression("a . b @name")
    assert isinstance(tag, tree.Tag)
    assert tag.name_span.text == "name"
    total = expression("a + b - c * d")
    assert isinstance(total, tree.Binary)
    assert (total.operator_span.text, total.left.span.text) == ("-", "a + b")
    call = expression("f(a, key = b)")
    assert isinstance(call, tree.Call)
    assert [one.span.text for one in call.arguments] == ["a", "key = b"]


def test_spans_of_statements() -> None:
    net, rule = parsed("net Name(p = 1) on x = a\n f( C+1 ) if c = b  ").statements
    assert isinstance(net, tree.NetDeclaration)
    assert net.name_span is not None
    assert (net.keyword.text, net.name_span.text) == ("net", "Name")
    assert net.span.text == "net Name(p = 1) on x = a"
    assert isinstance(rule, tree.Equation)
    assert rule.patterns is not None
    assert (rule.head.text, rule.patterns[0].span.text) == ("f( C+1 )", "C+1")
    assert rule.span.text == "f( C+1 ) if c = b"
    assert str(rule.span) == "test.fdl:2:2"
