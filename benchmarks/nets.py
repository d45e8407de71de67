"""The networks that the benchmarks compare, and the plans they replay."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pytorchcv.models.fractalnet_cifar import fractalnet_cifar10
from torch import Tensor, nn

from fractal_dsl import compile as compile_spec
from fractal_dsl.driver import Compilation

__all__ = ["column_of", "fractalnet", "live_share", "peer", "stratified", "stratified_samples"]

SPEC = """
layer(rate) = conv >> dropout2d(rate)

f(1, rate)   = layer(rate)
f(C+1, rate) = (f(C, rate) . f(C, rate)) (+) layer(rate)

block(channels, rate) = f(C, rate) >> max_pool(2)

net Fractal(classes = 10) on image[3, 32, 32] =
    chain(block(w, p) for w, p in [(64, 0), (128, 0.1), (256, 0.2), (512, 0.3), (512, 0.4)])
    >> linear(classes)

param C = 3
"""


def fractalnet(
    columns: int,
    *,
    per: Literal["batch", "sample", "none"] = "batch",
    style: Literal["modules", "flat"] = "modules",
) -> Any:
    """Ours: pytorchcv's FractalNet as a rule, with its dropout of maps after each layer.

    `per`: who has a plan; "none" for straight-line code without drop-path.
    """
    return compilation(columns, per).module(style)()


def compilation(columns: int, per: str) -> Compilation:
    directive = f'drop_path(local = 0.15, global = 0.5, per = "{per}")\n'
    return compile_spec(SPEC + ("" if per == "none" else directive), C=columns)


def column_of(model: Any, k: int) -> nn.Module:
    """Column `k` compiled alone, with the weights of `model`."""
    column: nn.Module = compilation(model.columns, "batch").column(k).module()()
    state = model.state_dict()
    column.load_state_dict({key: state[key] for key in column.state_dict()})
    return column


def peer() -> nn.Module:
    """pytorchcv's, C = 3: masks for each sample, drawn by itself; they cost the same for any."""
    made: nn.Module = fractalnet_cifar10()
    return made


def stratified(model: Any, draws: int) -> list[tuple[str, Any]]:
    """Half local plans, half global ones, the columns in turn; each with the name of its kind."""
    generator = torch.Generator().manual_seed(1)
    rate, model.global_rate = model.global_rate, 0.0
    found = []
    for number in range(draws):
        if number % 2:
            column = 1 + (number // 2) % model.columns
            found.append((f"column {column}", model.column_plan(column)))
        else:
            found.append(("local", model.sample_plan(generator)))
    model.global_rate = rate
    return found


def stratified_samples(model: Any, draws: int, samples: int) -> list[list[Any]]:
    """For each of so many mini-batches, a plan for each sample: stratified as above."""
    plans = [plan for _, plan in stratified(model, draws * samples)]
    return [plans[at * samples : (at + 1) * samples] for at in range(draws)]


def live_share(model: Any, plan: Any) -> float:
    """Multiply-adds of the convolutions that `plan` computes, of all."""
    return macs(model, plan) / macs(model, model.full_plan())


def macs(model: Any, plan: Any) -> float:
    total = 0

    def count(module: nn.Conv2d, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += module.weight.numel() * output[0, 0].numel()

    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    handles = [conv.register_forward_hook(count) for conv in convs]
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 32, device=device), plan=plan)
    model.train(was_training)
    for handle in handles:
        handle.remove()
    return total
