"""Programs whose gradients rounding alone moves, such as long series of bare attention."""

from __future__ import annotations

import torch
from torch import Tensor

from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.reference.check import CheckReport
from fractal_dsl.reference.interpreter import interpret
from fractal_dsl.reference.plans import Plan
from fractal_dsl.reference.tensors import parameter_tensors, random_input, random_tensors

__all__ = ["is_steep"]

FACTOR = 1000


def is_steep(
    flat: FlatProgram, seed: int, training: bool, plan: Plan | None, report: CheckReport
) -> bool:
    """Whether a disagreement is no more than rounding of the weights makes of the reference's own.

    Only gradients may disagree, by up to a thousand times what weights that are off by one part
    in 10^15 change in the gradients of the reference.
    """
    wrong = [one for one in report.differences if one.ratio > 1]
    if report.unknown or not all(one.name.startswith("gradient") for one in wrong):
        return False
    exact = gradients(flat, seed, training, plan, 0.0)
    moved = gradients(flat, seed, training, plan, 1e-15)
    own = max(float((a - b).abs().max()) for a, b in zip(exact, moved, strict=True))
    return max(one.largest for one in wrong) <= FACTOR * own


def gradients(
    flat: FlatProgram, seed: int, training: bool, plan: Plan | None, rounding: float
) -> list[Tensor]:
    """Gradients of every weight, all weights off by `rounding`, relative."""
    generator = torch.Generator().manual_seed(seed)
    tensors = random_tensors(flat, generator, torch.float64)
    x = [random_input(flat, at, 3, generator) for at in flat.inputs]
    leaves = {
        name: (tensors[name] * (1 + rounding * torch.randn_like(tensors[name]))).requires_grad_()
        for name in parameter_tensors(flat)
    }
    torch.manual_seed(seed)
    ran = interpret(flat, {**tensors, **leaves}, *x, training=training, plan=plan)
    upstream = [
        torch.randn(one.shape, generator=generator, dtype=torch.float64) for one in ran.outputs
    ]
    found = torch.autograd.grad(ran.outputs, list(leaves.values()), upstream, allow_unused=True)
    return [torch.zeros(1) if one is None else one for one in found]
