"""Blocks, wires, families, lists, rules on wires, and what is learned or shared among them."""

from __future__ import annotations

import pytest

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.ir.graph import Share
from fractal_dsl.source import Source
from tests.semantics.support import codes, compiled, elaborated, flat, keys, operators

HEAD = "implicit channels = 4\n"


def net(body: str, rules: str = "", shape: str = "image[4, 8, 8]") -> str:
    return f"{HEAD}{rules}\nnet on {shape} = {body}"


def wiring(*lines: str, result: str, takes: str = "x") -> str:
    return f"wiring({takes}) {{\n" + "".join(f"{one}\n" for one in lines) + f"return {result}\n}}"


def made(body: str, rules: str = "") -> list[str]:
    return operators(flat(net(body, rules)))


def parameters(text: str) -> int:
    """Weights of 1 x 1 convolutions without bias, 16 each: each instance once."""
    found = {node.key for node in flat(text).nodes if node.attributes and "conv2d" in node.key}
    return len(found)


ONE = "conv2d(4, 1)"


# Blocks and wires --------------------------------------------------------------------


def test_a_wire_is_computed_once_however_often_it_is_read() -> None:
    body = wiring(f"a = x >> {ONE}", result="a + (a >> relu) + a")
    assert made(body) == ["conv2d", "relu", "sum"]


def test_a_network_bound_in_a_block_is_fresh_at_each_use() -> None:
    body = wiring(f"g = {ONE}", result="x >> g >> g")
    assert made(body) == ["conv2d", "conv2d"]
    assert keys(flat(net(body))) == ["g_1.conv2d", "g_2.conv2d"]


def test_names_of_a_block_see_each_other_whatever_their_order() -> None:
    there = wiring("b = a >> relu", f"a = x >> {ONE}", result="b")
    assert made(there) == ["conv2d", "relu"]


def test_a_name_bound_inside_does_not_hide_a_name_read_outside() -> None:
    inner = wiring("a = x >> tanh", result="a")
    body = wiring(f"b = a >> {inner}", "a = x >> relu", result="b")
    assert made(body) == ["relu", "tanh"]


def test_a_block_may_return_a_network_or_stand_where_a_network_does() -> None:
    assert made("{\ng = relu\nreturn g >> g\n}") == ["relu", "relu"]


def test_what_nothing_reads_is_not_built_and_pointed_out() -> None:
    text = net(wiring(f"a = x >> {ONE}", "[_, b] = x >> split(2)", result="b >> relu"))
    assert operators(flat(text)) == ["chunk", "relu"]
    warnings = [(one.code, one.span.text) for one in elaborated(text).warnings if one.span]
    assert warnings == [("W0107", "a")]


def words(text: str) -> list[tuple[str, str]]:
    return [(one.code, one.span.text) for one in elaborated(text).warnings if one.span]


def test_an_input_of_a_wiring_that_nothing_reads_is_pointed_out() -> None:
    pair = "net on [image[2, 6, 6], image[2, 6, 6]] = "
    assert words(f"{pair}wiring([a, b]) {{ return a }}") == [("W0107", "b")]
    assert words(f"{pair}wiring([a, _b]) {{ return a }}") == []


def test_a_name_tag_that_a_wire_has_too_is_pointed_out() -> None:
    pair = "net on [image[2, 6, 6], image[2, 6, 6]] = "
    assert words(f"{pair}wiring([a, b]) {{ return a @ b }}") == [("W0107", "b"), ("W0108", "b")]
    stem = wiring(f"stem = x >> {ONE} @stem", result="stem >> relu @x")
    assert words(net(stem)) == [("W0108", "x")]


def test_openness_ends_at_a_wire_and_at_return() -> None:
    assert made(wiring("a = x (+) (x >> relu)", result="a (+) x")) == ["relu", "mean/2", "mean/2"]
    assert made(f"({wiring(result='x (+) (x >> relu)')}) (+) tanh") == [
        "relu", "mean/2", "tanh", "mean/2",
    ]  # fmt: skip
    assert made("relu (+) id (+) tanh") == ["relu", "tanh", "mean/3"]


def test_joins_and_arithmetic_of_wires() -> None:
    assert made(wiring("a = x >> relu", result="0.5 * a + (1 - x)")) == [
        "relu", "scalar", "scalar", "sum",
    ]  # fmt: skip
    assert made(wiring("a = x >> relu", result="(a ++ x) >> conv2d(4, 1)")) == [
        "relu", "concat", "conv2d",
    ]  # fmt: skip
    assert made(wiring("a = x >> relu", result="max(a, x, -a)")) == ["relu", "scalar", "maximum"]


