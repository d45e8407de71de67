"""Generated code is the function that the graph means: random programs, and seeded faults."""

from __future__ import annotations

from itertools import islice

import pytest

from fractal_dsl.driver import compile_source
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.reference.check import check
from fractal_dsl.reference.mutate import mutations
from fractal_dsl.source import Source
from tests.validation.translation import distinct_programs, validate

CHUNKS = 10
EACH = 50


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_generated_code_agrees_with_the_interpreter(chunk: int) -> None:
    """500 programs in all: eval, train and gradients, both styles, in float64."""

    for text, weights in distinct_programs(EACH, first_seed=1000 * chunk):
        outcome = validate(text, weights)
        assert not outcome.faults, f"{outcome.faults[0]}\n{text}"


FAULTY = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
block(channels) = f(C) >> each(max_pool(2))
net on image[2, 8, 8] = block(4) >> (id + conv(4)) >> block(6) >> flatten >> linear(3)
param C = 3
"""


FAULTY_SEQUENCES = """
f(1)   = layer_norm >> attention(2)
f(C+1) = (f(C) . f(C)) (+) (linear(8) >> gelu)
mix    = transpose >> linear(in_channels) >> transpose
gate   = id * (global_avg_pool >> linear(8) >> sigmoid)
net on tokens[5] = embedding(9, 8) >> (id + timing(step = C)) >> f(C) >> (id + mix) >> gate
    >> concat(id, f(2), axis = 0) >> take(-1) >> linear(3)
param C = 3
"""


def test_the_check_catches_every_seeded_miscompilation() -> None:
    """300 of 300: an edge rewired, a sum for a mean, an operand lost, two layers swapped."""
    caught = 0
    for columns, text in ((2, FAULTY), (3, FAULTY), (4, FAULTY), (5, FAULTY),
                          (2, FAULTY_SEQUENCES), (3, FAULTY_SEQUENCES)):  # fmt: skip
        compiled = compile_source(Source("faulty.fdl", text), params={"C": columns})
        flat = flatten(compiled.program)
        module = compiled.module()()
        assert check(module, flat, seed=1).agrees
        for description, faulty in islice(mutations(flat, seed=columns), 50):
            report = check(module, faulty, seed=2, compiled=flat)
            assert not report.agrees, description
            caught += 1
    assert caught == 300
