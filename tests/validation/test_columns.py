"""compile(column k) and column k of the compiled net are the same function."""

from __future__ import annotations

import pytest
import torch

from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Compilation, Style
from fractal_dsl.driver.request import RequestError
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Join
from fractal_dsl.passes.report import analyse
from fractal_dsl.reference.tensors import random_input, random_tensors
from fractal_dsl.source import Source
from tests.validation.translation import distinct_programs

STYLES: tuple[Style, ...] = ("modules", "flat")
SPEC = """
param C = 3
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
block(channels) = f(C) >> each(max_pool(2))
net on image[2, 4, 4] = chain(block(w) for w in [3, 4]) >> linear(3)
drop_path(local = 0.15, global = 0.5)
"""


def difference(compiled: Compilation, k: int, style: Style) -> float:
    """The largest difference of outputs, with the whole net's weights in both."""
    whole, column = compiled.module(style)().double(), compiled.column(k).module(style)().double()
    tensors = random_tensors(
        flatten(compiled.program), torch.Generator().manual_seed(k), torch.float64
    )
    whole.load_state_dict(tensors)
    keys = column.state_dict().keys()
    assert keys <= tensors.keys()
    column.load_state_dict({key: tensors[key] for key in keys})
    flat, generator = flatten(compiled.program), torch.Generator().manual_seed(k)
    x = [random_input(flat, at, 2, generator) for at in flat.inputs]
    whole.eval(), column.eval()
    with torch.no_grad():
        expected, found = whole(*x, plan=whole.column_plan(k)), column(*x)
    if isinstance(expected, torch.Tensor):
        expected, found = [expected], [found]
    return max(
        float((one - other).abs().max()) / (1 + float(one.abs().max()))
        for one, other in zip(expected, found, strict=True)
    )


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("columns", range(2, 7))
def test_every_column_of_fractalnet(columns: int, style: Style) -> None:
    compiled = compile_source(Source("net.fdl", SPEC), params={"C": columns})
    for k in range(1, columns + 1):
        assert difference(compiled, k, style) <= 1e-12
        report = compiled.column(k).report
        row = compiled.report.columns[k - 1]
        assert (report.depth, report.convs, report.parameters, report.macs) == (
            row.depth, row.convs, row.parameters, row.macs,
        )  # fmt: skip
        graphs = compiled.column(k).program.graphs
        assert not any(isinstance(node, Join) for graph in graphs for node in graph.nodes)


def test_columns_of_random_programs() -> None:
    drawn = distinct_programs(60, 90_000)
    programs = (text for text, _ in drawn if "global = 0.5)" in text)
    several = 0
    for text in programs:
        compiled = compile_source(Source("random.fdl", text))
        count = compiled.report.columns[-1].column
        if not flatten(compiled.program).joins:
            continue
        several += count > 1
        for k in {1, (count + 1) // 2, count}:
            assert difference(compiled, k, "modules") <= 1e-12, (k, text)
            facts = analyse(compiled.column(k).program)
            row = next(row for row in compiled.report.columns if row.column == k)
            assert (facts.convs, facts.parameters) == (row.convs, row.parameters), (k, text)
    assert several >= 10


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(RequestError, match="are 1 to 3"):
        compile_source(Source("net.fdl", SPEC)).column(4)
