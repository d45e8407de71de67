"""Joins of every kind, by sign and by word, of branches of any two shapes."""

from __future__ import annotations

import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from tests.semantics.support import compiled

SIGNS = ("(+)", "+", "-", "++", "*", "/")
WORDS = ("mean", "sum", "concat", "product", "max", "min")


@st.composite
def branches(draw: st.DrawFn) -> tuple[str, str]:
    """A branch, and the shape that it gives on image[4, H, W]."""
    layers = draw(
        st.lists(
            st.sampled_from(
                ["conv(4)", "conv(6)", "conv(9)", "conv2d(12, 1)", "conv(6, stride = 2)",
                 "conv(8, 5, stride = 4)", "max_pool(2)", "max_pool(3, stride = 2, padding = 1)",
                 "relu", "id", "conv2d(4, 3, padding = 0)"]
            ),
            min_size=1, max_size=3,
        )
    )  # fmt: skip
    text = " >> ".join(layers)
    assume(refusal(SIZE + text) is None)
    return text, shape_of(text)


SIZE = "net on image[4, 24, 20] = "


def shape_of(branch: str) -> str:
    return str(compiled(SIZE + branch).output)


def refusal(text: str) -> Diagnostic | None:
    try:
        compiled(text)
    except DiagnosticError as error:
        return error.diagnostics[0]
    return None


@settings(max_examples=150, deadline=None)
@given(branches(), branches(), st.sampled_from((*SIGNS, *WORDS)))
def test_a_message_names_both_branches_and_its_mends_compile(
    first: tuple[str, str], other: tuple[str, str], join: str
) -> None:
    a, b = first[0], other[0]
    text = SIZE + (f"{join}({a}, {b})" if join in WORDS else f"({a}) {join} ({b})")
    found = refusal(text)
    if found is None:
        assert first[1] == other[1] or join in ("++", "concat", "*", "/", "product")
        return
    assert found.code == "F0401"
    told = " ".join([found.message, found.label, *(label.text for label in found.labels)])
    numbers = set(re.findall(r"\d+", told))
    for shape in (first[1], other[1]):
        assert shape in told or set(re.findall(r"\d+", shape)) & numbers
    for way in found.helps:
        if way.edit is not None:
            span = way.edit.span
            mended = text[: span.start] + way.edit.text + text[span.end :]
            assert refusal(mended) is None, mended


def mends(text: str) -> list[str]:
    found = refusal(text)
    assert found is not None
    return [way.edit.text if way.edit else way.text for way in found.helps]


def test_a_shortcut_past_a_stride_is_offered_a_projection() -> None:
    text = SIZE + "conv(8, stride = 2) + id"
    assert mends(text) == ["(id >> project(8, stride = 2))"]


def test_odd_sizes_are_rounded_as_strides_round() -> None:
    text = "net on image[4, 25, 21] = conv(4, stride = 2) + id"
    assert mends(text) == ["(id >> project(4, stride = 2))"]


def test_vectors_and_tokens_are_widened_by_dense_layers() -> None:
    assert mends("net on vector[8] = linear(4) + id")[0] == "(linear(4) >> linear(8))"
    assert mends("net on sequence[5, 8] = id + linear(4)")[0] == "(linear(4) >> linear(8))"
