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

__all__ = [
    "GROUPS",
    "OPERATORS",
    "Attributes",
    "OperatorSpec",
    "ShapeError",
    "Tensor",
    "Window",
    "spec_of",
]

# As the documentation has them, each group under a heading.
GROUPS: dict[str, tuple[OperatorSpec, ...]] = {
    "Layers with weights": LAYERS,
    "Sequences": SEQUENCES,
    "Normalisation": NORMALISATION,
    "Pooling": POOLING,
    "Moving values": RESAMPLING,
    "Activations and dropout": ELEMENTWISE,
    "Values": VALUES,
}
OPERATORS: dict[str, OperatorSpec] = {
    spec.name: spec for group in (*GROUPS.values(), EXTERN) for spec in group
}


def spec_of(attributes: Attributes) -> OperatorSpec:
    return OPERATORS[attributes.operator]