def test_wires_begin_a_composition_at_its_right() -> None:
    assert made(wiring("a = relu . tanh . x", result="a")) == ["tanh", "relu"]


def test_in_channels_reads_what_arrives_inside_a_wiring() -> None:
    body = wiring("a = x >> conv2d(6, 1)", result="a >> conv2d(2 * in_channels, 1)")
    widths = [node.shape.channels for node in flat(net(body)).nodes]
    assert widths == [4, 6, 12]
    outer = wiring("n = in_channels", result="x >> conv2d(3 * n, 1)")
    assert flat(net(outer)).nodes[-1].shape.channels == 12


# Families ----------------------------------------------------------------------------


def test_elements_of_a_family_in_any_order_each_once() -> None:
    lines = [f"y[i] = y[i-1] >> {ONE} for i in 1..3", "y[0] = x >> relu"]
    body = wiring(*lines, result="y[3] + y[2] + y[0]")
    assert made(body) == ["relu", "conv2d", "conv2d", "conv2d", "sum"]
    assert keys(flat(net(body))) == ["conv2d.0", "conv2d.1", "conv2d.2"]


def test_an_element_that_nothing_needs_is_not_built() -> None:
    body = wiring("y[0] = x", f"y[i] = y[i-1] >> {ONE} for i in 1..9", result="y[2]")
    assert made(body) == ["conv2d", "conv2d"]


def test_two_indices_a_condition_and_computed_indices() -> None:
    body = wiring(
        "z[0, 0] = x",
        "z[i, 0] = z[i-1, 0] >> relu for i in 1..2",
        "z[i, j] = z[i+1, j-1] + z[i, j-1] for j in 1..2 for i in 0..2 if i + j <= 2",
        result="z[0, 2]",
    )
    assert sorted(made(body)) == ["relu", "relu", "sum", "sum", "sum"]


def test_a_family_reads_plain_names_and_they_it() -> None:
    body = wiring("a = y[1] >> tanh", "y[0] = x >> relu", "y[1] = y[0] + b", "b = x >> relu6",
                  result="a")  # fmt: skip
    assert sorted(made(body)) == ["relu", "relu6", "sum", "tanh"]


# Lists -------------------------------------------------------------------------------


def test_lists_of_wires_join_unpack_and_are_counted() -> None:
    body = wiring(f"a = [x >> {ONE} for _ in 1..3]", "[p, q, r] = a",
                  result="sum(a) + p + a[len(a) - 1] + r + q")  # fmt: skip
    assert made(body).count("conv2d") == 3
    assert made(wiring("a = [x, x >> relu] + [x >> tanh]", result="concat(a)"))[-1] == "concat"
    assert flat(net(wiring("a = [x] + [x]", result="concat(a)"))).nodes[-1].shape.channels == 8


def test_each_works_on_every_item_of_a_list() -> None:
    start = wiring(result=f"[x, x >> {ONE}]")
    body = f"({start}) >> each({ONE}) >> {wiring(result='a + b', takes='[a, b]')}"
    assert made(body) == ["conv2d", "conv2d", "conv2d", "sum"]
    assert keys(flat(net(body))) == ["conv2d_1", "conv2d_2.0", "conv2d_2.1"]


def test_a_list_of_networks_is_an_operand_list_and_its_items_are_networks() -> None:
    rules = "gs = [conv2d(4, 1), relu]"
    assert made("mean(gs)", rules) == ["conv2d", "relu", "mean/2"]
    assert made("gs[1] >> gs[0]", rules) == ["relu", "conv2d"]
    assert made(wiring(result="(x >> gs[0]) + (x >> gs[0])"), rules) == ["conv2d", "conv2d", "sum"]


def test_split_into_equal_and_unequal_parts() -> None:
    program = flat(net(wiring("[a, b] = x >> split([1, 3])", result="b ++ a")))
    assert [node.shape.channels for node in program.nodes] == [4, 1, 3, 4]
    assert made(wiring("[a, b] = x >> split(2)", result="a + b")) == ["chunk", "chunk", "sum"]


def test_repeats_of_what_works_on_lists() -> None:
    inner = wiring(f"a = x[0] >> {ONE}", result="[a, a + x[1]]")
    body = f"({wiring(result='[x, x]')}) >> ({inner}) ** 2 >> {wiring(result='x[0] + x[1]')}"
    assert made(body).count("conv2d") == 2


