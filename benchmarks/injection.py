"""Hostile text at every place of a specification: how often it breaks out of a string.

    python benchmarks/injection.py

Each of the payloads of tests/emit_torch/injection.py stands at each place once. A break-out is
output of another shape than for harmless words, or a failure that is no diagnostic. The same
cases through a careless template show that the harness can see one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.emit_torch.injection import CASES, PAYLOADS, SITES, accepted, break_out, judges

FORMS = ("modules", "flat", "json", "graphml", "naive")


def main() -> int:
    found = dict.fromkeys(FORMS, 0)
    refused = 0
    for case in tqdm(CASES, unit="case", mininterval=2):
        for form in FORMS:
            found[form] += break_out(case, judges()[form]) is not None
        refused += accepted(case) is None
    print(f"{len(CASES)} cases: {len(PAYLOADS)} payloads at {len(SITES)} places")
    print(f"refused with a diagnostic: {refused}")
    for form, count in found.items():
        print(f"break-outs, {form}: {count}")
    return int(any(found[form] for form in FORMS[:-1]) or found["naive"] <= 200)


if __name__ == "__main__":
    raise SystemExit(main())
