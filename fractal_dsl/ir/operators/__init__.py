"""The table of operators: open, one entry each."""

from fractal_dsl.ir.operators.elementwise import ELEMENTWISE
from fractal_dsl.ir.operators.extern import EXTERN
from fractal_dsl.ir.operators.layers import LAYERS
from fractal_dsl.ir.operators.normalisation import NORMALISATION
from fractal_dsl.ir.operators.pooling import POOLING
from fractal_dsl.ir.operators.resampling import RESAMPLING
from fractal_dsl.ir.operators.sequences import SEQUENCES
from fractal_dsl.ir.operators.spec import (
    Attributes,
    OperatorSpec,
    ShapeError,
    Tensor,
    Window,
)
from fractal_dsl.ir.operators.values import VALUES

__all__ = ["OPERATORS", "Attributes", "OperatorSpec", "ShapeError", "Tensor", "Window", "spec_of"]

OPERATORS: dict[str, OperatorSpec] = {
    spec.name: spec
    for spec in (
        *LAYERS,
        *SEQUENCES,
        *NORMALISATION,
        *POOLING,
        *RESAMPLING,
        *ELEMENTWISE,
        *VALUES,
        *EXTERN,
    )
}


def spec_of(attributes: Attributes) -> OperatorSpec:
    return OPERATORS[attributes.operator]
