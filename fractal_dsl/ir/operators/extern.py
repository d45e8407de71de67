"""Modules that others wrote: what is known of them is their name and the shape they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fractal_dsl.ir.operators.spec import Attributes, OperatorSpec
from fractal_dsl.ir.shapes import Shape

__all__ = ["EXTERN", "Extern"]


@dataclass(frozen=True, slots=True)
class Extern(Attributes):
    """Module `path` by its dotted name, made with `arguments`.

    An argument is its name ("" by place) and its value as a Python literal, as text: so 1, 1.0
    and True stay apart. `kind` and `sizes` are the shape that it gives.
    """

    path: str
    arguments: tuple[tuple[str, str], ...]
    kind: str
    sizes: tuple[int, ...]

    @property
    def written(self) -> str:
        """`torch.nn.GELU(approximate='tanh')`"""
        given = ", ".join(f"{name}={text}" if name else text for name, text in self.arguments)
        return f"{self.path}({given})"


def extern_shape(attributes: Extern, inputs: Sequence[Shape]) -> Shape:
    return Shape(attributes.kind, attributes.sizes)


EXTERN = (
    OperatorSpec(
        "extern",
        Extern,
        "a module by its dotted name",
        extern_shape,
        opaque=True,
        callable_by_name=False,
    ),
)
