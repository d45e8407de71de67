"""What an optimiser must know of a network that does not compute everything."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

__all__ = ["advance_dead", "parameter_groups"]

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups for an optimiser: with `weight_decay`, and without it norms and biases."""
    free = {
        id(one)
        for module in model.modules()
        for name, one in module.named_parameters(recurse=False)
        if isinstance(module, NORMS) or name == "bias"
    }
    parameters = [one for one in model.parameters() if one.requires_grad]
    return [
        {
            "params": [one for one in parameters if id(one) not in free],
            "weight_decay": weight_decay,
        },
        {"params": [one for one in parameters if id(one) in free], "weight_decay": 0.0},
    ]


def advance_dead(model: nn.Module) -> int:
    """Gives zero gradients to the parameters that got none; how many those were.

    Called before an optimiser's step, momentum and weight decay move what the plan dropped,
    as if it had been computed and masked (`dead = "advance"`); without, they stay.
    """
    dead = [one for one in model.parameters() if one.requires_grad and one.grad is None]
    for one in dead:
        one.grad = torch.zeros_like(one)
    return len(dead)
