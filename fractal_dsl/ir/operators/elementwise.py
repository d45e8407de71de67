"""Activations, dropout, and the operators behind the signs `+ - * / ++` and `max`, `min`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fractal_dsl.ir.operators.kinds import not_tokens
from fractal_dsl.ir.operators.spec import Attributes, OperatorSpec, ShapeError, Tensor, check_rate
from fractal_dsl.ir.shapes import Shape

__all__ = [
    "ELEMENTWISE",
    "Concat",
    "Difference",
    "Dropout",
    "Dropout2d",
    "Elu",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Maximum",
    "Minimum",
    "Mish",
    "Prelu",
    "Product",
    "Quotient",
    "Relu",
    "Relu6",
    "Scalar",
    "Selu",
    "Sigmoid",
    "Silu",
    "Softplus",
    "StochasticDepth",
    "Sum",
    "Tanh",
]


@dataclass(frozen=True, slots=True)
class Relu(Attributes):
    """max(x, 0)"""


@dataclass(frozen=True, slots=True)
class Relu6(Attributes):
    """min(max(x, 0), 6)"""


@dataclass(frozen=True, slots=True)
class LeakyRelu(Attributes):
    """x where positive, else slope * x"""

    slope: float = 0.01


@dataclass(frozen=True, slots=True)
class Prelu(Attributes):
    """x where positive, else a learned slope * x; `channelwise` has one for each channel."""

    channelwise: bool = False
    init: float = 0.25


@dataclass(frozen=True, slots=True)
class Elu(Attributes):
    """x where positive, else alpha * (exp(x) - 1)"""

    alpha: float = 1.0


@dataclass(frozen=True, slots=True)
class Selu(Attributes):
    """self-normalising ELU"""


@dataclass(frozen=True, slots=True)
class Gelu(Attributes):
    """Gaussian error linear unit; `approximate` is "none" or "tanh" """

    approximate: str = "none"


@dataclass(frozen=True, slots=True)
class Silu(Attributes):
    """x * sigmoid(x)"""


@dataclass(frozen=True, slots=True)
class Mish(Attributes):
    """x * tanh(softplus(x))"""


@dataclass(frozen=True, slots=True)
class Sigmoid(Attributes):
    """1 / (1 + exp(-x))"""


@dataclass(frozen=True, slots=True)
class HardSigmoid(Attributes):
    """sigmoid in three straight pieces"""


@dataclass(frozen=True, slots=True)
class HardSwish(Attributes):
    """x * hard_sigmoid(x)"""


@dataclass(frozen=True, slots=True)
class Tanh(Attributes):
    """hyperbolic tangent"""


@dataclass(frozen=True, slots=True)
class Softplus(Attributes):
    """log(1 + exp(x))"""


@dataclass(frozen=True, slots=True)
class Dropout(Attributes):
    """In training, zeroes each value with probability `rate` and scales the rest by 1/(1-rate)."""

    rate: float = 0.5


@dataclass(frozen=True, slots=True)
class Dropout2d(Attributes):
    """Dropout of whole channels of an image."""

    rate: float = 0.5


@dataclass(frozen=True, slots=True)
class StochasticDepth(Attributes):
    """The end of a branch that a sample does without with probability `rate`, in training.

    It gives zeros there and 1 / (1 - rate) of the branch elsewhere. `per` is "sample", or
    "batch" where a mini-batch does without as a whole. It is the last node of the graph that
    is the branch (`ir.verify`), whose other nodes then run for nothing that is left out.
    """

    rate: float
    per: str = "sample"


@dataclass(frozen=True, slots=True)
class Sum(Attributes):
    """a + b + ..."""


@dataclass(frozen=True, slots=True)
class Difference(Attributes):
    """a - b"""


@dataclass(frozen=True, slots=True)
class Product(Attributes):
    """a * b * ..."""


@dataclass(frozen=True, slots=True)
class Quotient(Attributes):
    """a / b"""


@dataclass(frozen=True, slots=True)
class Maximum(Attributes):
    """Element-wise largest."""


@dataclass(frozen=True, slots=True)
class Minimum(Attributes):
    """Element-wise smallest."""


@dataclass(frozen=True, slots=True)
class Concat(Attributes):
    """One after the other along `axis`; None is the channel axis.

    Operands `learned` are parameters: they have no batch of their own.
    """

    axis: int | None = None
    learned: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scalar(Attributes):
    """A constant beside a network: `sign` is one of `+ - * /`, `on_left` as in `1 - t`."""

    sign: str
    value: float
    on_left: bool = False


def same_shape(attributes: Attributes, inputs: Sequence[Shape]) -> Shape:
    return inputs[0]


def number_shape(attributes: Attributes, inputs: Sequence[Shape]) -> Shape:
    return not_tokens(attributes.operator, inputs)


def gelu_shape(attributes: Gelu, inputs: Sequence[Shape]) -> Shape:
    if attributes.approximate not in ("none", "tanh"):
        raise ShapeError(
            f"`gelu` has no approximation {attributes.approximate!r}", 'write "none" or "tanh"'
        )
    return number_shape(attributes, inputs)


def prelu_parameters(attributes: Prelu, inputs: Sequence[Shape]) -> tuple[Tensor, ...]:
    return (Tensor("weight", (inputs[0].channels if attributes.channelwise else 1,)),)


def rate_shape(attributes: Dropout, inputs: Sequence[Shape]) -> Shape:
    check_rate(attributes.rate)
    return number_shape(attributes, inputs)


def depth_shape(attributes: StochasticDepth, inputs: Sequence[Shape]) -> Shape:
    if not 0 <= attributes.rate < 1:
        raise ShapeError(
            f"a rate of stochastic depth must be in [0, 1), found {attributes.rate}",
            "write `0.2` to do without the branch in 20 % of all cases",
            code="F0502",
        )
    return number_shape(attributes, inputs)


def map_rate_shape(attributes: Dropout2d, inputs: Sequence[Shape]) -> Shape:
    check_rate(attributes.rate)
    if inputs[0].kind != "image":
        raise ShapeError(
            f"`dropout2d` drops whole maps of an image; here {inputs[0]} comes in",
            f"write `dropout({attributes.rate:g})`",
        )
    return inputs[0]


def equal_shapes(attributes: Attributes, inputs: Sequence[Shape]) -> Shape:
    for other in inputs[1:]:
        if other != inputs[0]:
            raise ShapeError(f"{inputs[0]} beside {other}", code="F0401")
    return number_shape(attributes, inputs)


def biased_shapes(attributes: Attributes, inputs: Sequence[Shape]) -> Shape:
    """Equal shapes, or beside them a vector: one value for each channel, or one for all."""
    whole = number_shape(attributes, [largest(inputs)])
    for other in inputs:
        beside = other.kind == "vector" != whole.kind and other.channels in (1, whole.channels)
        if other != whole and not beside:
            raise ShapeError(f"{whole} beside {other}", code="F0401")
    return whole


def scaled_shapes(attributes: Attributes, inputs: Sequence[Shape]) -> Shape:
    """The same, or one value for each channel, for each place or for all, sizes of 1 besides."""
    whole = number_shape(attributes, [largest(inputs)])
    for other in inputs:
        beside = other.kind == "vector" and other.channels in (1, whole.channels)
        gates = other.kind == whole.kind and other.sizes in gate_sizes(whole)
        if not (beside or gates):
            raise ShapeError(f"{whole} beside {other}", code="F0401")
    return whole


def largest(inputs: Sequence[Shape]) -> Shape:
    return max(inputs, key=lambda shape: (len(shape.sizes), shape.elements))


def gate_sizes(whole: Shape) -> tuple[tuple[int, ...], ...]:
    """Sizes that go with those of `whole`: the same, one a channel, one a place, one for all."""
    axis, sizes = whole.channel_axis, whole.sizes
    channels = tuple(size if at == axis else 1 for at, size in enumerate(sizes))
    places = tuple(1 if at == axis else size for at, size in enumerate(sizes))
    return sizes, channels, places, (1,) * len(sizes)


def concat_shape(attributes: Concat, inputs: Sequence[Shape]) -> Shape:
    first = inputs[0]
    axis = attributes.axis
    if axis is None:
        axis = first.channel_axis
    if not 0 <= axis < len(first.sizes):
        raise ShapeError(f"{first} has no axis {axis}", f"axes go from 0 to {len(first.sizes) - 1}")
    for other in inputs[1:]:
        rest = [size for at, size in enumerate(other.sizes) if at != axis]
        if other.kind != first.kind or rest != [
            s for at, s in enumerate(first.sizes) if at != axis
        ]:
            raise ShapeError(f"{first} beside {other}", code="F0401")
    sizes = list(first.sizes)
    sizes[axis] = sum(shape.sizes[axis] for shape in inputs)
    return Shape(first.kind, tuple(sizes))


def _activation(name: str, attributes: type[Attributes], summary: str) -> OperatorSpec:
    return OperatorSpec(name, attributes, summary, number_shape)


def _sign(
    name: str, attributes: type[Attributes], summary: str, shape: Callable[..., Shape]
) -> OperatorSpec:
    return OperatorSpec(name, attributes, summary, shape, many=True, callable_by_name=False)


ELEMENTWISE = (
    _activation("relu", Relu, "max(x, 0)"),
    _activation("relu6", Relu6, "min(max(x, 0), 6)"),
    _activation("leaky_relu", LeakyRelu, "x where positive, else slope * x"),
    OperatorSpec("prelu", Prelu, "relu with a learned slope", number_shape, prelu_parameters),
    _activation("elu", Elu, "x where positive, else alpha * (exp(x) - 1)"),
    _activation("selu", Selu, "self-normalising ELU"),
    OperatorSpec("gelu", Gelu, "Gaussian error linear unit", gelu_shape),
    _activation("silu", Silu, "x * sigmoid(x)"),
    _activation("mish", Mish, "x * tanh(softplus(x))"),
    _activation("sigmoid", Sigmoid, "1 / (1 + exp(-x))"),
    _activation("hard_sigmoid", HardSigmoid, "sigmoid in three straight pieces"),
    _activation("hard_swish", HardSwish, "x * hard_sigmoid(x)"),
    _activation("tanh", Tanh, "hyperbolic tangent"),
    _activation("softplus", Softplus, "log(1 + exp(x))"),
    OperatorSpec("dropout", Dropout, "zeroes values in training", rate_shape),
    OperatorSpec("dropout2d", Dropout2d, "zeroes channels in training", map_rate_shape),
    OperatorSpec(
        "stochastic_depth",
        StochasticDepth,
        "leaves a branch out in training",
        depth_shape,
        callable_by_name=False,
    ),
    _sign("sum", Sum, "a + b", biased_shapes),
    _sign("difference", Difference, "a - b", biased_shapes),
    _sign("product", Product, "a * b", scaled_shapes),
    _sign("quotient", Quotient, "a / b", scaled_shapes),
    _sign("maximum", Maximum, "element-wise largest", equal_shapes),
    _sign("minimum", Minimum, "element-wise smallest", equal_shapes),
    _sign("concat", Concat, "a ++ b", concat_shape),
    OperatorSpec(
        "scalar", Scalar, "a constant beside a network", number_shape, callable_by_name=False
    ),
)
