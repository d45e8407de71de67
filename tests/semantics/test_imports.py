"""Imports: what each file sees, what settings change, and that two files never mix."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Program
from fractal_dsl.ir.text import print_program
from fractal_dsl.ir.verify import verify
from fractal_dsl.semantics import elaborate, resolve
from fractal_dsl.semantics.values import Value
from fractal_dsl.source import Source, Span
from fractal_dsl.syntax import parse, tree
from tests.programs import fdl_programs
from tests.semantics.support import keys


class Texts:
    """Files that are texts by name; a path is a name."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.sources = {name: Source(name, text) for name, text in files.items()}

    def load(self, importer: Source, path: str, span: Span) -> Source:
        if path not in self.sources:
            raise DiagnosticError(Diagnostic("F0801", "no such file", span))
        return self.sources[path]


def compiled(files: Mapping[str, str], **given: Value) -> Program:
    texts = Texts(files)
    program = elaborate(resolve(parse(texts.sources["main"]), texts), None, given).program
    verify(program)
    return program


def flat(main: str, given: Mapping[str, Value] | None = None, **files: str) -> FlatProgram:
    return flatten(compiled({"main": main, **files}, **(given or {})))


def errors(main: str, **files: str) -> list[tuple[str, str]]:
    try:
        compiled({"main": main, **files})
    except DiagnosticError as error:
        return [(d.code, d.span.source.name if d.span else "") for d in error.diagnostics]
    return []


def widths(program: FlatProgram) -> list[int]:
    """Channels that the convolutions give, in data-flow order."""
    convs = (n for n in program.nodes if n.attributes and n.attributes.operator == "conv2d")
    return [node.shape.channels for node in convs]


BLOCKS = """
param width = 16
conv_bn(w) = conv2d(w) >> batch_norm
wide       = conv_bn(width)
"""


def test_both_ways_to_import() -> None:
    main = 'import "b" as b\nfrom "b" import conv_bn\nnet = b::wide >> conv_bn(8) >> b::conv_bn(4)'
    program = flat(main, b=BLOCKS)
    assert widths(program) == [16, 8, 4]
    assert keys(program) == ["wide.conv_bn.conv2d", "conv_bn_1.conv2d", "conv_bn_2.conv2d"]


def test_importing_is_as_if_the_rules_stood_in_the_file() -> None:
    rules = "f(1) = conv\nf(C+1) = (f(C) . f(C)) (+) conv\nblock(channels) = f(3) >> max_pool(2)\n"
    alone = compiled({"main": f"{rules}net Net = block(8) >> block(16)"})
    apart = compiled({"main": 'from "b" import block\nnet Net = block(8) >> block(16)', "b": rules})
    qualified = compiled(
        {"main": 'import "b" as b\nnet Net = b::block(8) >> b::block(16)', "b": rules}
    )
    texts = [print_program(one).replace("b::", "") for one in (alone, apart, qualified)]
    assert texts[0] == texts[1] == texts[2]


@settings(max_examples=40, deadline=None)
@given(fdl_programs())
def test_random_programs_are_the_same_with_their_rules_in_another_file(text: str) -> None:
    statements = parse(Source("alone", text)).statements
    rules = [one for one in statements if isinstance(one, tree.Equation)]
    rest = "\n".join(one.span.text for one in statements if one not in rules)
    names = ", ".join(dict.fromkeys(one.name for one in rules))
    files = {
        "main": f'from "b" import {names}\n{rest}' if names else rest,
        "b": "\n".join(one.span.text for one in rules),
    }
    apart = print_program(compiled(files)).replace("b::", "")
    assert apart == print_program(compiled({"main": text}))


def test_names_of_an_imported_file_mean_what_they_mean_there() -> None:
    files = {
        "main": 'from "b" import unit\nconv = conv2d(3)\nhelper(w) = conv2d(2)\nparam k = 5\n'
        "net = unit(8) >> conv >> helper(1)\nassert k == 5",
        "b": "param k = 7\nconv = conv2d(k)\nhelper(w) = conv2d(w)\nunit(w) = helper(w) >> conv",
    }
    assert widths(flatten(compiled(files))) == [8, 7, 3, 2]


def test_a_file_without_its_own_conv_sees_the_prelude_s() -> None:
    main = 'from "b" import unit\nconv = conv2d(3)\nnet = unit >> conv'
    assert widths(flat(main, b="unit = conv(9)")) == [9, 3]


