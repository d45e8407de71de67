"""Validates the code of many random programs and describes what they were.

    python benchmarks/translation.py --programs 10000 --jobs 2

Each program's generated module, in both styles, is compared with the reference interpreter in
float64: outputs, batch-norm statistics, gradients of the input and of every weight, in eval and
train mode and under a drawn plan. Where a value comes within rounding of a tie of ReLU or of a
maximum, the weights are drawn anew, and that is counted. Prints the distribution of depth, joins,
operators and widths. No two programs are alike.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.validation.translation import Outcome, distinct_programs, validate

Drawn = tuple[str, int]


def fared(drawn: Drawn) -> tuple[str, Outcome]:
    """A program, and how it fared."""
    text, weights = drawn
    try:
        return text, validate(text, weights)
    except Exception as error:  # noqa: BLE001 (a compiler that stops is wrong too)
        return text, Outcome(0, Counter(), frozenset(), (repr(error),))


def outcomes(programs: Iterator[Drawn], jobs: int) -> Iterator[tuple[str, Outcome]]:
    if jobs == 1:
        yield from map(fared, programs)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, torch.set_num_threads, (1,)) as pool:
        yield from pool.imap(fared, programs, chunksize=10)


def describe(name: str, values: list[int]) -> None:
    ordered = sorted(values)
    marks = [ordered[int(share * (len(ordered) - 1))] for share in (0, 0.25, 0.5, 0.75, 0.95, 1)]
    print(f"{name:12} min, quartiles, 95 %, max: {marks}")


def report(found: list[tuple[str, Outcome]]) -> bool:
    """Whether all agree; prints what they were."""
    results = [outcome for _, outcome in found]
    total: Counter[str] = sum((r.operators for r in results), Counter())
    joins = [sum(n for op, n in r.operators.items() if op.startswith("mean/")) for r in results]
    describe("depth", [r.depth for r in results])
    describe("joins", joins)
    describe("nodes", [r.operators.total() for r in results])
    describe("widths", [width for r in results for width in r.widths])
    print(f"depth >= 16: {sum(r.depth >= 16 for r in results) / len(results):.1%}")
    print("operators:", ", ".join(f"{op} {n}" for op, n in total.most_common()))
    print(f"weights redrawn: {sum(r.redrawn > 0 for r in results) / len(results):.2%} of programs")
    faults = [(text, r.faults[0]) for text, r in found if r.faults]
    print(f"programs: {len(results)}; disagreements: {len(faults)}")
    for text, fault in faults[:5]:
        print(f"\n{fault}\n{text}")
    return not faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    drawn = distinct_programs(given.programs, given.seed)
    found = []
    running = outcomes(drawn, given.jobs)
    for one in tqdm(running, total=given.programs, unit="program", mininterval=2):
        found.append(one)
        if one[1].faults:
            tqdm.write(f"{one[0]}\n{one[1].faults[0]}")
    return 0 if report(found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
