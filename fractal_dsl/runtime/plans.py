"""What a plan costs, known before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor, nn

from fractal_dsl.runtime.networks import Plan, Plans, batch_dtype, drop_path_network, twin

__all__ = ["DrawMemory", "kept_bytes", "worst_draw_memory"]

MIB = 1 << 20


def _batch(hollow: nn.Module, shape: Sequence[int]) -> Tensor:
    """Tokens where the network has an embedding: nothing else takes them, nor anything else it."""
    looks_up = any(isinstance(one, nn.Embedding) for one in hollow.modules())
    dtype = torch.long if looks_up else batch_dtype(hollow)
    return torch.empty(tuple(shape), device="meta", dtype=dtype)


@dataclass(frozen=True, slots=True)
class DrawMemory:
    """Bytes kept from forward to backward: when everything lives, and on average of draws."""

    full: int
    mean: float
    draws: int

    def __str__(self) -> str:
        return (
            f"kept for the backward pass: {self.full / MIB:.1f} MiB at worst,"
            f" {self.mean / MIB:.1f} MiB on average of {self.draws} plans"
        )


def worst_draw_memory(
    model: nn.Module, input_shape: Sequence[int], *, draws: int = 64, seed: int = 0
) -> DrawMemory:
    """Activation memory of a training step, before training: its peak over all plans.

    No plan keeps more than the full one, so that is the worst draw; the mean is over `draws`
    plans of a generator of their own. `input_shape` is a batch's. Counted is what autograd
    keeps until the backward pass (`kept_bytes`), in the types of `model` as it is. It is the
    peak of activations where forward turns into backward. Parameters, their gradients, the
    optimiser's state, the gradients on their way back (at most a few feature maps) and the
    working space of kernels come on top.
    """
    if draws < 1:
        raise ValueError(f"the mean of {draws} plans; at least 1 was expected")
    network = drop_path_network(model)
    hollow = twin(model).train()
    generator = torch.Generator().manual_seed(seed)
    each = input_shape[0] if hasattr(model, "sample_plans") else 1
    drawn = [tuple(network.sample_plan(generator) for _ in range(each)) for _ in range(draws)]
    bytes_of = {plans: _kept(hollow, _given(plans), input_shape) for plans in set(drawn)}
    mean = fmean(bytes_of[plans] for plans in drawn)
    return DrawMemory(_kept(hollow, network.full_plan(), input_shape), mean, draws)


def _given(plans: tuple[Plan, ...]) -> Plans:
    return plans if len(plans) > 1 else plans[0]


def kept_bytes(model: nn.Module, plan: Plans, input_shape: Sequence[int]) -> int:
    """Bytes that autograd keeps of a training forward under `plan` until the backward pass.

    Each piece of storage counts once, however many views of it are kept; the input batch
    counts where a layer keeps it; parameters and buffers do not. Nothing is computed.
    """
    drop_path_network(model)
    return _kept(twin(model).train(), plan, input_shape)


def _kept(hollow: nn.Module, plan: Plans, input_shape: Sequence[int]) -> int:
    own = {_storage(one) for one in (*hollow.parameters(), *hollow.buffers())}
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        sizes[_storage(tensor)] = tensor.untyped_storage().nbytes()
        return tensor  # which keeps its storage alive, so that no other takes its number

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = hollow(_batch(hollow, input_shape), plan)
    del output
    return sum(size for storage, size in sizes.items() if storage not in own)


def _storage(tensor: Tensor) -> int:
    number: int = tensor.untyped_storage()._cdata
    return number
