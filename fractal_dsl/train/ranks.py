"""The processes that train together, and what each of them computes on: Lightning Fabric's part."""

from __future__ import annotations

import logging
import os
import warnings
from hashlib import sha256
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.runtime.networks import thins
from fractal_dsl.runtime.parallel import DropPathParallel
from fractal_dsl.runtime.sharding import shard
from fractal_dsl.train.recipe import Recipe
from fractal_dsl.train.together import AgreedError

__all__ = ["derived", "launched", "spread", "summed", "synced"]

PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed"}


def launched(recipe: Recipe) -> Fabric:
    """Fabric on the recipe's device, with the processes that torchrun or `fabric run` started."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if recipe.device == "cuda" and not torch.cuda.is_available():
        raise DiagnosticError(
            Diagnostic("F0803", "`device` is cuda, and torch finds no GPU here", None,
                       helps=(Help("leave `device` at auto, or install torch with CUDA"),))
        )  # fmt: skip
    nodes, devices = places()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fabric = Fabric(
            accelerator=recipe.device, devices=devices, num_nodes=nodes,
            strategy="ddp" if nodes * devices > 1 else "auto",
            precision=PRECISIONS[recipe.precision],
        )  # fmt: skip
        if os.environ.get("LT_CLI_USED") != "1":  # `fabric run` has done it
            fabric.launch()
    if recipe.batch % fabric.world_size:
        said = f"a batch of {recipe.batch} does not divide among {fabric.world_size} processes"
        raise DiagnosticError(Diagnostic("F0803", said, None))
    return fabric


def places() -> tuple[int, int]:
    """Machines, and processes on each: what torchrun says in the environment, else one."""
    if not torch.distributed.is_torchelastic_launched():
        return 1, 1
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    return int(os.environ["WORLD_SIZE"]) // here, here


def spread(net: nn.Module, recipe: Recipe, fabric: Fabric) -> nn.Module:
    """`net` on the device; with several processes, wrapped so that they train one network."""
    net.to(fabric.device)
    if recipe.channels_last:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if fabric.world_size == 1:
        return net
    if recipe.sync_batch_norm:
        if recipe.plans == "own":
            said = "with `sync_batch_norm`, layers wait for all processes: `plans` must be same"
            raise AgreedError(Diagnostic("F0803", said, None))
        synced(net)
    if recipe.sharded and recipe.compile:
        said = "`sharded` weights are gathered layer by layer, which `compile` cannot do"
        raise AgreedError(Diagnostic("F0803", said, None))
    if not hasattr(net, "plan_state"):
        return spread_whole(net, recipe)
    plans: Any = recipe.plans
    try:
        return DropPathParallel(net, plans, sharded=recipe.sharded)
    except ValueError as error:
        raise AgreedError(Diagnostic("F0803", str(error), None)) from None


def spread_whole(net: nn.Module, recipe: Recipe) -> nn.Module:
    """A network that draws no plans, by torch's own means."""
    # A unit of stochastic depth that a mini-batch does without has no gradient.
    drops = any(map(thins, net.modules()))
    if not recipe.sharded:
        return DistributedDataParallel(net, find_unused_parameters=drops)
    if drops:
        said = "`sharded` weights are gathered by all processes together: no stochastic depth"
        raise AgreedError(Diagnostic("F0803", said, None))
    for one in net.state_dict().values():
        torch.distributed.broadcast(one, src=0)
    shard(net)
    return net


class Summed(torch.autograd.Function):
    """The sum over all processes; so is the gradient, as each of them uses the sum."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        total = mine.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


class SyncedNorm(nn.BatchNorm2d):
    """What torch's SyncBatchNorm computes on GPUs, also on CPUs: statistics of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        ranks = torch.distributed.get_world_size()
        own = torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))])
        mean, square = Summed.apply(own) / ranks  # type: ignore[no-untyped-call]
        variance = square - mean**2
        self.follow(mean, variance, ranks * x.numel() // x.shape[1])
        scale, shift, mean, variance = (
            one[:, None, None] for one in (self.weight, self.bias, mean, variance)
        )
        return (x - mean) * torch.rsqrt(variance + self.eps) * scale + shift

    @torch.no_grad()
    def follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)


def synced(net: nn.Module) -> None:
    """Batch norms of images over the batches of all processes, in place; keys stay."""
    for module in net.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncedNorm


def summed(fabric: Fabric, mine: Tensor) -> Tensor:
    """Over all processes."""
    if fabric.world_size == 1:
        return mine
    total = mine.clone()
    torch.distributed.all_reduce(total)
    return total


def derived(seed: int, purpose: str, rank: int = 0) -> int:
    """A seed for one purpose, so that no two streams of random numbers are the same."""
    return int.from_bytes(sha256(f"{seed}/{purpose}/{rank}".encode()).digest()[:7], "big")
