"""Programs whose gradients rounding alone moves, such as long series of bare attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.operators.sequences import Attention
from fractal_dsl.reference.check import CheckReport
from fractal_dsl.reference.instance import Instance
from fractal_dsl.reference.interpreter import interpret
from fractal_dsl.reference.operations import OPERATIONS
from fractal_dsl.reference.plans import Plan
from fractal_dsl.reference.tensors import parameter_tensors, random_input, random_tensors

__all__ = ["is_steep"]

FACTOR = 1000


def is_steep(
    flat: FlatProgram, seed: int, training: bool, plan: Plan | None, report: CheckReport
) -> bool:
    """Whether a disagreement is no more than rounding makes of the reference's own gradients.

    Only gradients may disagree, by up to a thousand times what changes in the gradients of the
    reference where its weights are off by one part in 10^15, or its attention is torch's kernel
    in place of the formula, or both: where attention is all on one token, gradients of queries
    and keys are differences of equal numbers.
    """
    wrong = [one for one in report.differences if one.ratio > 1]
    if report.unknown or not all(one.name.startswith("gradient") for one in wrong):
        return False
    exact = gradients(flat, seed, training, plan, 0.0)
    moved = [gradients(flat, seed, training, plan, 1e-15)]
    with attention_of_torch():
        moved += [gradients(flat, seed, training, plan, rounding) for rounding in (0.0, 1e-15)]
    own = max(
        float((a - b).abs().max()) for found in moved for a, b in zip(exact, found, strict=True)
    )
    return max(one.largest for one in wrong) <= FACTOR * own


@contextmanager
def attention_of_torch() -> Iterator[None]:
    """The reference with torch's kernel for attention: the same function, rounded otherwise."""
    formula = OPERATIONS["attention"]
    OPERATIONS["attention"] = kernel
    try:
        yield
    finally:
        OPERATIONS["attention"] = formula


def kernel(a: Attention, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    def dense(value: Tensor, name: str) -> Tensor:
        weight = here.tensor(f"{name}.weight")
        assert weight is not None
        return F.linear(value, weight, here.tensor(f"{name}.bias"))

    heads = dense(x[0], "qkv")
    q, k, v = heads.unflatten(2, (3, a.heads, -1)).transpose(1, 3).unbind(2)
    rate = a.dropout if here.training else 0.0
    mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=a.causal)
    return dense(mixed.transpose(1, 2).flatten(2), "proj")


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
