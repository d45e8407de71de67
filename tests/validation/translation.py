"""One random program through the compiler, each style of its code against the interpreter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from fractal_dsl.driver import compile_source
from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Sampling
from fractal_dsl.passes.depth import depth
from fractal_dsl.reference.check import check
from fractal_dsl.reference.plans import local_plan, resolve
from fractal_dsl.source import Source
from tests.programs import fdl_programs

__all__ = ["Outcome", "distinct_programs", "validate"]

BATCH = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one program was, and every way in which its code disagreed (none: `faults` empty)."""

    depth: int
    operators: Counter[str]
    widths: frozenset[int]
    faults: tuple[str, ...]
    tied: bool


def distinct_programs(number: int, first_seed: int) -> Iterator[tuple[str, int]]:
    """So many random programs, no two alike, each with a seed for its weights.

    Hypothesis draws many programs again, to vary them; those are passed over.
    """
    known: set[str] = set()
    for at in count(first_seed):
        for text, weights in _batch(at):
            if text not in known:
                known.add(text)
                yield text, weights
            if len(known) == number:
                return


def _batch(at: int) -> list[tuple[str, int]]:
    drawn: list[tuple[str, int]] = []

    @hypothesis_seed(at)
    @settings(
        max_examples=BATCH,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(fdl_programs(), st.integers(0, 10_000))
    def draw(text: str, weights: int) -> None:
        drawn.append((text, weights))

    draw()
    return drawn


def validate(text: str, seed: int) -> Outcome:
    """Both styles; eval, train and, with drop-path, train under a drawn plan; all gradients."""
    compiled = compile_source(Source("random.fdl", text))
    flat = flatten(compiled.program)
    faults: list[str] = []
    tied = False
    for style in ("modules", "flat"):
        module = compiled.module(style)()
        if compiled.program.sampling is not None and flat.joins:
            faults += wrong_plans(module, flat)
        for training, plan in situations(compiled.program.sampling is not None, flat, seed):
            report = check(module, flat, seed=seed, training=training, plan=plan)
            tied |= report.ties > 0
            if not report.agrees and not report.ties:
                faults.append(f"{style}, training={training}, plan={plan is not None}: {report}")
    return Outcome(
        depth(compiled.program),
        Counter(
            node.attributes.operator if node.attributes else f"mean/{len(node.operands)}"
            for node in flat.nodes[1:]
        ),
        frozenset(node.shape.channels for node in flat.nodes),
        tuple(faults),
        tied,
    )


def wrong_plans(module: Any, flat: FlatProgram) -> Iterator[str]:
    """What is wrong with plans that the module draws: rows of joins that they do not reach."""
    for _ in range(3):
        drawn = tuple(map(tuple, module.sample_plan()))
        if drawn != resolve(flat, drawn.__getitem__):
            yield f"draws a plan that does not hold together: {drawn}"
    for at in {1, module.columns}:
        plan = tuple(map(tuple, module.column_plan(at)))
        if plan != resolve(flat, plan.__getitem__):
            yield f"column {at} does not hold together: {plan}"


def situations(
    sampled: bool, flat: FlatProgram, seed: int
) -> list[tuple[bool, tuple[tuple[bool, ...], ...] | None]]:
    """(training, plan) pairs to compare in."""
    plain: list[tuple[bool, tuple[tuple[bool, ...], ...] | None]] = [(False, None), (True, None)]
    if sampled:
        plain.append((True, local_plan(flat, Sampling(0.5), Random(seed))))
    return plain
