"""Messages point into the user's own text, and the mends they offer compile."""

from __future__ import annotations

import pytest

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.semantics.suggest import closest
from tests.semantics.support import compiled


def refused(text: str) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        compiled(text)
    return caught.value.diagnostics[0]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("net = conv(conv)", "conv"),
        ('net = conv(64, kernel_size = "3")', 'kernel_size = "3"'),
        ("net = relu >> project(relu)", "relu"),
        ("net = conv(0)", "conv(0)"),
        ("b(w) = conv(w, groups = 3)\nnet = conv >> b(64)", "conv(w, groups = 3)"),
        ('r(channels) = relu >> conv\nnet = r("w")', "conv"),
        ("net = flatten >> project(64)", "project(64)"),
    ],
)
def test_what_goes_wrong_inside_the_prelude_is_told_at_the_users_call(
    text: str, marked: str
) -> None:
    found = refused(text)
    assert found.span is not None
    assert found.span.source.text == text
    assert found.span.text == marked
    assert all(frame.span is None or frame.span.source.text == text for frame in found.chain)


@pytest.mark.parametrize(
    "text",
    [
        "net = conv(64) (+) conv(128)",
        "net = conv >> (id + conv(128))",
        "g(1) = conv(64)\ng(C + 1) = (g(C) >> g(C)) (+) conv(128)\nnet = g(3)",
        "g(1) = conv(64)\ng(C + 1) = (g(C) . g(C)) (+) conv(128)\nnet = g(3) >> relu",
        "net = mean(conv(64 * i) for i in 1..3)",
        "net = sum(conv(8), conv(16), conv(8))",
        "net = conv(16, stride = 2) ++ conv(16)",
        "net = concat(conv(16), conv(8, stride = 2))",
        "n(w) = conv(w) >> conv(w // 2)\nnet = conv(64) (+) n(64)",
        "f(C) = f(C - 1) (+) conv\nnet = f(4)",
    ],
)
def test_the_mend_that_is_offered_compiles(text: str) -> None:
    edits = [way.edit for way in refused(text).helps if way.edit is not None]
    for edit in edits:
        compiled(text[: edit.span.start] + edit.text + text[edit.span.end :])
    assert edits


def test_the_message_names_both_branches_and_what_set_their_channels() -> None:
    text = "g(1) = conv(64)\ng(C + 1) = (g(C) >> g(C)) (+) conv(128)\nnet = g(3)"
    found = refused(text)
    assert found.message.endswith("`(g(C) >> g(C))` gives 64 and `conv(128)` gives 128")
    assert found.span is not None and found.span.text == "(+)"
    assert [(label.span.text, label.text) for label in found.labels] == [
        ("(g(C) >> g(C))", "image[64, 32, 32]"),
        ("conv(128)", "image[128, 32, 32]"),
        ("conv(64)", "sets 64 channels"),
    ]
    assert "or write `conv(64)` for `conv(128)`" in found.helps[1].text


def test_branches_of_inner_joins_meet_where_they_are_written() -> None:
    text = "r = conv(8) (+) conv(16)\nnet = r (+) conv(8)\n"
    found = refused(text)
    assert found.span is not None and found.span.line == 1
    other = refused("r = conv(8) (+) conv(8)\nnet = r (+) conv(16)\n")
    assert other.span is not None and other.span.line == 2


def test_a_join_of_joins_is_told_at_the_sign_where_the_two_meet() -> None:
    """Three deep, below a recursion: neither the innermost sign nor the call that closes it."""
    rule = "f(1, w) = conv(w)\nf(C + 1, w) = f(C, w) (+) conv(w)\n"
    middle = refused(rule + "h = f(3, 8) (+) conv(16)\nnet = h (+) conv(8)\n")
    assert middle.span is not None and (middle.span.text, middle.span.line) == ("(+)", 3)
    two = refused(rule + "net = f(3, 8) (+) f(3, 16)\n")
    assert two.span is not None and (two.span.text, two.span.line) == ("(+)", 3)


@pytest.mark.parametrize(
    "text", ["implicit channels = conv\nnet = conv", "f(x = f) = conv\nnet = f"]
)
def test_defaults_that_need_themselves_end_with_a_message(text: str) -> None:
    assert refused(text).code == "F0305"


def test_a_recursion_that_grows_is_told_to_get_smaller() -> None:
    found = refused("f(1) = conv\nf(n) = f(n+1) >> conv\nnet = f(3)")
    assert found.label == "`f(1001)`: from call to call the index gets larger"
    assert found.helps[0].text == "make every call's arguments smaller, and give a base case"
    assert "limit is 1,000" in refused("f(1) = conv\nf(n+1) = f(n) >> conv\nnet = f(2000)").message


def offered(text: str) -> list[str]:
    return [way.text for way in refused(text).helps if way.text.startswith("did you mean")]


def test_the_other_reading_of_a_sum_is_offered_where_the_series_parts_the_shapes() -> None:
    assert offered("net = conv(8) >> (id + conv(8) >> relu >> conv(16))") == [
        "did you mean `(id + conv(8)) >> relu >> conv(16)`?"
    ]
    assert offered("net = conv(8) >> (id + conv(16) >> relu)") == []
    assert offered("net = conv(8) >> (id >> relu + relu >> conv(16))") == []
    assert offered("net = conv(8) >> (id + (relu >> conv(16)))") == []


def test_files_are_not_alike_by_their_ending() -> None:
    assert closest("bloks.fdl", ["ls.fdl", "f.fdl"]) is None
    assert closest("bloks.fdl", ["ls.fdl", "blocks.fdl"]) == "blocks.fdl"


@pytest.mark.parametrize(
    "text",
    [
        "net = conv(16, bias = True)",
        "net = conv >> Identity",
        "net = conv // comment",
        "net = conv >> Swish",
        "net = cat(conv, conv)",
    ],
)
def test_names_of_python_and_torch_are_exchanged(text: str) -> None:
    (way,) = refused(text).helps
    assert way.edit is not None
    compiled(text[: way.edit.span.start] + way.edit.text + text[way.edit.span.end :])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("net = chain(conv(i) for i in range(3))", "`range(3)` is `0..2`"),
        ("net = conv >> adaptive_avg_pool2d(1)", "`global_avg_pool`"),
        ("net = nn.ReLU", "without `nn.`"),
        ("net = conv >> PixelShuffle(2)", 'extern "torch.nn.PixelShuffle"'),
        ("half = 3 // chanels\nnet = conv(half)", "did you mean `channels`?"),
        ("net = conv(3 // kk)", "rules of this file"),
    ],
)
def test_names_of_elsewhere_get_a_way_out(text: str, said: str) -> None:
    assert said in " ".join(way.text for way in refused(f"r = conv\n{text}").helps)
