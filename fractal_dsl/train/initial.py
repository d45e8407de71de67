"""The first weights of a network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["initialise"]


def initialise(model: nn.Module, kind: str, seed: int) -> None:
    """Draws the weights of convolutions and dense layers anew, biases zero; `torch` keeps its own.

    `xavier_uniform` is Glorot & Bengio 2010, the paper's (section 4.1); `he_normal` He et al. 2015,
    by the number of outputs. Each layer's numbers depend on `seed` and its place alone.
    """
    if kind == "torch":
        return
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            draw(module, kind, generator)


def draw(module: Any, kind: str, generator: torch.Generator) -> None:
    weight = module.weight
    match kind:
        case "xavier_uniform":
            nn.init.xavier_uniform_(weight, generator=generator)
        case "xavier_normal":
            nn.init.xavier_normal_(weight, generator=generator)
        case "he_normal":
            nn.init.kaiming_normal_(
                weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
        case _:
            raise ValueError(f"no way to draw first weights is called {kind!r}")
    if module.bias is not None:
        nn.init.zeros_(module.bias)
