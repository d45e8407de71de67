"""Small networks with drop-path, for the tests of compiled regions and of several ranks."""

from __future__ import annotations

from typing import Any

import torch

from fractal_dsl.driver import compile
from fractal_dsl.driver.compilation import Style

__all__ = ["SPEC", "batch", "made"]

SPEC = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
block(channels) = f(C) >> max_pool(2)
net Small(classes = 3) on image[2, 4, 4] = chain(block(w) for w in [4, 6]) >> linear(classes)
drop_path(local = 0.3, global = 0.5)
param C = 3
"""


def made(spec: str = SPEC, style: Style = "modules", seed: int = 0, **params: Any) -> Any:
    """In float64 and train mode; weights are those of the seed."""
    torch.manual_seed(seed)
    return compile(spec, **params).module(style)().double()


def batch(seed: int, samples: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 2, 4, 4, generator=generator, dtype=torch.double)
    return x, torch.randint(3, (samples,), generator=generator)
