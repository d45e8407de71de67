"""What evaluation costs: the whole net over pytorchcv's, folded, and each column over the whole.

    python benchmarks/inference.py [--batch 16] [--rounds 24] [--device cuda]

C = 3, B = 5, full widths, in eval mode without gradients. Column k is what `--column k`
compiles, with the whole net's weights; its floor is its share of multiply-adds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.nets import column_of, fractalnet, live_share, peer
from benchmarks.paired import Claim, Timer, claim, compare, write
from fractal_dsl.runtime import fold_batch_norm


def claims(batch: int, rounds: int, device: torch.device) -> list[Claim]:
    torch.manual_seed(0)
    whole = fractalnet(3).to(device).eval()
    columns = [column_of(whole, k).to(device).eval() for k in (1, 2, 3)]
    x = torch.randn(batch, 3, 32, 32, device=device)
    actions: dict[str, Callable[[], object]] = {
        "peer": partial(peer().to(device).eval(), x),
        "whole": partial(whole, x),
        "folded": partial(fold_batch_norm(whole).to(device), x),
    }
    actions |= {f"column {k}": partial(one, x) for k, one in enumerate(columns, 1)}
    with torch.inference_mode():
        times = compare(Timer(device), [actions] * rounds)
    found = [
        claim("eval forward over pytorchcv's", times["whole"], times["peer"], 0.96),
        claim("the same, batch norm folded", times["folded"], times["peer"], 0.92),
    ]
    for k in (1, 2, 3):
        share = live_share(whole, whole.column_plan(k))
        name = f"eval of column {k} over the whole"
        found.append(claim(name, times[f"column {k}"], times["whole"], share + 0.03, share))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    found = claims(arguments.batch, arguments.rounds, device)
    write(found, arguments.json, device)
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
