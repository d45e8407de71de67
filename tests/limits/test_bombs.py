"""Bombs are refused, before they are expanded."""

from __future__ import annotations

import pytest

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.limits import MAX_NODES
from fractal_dsl.passes import counts
from fractal_dsl.source import Source
from tests.limits.bombs import RULE, bombs


def test_there_are_two_hundred_of_them() -> None:
    assert len(bombs()) >= 200
    assert len(set(bombs())) == len(bombs())


@pytest.mark.parametrize("text", bombs(), ids=range(len(bombs())))
def test_refused_by_a_limit(text: str) -> None:
    with pytest.raises(DiagnosticError) as refused:
        _ = compile_source(Source("bomb.fdl", text)).source
    assert [d.code[:3] for d in refused.value.diagnostics] == ["F03"]
    assert refused.value.diagnostics[0].span is not None


def test_what_is_exactly_within_the_limit_is_taken() -> None:
    within = compile_source(Source("large.fdl", RULE + "net = f(16)"))
    assert counts.nodes(within.program) <= MAX_NODES
    assert "class F16" in within.source


def test_a_refusal_counts_exactly_and_says_what_fits() -> None:
    with pytest.raises(DiagnosticError) as refused:
        _ = compile_source(Source("bomb.fdl", RULE + "net = f(24)")).source
    only = refused.value.diagnostics[0]
    assert "54,525,950 nodes" in only.message
    assert "16777215 convs" in only.label.replace(",", "").replace("convolutions", "convs")
    assert "16" in only.helps[0].text
