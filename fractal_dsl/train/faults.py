"""Which layer first made a number that is not finite."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fractal_dsl.diagnostics import Diagnostic, Help
from fractal_dsl.train.batches import Batch
from fractal_dsl.train.together import AgreedError

__all__ = ["before", "not_finite", "within"]


def finite(value: Any) -> bool:
    return not isinstance(value, Tensor) or bool(value.isfinite().all())


def not_finite(step: int, where: str, rate: float) -> AgreedError:
    return AgreedError(
        Diagnostic(
            "F0805", f"step {step:,} is not finite: {where}", None,
            notes=("the step was not taken, and no checkpoint holds it",),
            helps=(Help(f"a learning rate below {rate:g} is the usual way out: --learning-rate"),),
        )
    )  # fmt: skip


def before(net: nn.Module, batch: Batch) -> str | None:
    """What was wrong before the step began: an image, or a weight."""
    if not finite(batch.x):
        (rows,) = (~batch.x.isfinite().flatten(1).all(1)).nonzero(as_tuple=True)
        listed = ", ".join(str(int(batch.rows[row])) for row in rows[:5])
        return f"training images hold NaN or infinity: {listed}"
    name = next((name for name, one in net.named_parameters() if not finite(one)), None)
    return None if name is None else f"the weight `{name}` holds NaN or infinity"


def within(net: nn.Module, x: Tensor, compute: Callable[[Tensor], Tensor]) -> tuple[int, str]:
    """What went wrong first in the step itself, and how sure that is (0 the surest).

    `compute` gives the loss of a batch under the plan of the step. The gradients of the step must
    still be there, and its weights as they were before it.
    """
    gradients = [name for name, one in net.named_parameters() if not finite(one.grad)]
    ran = Forward(net)
    loss = ran.run(compute, x)
    if ran.first is not None:
        return 0, f"`{ran.first}` is the first layer whose result holds NaN or infinity"
    if not finite(loss):
        return 1, "the loss alone holds NaN or infinity; every layer's result is finite"
    if gradients:
        return 2, f"every layer's result is finite; {ran.of_gradient(gradients)}"
    return 3, "the sum of squares of all gradients is too large for a number"


class Forward:
    """One more pass, watching leaves in the order in which they compute."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self.order: list[str] = []
        self.first: str | None = None

    def run(self, compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        leaves = ((name, one) for name, one in self.net.named_modules() if not list(one.children()))
        handles = [one.register_forward_hook(partial(self.seen, name)) for name, one in leaves]
        try:
            with torch.no_grad():
                return compute(x)
        finally:
            for handle in handles:
                handle.remove()

    def seen(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        self.order.append(name)
        if self.first is None and not finite(output):
            self.first = name

    def of_gradient(self, names: list[str]) -> str:
        """Backward goes from the last layer to the first: the last that is wrong is first."""
        place = {layer: at for at, layer in enumerate(self.order)}
        last = max(names, key=lambda name: place.get(name.rpartition(".")[0], -1))
        layer = last.rpartition(".")[0] or last
        return f"going back, `{layer}` is the first layer whose gradient holds NaN or infinity"
