"""What each way of writing means: precedence, chains, displays, comprehensions."""

from __future__ import annotations

import pytest

from fractal_dsl.syntax import tree
from tests.syntax.support import codes, expression, outline

MEANINGS = {
    # chains are one wide node; brackets are not looked through
    "a >> b >> c": "Series(a, b, c)",
    "a >> (b >> c)": "Series(a, Parenthesised(Series(b, c)))",
    "a . b ∘ c": "Compose(a, b, c)",
    "a (+) b ⊕ c": "Join(a, b, c)",
    "(a (+) b) (+) c": "Join(Parenthesised(Join(a, b)), c)",
    "a and b and c or d": "Logic(or, Logic(and, a, b, c), d)",
    "a + b - c ++ d": "Binary(++, Binary(-, Binary(+, a, b), c), d)",
    "a * b // c / d % e": "Binary(%, Binary(/, Binary(//, Binary(*, a, b), c), d), e)",
    # each step binds tighter than the one after it
    "a ** b . c": "Compose(Power(a, b), c)",
    "-a ** b": "Unary(-, Power(a, b))",
    "-a . b": "Compose(Unary(-, a), b)",
    "a . b @t": "Tag(t, Compose(a, b))",
    "conv ** 3 @stage": "Tag(stage, Power(conv, 3))",
    "a >> b @t": "Series(a, Tag(t, b))",
    "a >> b * c": "Binary(*, Series(a, b), c)",
    "a * b + c": "Binary(+, Binary(*, a, b), c)",
    "a + b (+) c": "Join(Binary(+, a, b), c)",
    "a (+) b == c": "Compare(==, Join(a, b), c)",
    "not a < b": "Unary(not, Compare(<, a, b))",
    "not a and b": "Logic(and, Unary(not, a), b)",
    "a and b or c": "Logic(or, Logic(and, a, b), c)",
    "a or b..c": "Range(Logic(or, a, b), c)",
    "if a then b else c..d": "Conditional(a, b, Range(c, d))",
    "t * h + (1 - t) * x": (
        "Binary(+, Binary(*, t, h), Binary(*, Parenthesised(Binary(-, 1, t)), x))"
    ),
    # powers to the right, with a signed right side; calls and indices tightest
    "2 ** 3 ** 4": "Power(2, Power(3, 4))",
    "2 ** -3 ** 2": "Power(2, Unary(-, Power(3, 2)))",
    "- - a": "Unary(-, Unary(-, a))",
    "f(1)(2)[i, j]": "Index(Call(Call(f, 1), 2), i, j)",
    "f ** 2(3)": "Power(f, Call(2, 3))",
    "b::g(1)": "Call(Qualified(b, g), 1)",
    # a comma trails where there are items
    "f(a, k = 2,)": "Call(f, a, Argument(k, 2))",
    "f()": "Call(f)",
    "(a,)": "TupleDisplay(a)",
    "(a, b,)": "TupleDisplay(a, b)",
    "(a)": "Parenthesised(a)",
    "[]": "ListDisplay()",
    "[a, b,]": "ListDisplay(a, b)",
    "[a if b]": None,
    "()": None,
    "(,)": None,
    "f(,)": None,
    "[,]": None,
    # comprehensions stand alone in a call or a list
    "sum(e for x in xs)": "Call(sum, Comprehension(e, Generator(x, xs)))",
    "[e for x, y in 1..n for z in x if c]": (
        "ListComprehension(Comprehension(e, Generator(x, y, Range(1, n)), Generator(z, x), c))"
    ),
    "f(a, e for x in xs)": None,
    "[e for x in xs, f]": None,
    "(e for x in xs)": None,
    "[e for x in if a then b else c]": None,
    "[if a then b else c for x in xs]": (
        "ListComprehension(Comprehension(Conditional(a, b, c), Generator(x, xs)))"
    ),
    # conditions
    "if a then b else if c then d else e": "Conditional(a, b, Conditional(c, d, e))",
    "if if a then b else c then d else e": "Conditional(Conditional(a, b, c), d, e)",
    "x + (if a then b else c)": "Binary(+, x, Parenthesised(Conditional(a, b, c)))",
    "x + if a then b else c": None,
    "not not a": "Unary(not, Unary(not, a))",
    "a == not b": None,
    "a < b < c": None,
    "a..b..c": None,
    "a @x @y": None,
    # atoms
    "net.depth > 3": "Compare(>, Compose(net, depth), 3)",
    "net": None,
    "net(3)": None,
    "true": "Boolean(True)",
    "false": "Boolean(False)",
    "True": "True",
    '"a \\"b\\" \\\\c"': 'String(a "b" \\c)',
    'extern "m.F"(1)': "Call(Extern(m.F), 1)",
    "shared(a >> b)": "Shared(Series(a, b))",
    "shared": None,
    "linear(w, weight = @wte)": "Call(linear, w, Argument(weight, wte))",
    "{ return a }": "Block(a)",
    "wiring(x) { return x }": "Wiring(x, False, Block(x))",
    "wiring([a, b]) { return a }": "Wiring(a, b, True, Block(a))",
    "wiring(a, b) { return a }": None,
    "mean(a, b)": "Call(mean, a, b)",
    # spaces never matter inside an expression, and the longest sign wins
    "a(+)b": "Join(a, b)",
    "a>>b**3": "Series(a, Power(b, 3))",
    "a++b": "Binary(++, a, b)",
    "a+ +b": "Binary(+, a, Unary(+, b))",
    "1..2": "Range(1, 2)",
    "1.5..2": "Range(1.5, 2)",
    "0..n-1": "Range(0, Binary(-, n, 1))",
    "1e3": "1000.0",
    "1.e3": "Compose(1, e3)",
    "007": "7",
}


@pytest.mark.parametrize(("text", "meaning"), MEANINGS.items())
def test_meaning(text: str, meaning: str | None) -> None:
    if meaning is None:
        assert len(codes(f"it = {text}")) == 1
    else:
        assert outline(expression(text)) == meaning


def test_block_with_every_binding() -> None:
    text = """{
        a = x >> f
        [l, r] = a >> split(2)
        t[0, 1] = l
        t[i, j] = t[i - 1, j] for i in 1..3 for j in 0..i if i != j
        return t
    }"""
    block = expression(text)
    assert isinstance(block, tree.Block)
    assert [outline(one.target) for one in block.bindings] == [
        "Target(a, False)",
        "Target(l, r, True)",
        "Target(t, False, 0, 1)",
        "Target(t, False, i, j)",
    ]
    assert [len(one.generators) for one in block.bindings] == [0, 0, 0, 2]
    assert block.bindings[3].condition is not None


@pytest.mark.parametrize(
    "block",
    [
        "{ }",
        "{ a = b }",
        "{ a = b return a }",
        "{ return a return b }",
        "{\n a >> b\n return a\n}",
        "{\n return a\n b = c\n}",
        "{\n f(1) = c\n return a\n}",
        "{\n a = b if c\n return a\n}",
    ],
)
def test_near_blocks(block: str) -> None:
    assert codes(f"it = {block}") == ["F0101"]


def test_signs_of_a_join_keep_their_places() -> None:
    join = expression("a (+) b ⊕ c")
    assert isinstance(join, tree.Join)
    assert [span.text for span in join.operator_spans] == ["(+)", "⊕"]
