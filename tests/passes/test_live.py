"""Expected live work: what the law of one join gives, and values used in several places."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Program, Sampling
from fractal_dsl.ir.operators.elementwise import Relu
from fractal_dsl.ir.operators.layers import Conv2d
from fractal_dsl.ir.shapes import image
from fractal_dsl.passes.columns import columns
from fractal_dsl.passes.live import CONVS, MACS, LiveWork, expected_live, expected_live_convs
from fractal_dsl.passes.liveness import JoinLaw
from fractal_dsl.reference.plans import node_depth
from tests.handmade import block_only, with_sampling
from tests.passes import slow
from tests.passes.sketch import Flow, Library, Sketch
from tests.passes.test_columns import looking_back

SHAPE = image(2, 4, 4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.15, 0.5, 0.9]), min_size=1, max_size=5))
def test_the_law_of_a_join(rates: list[float]) -> None:
    law = JoinLaw(tuple(rates))
    outcomes = list(slow.join_outcomes(rates))
    assert isclose(sum(chance for chance, _ in outcomes), 1)
    for dropped in product((False, True), repeat=len(rates)):
        mask = sum(1 << at for at, gone in enumerate(dropped) if gone)
        expected = sum(
            chance for chance, kept in outcomes
            if not any(k and gone for k, gone in zip(kept, dropped, strict=True))
        )  # fmt: skip
        assert isclose(law.dropped(mask), expected, abs_tol=1e-12)


def several_uses() -> Program:
    """One convolution read by two joins and a sum behind them, directly and in turn."""
    library = Library()
    sketch = Sketch(library, SHAPE)
    wire = sketch.apply(Conv2d(2), sketch.start)
    first = sketch.close(sketch.join(wire, sketch.apply(Conv2d(2), sketch.start), wire))
    second = sketch.close(
        sketch.join(
            sketch.apply(Conv2d(2), first),
            sketch.apply(Conv2d(2), sketch.start),
            rates=(0.4, None),
        )
    )
    third = sketch.join(sketch.apply(Conv2d(2), second), wire, sketch.apply(Relu(), first))
    return library.program(sketch.finish(sketch.close(third), "net"), Sampling(0.3, 0.0))


def test_values_that_are_used_in_several_places() -> None:
    program = several_uses()
    flat = flatten(program)
    total = sum(node_depth(node) for node in flat.nodes)
    expected = slow.local_work(flat, 0.3, lambda at: node_depth(flat.nodes[at])) / total
    found = expected_live_convs(program)
    assert found is not None and isclose(found, expected, abs_tol=1e-12)


def ladder(rungs: int) -> Program:
    """v = (conv >> v) (+) wire, again and again: the wire is needed in as many ways."""
    library = Library()
    sketch = Sketch(library, SHAPE)
    wire = sketch.apply(Conv2d(2), sketch.start)
    value: Flow = sketch.apply(Conv2d(2), sketch.start)
    for _ in range(rungs):
        value = sketch.close(sketch.join(sketch.apply(Conv2d(2), value), wire))
    return library.program(sketch.finish(value, "net"), Sampling(0.2, 0.0))


def test_a_ladder_is_exact_while_it_is_short_and_refused_when_long() -> None:
    flat = flatten(ladder(6))
    total = sum(node_depth(node) for node in flat.nodes)
    expected = slow.local_work(flat, 0.2, lambda at: node_depth(flat.nodes[at])) / total
    found = expected_live_convs(ladder(6))
    assert found is not None and isclose(found, expected, abs_tol=1e-12)
    assert expected_live_convs(ladder(300)) is None


def test_written_rates_go_before_the_nets() -> None:
    library = Library()
    sketch = Sketch(library, SHAPE)
    flows = [sketch.apply(Conv2d(2), sketch.start) for _ in range(2)]
    inner = sketch.finish(sketch.join(*flows, rates=(0.0, 0.5)), "open")
    sketch = Sketch(library, SHAPE)
    flow = sketch.close(sketch.call(inner, sketch.start))
    program = library.program(sketch.finish(flow, "net"), Sampling(0.9, 0.0))
    assert expected_live_convs(program) == 0.75


def test_both_measures_and_every_mixture() -> None:
    program = block_only(3)
    local, shares = {}, {}
    for measure in (MACS, CONVS):
        work = LiveWork(with_sampling(program))
        local[measure] = work.local(measure)
        shares[measure] = [float(share) for share in work.column_shares(measure)]
    assert isclose(sum(shares[CONVS]), 1) and isclose(sum(shares[MACS]), 1)
    assert expected_live(with_sampling(program, 0.15, 0.0)) == local[MACS]
    alone = expected_live_convs(with_sampling(program, 0.15, 1.0))
    assert alone is not None and isclose(alone, 1 / 3)
    some = replace(program, sampling=Sampling(0.15, 1.0, columns=(1, 3)))
    found = expected_live_convs(some)
    assert found is not None and isclose(found, (1 / 7 + 4 / 7) / 2)
    tied = replace(program, sampling=Sampling(0.15, 0.5, mode="simultaneous"))
    whole, alone = expected_live_convs(tied), local[CONVS]
    assert whole is not None and alone is not None and isclose(whole, alone + 1)


def test_a_net_without_work_has_no_share_of_it() -> None:
    library = Library()
    sketch = Sketch(library, SHAPE)
    program = library.program(sketch.finish(sketch.apply(Relu(), sketch.start), "net"))
    assert expected_live(replace(program, sampling=Sampling(0.1, 0.5))) is None


@pytest.mark.parametrize(("drawn", "known"), [(None, False), ((1,), True), ((1, 2), False)])
def test_columns_too_many_to_list_have_no_mean(drawn: tuple[int, ...], known: bool) -> None:
    program = replace(looking_back(24), sampling=Sampling(0.15, 0.5, columns=drawn))
    assert columns(program).count > 1_024
    assert (expected_live(program) is not None) == known
    assert expected_live(replace(program, sampling=Sampling(0.15, 0.0))) is not None