def test_implicit_parameters_pass_from_file_to_file() -> None:
    main = 'import "b" as b\nblock(channels) = b::unit\nnet = block(8) >> b::unit(channels = 4)'
    assert widths(flat(main, b="unit = conv")) == [8, 4]


@pytest.mark.parametrize(
    ("main", "wide"),
    [
        ('from "b" import unit\nnet = unit >> conv', [24, 64]),
        ('from "b" import unit\nimplicit channels = 12\nnet = unit >> conv', [12, 12]),
        ('from "b" import unit\nblock(channels) = unit >> conv\nnet = block(6)', [6, 6]),
    ],
)
def test_the_outermost_file_that_declares_an_implicit_name_decides(
    main: str, wide: list[int]
) -> None:
    assert widths(flat(main, b="implicit channels = 24\nunit = conv")) == wide


def test_an_implicit_line_of_the_main_file_reads_its_own_params() -> None:
    main = 'from "b" import unit\nparam k = 5\nimplicit channels = 2 * k\nnet = unit'
    assert widths(flat(main, b="param k = 9\nunit = conv(channels) >> conv(k)")) == [10, 9]


# Params ----------------------------------------------------------------------------------


def test_an_import_sets_params_of_its_own_copy() -> None:
    main = """
import "b"(width = 2 * k) as b
import "b" as c
param k = 4
net = b::wide >> c::wide >> b::wide
"""
    assert widths(flat(main, b=BLOCKS)) == [8, 16, 8]
    assert widths(flat(main, {"k": 10}, b=BLOCKS)) == [20, 16, 20]


def test_a_param_that_is_imported_by_name_can_be_set_from_outside() -> None:
    main = 'from "b" import width, wide\nnet = wide >> conv2d(width)'
    assert widths(flat(main, {"width": 5}, b=BLOCKS)) == [5, 5]
    with pytest.raises(DiagnosticError) as error:
        flat('from "b" import wide\nnet = wide', {"width": 5}, b=BLOCKS)
    assert error.value.diagnostics[0].code == "F0213"


def test_settings_go_through_a_chain_of_files() -> None:
    middle = 'param w = 3\nfrom "b"(width = w + 1) import wide\nunit = wide'
    main = 'from "c"(w = 6) import unit\nimport "c" as c\nnet = unit >> c::unit'
    assert widths(flat(main, b=BLOCKS, c=middle)) == [7, 4]


def test_params_may_come_from_the_file_they_are_given_to() -> None:
    """The order of params is free as long as none needs itself."""
    main = 'import "b" as b\nparam k = b::width + last\nparam last = 1\nnet = conv2d(k)'
    assert widths(flat(main, b=BLOCKS)) == [17]
    circle = 'import "b"(width = k) as b\nparam k = b::width\nnet = conv2d(k) >> b::wide'
    assert errors(circle, b=BLOCKS) == [("F0207", "main")]


def test_two_copies_of_a_recursion_are_two_recursions() -> None:
    rule = "param w = 8\nf(1) = conv(w)\nf(C+1) = (f(C) . f(C)) (+) conv(w)"
    main = 'import "r"(w = 4) as a\nimport "r" as b\nf(1) = conv(2)\nf(C+1) = f(C) (+) conv(2)\n'
    program = compiled({"main": main + "net = a::f(2) >> b::f(2) >> f(2)", "r": rule})
    groups = {graph.recursion.group for graph in program.graphs if graph.recursion}
    assert groups == {"r::f", "r_2::f", "f"}
    assert widths(flatten(program)) == [4] * 3 + [8] * 3 + [2] * 2


def test_a_rule_as_an_argument_keeps_its_file() -> None:
    main = """
import "b" as b
thrice(u)  = u(2) >> u(3) >> u(4)
conv_bn(w) = relu
net = thrice(b::conv_bn)
"""
    assert widths(flat(main, b=BLOCKS)) == [2, 3, 4]


def test_numbers_and_lists_are_imported_too() -> None:
    main = 'import "b" as b\nnet = chain(conv2d(w) for w in b::widths) >> conv2d(b::double(3))'
    assert widths(flat(main, b="widths = [1, 2]\ndouble(n) = 2 * n")) == [1, 2, 6]


