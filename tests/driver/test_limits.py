"""Sizes are counted without expanding, and agree with what an expansion makes."""

from __future__ import annotations

import pytest

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.limits import check_expansion, sizes_of
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Program
from fractal_dsl.passes import counts
from fractal_dsl.source import Source
from tests.handmade import block_only, fractalnet

RULE = "f(1)   = conv\nf(C+1) = (f(C) . f(C)) (+) conv\n"


def program_of(text: str) -> Program:
    return compile_source(Source("net.fdl", text)).program


def refusal(program: Program, limit: int) -> Diagnostic:
    with pytest.raises(DiagnosticError) as refused:
        check_expansion(program, limit)
    return refused.value.diagnostics[0]


@pytest.mark.parametrize("program", [fractalnet(3), block_only(5), block_only(1)])
def test_the_count_is_that_of_the_flat_graph(program: Program) -> None:
    size = sizes_of(program)[program.entry]
    flat = flatten(program)
    assert size == (len(flat.nodes), counts.convs(program), len(flat.joins))


def test_the_limit_itself_is_within() -> None:
    program = block_only(6)
    nodes = sizes_of(program)[program.entry].nodes
    check_expansion(program, nodes)
    assert f"{nodes} nodes; the limit is {nodes - 1}" in refusal(program, nodes - 1).message


def test_the_rule_that_grows_is_pointed_at() -> None:
    found = refusal(
        program_of(RULE + "block = f(20) >> max_pool(2)\nnet = block >> block"), 250_000
    )
    assert found.code == "F0301" and found.is_limit
    assert found.span is not None and found.span.text == "f(20)"
    assert "`f(20)`: 3,407,868 nodes, 1,048,575 convolutions" in found.label
    assert [label.span.text for label in found.labels] == ["f(C)", "f(C)"]
    assert found.labels[-1].text == "two calls: nodes double with each level"
    assert found.helps[0].text == "the largest within the limit is `f(16)` (212,988 nodes)"


def test_a_repeat_is_pointed_at() -> None:
    found = refusal(program_of("net = conv >> (conv ** 10**9)"), 250_000)
    assert "3,000,000,004 nodes" in found.message
    assert "conv ** 1,000,000,000" in found.label


def test_counts_have_four_digits_from_thirty_on() -> None:
    text = "f(1) = conv\nf(n+1) = chain(f(n) for i in 1..10)\nnet = f(60)"
    assert "`f(60)` would expand to 3.000e59 nodes" in refusal(program_of(text), 250_000).message
