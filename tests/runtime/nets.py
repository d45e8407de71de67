"""Small networks that the tests of the runtime share."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fractal_dsl.driver.compilation import Style
from tests.emit_torch.nets import STYLES, compiled

__all__ = ["BLOCKS", "SAMPLES", "STEM", "both_styles", "inputs", "made", "statistics_of_its_own"]

BLOCKS = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
param C = 3
block(channels, rate) = f(C) >> max_pool(2) >> dropout(rate)
net Blocks(classes = 5) on image[2, 8, 8] =
    chain(block(w, p) for w, p in [(4, 0.3), (6, 0.4)]) >> global_avg_pool >> linear(classes)
drop_path(local = 0.4, global = 0.5)
"""

SAMPLES = BLOCKS.replace("global = 0.5", 'global = 0.5, per = "sample"')

# A sum and a join that all columns go through, before and after the ones that differ.
STEM = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
param C = 3
net Stem on image[2, 6, 6] = conv(4) >> (id + conv(4)) >>
    drop(joined(conv(4) (+) conv(4, 1)), local = 0, global = false) >>
    f(C, channels = 4) >> global_avg_pool >> linear(3)
drop_path(local = 0.4, global = 0.5)
"""

both_styles = pytest.mark.parametrize("style", STYLES)


def made(text: str = BLOCKS, style: Style = "modules", **params: int) -> Any:
    """A network of its own in train mode; weights are those of a fixed seed."""
    torch.manual_seed(0)
    return compiled(text, **params).module(style)()


def inputs(samples: int = 4, size: int = 8, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(samples, 2, size, size, generator=generator)


def statistics_of_its_own(model: nn.Module) -> Any:
    """In eval mode with random batch norms: fresh ones are nearly the identity and hide faults."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, one in (*model.named_buffers(), *model.named_parameters()):
            if "batch_norm" in name and one.is_floating_point():
                one.copy_(0.5 + torch.rand(one.shape, generator=generator))
    return model.eval()
