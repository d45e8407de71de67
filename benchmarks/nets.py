"""The networks that the benchmarks compare, and the plans they replay."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import torch
from pytorchcv.models.fractalnet_cifar import fractalnet_cifar10
from torch import Tensor, nn

from fractal_dsl import compile as compile_spec
from fractal_dsl.driver import Compilation
from fractal_dsl.runtime.networks import twin

__all__ = ["column_of", "fractalnet", "live_share", "peer", "stratified", "stratified_samples"]

# Channels are dropped before the ReLU, which is the same function, bit for bit, as pytorchcv's
# dropping them after it; so they can be dropped in place.
SPEC = """
implicit channels = 64
layer(rate) = conv2d(channels, 3, padding = 1, bias = false)
              >> batch_norm >> dropout2d(rate) >> relu

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


CANDIDATES = 8  # of which one local plan is taken


def stratified(model: Any, draws: int, size: int = 32) -> list[tuple[str, Any]]:
    """Half local plans, half global ones, the columns in turn; each with the name of its stratum.

    Local plans are drawn many, sorted by how much they leave, and taken one from each group of
    neighbours, at random; two groups are a stratum. `size` is that of the images.
    """
    locals_ = local_plans(model, (draws + 1) // 2 * CANDIDATES)
    locals_.sort(key=lambda plan: live_share(model, plan, size))
    generator = torch.Generator().manual_seed(2)
    found: list[tuple[str, Any]] = []
    for number in range(draws):
        half = number // 2
        if number % 2:
            column = 1 + half % model.columns
            found.append((f"column {column}", model.column_plan(column)))
        else:
            pick = int(torch.randint(CANDIDATES, (), generator=generator))
            found.append((f"local {half // 2}", locals_[half * CANDIDATES + pick]))
    order = torch.randperm(draws, generator=generator)
    return [found[at] for at in order.tolist()]


def local_plans(model: Any, count: int) -> list[Any]:
    generator = torch.Generator().manual_seed(1)
    rate, model.global_rate = model.global_rate, 0.0
    found = [model.sample_plan(generator) for _ in range(count)]
    model.global_rate = rate
    return found


def stratified_samples(model: Any, draws: int, samples: int) -> list[list[Any]]:
    """For each of so many mini-batches, a plan for each sample: every other one is local."""
    columns = [model.column_plan(1 + at % model.columns) for at in range(draws * samples // 2)]
    locals_ = local_plans(model, draws * samples - len(columns))
    plans = [plan for pair in zip(locals_, columns, strict=False) for plan in pair]
    plans += locals_[len(columns) :]
    return [plans[at * samples : (at + 1) * samples] for at in range(draws)]


def live_share(model: Any, plan: Any, size: int = 32) -> float:
    """Multiply-adds of the convolutions that `plan` computes, of all."""
    return macs(model, plan, size) / macs(model, model.full_plan(), size)


def macs(model: Any, plan: Any, size: int) -> float:
    """Counted on a copy without values, which computes shapes only."""
    total = 0

    def count(module: nn.Conv2d, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += module.weight.numel() * output[0, 0].numel()

    shapes: Any = hollow(model)
    convs = [m for m in shapes.modules() if isinstance(m, nn.Conv2d)]
    handles = [conv.register_forward_hook(count) for conv in convs]
    with torch.no_grad():
        shapes(torch.zeros(1, 3, size, size, device="meta"), plan=plan)
    for handle in handles:
        handle.remove()
    return total


@cache
def hollow(model: nn.Module) -> nn.Module:
    return twin(model).eval()
