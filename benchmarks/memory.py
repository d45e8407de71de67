"""Peak memory of a training step and of evaluation, over pytorchcv's; and with checkpoints.

    python benchmarks/memory.py [--batch 16] [--draws 24]

C = 3, B = 5, full widths. Counted are bytes of tensors made in the step and alive at once:
activations, gradients and what operators need in passing; weights and optimiser are there before.
The last row is one block of seven columns, `--checkpoint` over the same without. Figures are exact,
the same at every run; the mean under drop-path is one over drawn plans.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.nets import fractalnet, peer, stratified
from benchmarks.paired import Claim, claim, write
from benchmarks.peak import peak_bytes
from fractal_dsl import compile as compile_spec
from fractal_dsl.runtime import fold_batch_norm

BLOCK = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
net on image[16, 16, 16] = f(7, channels = 16)
drop_path(local = 0.15, global = 0.5)
"""


def step(model: nn.Module, x: Tensor, **settings: object) -> None:
    model.zero_grad(set_to_none=True)
    loss = model(x, **settings).square().mean()
    loss.backward()


def evaluated(model: nn.Module, x: Tensor) -> None:
    with torch.inference_mode():
        model(x)


def peaks(actions: list[Callable[[], object]]) -> list[float]:
    return [float(peak_bytes(action)) for action in actions]


def claims(batch: int, draws: int) -> list[Claim]:
    torch.manual_seed(0)
    ours, theirs = fractalnet(3), peer()
    x = torch.randn(batch, 3, 32, 32)
    full = ours.full_plan()
    plans = stratified(ours, draws)
    (reference,) = peaks([partial(step, theirs.train(), x)])
    (whole,) = peaks([partial(step, ours.train(), x, plan=full)])
    drawn = peaks([partial(step, ours, x, plan=plan) for _, plan in plans])
    strata = [kind for kind, _ in plans]
    (their_eval,) = peaks([partial(evaluated, theirs.eval(), x)])
    (our_eval,) = peaks([partial(evaluated, ours.eval(), x)])
    (folded,) = peaks([partial(evaluated, fold_batch_norm(ours), x)])
    many = [reference] * draws
    return [
        claim("peak of a training step over pytorchcv's, all live", [whole], [reference], 0.95),
        claim("the same, mean under drop-path", drawn, many, 0.62, None, strata),
        claim("peak of an eval forward over pytorchcv's", [our_eval], [their_eval], 0.50),
        claim("the same, batch norm folded", [folded], [their_eval], 0.50),
        checkpointed(),
    ]


def checkpointed() -> Claim:
    compiled = compile_spec(BLOCK)
    nets: list[Any] = [compiled.module(checkpoint=one)().train() for one in (True, False)]
    x = torch.randn(16, 16, 16, 16)
    found = peaks([partial(step, net, x, plan=net.full_plan()) for net in nets])
    return claim("one block, C = 7, --checkpoint over without", [found[0]], [found[1]], 0.16)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = claims(arguments.batch, arguments.draws)
    write(found, arguments.json, torch.device("cpu"))
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
