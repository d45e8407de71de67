"""How messages look, on diagnostics made by hand."""

from __future__ import annotations

import json
import re

import pytest

from fractal_dsl.diagnostics import Diagnostic, Edit, Frame, Help, Label, Severity
from fractal_dsl.diagnostics.render import render, to_json
from fractal_dsl.diagnostics.terminal import Cells, safe
from fractal_dsl.source import Source, Span

TEXT = "f(1)   = conv\nf(C+1) = (f(C) . f(C)) (+) conv\nnet    = f(4)\n"
SOURCE = Source("nets/f.fdl", TEXT)


def at(piece: str, source: Source = SOURCE, skip: int = 0) -> Span:
    start = -1
    for _ in range(skip + 1):
        start = source.text.index(piece, start + 1)
    return Span(source, start, start + len(piece))


def lines(*diagnostics: Diagnostic, width: int = 100) -> list[str]:
    return render(diagnostics, width=width).splitlines()


def test_one_place() -> None:
    assert lines(Diagnostic("F0201", "cannot find `x`", at("conv", skip=1), "not defined")) == [
        "error[F0201]: cannot find `x`",
        " --> nets/f.fdl:2:28",
        "  |",
        "2 | f(C+1) = (f(C) . f(C)) (+) conv",
        "  |                            ^^^^ not defined",
    ]


def test_labels_on_one_line_hang_from_their_marks() -> None:
    found = Diagnostic(
        "F0401", "shapes differ", at("(+)"), "equal shapes",
        labels=(Label(at("(f(C) . f(C))"), "64 channels"), Label(at("conv", skip=1), "128")),
    )  # fmt: skip
    assert lines(found)[3:] == [
        "2 | f(C+1) = (f(C) . f(C)) (+) conv",
        "  |          ------------- ^^^ ---- 128",
        "  |          |             |",
        "  |          |             equal shapes",
        "  |          64 channels",
    ]


def test_a_label_inside_another_shows_above_it() -> None:
    found = Diagnostic("F0701", "no", at("f(C) . f(C)"), "whole", (Label(at("f(C)"), "part"),))
    assert lines(found)[4:] == [
        "  |           ----^^^^^^^ whole",
        "  |           |",
        "  |           part",
    ]


def test_labels_on_other_lines_follow_the_primary_line() -> None:
    found = Diagnostic(
        "F0301", "too large", at("f(4)"), "here",
        labels=(Label(at("conv"), "base"), Label(at("f(C)", skip=1), "step")),
    )  # fmt: skip
    assert lines(found)[3:] == [
        "3 | net    = f(4)",
        "  |          ^^^^ here",
        "1 | f(1)   = conv",
        "  |          ---- base",
        "2 | f(C+1) = (f(C) . f(C)) (+) conv",
        "  |                  ---- step",
    ]


def test_a_label_in_another_file_names_it() -> None:
    other = Source("prelude.fdl", "conv = conv2d >> relu\n")
    found = Diagnostic("F0404", "no", at("f(4)"), "", (Label(at("relu", other), "in here"),))
    assert lines(found)[5:] == [
        " ::: prelude.fdl:1:18",
        "  |",
        "1 | conv = conv2d >> relu",
        "  |                  ---- in here",
    ]


def test_an_edit_shows_the_mended_line() -> None:
    insert = Edit(Span(SOURCE, at(" (+)").start, at(" (+)").start), ")")
    change = Edit(at("conv", skip=1), "conv2d")
    remove = Edit(at("f(C) . "), "")
    line = Edit(Span(SOURCE, 14, 14), "f(0)   = id\n")
    for edit, expected in [
        (insert, ["2 | f(C+1) = (f(C) . f(C))) (+) conv", "  |                       +"]),
        (
            change,
            ["2 | f(C+1) = (f(C) . f(C)) (+) conv2d", "  |                            ~~~~~~"],
        ),
        (remove, ["2 - f(C+1) = (f(C) . f(C)) (+) conv", "2 + f(C+1) = (f(C)) (+) conv"]),
        (line, ["2 | f(0)   = id", "  | +++++++++++"]),
    ]:
        found = Diagnostic("F0102", "no", at("f(4)"), helps=(Help("mend it", edit),))
        assert lines(found)[5:] == ["help: mend it", "  |", *expected]


def test_notes_and_helps_wrap_under_themselves() -> None:
    found = Diagnostic("F0301", "no", at("f(4)"), notes=("worded " * 20,), helps=(Help("go"),))
    text = lines(found, width=60)[5:]
    assert text[0].startswith("  = note: worded") and text[1].startswith("          worded")
    assert all(len(line) <= 60 for line in text)
    assert text[-1] == "  = help: go"


def test_the_chain_of_calls_is_cut_in_the_middle() -> None:
    chain = (*(Frame(f"f({n})", at("f(C)")) for n in range(1, 41)), Frame("net", None))
    text = lines(Diagnostic("F0404", "no", at("conv"), chain=chain))[5:]
    assert text[0] == "  = in `f(1)` called at nets/f.fdl:2:11"
    assert text[4] == "  = ... 34 more calls ..."
    assert text[-1] == "  = in `net`"
    assert len(text) == 8


def test_the_net_alone_is_no_chain() -> None:
    assert len(lines(Diagnostic("F0404", "no", at("conv"), chain=(Frame("net", None),)))) == 5


