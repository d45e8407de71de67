"""Which operand, which input and which output: where the order counts, a picture shows it."""

from __future__ import annotations

import re

import pytest

from fractal_dsl.emit.diagram import dot
from fractal_dsl.emit.diagram.options import DrawOptions
from fractal_dsl.emit.diagram.panels import collapsed
from fractal_dsl.ir.graph import Program
from fractal_dsl.semantics import elaborate, resolve
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse


def compiled(text: str) -> Program:
    return elaborate(resolve(parse(Source("drawn.fdl", text))), None, {}).program


def pair(formula: str) -> Program:
    return compiled(f"net on [vector[4], vector[4]] = wiring([a, b]) {{ return {formula} }}\n")


@pytest.mark.parametrize("sign", ["-", "/", "++"])
def test_the_order_of_operands_is_shown(sign: str) -> None:
    one, other = dot(pair(f"a {sign} b")), dot(pair(f"b {sign} a"))
    assert one != other
    for source in (one, other):
        assert sorted(re.findall(r"headlabel=(\d)", source)) == ["1", "2"]


@pytest.mark.parametrize("formula", ["a + b", "a * b", "max(a, b)", "a (+) b"])
def test_where_the_order_counts_for_nothing_it_is_not(formula: str) -> None:
    assert "headlabel" not in dot(pair(formula))


def test_columns_show_it_too() -> None:
    source = dot(compiled("net = conv(8) >> ((conv(8) >> relu) ++ id)\n"))
    assert sorted(re.findall(r"headlabel=(\d)", source)) == ["1", "2"]


def test_parts_that_differ_in_the_order_of_operands_share_no_panel() -> None:
    spec = (
        "d(p) = wiring(x) {\n y = x >> conv(8)\n z = x >> relu\n"
        " return if p then y - z else z - y\n}\n"
        "net = conv(8) >> d(true) >> d(false)\n"
    )
    panels, _ = collapsed(compiled(spec), DrawOptions())
    assert len(panels) == 3
