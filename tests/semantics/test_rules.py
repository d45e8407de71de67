"""Rules, cases, implicit parameters, recursion."""

from __future__ import annotations

import pytest

from fractal_dsl.semantics import elaborate, resolve
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse
from tests.semantics.support import codes, compiled, elaborated, flat, keys, operators

THREE = "f(1)   = conv\nf(C+1) = (f(C) . f(C)) (+) conv\nnet    = f(4)\n"


def test_the_three_lines_compile_as_they_stand() -> None:
    program = flat(THREE)
    assert program.name == "Test"
    assert [len(program.nodes[at].operands) for at in program.joins] == [2, 3, 2, 4]
    assert operators(program).count("conv2d") == 15
    assert program.nodes[0].shape.sizes == (3, 32, 32)
    assert program.nodes[program.output].shape.sizes == (64, 32, 32)


def test_the_paper_signs_mean_the_same() -> None:
    signs = THREE.replace(".", "∘").replace("(+)", "⊕")
    assert compiled(signs).graphs == compiled(THREE).graphs


def test_order_of_literal_and_successor_cases_does_not_matter() -> None:
    first, second, net = THREE.splitlines()
    assert compiled("\n".join([second, first, net])).graphs == compiled(THREE).graphs


def test_one_graph_for_each_distinct_call() -> None:
    labels = [graph.label for graph in compiled(THREE.replace("f(4)", "f(40)")).graphs]
    assert len([label for label in labels if label.startswith("f(")]) == 79
    assert "f(40)" in labels


def test_equations_are_told_level_by_level() -> None:
    texts = {graph.equation for graph in compiled(THREE).graphs}
    assert "f(3) = (f(2) . f(2)) (+) conv" in texts


def test_state_dict_segments_are_numbered_in_data_flow_order() -> None:
    found = keys(flat("a = conv(4)\nb = conv(4)\nnet = (a . b . a) (+) conv(4)"))
    assert found == ["a_1.conv.conv2d", "b.conv.conv2d", "a_2.conv.conv2d", "conv.conv2d"]


def test_chain_and_repeat_append_the_index() -> None:
    text = "unit(w) = conv(w)\nnet = chain(unit(w) >> relu for w in [4, 8]) >> unit(8) ** 3"
    assert keys(flat(text)) == [
        "unit_1.0.conv.conv2d",
        "unit_1.1.conv.conv2d",
        "unit_2.0.conv.conv2d",
        "unit_2.1.conv.conv2d",
        "unit_2.2.conv.conv2d",
    ]


def test_inline_bodies_of_repeats_add_no_segment() -> None:
    found = keys(flat("a = conv(4)\nb = conv(4)\nnet = ((a ** 2) >> b) ** 2"))
    assert [key.removesuffix(".conv.conv2d") for key in found] == [
        "a.0.0", "a.0.1", "b.0", "a.1.0", "a.1.1", "b.1",
    ]  # fmt: skip


def test_tags_name_parts() -> None:
    found = keys(flat("net = conv(4) @stem >> conv(4) ** 2 @stage >> linear(3) @head"
                      .replace("linear", "flatten >> linear")))  # fmt: skip
    assert found == ["stem.conv2d", "stage.conv.0.conv2d", "stage.conv.1.conv2d", "head"]


def test_implicit_names_take_the_nearest_rule_parameter() -> None:
    text = "block(channels) = two\ntwo = conv >> conv(2 * channels)\nnet = block(8) >> conv"
    widths = [n.shape.channels for n in flat(text).nodes if n.key.endswith("conv2d")]
    assert widths == [8, 16, 64]


def test_a_keyword_at_a_call_binds_an_implicit_name() -> None:
    text = THREE.replace("net    = f(4)", "net = f(3, channels = 32)")
    assert flat(text).nodes[-1].shape.channels == 32


def test_pattern_variables_are_no_implicit_values() -> None:
    assert codes("f(1) = conv\nf(channels+1) = f(channels) >> conv\nnet = f(2)") == []
    text = "f(1) = conv\nf(channels+1) = f(channels) >> conv\nnet = f(2)"
    assert flat(text).nodes[-1].shape.channels == 64


def test_arguments_are_closures_over_where_they_are_written() -> None:
    text = """
outer(channels) = twice(conv)
twice(g) = inner(g, 5)
inner(g, channels) = g >> g
net = outer(7)
"""
    widths = {n.shape.channels for n in flat(text).nodes if n.key.endswith("conv2d")}
    assert widths == {7}


def test_numbers_lists_and_look_back() -> None:
    text = """
fib(1) = 1
fib(2) = 1
fib(n+2) = fib(n+1) + fib(n)
widths = [fib(n) for n in 3..6 if n % 2 == 0]
net = chain(conv(w) for w in widths) >> conv(len(widths)) >> conv(max(widths))
"""
    shapes = [n.shape.channels for n in flat(text).nodes if n.key.endswith("conv2d")]
    assert shapes == [3, 8, 2, 8]


