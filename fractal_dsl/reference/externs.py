"""Modules of others, as the reference has them: made anew, and run with given tensors.

Nothing independent can be said of what such a module computes; that its place, its
arguments and its weights are the right ones can be.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fractal_dsl.ir.operators.extern import Extern

__all__ = ["extern_module", "run_extern"]


@cache
def extern_module(extern: Extern) -> nn.Module:
    """The module as its class makes it, whatever the state of torch's generator."""
    package, _, name = extern.path.rpartition(".")
    given = [(name, ast.literal_eval(text)) for name, text in extern.arguments]
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        made = getattr(import_module(package), name)(
            *(value for name, value in given if not name),
            **{name: value for name, value in given if name},
        )
    assert isinstance(made, nn.Module)
    return made


def run_extern(
    extern: Extern, x: Tensor, tensors: dict[str, Tensor], *, training: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """What the module gives, and its buffers after it; `tensors` are by its own names."""
    module = extern_module(extern).to(x.device, x.dtype).train(training)
    buffers = {name for name, _ in module.named_buffers()}
    state = {n: t.clone() if n in buffers else t for n, t in tensors.items()}
    output = functional_call(module, state, (x,))
    return output, {name: state[name] for name in buffers & state.keys()}
