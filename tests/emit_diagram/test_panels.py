"""What the collapsed picture shows of a net: each distinct part once."""

from __future__ import annotations

import pytest

from fractal_dsl.emit.diagram import DrawOptions
from fractal_dsl.emit.diagram.panels import Leaf, collapsed, expanded
from fractal_dsl.emit.diagram.sheet import Kind
from fractal_dsl.ir.graph import Program
from fractal_dsl.semantics import elaborate, resolve
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse


def compiled(text: str) -> Program:
    return elaborate(resolve(parse(Source("Drawn.fdl", text))), None, {}).program


def panels(text: str) -> list[Leaf]:
    found, notes = collapsed(compiled(text), DrawOptions())
    assert notes == ()
    return found


def boxes(leaf: Leaf) -> list[str]:
    ends = (Kind.INPUT, Kind.OUTPUT)
    return [item.text for item in leaf.sheet.items if item.kind not in ends]


def test_leaves_are_one_box_each() -> None:
    (only,) = panels("net = conv(16) >> max_pool(2) >> flatten >> linear(10)\n")
    assert boxes(only) == ["conv(16)", "max_pool(2)", "flatten", "linear(10)"]
    kinds = [item.kind for item in only.sheet.items[1:-1]]
    assert kinds == [Kind.CONV, Kind.POOL, Kind.OTHER, Kind.DENSE]


def test_shapes_stand_where_they_change() -> None:
    (only,) = panels("net = conv(16) >> relu >> max_pool(2)\n")
    assert [link.shape for link in only.sheet.links] == [
        "3×32×32",
        "16×32×32",
        "",
        "16×16×16",
    ]


def test_a_repeat_is_drawn_once() -> None:
    spec = "unit = conv(16) >> (id + relu)\nnet = conv(16) >> unit ** 5\n"
    net, unit = panels(spec)
    assert boxes(net) == ["conv(16)", "unit × 5"]
    assert unit.title == "unit × 5"


def test_equal_parts_in_a_row_are_drawn_once() -> None:
    spec = "unit = conv(16) >> (id + relu)\nnet = conv(16) >> chain(unit for i in 1..4) >> relu\n"
    net, _ = panels(spec)
    assert boxes(net) == ["conv(16)", "unit × 4", "relu"]
    rows = "net = conv(16) >> chain(relu for i in 1..3) >> max_pool(2) >> max_pool(2)\n"
    (only,) = panels(rows)
    assert boxes(only) == ["conv(16)", "relu × 3", "max_pool(2)", "max_pool(2)"]


def test_many_parts_that_differ_only_in_sizes_are_drawn_once() -> None:
    spec = "layer = id ++ (relu >> conv(4))\nnet = conv(8) >> chain(layer for i in 1..12)\n"
    net, layer = panels(spec)
    assert boxes(net) == ["conv(8)", "layer × 12"]
    assert layer.lines[0] == "in 12 sizes"
    assert net.sheet.links[-1].shape == "56×32×32"


def test_a_panel_says_only_what_all_its_parts_have_in_common() -> None:
    spec = "b(w, p) = conv(w) >> relu >> dropout(p)\nnet = b(8, 0) >> (id + b(8, 0.5)) >> b(8, 0)\n"
    _, block = panels(spec)
    assert boxes(block) == ["conv(8)", "relu", "dropout(…)"]


def test_parts_that_differ_only_in_sizes_share_a_panel_without_shapes() -> None:
    spec = "b(w) = conv(w) >> (id + relu)\nnet = b(8) >> b(16) >> b(16) >> max_pool(2) >> b(16)\n"
    net, block = panels(spec)
    assert boxes(net) == ["b(8)", "b(16)", "b(16)", "max_pool(2)", "b(16)"]
    assert block.title == "b × 4"
    assert block.lines[0] == "b(8), b(16) × 3"
    assert all(not link.shape for link in block.sheet.links)


def test_parts_that_differ_in_kind_do_not() -> None:
    spec = "b(k) = conv(8, k) >> (id + relu)\nnet = b(1) >> b(3)\n"
    assert len(panels(spec)) == 3


def test_a_name_for_a_name_is_no_panel() -> None:
    spec = "inner = conv(8) >> (id + relu)\nouter = inner\nnet = outer >> outer\n"
    net, outer = panels(spec)
    assert len(boxes(net)) in (1, 2)
    assert outer.title.startswith("outer")
    assert boxes(outer)[0] == "conv(8)"