def test_several_inputs_and_outputs_of_a_net() -> None:
    program = compiled(net(wiring(result="[a + b, a]", takes="[a, b]"),
                           shape="[image[4, 8, 8], image[4, 8, 8]]"))  # fmt: skip
    assert len(program.net.inputs) == 2
    assert [operand.source.node for operand in program.net.outputs] == [2, 0]


# Rules on wires ----------------------------------------------------------------------

TREE = """
tree(1, x, extra) = {
    a = x >> conv2d(4, 1)
    return concat([a, x] + extra) >> conv2d(4, 1)
}
tree(n+1, x, extra) = {
    a = tree(n, x, [])
    return tree(n, a, extra + [a])
}
"""


def test_rules_on_wires_recur_and_take_lists() -> None:
    program = compiled(net(wiring(result="tree(3, x, [])"), TREE))
    labels = [graph.rule for graph in program.graphs]
    assert labels.count("tree") == 6
    assert parameters(net(wiring(result="tree(3, x, [])"), TREE)) == 8


def test_a_rule_called_twice_is_one_graph() -> None:
    rules = f"two(x, y) = (x >> {ONE}) + y"
    program = compiled(net(wiring("a = two(x, x)", result="two(a, x)"), rules))
    assert [graph.rule for graph in program.graphs].count("two") == 1
    keyed = keys(flat(net(wiring("a = two(x, x)", result="two(a, x)"), rules)))
    assert keyed == ["two_1.conv2d", "two_2.conv2d"]


def test_calls_in_arguments_are_named_apart() -> None:
    rules = f"two(x, y) = (x >> {ONE}) + y"
    text = net(wiring(result=f"two(two(x >> {ONE}, x >> {ONE}), x) >> {ONE}"), rules)
    assert keys(flat(text)) == ["conv2d_1", "conv2d_2", "two_1.conv2d", "two.conv2d", "conv2d"]


def test_a_rule_on_wires_may_give_plain_values_and_lists() -> None:
    rules = "count(xs) = len(xs)\npair(x) = [x >> relu, x >> tanh]"
    body = wiring("[a, b] = pair(x)", result="(a + b) >> conv2d(4 * count([a, b, x]), 1)")
    assert flat(net(body, rules)).nodes[-1].shape.channels == 12


def test_implicit_parameters_reach_through_rules_on_wires() -> None:
    rules = (
        "two(x, y) = (x >> conv) + (y >> conv)\nstage(channels) = wiring(x) { return two(x, x) }"
    )
    program = flat(net("stage(6) >> stage(3)", rules))
    widths = [n.shape.channels for n in program.nodes if n.attributes and n.key.endswith("conv2d")]
    assert widths == [6, 6, 3, 3]


def test_networks_and_wires_as_arguments_together() -> None:
    rules = "use(g, x, y) = (x >> g) + (y >> g)"
    assert made(wiring(result=f"use({ONE}, x, x)"), rules) == ["conv2d", "conv2d", "sum"]


def test_an_argument_that_a_rule_does_not_read_is_not_handed_on() -> None:
    rules = "first(x, y) = x >> relu"
    program = compiled(net(wiring(f"a = x >> {ONE}", result="first(x, a)"), rules))
    assert made(wiring(f"a = x >> {ONE}", result="first(x, a)"), rules) == ["relu"]
    assert [len(graph.inputs) for graph in program.graphs] == [1, 1]


# Learned and shared ------------------------------------------------------------------


def test_a_parameter_is_a_wire() -> None:
    body = wiring("p = parameter([4], init = 0.5)", result="(x + p) * p")
    assert made(body) == ["parameter", "sum", "product"]


def test_weight_of_another_layer() -> None:
    text = net("linear(4, bias = false) @q >> relu >> linear(4, bias = false, weight = @q)",
               shape="sequence[3, 4]")  # fmt: skip
    assert [n.weight for n in flat(text).nodes if n.attributes] == ["", "", "q"]


