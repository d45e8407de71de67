"""Which operand, which input and which output: where the order counts, a picture shows it."""

from __future__ import annotations

import re

import pytest

from fractal_dsl.emit.diagram import dot
from fractal_dsl.emit.diagram.arrange import arrange
from fractal_dsl.emit.diagram.geometry import Placement
from fractal_dsl.emit.diagram.options import DrawOptions
from fractal_dsl.emit.diagram.panels import collapsed
from fractal_dsl.emit.diagram.sheet import Kind
from fractal_dsl.ir.graph import Program
from fractal_dsl.semantics import elaborate, resolve
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse
from tests.emit_diagram.pictures import parsed


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


def test_in_columns_operands_of_a_box_do_not_meet() -> None:
    body = "wiring(x) { return [x >> relu, x] >> cross_attention(1) }"
    program = compiled(f"net on sequence[9, 8] = linear(8) >> ({body}) >> linear(8)\n")
    (leaf,), _ = collapsed(program, DrawOptions())
    placement = arrange(leaf.sheet, not_asked)
    ends = {
        link.place: placement.paths[at].points[-1]
        for at, link in enumerate(leaf.sheet.links)
        if link.place
    }
    assert sorted(ends) == ["1", "2"]
    assert abs(ends["1"].x - ends["2"].x) > 10
    assert ends["1"].y == ends["2"].y


def test_lines_from_one_side_turn_at_heights_of_their_own() -> None:
    spec = (
        "f(a, b, c) = (a >> linear(8)) ++ (b >> linear(8) >> relu) ++ c\n"
        "g = wiring(x) { return f(x >> relu >> relu, x, x >> linear(8) >> relu) }\n"
        "net on vector[8] = linear(8) >> g >> linear(2)\n"
    )
    _, leaf, _ = collapsed(compiled(spec), DrawOptions())[0]
    placement = arrange(leaf.sheet, not_asked)
    paths = [placement.paths[at].points for at, link in enumerate(leaf.sheet.links) if link.place]
    turns = sorted((points[-4].y, points[-1].x - points[-7].x) for points in paths)
    assert [shift > 0 for _, shift in turns] in ([True, True, False], [True, False, True])
    assert len({y for y, shift in turns if shift > 0}) == 2


def not_asked(*_: object) -> Placement:
    pytest.fail("these parts are columns")


def test_parts_that_differ_in_the_order_of_operands_share_no_panel() -> None:
    spec = (
        "d(p) = wiring(x) {\n y = x >> conv(8)\n z = x >> relu\n"
        " return if p then y - z else z - y\n}\n"
        "net = conv(8) >> d(true) >> d(false)\n"
    )
    panels, _ = collapsed(compiled(spec), DrawOptions())
    assert len(panels) == 3


THREE = "net on [vector[4], vector[5], vector[6]] = "


def ends(program: Program) -> list[str]:
    """Texts of what comes in and goes out, from left to right, row by row."""
    boxes = [box for box in parsed(dot(program)).boxes if box.attributes["color"] == "#ffffff"]
    return [box.label for box in sorted(boxes, key=lambda box: (-box.y, box.x))]


def test_inputs_have_their_names_and_keep_their_order() -> None:
    body = "wiring([a, b, c]) { return (c >> linear(4)) ++ (a >> relu >> linear(4)) ++ b }\n"
    assert ends(compiled(THREE + body)) == ["a", "b", "c", "output"]


def test_outputs_are_numbered_and_keep_their_order() -> None:
    body = "wiring(x) { return [x[2] >> relu >> relu, x[0] + 1, x[1] >> relu] }\n"
    found = ends(compiled(THREE + body))
    assert found == ["x[0]", "x[1]", "x[2]", "output 1", "output 2", "output 3"]


def test_inputs_without_names_are_numbered() -> None:
    found = ends(compiled(THREE + "id >> each(relu)\n"))
    assert found == [f"{end} {at}" for end in ("input", "output") for at in (1, 2, 3)]


def test_a_panel_has_the_names_of_the_wires_of_its_rule() -> None:
    spec = (
        "f(u, v) = (u >> linear(2)) / (v >> linear(2) >> relu)\n"
        "net on [vector[4], vector[4]] = wiring([a, b]) { return f(b, a) >> linear(2) }\n"
    )
    panels, _ = collapsed(compiled(spec), DrawOptions())
    texts = [[item.text for item in leaf.sheet.items if item.kind is Kind.INPUT] for leaf in panels]
    assert texts == [["a", "b"], ["u", "v"]]


def test_a_part_too_large_says_how_many_come_and_go() -> None:
    program = compiled(THREE + "wiring([a, b, c]) { return [a ++ b ++ c, a >> relu] }\n")
    (leaf,), _ = collapsed(program, DrawOptions(nodes=3))
    assert [item.text for item in leaf.sheet.items] == ["3 inputs", "2 parts", "2 outputs"]
