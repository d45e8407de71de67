"""Passes that transform a program."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from fractal_dsl.diagnostics import InternalError
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Call, Graph, Program
from fractal_dsl.ir.prune import drop_unreached
from fractal_dsl.ir.verify import verify
from fractal_dsl.passes import pipeline
from fractal_dsl.passes.pipeline import PIPELINE, Pass, merge_equal_graphs, run
from tests.handmade import block_only, fractalnet
from tests.passes.programs import programs


def doubled(program: Program) -> Program:
    """The program with every graph twice, calls from either copy to its own."""
    size = len(program.graphs)

    def moved(at: int, by: int) -> Graph:
        graph = program.graphs[at]
        nodes = (
            replace(node, callee=2 * node.callee + by) if isinstance(node, Call) else node
            for node in graph.nodes
        )
        return replace(graph, nodes=tuple(nodes), doc="copy" * by)

    graphs = [moved(at, by) for at in range(size) for by in (0, 1)]
    return replace(program, graphs=tuple(graphs), entry=2 * program.entry + 1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_passes_change_no_function(program: Program) -> None:
    found = run(program)
    assert flatten(found) == flatten(program)
    assert len(set(found.graphs)) == len(found.graphs)


def test_equal_graphs_become_one_however_deep() -> None:
    program = fractalnet(4, (8, 8), size=4)
    twice = doubled(program)
    assert merge_equal_graphs(twice).graphs[-1] == program.graphs[-1]
    assert run(twice) == run(program)
    assert flatten(run(twice)) == flatten(program)
    assert len(run(program).graphs) == len(program.graphs)


def test_what_the_entry_does_not_reach_is_dropped() -> None:
    program = block_only(4)
    inner = replace(program, graphs=program.graphs[:-1], entry=0)
    assert drop_unreached(inner).graphs == (program.graphs[0],)
    assert drop_unreached(doubled(program)).graphs[-1].label == "net"
    assert len(drop_unreached(doubled(program)).graphs) == len(program.graphs)
    assert drop_unreached(program) == program


def test_every_pass_has_a_reason_and_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(step.name and step.reason for step in PIPELINE)
    verify(run(block_only(3)))

    def broken(program: Program) -> Program:
        return replace(program, entry=0)

    steps = (*PIPELINE, Pass("broken", broken, "shows that verify runs"))
    monkeypatch.setattr(pipeline, "PIPELINE", steps)
    with pytest.raises(InternalError):
        run(block_only(3))
