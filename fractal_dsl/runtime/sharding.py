"""Parameters in parts: each rank keeps one of every weight, and gathers it where it computes.

torch's `fully_shard` (FSDP2) gathers a unit's weights before its forward and its backward. Here a
unit is what no plan enters, so that what a plan drops is neither gathered nor sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from fractal_dsl.runtime.compiling import regions
from fractal_dsl.runtime.networks import is_holder

__all__ = ["optimiser_parts", "part_of", "parts_of", "shard", "whole"]


def shard(network: nn.Module, group: dist.ProcessGroup | None = None) -> None:
    """Replaces every parameter of `network`, in place, by this rank's part of it.

    Names stay. Weights must be the same on all ranks before, and optimisers be made after.
    """
    device = next(network.parameters()).device.type
    ranks = group or dist.group.WORLD
    assert ranks is not None
    mesh = DeviceMesh.from_group(ranks, device)
    found = regions(network)
    units = list(callable_parts(network)) if "" in found else list(found.values())
    uses = Counter(id(one) for unit in units for one in set(unit.parameters()))
    for unit in units:
        own = list(unit.parameters())
        # Weights that two units share are the network's own: one part must not be two.
        if own and all(uses[id(one)] == 1 for one in own):
            fully_shard(unit, mesh=mesh)
    fully_shard(network, mesh=mesh)


def callable_parts(module: nn.Module) -> Iterator[nn.Module]:
    """The largest parts below `module` that are called as a whole."""
    for child in module.children():
        if is_holder(child):
            yield from callable_parts(child)
        else:
            yield child


def whole(held: Any) -> Any:
    """The same nested dicts and lists with whole tensors in place of parts; all ranks must call."""
    match held:
        case DTensor():
            return held.full_tensor()
        case Mapping():
            return {key: whole(one) for key, one in held.items()}
        case list():
            return [whole(one) for one in held]
    return held


def part_of(value: Tensor, like: Tensor) -> Tensor:
    """This rank's part of the whole `value`, cut as `like` is; `value` where that is whole."""
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value
    with torch.no_grad():
        return distribute_tensor(
            value.to(like.device, like.dtype), like.device_mesh, like.placements, src_data_rank=None
        )


def parts_of(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """A state dict of whole tensors as one that `network.load_state_dict` takes."""
    like = network.state_dict()
    return {key: part_of(one, like[key]) if key in like else one for key, one in state.items()}


def optimiser_parts(state: dict[str, Any], parameters: Sequence[Tensor]) -> dict[str, Any]:
    """An optimiser's state of whole tensors as one for these parameters, in its groups' order."""
    cut = {
        at: {
            name: part_of(one, parameters[at]) if isinstance(one, Tensor) else one
            for name, one in held.items()
        }
        for at, held in state["state"].items()
    }
    return {**state, "state": cut}
