"""What a plan costs, known before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from fractal_dsl.runtime.networks import (
    Plans,
    batch_dtype,
    draws_plans,
    drop_path_network,
    plan_of,
    thins,
    twin,
)

__all__ = ["DrawMemory", "hollow_model", "kept_bytes", "worst_draw_memory"]

MIB = 1 << 20

Shapes: TypeAlias = Sequence[int] | Sequence[Sequence[int]]
"""The shape of a batch, or those of the batches of several inputs."""


def _batch(hollow: nn.Module, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """Tokens, [batch, length], where the network has an embedding, which takes nothing else."""
    looks_up = any(isinstance(one, nn.Embedding) for one in hollow.modules())
    kind = batch_dtype(hollow)
    return [
        torch.empty(
            tuple(one), device="meta", dtype=torch.long if looks_up and len(one) == 2 else kind
        )
        for one in shapes
    ]


def _shapes(given: Shapes) -> list[Sequence[int]]:
    """The shape of each input, where one alone may be given as it is."""
    if isinstance(given, int):
        raise TypeError(f"the shape of a batch was expected, as (32, 3, 32, 32), not {given}")
    shapes = [one for one in given if not isinstance(one, int)]
    return shapes or [[one for one in given if isinstance(one, int)]]


@dataclass(frozen=True, slots=True)
class DrawMemory:
    """Bytes kept from forward to backward: when everything lives, and on average of draws.

    `draws` is 0 where a network draws nothing.
    """

    full: int
    mean: float
    draws: int

    def __str__(self) -> str:
        if not self.draws:
            return f"kept for the backward pass: {self.full / MIB:.1f} MiB"
        return (
            f"kept for the backward pass: {self.full / MIB:.1f} MiB at worst,"
            f" {self.mean / MIB:.1f} MiB on average of {self.draws} plans"
        )


def worst_draw_memory(
    model: nn.Module, input_shape: Shapes, *, draws: int = 64, seed: int = 0
) -> DrawMemory:
    """Activation memory of a training step, before training: its peak over all draws.

    `model` may draw plans, do without branches by stochastic depth, or neither. No plan keeps
    more than the full one, so that is the worst draw (where samples do without a branch, a copy
    of what goes in may outweigh what is saved); the mean is over `draws` of a generator of
    their own. `input_shape` is a batch's, or one for each of several inputs. Counted is what
    autograd keeps until the backward pass (`kept_bytes`), in the types of `model` as it is. It
    is the peak of activations where forward turns into backward. Parameters, their gradients,
    the optimiser's state, the gradients on their way back (at most a few feature maps) and the
    working space of kernels come on top.
    """
    if draws < 1:
        raise ValueError(f"the mean of {draws} plans; at least 1 was expected")
    hollow, shapes = twin(model).train(), _shapes(input_shape)
    everything = plan_of(model, None)
    if everything is None and not any(map(thins, model.modules())):
        full = _kept(hollow, None, shapes)
        return DrawMemory(full, full, 0)
    drawn = list(_drawn(model, shapes[0][0], draws, seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kept = [_kept(hollow, plans, shapes) for plans in drawn]
    branches: list[Any] = [one for one in hollow.modules() if thins(one)]
    for branch in branches:
        branch.rate = 0.0
    return DrawMemory(max(_kept(hollow, everything, shapes), *kept), fmean(kept), draws)


def hollow_model(kind: Callable[[], nn.Module]) -> nn.Module:
    """A new model of shapes without values, whatever its size."""
    with torch.device("meta"):
        return kind()


def _drawn(model: nn.Module, samples: int, draws: int, seed: int) -> Iterator[Plans | None]:
    """Plans of so many training steps; None where there are none to draw."""
    if not draws_plans(model):
        yield from [None] * draws
        return
    network, generator = drop_path_network(model), torch.Generator().manual_seed(seed)
    for _ in range(draws):
        if hasattr(model, "sample_plans"):
            yield [network.sample_plan(generator) for _ in range(samples)]
        else:
            yield network.sample_plan(generator)


def kept_bytes(model: nn.Module, plan: Plans, input_shape: Shapes) -> int:
    """Bytes that autograd keeps of a training forward under `plan` until the backward pass.

    Each piece of storage counts once, however many views of it are kept; the input batch
    counts where a layer keeps it; parameters and buffers do not. Nothing is computed.
    """
    drop_path_network(model)
    return _kept(twin(model).train(), plan, _shapes(input_shape))


def _kept(hollow: nn.Module, plan: Plans | None, shapes: Sequence[Sequence[int]]) -> int:
    own = {_storage(one) for one in (*hollow.parameters(), *hollow.buffers())}
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        sizes[_storage(tensor)] = tensor.untyped_storage().nbytes()
        return tensor  # which keeps its storage alive, so that no other takes its number

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        given = {} if plan is None else {"plan": plan}
        output = hollow(*_batch(hollow, shapes), **given)
    del output
    return sum(size for storage, size in sizes.items() if storage not in own)


def _storage(tensor: Tensor) -> int:
    number: int = tensor.untyped_storage()._cdata
    return number
