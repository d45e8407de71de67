"""What the compiler knows of an operator, and how an operator refuses a shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, TypeAlias

from fractal_dsl.ir.shapes import Shape

Stride: TypeAlias = int | Fraction

__all__ = ["Attributes", "OperatorSpec", "ShapeError", "Tensor", "Window", "check_rate"]


class ShapeError(Exception):
    """An operator cannot take what came in; said in the user's terms.

    `message` is one line in lower case; `helps` are ways out.
    """

    def __init__(self, message: str, *helps: str, code: str = "F0403") -> None:
        super().__init__(message)
        self.message = message
        self.helps = helps
        self.code = code


def check_rate(rate: float) -> None:
    """Refuses what is no probability of dropping a value."""
    if not 0 <= rate < 1:
        raise ShapeError(
            f"a dropout rate must be in [0, 1), found {rate}",
            "write `0.15` for 15 %",
            code="F0502",
        )


@dataclass(frozen=True, slots=True)
class Attributes:
    """Base of all operators' attributes: a frozen dataclass each, never a dict.

    The fields, in order, are what FDL's call takes; a field without default must be given.
    `operator` is the operator's key in `OPERATORS`: the class name in snake case.
    """

    @property
    def operator(self) -> str:
        return snake_case(type(self).__name__)


@cache
def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


@dataclass(frozen=True, slots=True)
class Tensor:
    """A learned tensor or a buffer of an operator: `weight`, [out, in, 3, 3]."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """How far an operator looks along height and width, for the receptive field.

    A stride of 1/n is that of an operator which makes an image n times as large: it spreads each
    value over a kernel of the output.
    """

    kernel: tuple[int, int]
    stride: tuple[Stride, Stride]
    dilation: tuple[int, int]


def no_tensors(attributes: Any, inputs: Sequence[Shape]) -> tuple[Tensor, ...]:
    return ()


def no_work(attributes: Any, inputs: Sequence[Shape], output: Shape) -> int:
    return 0


def no_window(attributes: Any, inputs: Sequence[Shape]) -> Window | None:
    return None


@dataclass(frozen=True, slots=True)
class OperatorSpec:
    """One operator: adding one is an entry in `OPERATORS` and a template fragment.

    `infer_shape` gives the output's shape or raises `ShapeError`; `parameters` and
    `buffers` the tensors an instance holds; `macs` multiply-adds for one sample (those of
    convolutions, dense layers and attention; normalisation, activations and pooling count
    none, as is usual); `depth` convolution layers it adds to a path (projections add none);
    `weighted` the same with dense layers. `inner` counts elements that it keeps for the
    backward pass besides its output; an `is_view` operator keeps none at all. An operator takes
    `arity` inputs, a `many` one two or more. Of an `opaque` one nobody knows what tensors it
    holds, how much it works or how far it looks.
    """

    name: str
    attributes: type[Attributes]
    summary: str
    infer_shape: Callable[[Any, Sequence[Shape]], Shape]
    parameters: Callable[[Any, Sequence[Shape]], tuple[Tensor, ...]] = no_tensors
    buffers: Callable[[Any, Sequence[Shape]], tuple[Tensor, ...]] = no_tensors
    macs: Callable[[Any, Sequence[Shape], Shape], int] = no_work
    depth: Callable[[Any], int] = lambda attributes: 0
    weighted: Callable[[Any], int] = lambda attributes: 0
    window: Callable[[Any, Sequence[Shape]], Window | None] = no_window
    inner: Callable[[Any, Sequence[Shape]], int] = lambda attributes, inputs: 0
    is_view: bool = False
    many: bool = False
    arity: int = 1
    opaque: bool = False
    callable_by_name: bool = True
