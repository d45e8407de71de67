"""What is said about texts that cannot be read: code, place, words, and a mend that mends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from fractal_dsl.diagnostics import Diagnostic, Label
from fractal_dsl.syntax.lexemes import KEYWORDS
from tests.syntax.support import codes, faults


@dataclass(frozen=True)
class Case:
    """`at` is the text under the caret, `says` stands somewhere in the message."""

    text: str
    code: str
    at: str
    says: str
    mended: str | None = None


CASES = [
    # the two golden messages of syntax
    Case("f(C+1) = f(C) . = conv", "F0101", "=", "unexpected `=` in an expression"),
    Case("f(C+1) = f(C) . = conv", "F0101", "=", "`.` needs something on its right"),
    Case("f(C+1) = f(C) . = conv", "F0101", "=", "to start another rule, begin a new line"),
    Case("f(C+1) = (f(C) . f(C) (+) conv", "F0102", "(", "the join begins here",
         "f(C+1) = (f(C) . f(C)) (+) conv"),
    # brackets
    Case("a = f(3 >> b", "F0102", "(", "close it before the `>>`", "a = f(3) >> b"),
    Case("a = (b + c >> d", "F0102", "(", "the series goes on here", "a = (b + c) >> d"),
    Case("a = (b >> c + d", "F0102", "(", "close it with `)`", "a = (b >> c + d)"),
    Case("a = f(b >> c, 3", "F0102", "(", "close it with `)`", "a = f(b >> c, 3)"),
    Case("a = f(b >> c for c in d", "F0102", "(", "close it with `)`", "a = f(b >> c for c in d)"),
    Case("a = f(b, 3", "F0102", "(", "never closed", "a = f(b, 3)"),
    Case("a = b[3\nc = d", "F0102", "[", "never closed", "a = b[3]\nc = d"),
    Case("a = ((b", "F0102", "(", "and so is this one", "a = ((b))"),
    Case("f(n = 3", "F0102", "(", "close it before the `=`", "f(n) = 3"),
    Case("a = {\n b = c\n return b\nd = e", "F0102", "{", "close the block",
         "a = {\n b = c\n return b\n}\nd = e"),
    Case("a = {\n b = (c\n return b\n}", "F0102", "(", "never closed",
         "a = {\n b = (c)\n return b\n}"),
    Case("a = (", "F0102", "(", "never closed"),
    Case("a = b)", "F0103", ")", "closes nothing", "a = b"),
    Case("a = (b]", "F0103", "]", "does not close `(`", "a = (b)"),
    Case("a = [b}", "F0103", "}", "expected `]`", "a = [b]"),
    # operands
    Case("a = b >>", "F0101", ">>", "needs something on its right"),
    Case("a = b >>\nnet = c", "F0101", ">>", "needs something on its right"),
    Case("a = b >>\nnet N(c = 1) = c", "F0101", ">>", "needs something on its right"),
    Case("a =\nparam c = d", "F0101", "=", "needs something on its right"),
    Case("a = b >>\nnet >> c", "F0108", "net", "cannot be a name", "a = b >>\nnet_ >> c"),
    Case("a =", "F0101", "=", "needs something on its right"),
    Case("a = b (+) * c", "F0101", "*", "`(+)` needs something on its right"),
    Case("a = ()", "F0101", ")", "hold nothing"),
    Case("a = [b, , c]", "F0101", ",", "`,` needs something on its right"),
    Case("a = b c", "F0101", "c", "expected an operator or the end of the line"),
    Case("a = f(b c)", "F0101", "c", "expected an operator or `)`"),
    Case("a = b + if c then d else e", "F0101", "if", "stands in brackets"),
    Case("a = b * not c", "F0101", "not", "stands in brackets"),
    Case("a = .5", "F0101", ".", "write `0.5`", "a = 0.5"),
    Case("a = f(1.)", "F0101", ".", "write `1.0`", "a = f(1.0)"),
    Case("a = f(b, c for c in d)", "F0101", "for", "stands in `[ ]`"),
    Case("a = b for b in c", "F0101", "for", "[e for x in xs]"),
    Case("a = [b for (c, d) in e]", "F0101", "(", "names stand without brackets"),
    Case("a = f(g(b) = 3)", "F0101", "=", "`name = value`"),
    Case("a = b = c", "F0101", "=", "`==` compares"),
    # conditions
    Case("a = if b then c", "F0101", "if", "has no `else`"),
    Case("a = if b", "F0101", "if", "has no `then`"),
    Case("a = f(if b then c)", "F0101", "if", "has no `else`"),
    Case("a = if b else c", "F0101", "if", "has no `then`"),
    # statements
    Case("conv", "F0101", "conv", "defines nothing"),
    Case("conv >> conv", "F0101", ">>", "expected `=`"),
    Case("x[0] = a", "F0101", "[", "families of wires stand in a block"),
    Case("a, b = c", "F0101", ",", "unpacked"),
    Case("return a", "F0101", "return", "outside a block"),
    Case("a = b\n(c)", "F0101", "(", "starts a new statement"),
    Case("a = b\n  if c then d else e", "F0101", "if", "starts a new statement"),
    Case("{ return a }", "F0101", "{", "give it a name"),
    Case("param C", "F0101", "C", "expected `=`"),
    Case("net N on x", "F0101", "x", "expected `=`"),
    Case("import blocks", "F0101", "blocks", "in quotes", 'import "blocks.fdl" as blocks'),
    Case("import blocks as b", "F0101", "blocks", "in quotes", 'import "blocks.fdl" as b'),
    Case('import "a/b.fdl"', "F0101", '"a/b.fdl"', "expected `as`", 'import "a/b.fdl" as b'),
    Case("from blocks import a", "F0101", "blocks", "in quotes", 'from "blocks.fdl" import a'),
    Case("a = extern GELU", "F0101", "GELU", "in quotes", 'a = extern "GELU"'),
    # blocks
    Case("a = { b = c }", "F0101", "}", "returns nothing"),
    Case("a = { b = c return b }", "F0101", "return", "line of its own",
         "a = { b = c \nreturn b }"),
    Case("a = {\n return b\n c = d\n}", "F0101", "c", "nothing may follow"),
    Case("a = {\n b >> c\n return b\n}", "F0101", ">>", "`name = expression`"),
    Case("a = {\n b = c for i in d\n if i\n return b\n}", "F0101", "if", "end it with an operator"),
    Case("a = {\n b = c +\n d = e\n return b\n}", "F0101", "+", "needs something on its right"),
    # characters, strings, numbers
    Case("a = b → c", "F0105", "→", "series", "a = b >> c"),
    Case("a = b × c", "F0105", "×", "product", "a = b * c"),
    Case("a = b · c", "F0105", "·", "composition", "a = b . c"),
    Case("a = b − c", "F0105", "−", "minus", "a = b - c"),
    Case("a = b ≤ c", "F0105", "≤", "`<=`", "a = b <= c"),
    Case("a = b^2", "F0105", "^", "power", "a = b**2"),
    Case("a = b²", "F0105", "²", "power", "a = b**2"),
    Case("a = b;", "F0105", ";", "ends with its line", "a = b"),
    Case("a = b && c", "F0105", "&&", "`and`", "a = b and c"),
    Case("a = b |> c", "F0105", "|>", "series", "a = b >> c"),
    Case("a := b", "F0105", ":", "`=` alone", "a = b"),
    Case("a = 'b' + c", "F0105", "'", "strings", 'a = "b" + c'),
    Case("a = “b” + c", "F0105", "“", "strings", 'a = "b" + c'),
    Case("a = １２", "F0105", "１２", "plain `12`", "a = 12"),
    Case("a\u00a0= b", "F0105", "\u00a0", "plain space", "a = b"),
    Case("a = b\u200b", "F0105", "\u200b", "cannot be seen", "a = b"),
    Case("größe = 3", "F0105", "ö", "letters a to z"),
    Case("a = λ", "F0105", "λ", "U+03BB"),
    Case("a = b \\\n + c", "F0105", "\\", "a line goes on"),
    Case('a = "b', "F0104", '"', "never closed", 'a = "b"'),
    Case('a = f("b)', "F0104", '"', "ends on its line"),
    Case('a = "b\\n"', "F0104", "\\n", "two", 'a = "b\\\\n"'),
    Case("a = 1_000", "F0107", "1_000", "without `_`", "a = 1000"),
    Case("a = 0x1F", "F0107", "0x1F", "write `31`", "a = 31"),
    Case("a = 2n", "F0107", "2n", "`2 * n`", "a = 2 * n"),
    Case("a = 1e", "F0107", "1e", "`1e-6`"),
    Case("a = 1.2.3", "F0107", "1.2.3", "no number"),
    Case("a = 1e999", "F0107", "1e999", "larger than any float"),
    # heads
    Case("f(1+n) = a", "F0106", "1+n", "the name comes first", "f(n+1) = a"),
    Case("f(n+0) = a", "F0106", "n+0", "write `n`", "f(n) = a"),
    Case("f(n-1) = a", "F0106", "n-1", "define `n+1`"),
    Case("f(0.5) = a", "F0106", "0.5", "guard"),
    Case("f(n*2) = a", "F0106", "n*2", "guard"),
    Case("f(n, n) = a", "F0106", "n", "two parameters"),
    Case("net N(1) = a", "F0106", "1", "only rules match patterns"),
    # habits from elsewhere
    Case("def f(x) = a", "F0101", "def", "no word of the language", "f(x) = a"),
    Case("def f(x): return a", "F0101", "def", "no word of the language", "f(x) = a"),
    Case("a = f(3) | g", "F0105", "|", "series is written `>>`", "a = f(3) >> g"),
    Case("a = if b | c > 1 then d else e", "F0105", "|", "the word is `or`",
         "a = if b or c > 1 then d else e"),
    Case("a = f(3, b: true)", "F0105", ":", "`b = ...`", "a = f(3, b = true)"),
    Case("a = f(b:true)", "F0105", ":", "`b = ...`", "a = f(b = true)"),
    Case("class Net(x): a", "F0101", "class", "there are no classes"),
    Case("for i in x", "F0101", "for", "there are no loops"),
    Case("while x: a", "F0101", "while", "there are no loops"),
    Case("a = lambda x: x", "F0101", "lambda", "wiring(x)"),
    Case("f(1) == a", "F0101", "==", "a definition takes `=`", "f(1) = a"),
    Case("a = b if c else d", "F0101", "if", "if c then a else b"),
    Case("a = if b then c elif d then e else f", "F0101", "elif", "`else if`",
         "a = if b then c else if d then e else f"),
    Case("a = b -> c", "F0101", "->", "series", "a = b >> c"),
    Case("a = b => c", "F0101", "=>", "series", "a = b >> c"),
    Case("a = b ( + ) c", "F0101", "( + )", "without spaces", "a = b (+) c"),
    Case("a = 3 // the width", "F0101", "width", "a comment begins with `#`", "a = 3 # the width"),
    Case("// the width\na = 3", "F0101", "//", "a comment begins with `#`", "# the width\na = 3"),
    Case("a = 3 /* b */", "F0101", "*", "a comment begins with `#`"),
    Case("a = f o g", "F0101", "o", "composition", "a = f . g"),
    Case("a = 0 < b < c", "F0101", "<", "do not chain"),
    Case("f(n) when n > 2 = a", "F0101", "when", "guard", "f(n) if n > 2 = a"),
    Case("a = wiring(x, y) { return x }", "F0101", ",", "wiring([a, b])"),
]  # fmt: skip


def everything(fault: Diagnostic) -> str:
    parts = [fault.message, fault.label, *(label.text for label in fault.labels)]
    return "\n".join([*parts, *fault.notes, *(way.text for way in fault.helps)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.text))
def test_message(case: Case) -> None:
    (fault,) = faults(case.text)
    assert fault.code == case.code
    assert fault.span is not None
    assert fault.span.text == case.at
    assert case.says in everything(fault)
    edits = [way.edit for way in fault.helps if way.edit is not None]
    if case.mended is None:
        return
    (edit,) = edits
    mended = case.text[: edit.span.start] + edit.text + case.text[edit.span.end :]
    assert mended == case.mended
    assert codes(mended) == []


@pytest.mark.parametrize("word", sorted(word.lower() for word in KEYWORDS - {"TRUE", "FALSE"}))
def test_reserved_words_are_no_names(word: str) -> None:
    assert codes(f"param {word} = 3") == ["F0108"]
    assert codes(f"a = b @{word}") == ["F0108"]
    assert codes(f"f({word}, b) = 3")[0] in {"F0101", "F0108"}
    assert codes(f"a = [b for {word} in c]")[0] in {"F0101", "F0108"}


@pytest.mark.parametrize("word", sorted(word.lower() for word in KEYWORDS - {"NET"}))
def test_a_definition_of_a_reserved_word(word: str) -> None:
    (fault,) = faults(f"{word} = 3")
    assert fault.code == "F0108"
    assert fault.helps[0].edit is not None


def test_labels_point_at_the_operator_that_lacks_its_operand() -> None:
    (fault,) = faults("f(C+1) = f(C) . = conv")
    (label,) = fault.labels
    assert isinstance(label, Label)
    assert (label.span.start, label.span.text) == (14, ".")


def test_several_mistakes_one_message_each() -> None:
    text = "a = b )\nc = d\ne = = f\ng = (h\ni = j k\nl = 3\nm(2*n) = o\np = q . \nr = s\nt = ²"
    found = faults(text)
    assert [fault.code for fault in found] == [
        "F0103", "F0101", "F0102", "F0101", "F0106", "F0101", "F0105"
    ]  # fmt: skip
    assert [fault.span.line for fault in found if fault.span] == [1, 3, 4, 5, 7, 8, 10]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = b\x00", "NUL"),
        ("\ufeffa = b", "byte order mark"),
        ("a = b # \udce9", "byte 0xE9"),
        ("a = b\rc = d", "carriage return"),
        ("a = b # \u202e", "direction of writing"),
        ('a = "\x1b[31m"', "control character"),
        ("a = b\x0bc", "control character"),
        ("a = b\u2028c = d", "line separator"),
    ],
)
def test_no_text(text: str, says: str) -> None:
    (fault,) = faults(text)
    assert fault.code == "F0001"
    assert says in fault.message


@pytest.mark.parametrize("text", ["a = b\t# é ⊕ 漢 🦊", 'a = "é漢🦊"', "a = b\r\n", "\ta\t=\tb"])
def test_text(text: str) -> None:
    assert codes(text) == []


def test_no_mend_is_offered_where_none_is_certain() -> None:
    """The bracket should close before `return`, but an operand is missing there as well."""
    (fault,) = faults("a = {\n b = (c +\n return b\n}")
    assert fault.code == "F0102"
    assert [way.edit for way in fault.helps] == [None]