def test_guards_choose_a_case() -> None:
    text = """
t(n) if n < 2 = conv(4)
t(n) if n % 2 == 0 = t(n // 2) >> conv(8)
t(n) = t(n - 1) >> conv(16)
net = t(6)
"""
    shapes = [n.shape.channels for n in flat(text).nodes if n.key.endswith("conv2d")]
    assert shapes == [4, 8, 16, 8]


def test_in_channels_reads_what_arrives_at_the_innermost_expression() -> None:
    text = "grow(r, c = in_channels) = conv(r) >> conv(in_channels + c)\nnet = conv(6) >> grow(10)"
    shapes = [n.shape.channels for n in flat(text).nodes if n.key.endswith("conv2d")]
    assert shapes == [6, 10, 16]


def test_a_file_definition_replaces_the_prelude_whole() -> None:
    text = "conv = conv2d(5, 1)\n" + THREE.replace("f(4)", "f(2)")
    assert set(operators(flat(text))) == {"conv2d", "mean/2"}


def test_set_overrides_params_and_net_parameters() -> None:
    text = "param C = 2\n" + THREE.splitlines()[0] + "\n" + THREE.splitlines()[1]
    text += "\nnet N(classes = 10) = f(C) >> global_avg_pool >> linear(classes)"
    program = flat(text, C=3, classes=7)
    assert len(program.joins) == 2
    assert program.nodes[-1].shape.sizes == (7,)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("net = covn", "F0201"),
        ("f(C+1) = f(C) >> conv\nnet = f(3)", "F0202"),
        ("f(1) = conv\nf(C+1) = f(C+1) . conv\nnet = f(3)", "F0203"),
        ("f(1) = conv\nf(C+1) = f(C+2) . conv\nnet = f(3)", "F0203"),
        ("f(n) = conv\nf(1) = relu\nnet = f(1)", "F0204"),
        ("f(1) = conv\nf(1) = relu\nnet = f(1)", "F0204"),
        ("f(1) = conv\nf(C+1) = f(C)\nnet = f(0)", "F0205"),
        ("f(1) = conv\nf(C+1) = f(C)\nnet = f(2.5)", "F0205"),
        ("f(1) = conv\nf(C+1) = f(C)\nnet = f(1, 2)", "F0206"),
        ("net = conv2d", "F0206"),
        ("net = conv2d(3, widht = 2)", "F0206"),
        ("net = relu(1)", "F0206"),
        ("a = b\nb = a\nnet = a", "F0207"),
        ("t(n) = t(n) >> conv\nnet = t(3)", "F0207"),
        ("g(k) = conv(w)\nh(w) = g(1)\nnet = g(1)", "F0208"),
        ("param C = 1\nparam C = 2\nnet = conv(C)", "F0209"),
        ("g(a, a) = conv(a)\nnet = g(1, 2)", "F0106"),
        ("f(1) = conv", "F0212"),
        ("drop_pth(local = 0.1)\nnet = conv", "F0211"),
        ("drop_path(lokal = 0.1)\nnet = conv", "F0211"),
        ("drop_path(local = 1.5)\nnet = conv", "F0501"),
        ("t(n) = t(n + 1) >> conv\nnet = t(3)", "F0202"),
        ("t(n) = if n == 0 then id else t(n + 1) >> conv\nnet = t(3)", "F0305"),
        ("net = conv(9**9**9)", "F0306"),
        ("net = chain(conv(w) for w in 1..10**9)", "F0307"),
        ("s = shared(linear(6))\nnet = tokens >> linear(6) >> (s >> relu) ** 10**9", "F0307"),
        ("net = (conv(in_channels + 1) (+) conv(in_channels + 1)) ** 10**9", "F0307"),
        ("net = conv(in_channels + 1) ** 200", "F0305"),
        ("net = (conv(in_channels + 1) (+) conv(in_channels + 1)) ** 200", "F0305"),
        ("net = conv(4) (+) conv(8)", "F0401"),
        ("net = conv(4) + conv(8)", "F0401"),
        ("net = max_pool(2) ** 6", "F0402"),
        ("net = conv2d(3, groups = 2)", "F0403"),
        ("net = linear(10)", "F0404"),
        ("net = 3", "F0405"),
        ("net = conv >> 3", "F0405"),
        ("net = conv(relu)", "F0405"),
        ("net = (if 3 then conv else relu)", "F0405"),
        ("net = conv (+) conv + conv", "F0406"),
        ("net = conv + conv ++ conv", "F0406"),
        ("net = mean(conv for w in [])", "F0407"),
        ("net = sum(conv for w in [])", "F0407"),
        ("net = conv(max([]))", "F0407"),
        ("param w = in_channels\nnet = conv(w)", "F0408"),
        ("net = conv(1 // 0)", "F0409"),
        ("net = dropout(1)", "F0502"),
        ("net = id + stochastic_depth(conv(3), 1)", "F0502"),
        ("net = id + stochastic_depth(conv(3), -0.1)", "F0502"),
        ("net = id + stochastic_depth(conv(3))", "F0206"),
        ("net = id + stochastic_depth(conv(3), 0.1, 0.2)", "F0206"),
        ("net = id + stochastic_depth(conv(3), 0.1, rat = 0.2)", "F0206"),
        ("net = id + stochastic_depth(rate = 0.1)", "F0206"),
        ("net = id + stochastic_depth", "F0206"),
        ("net = id + stochastic_depth(3, 0.1)", "F0405"),
        ("net = id + stochastic_depth(conv(3), conv)", "F0405"),
        ('net = id + stochastic_depth(conv(3), 0.1, per = "epoch")', "F0405"),
        ("net = id + stochastic_depth(conv(4), 0.1)", "F0401"),
        ("net = wiring(x) { y = stochastic_depth(x, 0.1)\n return y + x }", "F0411"),
        ("net class = conv", "F0604"),
        ('import "a.fdl" as a\nnet = conv', "F0214"),
    ],
)
def test_refusals(text: str, code: str) -> None:
    assert codes(text) == [code]