BODY = """
body(c) = conv2d(c, 7, groups = c) >> layer_norm >> conv2d(4 * c, 1) >> gelu >> conv2d(c, 1)
net = conv(8) >> (id + body(8)) >> (id + body(8))
"""
LAYERS = ["conv2d(8, 7, groups = 8)", "layer_norm", "conv2d(32, 1)", "gelu", "conv2d(8, 1)"]


def test_a_box_hides_no_second_layer() -> None:
    net, body = panels(BODY)
    assert boxes(net) == ["conv(8)", "body(8)", "+", "body(8)", "+"]
    assert [item.kind for item in net.sheet.items].count(Kind.CALL) == 2
    assert boxes(body) == LAYERS


def test_expanded_it_hides_none_either() -> None:
    whole = expanded(compiled(BODY), DrawOptions())
    assert boxes(whole) == ["conv(8)", *LAYERS, "+", *LAYERS, "+"]


@pytest.mark.parametrize(
    "unit, kind",
    [
        ("conv2d(8, 1) >> batch_norm >> relu >> dropout(0.1)", Kind.CONV),
        ("batch_norm >> relu >> conv2d(8, 1)", Kind.CONV),
        ("layer_norm >> linear(8) >> gelu", Kind.DENSE),
        ("batch_norm >> relu", Kind.OTHER),
        ("id * sigmoid", Kind.CALL),
        ("conv2d(8, 1) >> global_avg_pool", Kind.CALL),
        ("id + (conv2d(8, 1) >> relu)", Kind.CALL),
        ("(2 * id) >> conv2d(8, 1)", Kind.CALL),
    ],
)
def test_a_layer_and_its_trimmings_are_one_box(unit: str, kind: Kind) -> None:
    net, *_ = panels(f"unit = {unit}\nnet = conv(8) >> global_avg_pool >> unit\n")
    assert [item.kind for item in net.sheet.items if item.text == "unit"] == [kind]


def test_so_it_does_where_they_have_two_names() -> None:
    spec = "body(w) = conv(w) >> conv(w)\nb(w) = body(w)\nnet = b(8) >> relu >> b(16)\n"
    _, block = panels(spec)
    assert boxes(block) == ["conv(…)", "conv(…)"]


def test_another_name_for_a_layer_is_no_panel() -> None:
    (only,) = panels("wide(w) = conv(2 * w)\nnet = wide(8) >> relu\n")
    assert boxes(only) == ["conv(16)", "relu"]


@pytest.mark.parametrize(
    "argument, shown",
    [("0.03529411764705883", "0.0353"), ("1234.5", "1230"), ("0.1", "0.1"), ("7, 0.25", "7, 0.25")],
)
def test_numbers_have_three_digits(argument: str, shown: str) -> None:
    spec = f"unit(a, b = 0) = relu >> (id + tanh)\nnet = conv(8) >> unit({argument})\n"
    net, unit = panels(spec)
    assert boxes(net) == ["conv(8)", f"unit({shown})"]
    assert unit.title == f"unit({shown})"
    (only,) = panels("net = dropout(0.123456) >> (0.333333 * id)")
    assert boxes(only) == ["dropout(0.123)", "0.333 * x"]


def test_wires_are_no_part_of_a_label() -> None:
    spec = (
        "gate(k, u, us, p) = (u >> linear(k)) * (us[0] >> dropout(p))\n"
        "net on vector[8] = wiring(x) { return gate(8, x, [x, x], 0.5) >> linear(2) }\n"
    )
    net, gate = panels(spec)
    assert boxes(net) == ["gate(8, p = 0.5)", "linear(2)"]
    assert gate.title == "gate(8, p = 0.5)"


def test_equations_and_open_blocks() -> None:
    spec = (
        "f(1) = conv\nf(C+1) = (f(C) . f(C)) (+) conv\n"
        "block(channels) = f(3) >> each(max_pool(2))\nnet = block(8) >> block(16)\n"
    )
    net, block = panels(spec)
    assert [item.kind for item in net.sheet.items].count(Kind.JOIN) == 2
    assert [link.note for link in net.sheet.links].count("3 columns") == 2
    assert block.sheet.items[-2].kind is Kind.OPEN
    assert any(line.startswith(("f(3) =", "f(C+1) =")) for line in block.lines)
