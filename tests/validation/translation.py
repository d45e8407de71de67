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
from torch import nn

from fractal_dsl.driver import compile_source
from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Sampling
from fractal_dsl.passes.depth import depth
from fractal_dsl.reference.check import CheckReport, check
from fractal_dsl.reference.plans import local_plan, resolve
from fractal_dsl.source import Source
from tests.programs import fdl_programs
from tests.validation.steep import is_steep

__all__ = ["Outcome", "distinct_programs", "validate"]

BATCH = 100
REDRAWS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one program was, and every way in which its code disagreed (none: `faults` empty).

    `redrawn` says how often its weights were drawn anew, since a value had come within rounding
    of a tie.
    """

    depth: int
    operators: Counter[str]
    widths: frozenset[int]
    faults: tuple[str, ...]
    redrawn: int = 0


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
    modules = {"modules": compiled.module("modules")(), "flat": compiled.module("flat")()}
    sampled = compiled.program.sampling is not None
    faults: list[str] = []
    for module in modules.values() if sampled and flat.joins else ():
        faults += wrong_plans(module, flat)
    for redrawn in range(REDRAWS):
        reports = compared(modules, flat, sampled, seed + 100_000 * redrawn)
        if not any(report.ties for report in reports.values()):
            break
    return Outcome(
        depth(compiled.program),
        Counter(
            node.attributes.operator if node.attributes else f"mean/{len(node.operands)}"
            for node in flat.nodes[1:]
        ),
        frozenset(node.shape.channels for node in flat.nodes),
        (*faults, *(f"{case}: {report}" for case, report in reports.items() if not report.agrees)),
        redrawn,
    )


def compared(
    modules: dict[str, nn.Module], flat: FlatProgram, sampled: bool, seed: int
) -> dict[str, CheckReport]:
    """By style and situation; what disagrees by rounding alone is left out."""
    found: dict[str, CheckReport] = {}
    for style, module in modules.items():
        for training, plan in situations(sampled, flat, seed):
            report = check(module, flat, seed=seed, training=training, plan=plan)
            if report.agrees or not is_steep(flat, seed, training, plan, report):
                found[f"{style}, training={training}, plan={plan is not None}"] = report
    return found


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
