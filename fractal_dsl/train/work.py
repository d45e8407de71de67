"""How much of a network a step computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fractal_dsl.runtime.networks import batch_dtype, twin

__all__ = ["LiveWork"]


class LiveWork:
    """The share of multiply-adds of layers whose weights got a gradient in a step.

    Known for networks whose plans hold for a whole mini-batch; for others `share` is None.
    """

    def __init__(self, net: nn.Module, shape: tuple[int, ...]) -> None:
        macs = layer_macs(net, shape)
        self.layers = [(net.get_submodule(name), one) for name, one in macs.items()]
        self.total = sum(macs.values())
        per_batch = hasattr(net, "sample_plan") and not hasattr(net, "sample_plans")
        self.known = per_batch and not hasattr(net, "column_statistics") and self.total > 0

    def share(self) -> float | None:
        """Of the step whose gradients are there now."""
        if not self.known:
            return None
        live = sum(
            macs for layer, macs in self.layers if getattr(layer.weight, "grad", None) is not None
        )
        return live / self.total


def layer_macs(net: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
    """Multiply-adds of one image in each convolution and dense layer, all of them live.

    Measured on torch's meta device: nothing is computed.
    """
    hollow = twin(net).eval()
    found: dict[str, int] = {}

    def counting(name: str) -> Any:
        def count(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            each = module.weight[0].numel()  # of one value of the output
            found[name] = found.get(name, 0) + each * output.numel()

        return count

    for name, module in hollow.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(counting(name))
    with torch.no_grad():
        hollow(torch.empty((1, *shape), device="meta", dtype=batch_dtype(hollow)))
    return found
