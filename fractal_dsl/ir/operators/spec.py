"""What the compiler knows of an operator, and how an operator refuses a shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from fractal_dsl.ir.shapes import Shape

__all__ = ["Attributes", "OperatorSpec", "ShapeError", "Tensor", "Window"]


class ShapeError(Exception):
    """An operator cannot take what came in; said in the user's terms.

    `message` is one line in lower case; `helps` are ways out.
    """

    def __init__(self, message: str, *helps: str, code: str = "F0403") -> None:
        super().__init__(message)
        self.message = message
        self.helps = helps
        self.code = code


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
    """How far an operator looks along height and width, for the receptive field."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
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
    `buffers` the tensors an instance holds; `macs` multiply-adds for one image (those of
    convolutions and dense layers; normalisation, activations and pooling count none, as is
    usual); `depth` convolution layers it adds to a path (projections add none); `weighted`
    the same with dense layers. `many` operators take two inputs or more, `takes_none` no input.
    Of an `opaque` one nobody knows what tensors it holds, how much it works or how far it looks.
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
    many: bool = False
    takes_none: bool = False
    opaque: bool = False
    callable_by_name: bool = True
