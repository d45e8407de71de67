"""Peak memory of a training step and of evaluation, over pytorchcv's; and with checkpoints.

    python benchmarks/memory.py [--batch 16] [--draws 24] [--device cuda]

C = 3, B = 5, full widths. Counted is what is alive at once of all that the step allocates, by the
allocator's events: activations, gradients and what operators need inside; weights and optimiser
are there before. The last row is one block of seven columns, `--checkpoint` over the same without.
Figures are the same at every run; the mean under drop-path is one over drawn plans.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.nets import fractalnet, peer, stratified
from benchmarks.paired import Claim, claim, write
from benchmarks.peak import allocated_bytes
from fractal_dsl import compile as compile_spec
from fractal_dsl.runtime import fold_batch_norm

BLOCK = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
net on image[16, 16, 16] = f(7, channels = 16)
drop_path(local = 0.15, global = 0.5)
"""


def trained(device: torch.device, model: nn.Module, x: Tensor, plan: object = None) -> float:
    """Peak of a training step; gradients are none before it."""
    settings = {} if plan is None else {"plan": plan}
    model.train().zero_grad(set_to_none=True)
    return float(allocated_bytes(lambda: step(model, x, **settings), device))


def step(model: nn.Module, x: Tensor, **settings: object) -> None:
    loss = model(x, **settings).square().mean()
    loss.backward()


def evaluated(device: torch.device, model: nn.Module, x: Tensor) -> float:
    model.eval()
    with torch.inference_mode():
        return float(allocated_bytes(lambda: model(x), device))


def claims(batch: int, draws: int, device: torch.device) -> list[Claim]:
    torch.manual_seed(0)
    ours, theirs = fractalnet(3).to(device), peer().to(device)
    x = torch.randn(batch, 3, 32, 32, device=device)
    plans = stratified(ours, draws)
    strata = [kind for kind, _ in plans]
    reference = trained(device, theirs, x)
    whole = trained(device, ours, x, ours.full_plan())
    drawn = [trained(device, ours, x, plan) for _, plan in plans]
    many = [reference] * draws
    ours.zero_grad(set_to_none=True)
    their_eval = evaluated(device, theirs, x)
    our_eval = evaluated(device, ours, x)
    folded = evaluated(device, fold_batch_norm(ours), x)
    return [
        claim("peak of a training step over pytorchcv's, all live", [whole], [reference], 0.95),
        claim("the same, mean under drop-path", drawn, many, 0.62, None, strata),
        claim("peak of an eval forward over pytorchcv's", [our_eval], [their_eval], 0.50),
        claim("the same, batch norm folded", [folded], [their_eval], 0.50),
        checkpointed(device),
    ]


def checkpointed(device: torch.device) -> Claim:
    compiled = compile_spec(BLOCK)
    x = torch.randn(16, 16, 16, 16, device=device)
    nets: list[Any] = [compiled.module(checkpoint=one)().to(device) for one in (True, False)]
    found = [trained(device, net, x, net.full_plan()) for net in nets]
    return claim("one block, C = 7, --checkpoint over without", [found[0]], [found[1]], 0.16)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    found = claims(arguments.batch, arguments.draws, device)
    write(found, arguments.json, device)
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