def test_five_errors_are_shown_and_the_rest_counted() -> None:
    many = [Diagnostic("F0201", f"number {n}", None) for n in range(12)]
    text = lines(*many)
    assert [line for line in text if line.startswith("error")] == [
        f"error[F0201]: number {n}" for n in range(5)
    ]
    assert text[-1] == "and 7 more errors"
    assert lines(*many[:6])[-1] == "and 1 more error"


def test_warnings_come_after_errors() -> None:
    warning = Diagnostic("W0101", "careful", None, severity=Severity.WARNING)
    error = Diagnostic("F0201", "wrong", None)
    assert lines(warning, error) == ["error[F0201]: wrong", "", "warning[W0101]: careful"]


def test_nothing_to_say_is_nothing() -> None:
    assert render([]) == ""


def test_tabs_and_wide_characters_keep_the_caret_right() -> None:
    source = Source("w.fdl", "a\t漢字 e\u0301 x\n")
    found = lines(Diagnostic("F0105", "no", at("x", source), "here"))
    assert found[3] == "1 | a   漢字 e\u0301 x"
    assert found[4] == "  | " + " " * (4 + 4 + 1 + 1 + 1) + "^ here"


HOSTILE = [chr(n) for n in (*range(32), *range(0x7F, 0xA0))] + list(
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069"
    "\ufeff\u2028\u2029\u061c\ud800"
)


@pytest.mark.parametrize("char", HOSTILE, ids=lambda char: f"U+{ord(char):04X}")
def test_no_hostile_character_reaches_the_terminal(char: str) -> None:
    source = Source(f"f{char}.fdl", f"a {char} b\n" if char != "\n" else "a b\n")
    found = Diagnostic(
        "F0105", f"illegal {char}", at("b", source), f"after {char}",
        (Label(at("a", source), char),), (char,),
        (Help(char), Help(char, Edit(at("a", source), char + "x"))),
        (Frame(char, at("a", source)),),
    )  # fmt: skip
    text = render([found])
    allowed = {"\n"}
    assert not {one for one in text if one in HOSTILE} - allowed
    if char not in "\t\n\r":
        assert f"<U+{ord(char):04X}>" in text


def test_a_newline_in_a_name_does_not_end_the_line() -> None:
    source = Source("evil\n --> fine.fdl", "conv\n")
    assert "\n --> fine" not in render([Diagnostic("F0101", "no", at("conv", source))])


def test_a_long_line_is_cut_around_its_marks() -> None:
    source = Source("l.fdl", "abcdefg " * 50 + "HERE " + "tail " * 50)
    text = lines(Diagnostic("F0101", "no", at("HERE", source), "this"), width=80)
    assert all(len(line) <= 90 for line in text)
    column = text[3].index("HERE")
    assert text[3][4:7] == "..." and text[3].endswith("...")
    assert text[4][column : column + 4] == "^^^^"


def test_colour_changes_nothing_but_colour() -> None:
    found = Diagnostic(
        "F0401", "no", at("(+)"), "here", (Label(at("conv", skip=1), "there"),), ("n",),
        (Help("h"), Help("e", Edit(at("conv"), "id"))), (Frame("f", at("f(C)")),),
    )  # fmt: skip
    coloured = render([found], colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render([found])


def test_a_span_of_several_lines_marks_its_first() -> None:
    source = Source("m.fdl", "net = mean(\n  conv,\n  conv)\n")
    found = lines(Diagnostic("F0401", "no", at("mean(\n  conv,\n  conv)", source), "this"))
    assert found[3:] == ["1 | net = mean(", "  |       ^^^^^ this"]


def test_a_span_at_the_end_of_the_file() -> None:
    source = Source("e.fdl", "net = ")
    assert lines(Diagnostic("F0101", "no", Span(source, 6, 6), "here"))[3:] == [
        "1 | net =", "  |       ^ here",
    ]  # fmt: skip


def test_json_counts_in_bytes() -> None:
    source = Source("j.fdl", "# 漢字\nnet = covn\n")
    found = Diagnostic(
        "F0201", "no", at("covn", source), "l", (Label(at("net", source), "t"),), ("n",),
        (Help("h", Edit(at("covn", source), "conv")),), (Frame("net", None),),
    )  # fmt: skip
    data = json.loads(json.dumps(to_json(found)))
    assert data["span"] == {
        "file": "j.fdl", "line": 2, "column": 7, "end_line": 2, "end_column": 11,
        "start": 15, "end": 19,
    }  # fmt: skip
    raw = source.text.encode()
    edit = data["helps"][0]["edit"]
    mended = raw[: edit["span"]["start"]] + edit["text"].encode() + raw[edit["span"]["end"] :]
    assert mended.decode() == "# 漢字\nnet = conv\n"
    assert data["severity"] == "error" and data["chain"] == [{"call": "net", "span": None}]


def test_bytes_that_are_no_text_show_as_bytes() -> None:
    assert safe(b"a\xff\x80".decode("utf-8", "surrogateescape")) == "a<0xFF><0x80>"


def test_cells_of_a_line() -> None:
    assert Cells.of("\ta").starts == (0, 4, 5)
    assert Cells.of("漢").starts == (0, 2)
    assert Cells.of("漢字").window(1, 4) == " 字"
    assert safe("plain") == "plain"
