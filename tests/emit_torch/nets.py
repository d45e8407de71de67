"""What the tests of generated code share: specifications, and modules made of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import nn

from fractal_dsl.driver import compile
from fractal_dsl.driver.compilation import Compilation, Style

__all__ = ["BLOCK", "NET", "ROOT", "SPECS", "STYLES", "compiled", "made", "shared_weights"]

ROOT = Path(__file__).parents[2]
SPECS = sorted((ROOT / "specs").rglob("*.fdl"))
STYLES: tuple[Style, ...] = ("modules", "flat")

BLOCK = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
param C = 4
net Block on image[2, 6, 6] = f(C, channels = 4)
drop_path(local = 0.15, global = 0.5)
"""

NET = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
block(channels) = f(3) >> each(max_pool(2))
net Net(classes = 5) on image[2, 8, 8] = chain(block(w) for w in [4, 6]) >> (id + conv(6)) >>
    global_avg_pool >> linear(classes)
drop_path(local = 0.4, global = 0.5)
"""


@cache
def compiled(text_or_path: str | Path, **params: int) -> Compilation:
    return compile(text_or_path, net=None, **params)


def made(text_or_path: str | Path, style: Style = "modules", **params: int) -> nn.Module:
    """A network of its own, in train mode; weights are those of a fixed seed."""
    torch.manual_seed(0)
    module = compiled(text_or_path, **params).module(style)()
    assert isinstance(module, nn.Module)
    return module


def shared_weights(path: Path) -> tuple[nn.Module, nn.Module]:
    """Both styles on the same tensors, which are made once: the paper's nets are large."""
    first = made(path, "modules")
    with torch.device("meta"):
        second = compiled(path).module("flat")()
    assert isinstance(second, nn.Module)
    second.load_state_dict(first.state_dict(), assign=True)
    kept = first.state_dict()
    for name, buffer in first.named_buffers():
        if name not in kept:  # such as positions, which are computed
            owner, _, last = name.rpartition(".")
            setattr(second.get_submodule(owner), last, buffer)
    return first, second