def test_what_a_file_imports_by_name_it_hands_on() -> None:
    main = 'from "c" import conv_bn\nnet = conv_bn(3)'
    assert widths(flat(main, b=BLOCKS, c='from "b" import conv_bn')) == [3]
    assert errors('import "c" as c\nnet = c::conv', c="unit = conv") == [("F0201", "main")]


def test_the_nets_and_directives_of_an_imported_file_are_its_own() -> None:
    other = "net Other = conv\ndrop_path(local = 0.1)\nassert depth == 1\nunit = conv(3)"
    program = compiled({"main": 'from "b" import unit\nnet Mine = unit', "b": other})
    assert (program.name, program.sampling) == ("Mine", None)


def test_the_library_needs_no_files() -> None:
    program = elaborate(resolve(parse(Source("main", 'from "std" import basic\nnet = basic(8)'))))
    assert widths(flatten(program.program)) == [8, 8, 8]


# Refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("main", "wrong"),
    [
        ('from "b" import wide\nwide = conv\nnet = wide', [("F0209", "main")]),
        ('from "b" import wide, wide\nnet = wide', [("F0209", "main")]),
        ('from "b" import width\nparam width = 3\nnet = conv(width)', [("F0209", "main")]),
        ('import "b" as b\nimport "c" as b\nnet = b::wide', [("F0209", "main")]),
        ('import "b"(width = 1, width = 2) as b\nnet = b::wide', [("F0209", "main")]),
        ('import "b"(conv_bn = 1) as b\nnet = b::wide', [("F0206", "main")]),
        ('import "b"(3) as b\nnet = b::wide', [("F0206", "main")]),
        ('import "b"(width = relu) as b\nnet = b::wide', [("F0405", "main")]),
        ('import "b"(width = wdth) as b\nnet = b::wide', [("F0201", "main")]),
        ('import "b" as b\nnet = b::width', [("F0405", "main")]),
        ('import "b" as b\nnet = b::conv_bn', [("F0206", "main")]),
        ('import "nowhere" as b\nnet = b::f', [("F0801", "main")]),
        ('import "main" as b\nnet = b::f', [("F0215", "main")]),
        ('import "u" as b\nnet = b::f', [("F0201", "u")]),
        ('import "s" as b\nnet = b::f', [("F0101", "s"), ("F0101", "s")]),
        ('import "u" as b\nimport "u"(k = 1) as c\nnet = b::f >> c::f', [("F0201", "u")]),
        ('import "s" as b\nfrom "s" import f\nnet = b::f', [("F0101", "s"), ("F0101", "s")]),
        ('import "r1" as b\nnet = b::f', [("F0215", "r3")]),
    ],
)  # fmt: skip
def test_refusals(main: str, wrong: list[tuple[str, str]]) -> None:
    files = {
        "b": BLOCKS,
        "c": BLOCKS,
        "u": "param k = 2\nf = reluu(k)",
        "s": "f = = 3\ng = conv >> ",
        "r1": 'from "r2" import f',
        "r2": 'from "r3" import f',
        "r3": 'from "r1" import f',
    }
    assert errors(main, **files) == wrong


def test_copies_are_limited() -> None:
    """Each file imports the next twice with settings: 2^12 copies."""
    files = {
        f"f{n}": f'param k = 1\nimport "f{n + 1}"(k = 1) as a\nimport "f{n + 1}"(k = 2) as b\n'
        for n in range(12)
    }
    files["f12"] = "param k = 1"
    with pytest.raises(DiagnosticError) as error:
        compiled({"main": 'import "f0" as a\nnet = conv', **files})
    assert {one.code for one in error.value.diagnostics} == {"F0214"}


def test_parts_are_called_by_the_name_alone_wherever_they_stand() -> None:
    main = """
import "b" as b
again = shared(b::conv_bn(8))
mixed(x) = b::conv_bn(8) >> b::add(x) >> again
tree(w) = wiring(x) { return x >> b::conv_bn(w) }
net = b::conv_bn(8) ** 2 >> each(b::wide) >> mean(b::wide, b::wide) >> again >> tree(4)
"""
    program = flat(main.replace("mixed(x) = b::conv_bn(8) >> b::add(x) >> again\n", ""), b=BLOCKS)
    found = {part for key in keys(program) for part in key.split(".")}
    assert all(part.isidentifier() or part.isdigit() for part in found)
