"""Operations done once: what was computed from the same tensors is looked up."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Shared"]

# `total += x` on a shared total would change it for everybody: these make a new one, which the
# name on the left then holds. (torch calls it `add_`. Generated code writes no `total.add_(x)`.)
APART: dict[str, Callable[..., Tensor]] = {
    "add_": torch.add,
    "sub_": torch.sub,
    "mul_": torch.mul,
    "div_": torch.div,
}


class _Unknown(Exception):
    """An argument that cannot be looked up by what it is."""


class Shared(TorchFunctionMode):
    """While entered, an operation on tensors that it was done on before gives the same result.

    A layer is known by its operation and its weights, an input by being the very same tensor.
    Everything computed is kept until this object goes. For inference only: what draws random
    numbers or changes buffers would do so once.
    """

    def __init__(self) -> None:
        super().__init__()
        # With each result its arguments, so that no other tensor gets the identity of one.
        self.known: dict[Hashable, tuple[Any, object]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        func, kwargs = _apart(func, dict(kwargs or {}))
        try:
            key = (func, _key(args), _key(kwargs))
        except _Unknown:
            return func(*args, **kwargs)
        if key not in self.known:
            self.known[key] = (func(*args, **kwargs), (args, kwargs))
        return self.known[key][0]


def _apart(
    func: Callable[..., Any], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The same operation with a result of its own, where it would change its input."""
    name = getattr(func, "__name__", "")
    if kwargs.get("inplace"):
        kwargs["inplace"] = False
    if name in APART:
        return APART[name], kwargs
    if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")):
        raise RuntimeError(
            f"`{name}` changes a tensor that several columns share; operations that give a new"
            " tensor were expected. Compute the columns one by one: model(x, model.column_plan(k))"
        )
    return func, kwargs


def _key(value: object) -> Hashable:
    match value:
        case Tensor():
            return (Tensor, id(value))
        case list() | tuple():
            return (type(value), *map(_key, value))
        case dict():
            return tuple((name, _key(one)) for name, one in value.items())
        case slice():
            return (slice, _key((value.start, value.stop, value.step)))
        case Hashable():
            return (type(value), value)
    raise _Unknown
