"""The FractalNet that pytorchcv has, with our weights in it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from torch import Tensor, nn

__all__ = ["fractalnet_cifar10"]

COLUMNS = 3


def fractalnet_cifar10(tensors: Mapping[str, Tensor]) -> nn.Module:
    """pytorchcv's FractalNet-20 (C = 3, B = 5) with `tensors`, which have our names."""
    models = pytest.importorskip("pytorchcv.models.fractalnet_cifar")
    peer: nn.Module = models.fractalnet_cifar10()
    names = {_their_name(key): key for key in tensors}
    assert names.keys() == peer.state_dict().keys()
    peer.load_state_dict({name: tensors[key] for name, key in names.items()})
    return peer


def _their_name(key: str) -> str:
    """Where pytorchcv keeps the tensor that we call `key`.

    It numbers steps of the deepest column; f(n)'s own conv spans 2^(n-1) of them and is
    `subblock` n of the step it ends on. `f_2` starts where `f_1` ends.
    """
    if key.startswith("linear"):
        return key.replace("linear", "output")
    block, *parts = key.removeprefix("block.").split(".")
    turns = [part for part in parts if part in ("f_1", "f_2")]
    level = COLUMNS - len(turns)
    step = 2 ** (level - 1)
    step += sum(2 ** (COLUMNS - 2 - at) for at, part in enumerate(turns) if part == "f_2")
    layer = {"conv2d": "conv", "batch_norm": "bn"}[parts[-2]]
    unit = f"features.unit{int(block) + 1}.block.blocks"
    return f"{unit}.block{step}.subblock{level}.{layer}.{parts[-1]}"
