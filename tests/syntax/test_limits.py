"""Deep and long texts: refused above the limits, read below them, and never a RecursionError."""

from __future__ import annotations

import sys

import pytest

from fractal_dsl.syntax import print_program, walk
from fractal_dsl.syntax.limits import MOST_BYTES, MOST_LEXEMES, MOST_NESTING
from tests.syntax.support import codes, faults, parsed

DEEP = {
    "brackets": ("(", "x", ")"),
    "lists": ("[", "x", "]"),
    "tuples": ("(", "x", ",)"),
    "calls": ("f(", "x", ")"),
    "blocks": ("{ return ", "x", "}"),
    "wirings": ("wiring(x) { return ", "x", "}"),
    "shared": ("shared(", "x", ")"),
    "minus": ("-", "1", ""),
    "not": ("not ", "x", ""),
    "towers": ("2 ** ", "2", ""),
    "signed towers": ("2 ** -", "2", ""),
    "conditions": ("if ", "a", " then b else c"),
    "choices": ("if a then ", "b", " else c"),
    "comprehensions": ("[", "x", " for x in y]"),
    "mixed": ("(-2 ** [", "x", "])"),
}
WIDE = {
    "series": " >> ",
    "compose": " . ",
    "join": " (+) ",
    "sum": " + ",
    "concat": " ++ ",
    "product": " * ",
    "and": " and ",
    "items": ", ",
    "else": " else ",
}


def deep(kind: str, levels: int) -> str:
    before, middle, after = DEEP[kind]
    return f"it = {before * levels}{middle}{after * levels}"


def wide(kind: str) -> str:
    count = {"else": 2_000, "items": 19_000}.get(kind, 5_000)
    item = "if a then b" if kind == "else" else "x"
    text = WIDE[kind].join([item] * count)
    return "it = " + {"items": f"[{text}]", "else": f"{text} else c"}.get(kind, text)


@pytest.mark.parametrize("kind", DEEP)
def test_nesting_within_the_limit(kind: str) -> None:
    levels = MOST_NESTING // {"mixed": 4, "signed towers": 2}.get(kind, 1)
    program = parsed(deep(kind, levels - 1))
    assert sum(1 for _ in walk(program)) >= levels
    assert print_program(program)


@pytest.mark.parametrize("levels", [250, 2_000, 100_000])
@pytest.mark.parametrize("kind", DEEP)
def test_nesting_above_the_limit(kind: str, levels: int) -> None:
    (code,) = codes(deep(kind, levels))
    assert code in {"F0304", "F0303", "F0302"}
    if levels == 250:
        assert code == "F0304"


@pytest.mark.parametrize("opener", ["(", "[", "{", "f(", "if ", "-", "not ", "2**", "{a=", "@"])
@pytest.mark.parametrize("levels", [3, 300, 30_000])
def test_openings_without_end(opener: str, levels: int) -> None:
    assert len(codes(f"it = {opener * levels}")) == 1
    assert len(codes(opener * levels)) == 1


@pytest.mark.parametrize("kind", WIDE)
def test_wide_within_the_limits(kind: str) -> None:
    program = parsed(wide(kind))
    printed = print_program(program)
    assert print_program(parsed(printed)) == printed


@pytest.mark.parametrize("tail", ["(1)", "[1]"])
def test_long_postfix(tail: str) -> None:
    assert print_program(parsed("it = f" + tail * 10_000)).count(tail) == 10_000


def test_recursion_limit_plays_no_part() -> None:
    """With little room on the stack, a tree 200 deep and 5,000 wide still goes through."""
    parsed("it = a")  # builds the parser, which may recurse over the grammar
    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 60)
    try:
        program = parsed(deep("brackets", 150) + " >> x" * 5_000)
        printed = print_program(program)
    finally:
        sys.setrecursionlimit(before)
    assert printed.count(">>") == 5_000


def test_too_many_alternatives() -> None:
    assert codes("it = " + "if a then b else " * 2_001 + "c") == ["F0304"]


def test_bytes_are_counted_not_characters() -> None:
    assert codes("#" * MOST_BYTES) == []
    assert codes("#" * (MOST_BYTES + 1)) == ["F0302"]
    assert codes("##" + "⊕" * (MOST_BYTES // 3)) == ["F0302"]


def test_lexemes_are_counted_exactly() -> None:
    lines = "a = b\n" * (MOST_LEXEMES // 4)
    assert len(parsed(lines).statements) == MOST_LEXEMES // 4
    (fault,) = faults(f"{lines}a")
    assert (fault.code, fault.is_limit) == ("F0303", True)
    assert fault.span is not None
    assert fault.span.start == len(lines)


def test_brackets_side_by_side_do_not_nest() -> None:
    assert codes("it = " + " + ".join(["(a)"] * 1_000)) == []
    assert codes("\n".join(f"f{n} = ((a))" for n in range(1_000))) == []


def test_a_broken_file_shows_twenty_faults_at_most() -> None:
    assert len(codes("a = = b\n" * 5_000)) == 20


def test_digits() -> None:
    assert codes("a = " + "9" * 4_000) == []
    assert codes("a = " + "9" * 4_001) == ["F0107"]
    assert codes("a = 1e308") == []
    assert codes("a = 1e309") == ["F0107"]