@pytest.mark.parametrize("turn", ["s >> relu", "s (+) relu"])
def test_a_shared_part_may_be_repeated_more_often_than_a_shape_may_change(turn: str) -> None:
    program = flat(f"s = shared(linear(6))\nnet = tokens >> linear(6) >> ({turn}) ** 200")
    assert operators(program).count("relu") == 200


def test_several_mistakes_are_told_in_one_run() -> None:
    text = "f(C+1) = f(C) >> covn\ng(n) = conv\ng(1) = relu\nnet = f(3) >> g(1) >> rleu"
    assert codes(text) == ["F0202", "F0201", "F0204", "F0201"]


def test_the_sum_of_no_numbers_is_zero() -> None:
    assert operators(flat("net = dropout(sum(0.1 for k in 1..0)) >> conv")).count("dropout") == 1
    assert compiled("net = conv(8 + sum([]))").graphs == compiled("net = conv(8)").graphs


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("id + conv >> relu", ["conv >> relu"]),
        ("id + id + conv >> relu", ["conv >> relu"]),
        ("conv * relu >> tanh + id", ["relu >> tanh"]),
        ("id + (conv >> relu)", []),
        ("(id + conv) >> relu", []),
        ("conv >> relu + conv >> tanh", []),
        ("conv >> relu + id", []),
        ("id (+) conv >> relu", []),
    ],
)
def test_a_series_that_ends_a_sum_without_brackets_is_pointed_out(
    body: str, said: list[str]
) -> None:
    warnings = elaborated(f"net = conv >> ({body})").warnings
    assert [one.span.text for one in warnings if one.span] == said
    assert {one.code for one in warnings} <= {"W0109"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("net = relu >> stochastic_depth(conv, 0.2) >> relu", ["stochastic_depth(conv, 0.2)"]),
        ("net = id + relu >> stochastic_depth(conv, 0.2)", []),
        ("b(p) = stochastic_depth(conv, p)\nnet = conv >> (id + 0.5 * b(0.1)) >> relu", []),
        ("b(p) = stochastic_depth(conv, p)\nnet = conv >> (id + (b(0.1) >> relu))", ["b(0.1)"]),
        ("net = conv >> (id (+) stochastic_depth(conv, 0.2))", []),
        ("net = conv >> stochastic_depth(id, 0.2) ** 3", ["stochastic_depth(id, 0.2)"]),
        ("a(x, y) = x + y\nnet = wiring(x) { return a(x, x >> stochastic_depth(id, 0.1)) }", []),
        ("net = conv\ndrop_path(local = 0.1)", ["drop_path(local = 0.1)"]),
        ("net = conv (+) id\ndrop_path(local = 0.1)", []),
        ("net A = conv\nnet B = conv (+) id\ndrop_path(local = 0.1)", []),
    ],
)  # fmt: skip
def test_zeros_that_nothing_is_added_to_and_drop_path_without_joins_are_pointed_out(
    text: str, said: list[str]
) -> None:
    net = "A" if "net A" in text else None
    source = Source("test.fdl", f"implicit channels = 3\n{text}")
    found = elaborate(resolve(parse(source)), net).warnings
    assert [one.span.text for one in found if one.code > "W0109" and one.span] == said


@pytest.mark.parametrize("word", ["conv", "conv2d"])
def test_every_wrong_keyword_of_a_call_is_told(word: str) -> None:
    assert codes(f"net = {word}(16, pading = 1, strid = 2)") == ["F0206", "F0206"]