SHARED = {
    "at the top, once for the net": (
        f"s = shared({ONE})\nr(w) = s >> relu", "r(1) >> s >> r(2)", 1,
    ),
    "in a rule, once for a call": (f"r(w) = {{\ns = shared({ONE})\nreturn s >> s\n}}",
                                   "r(1) >> r(1)", 2),
    "in a comprehension, once for a turn": (
        "", f"chain(t(shared({ONE})) for _ in 1..3)", 3,
    ),
    "in a block, once": ("", wiring(f"s = shared({ONE})", result="x >> s >> s"), 1),
    "as an argument": ("t2(g) = t(g) >> g", f"t2(shared({ONE}))", 1),
    "repeated": (f"s = shared({ONE})", "s ** 4", 1),
    "beside an operator of its name": (f"s = shared({ONE})", f"s >> {ONE} >> s", 2),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_one_instance_wherever_it_is_used(name: str) -> None:
    rules, body, instances = SHARED[name]
    assert parameters(net(body, f"t(g) = g >> g\n{rules}")) == instances


def test_a_shared_network_has_one_key_where_it_is_made() -> None:
    text = net("r(1) >> r(2)", f"r(w) = {{\ns = shared({ONE})\nreturn s >> s\n}}")
    assert sorted(set(keys(flat(text)))) == ["r_1.conv2d.conv2d", "r_2.conv2d.conv2d"]
    shares = [n for g in compiled(text).graphs for n in g.nodes if isinstance(n, Share)]
    assert shares


# Mistakes ----------------------------------------------------------------------------

MISTAKES = {
    "a list where a tensor is needed": (wiring(result="[x, x]") + " >> relu", "F0410"),
    "too few names": (f"({wiring(result='[x, x]')}) >> {wiring(result='a', takes='[a, b, c]')}",
                      "F0410"),
    "a network beside a wire": (wiring(result="x + relu"), "F0411"),
    "a wire where a network is needed": (wiring("a = x >> relu", result="x >> a"), "F0411"),
    "a wire of another network": (wiring("a = x >> relu", result="x >> (relu >> t2(a))"), "F0411"),
    "a wire that needs itself": (wiring("a = b >> relu", "b = a >> relu", result="b"), "F0412"),
    "an element that needs itself": (
        wiring("y[0] = y[1] >> relu", "y[1] = y[0] >> relu", result="y[1]"), "F0412",
    ),
    "a parameter alone": (wiring(result="parameter([4])"), "F0413"),
    "a weight that does not fit": (
        "tokens >> linear(4, bias = false) @q >> linear(5, bias = false, weight = @q)", "F0414",
    ),
    "shared among widths": ("conv2d(4) >> both", "F0415"),
    "a name twice": (wiring("a = x >> relu", "a = x", result="a"), "F0209"),
    "an element twice": (wiring("y[0] = x", "y[i] = x for i in 0..1", result="y[0]"), "F0209"),
    "an element that is not there": (wiring("y[0] = x", result="y[1]"), "F0409"),
    "unpacking another number": (wiring("[a, b] = x >> split(4)", result="a"), "F0405"),
    "an index that is no number": (wiring("y[0] = x", result="y[0.5]"), "F0405"),
    "for without an index": (wiring("y = x for i in 1..2", result="y"), "F0405"),
    "a repeat of a wire": (wiring(result="x ** 2"), "F0405"),
    "parts that do not add up": (wiring("[a, b] = x >> split([1, 1])", result="a"), "F0403"),
    "no layer of that name": ("tokens >> linear(4, weight = @none)", "F0201"),
}  # fmt: skip
RULES = "t2(x) = relu\ns = shared(conv2d(4))\nboth = s >> conv2d(5) >> s"


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_have_a_code_a_place_and_a_way_out(name: str) -> None:
    body, code = MISTAKES[name]
    text = net(body, RULES)
    assert codes(text) == [code]
    with pytest.raises(DiagnosticError) as caught:
        compiled(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None and diagnostic.span.text
    assert diagnostic.helps or diagnostic.label or diagnostic.labels or diagnostic.notes


def test_under_drop_path_what_is_shared_has_no_join_and_works_on_no_list() -> None:
    drop = "\ndrop_path(local = 0.3)"
    assert codes(net("s >> s", "s = shared(conv (+) relu)") + drop) == ["F0415"]
    each = wiring(result="[a >> relu, b >> relu]", takes="[a, b]")
    body = f"({wiring(result='[x, x]')}) >> s >> {wiring(result='a + b', takes='[a, b]')}"
    assert codes(net(body, f"s = shared({each})")) == []
    assert codes(net(body, f"s = shared({each})") + drop) == ["F0415"]


def test_the_first_name_of_a_block_may_read_a_family_that_reads_itself() -> None:
    text = """net on image[4, 8, 8] = wiring(x) {
        w[0] = x
        w[i] = w[i-1] >> conv(4) for i in 1..2
        a = w[2] >> conv(4)
        return a + x
    }"""
    assert compile_source(Source("net.fdl", text)).report.depth == 3
