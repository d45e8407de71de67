"""Validates the code of many random programs and describes what they were.

    python benchmarks/translation.py --programs 10000

Each program's generated module, in both styles, is compared with the reference interpreter in
float64: outputs, batch-norm statistics, gradients of the input and of every weight, in eval and
train mode and under a drawn plan. Prints the distribution of depth, joins, operators and widths,
and the share of programs within rounding of a tie, which are not compared but counted.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.validation.translation import Outcome, distinct_programs, validate


def outcomes(programs: int, first_seed: int) -> list[tuple[str, Outcome]]:
    """That many random programs and how each fared."""
    found: list[tuple[str, Outcome]] = []
    drawn = distinct_programs(programs, first_seed)
    for text, weights in tqdm(drawn, total=programs, unit="program", mininterval=2):
        try:
            found.append((text, validate(text, weights)))
        except Exception as error:  # noqa: BLE001 (a compiler that stops is wrong too)
            found.append((text, Outcome(0, Counter(), frozenset(), (repr(error),), False)))
        if found[-1][1].faults:
            tqdm.write(f"{text}\n{found[-1][1].faults[0]}")
    return found


def describe(name: str, values: list[int]) -> None:
    ordered = sorted(values)
    marks = [ordered[int(share * (len(ordered) - 1))] for share in (0, 0.25, 0.5, 0.75, 0.95, 1)]
    print(f"{name:12} min, quartiles, 95 %, max: {marks}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found = outcomes(arguments.programs, arguments.seed)
    results = [outcome for _, outcome in found]
    total: Counter[str] = sum((r.operators for r in results), Counter())
    joins = [sum(n for op, n in r.operators.items() if op.startswith("mean/")) for r in results]
    describe("depth", [r.depth for r in results])
    describe("joins", joins)
    describe("nodes", [r.operators.total() for r in results])
    describe("widths", [width for r in results for width in r.widths])
    print(f"depth >= 16: {sum(r.depth >= 16 for r in results) / len(results):.1%}")
    print("operators:", ", ".join(f"{op} {n}" for op, n in total.most_common()))
    print(f"within rounding of a tie: {sum(r.tied for r in results) / len(results):.2%}")
    faults = [(text, r.faults[0]) for text, r in found if r.faults]
    print(f"programs: {len(results)}; disagreements: {len(faults)}")
    for text, fault in faults[:5]:
        print(f"\n{fault}\n{text}")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
