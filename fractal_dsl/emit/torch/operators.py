"""How each operator is written: what its template fragment needs to know.

An operator of `fractal_dsl.ir.operators` has one entry here and one macro of the same name in
`codegen_templates/operators.py.j2`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.shapes import Shape

__all__ = ["ENTRIES", "Entry", "Fact", "Number", "plain_pair"]

Number: TypeAlias = "int | float | tuple[int, ...]"
Fact: TypeAlias = "str | bool | int | None"
Inputs: TypeAlias = Sequence[Shape]


def nothing(attributes: Any, inputs: Inputs) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Entry:
    """An operator in generated code.

    `numbers` may differ between graphs that share a class: each is a literal or an argument
    of its constructor, and left out where it is torch's own default. `facts` decide how the
    fragment is written and are part of what makes a class. A `formula` stands in `forward`;
    anything else is a module made in `__init__`.
    """

    numbers: Callable[[Any, Inputs], dict[str, Number]] = nothing
    facts: Callable[[Any, Inputs], dict[str, Fact]] = nothing
    defaults: Mapping[str, Number] = field(default_factory=dict)
    formula: bool = False


def plain_pair(value: Number | None) -> Number:
    """3 for (3, 3): sizes are pairs only where height and width differ."""
    if isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]
    assert value is not None
    return value


def conv2d(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    numbers = {
        "c_in": inputs[0].channels,
        "channels": attributes.channels,
        "kernel_size": plain_pair(attributes.kernel_size),
        "stride": plain_pair(attributes.stride),
        "padding": plain_pair(attributes.paddings),
        "dilation": plain_pair(attributes.dilation),
        "groups": attributes.groups,
    }
    if has_half_padding(attributes):
        del numbers["padding"]
    return numbers


def has_half_padding(attributes: Any) -> bool:
    """Whether the padding need not be said: half a square kernel."""
    kernel, padding = plain_pair(attributes.kernel_size), plain_pair(attributes.paddings)
    return isinstance(kernel, int) and padding == kernel // 2


def conv2d_facts(attributes: Any, inputs: Inputs) -> dict[str, Fact]:
    return {"bias": attributes.bias, "half": has_half_padding(attributes)}


def pool(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    return {
        "kernel_size": plain_pair(attributes.kernel_size),
        "stride": plain_pair(attributes.strides),
        "padding": plain_pair(attributes.padding),
    }


def batch_norm(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    return {
        "channels": inputs[0].channels,
        "eps": attributes.eps,
        "momentum": attributes.momentum,
    }


def linear(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    return {"c_in": inputs[0].channels, "features": attributes.features}


def axis(attributes: Any, inputs: Inputs) -> dict[str, Fact]:
    """The axis of torch's tensors, which count the batch."""
    if attributes.axis is not None:
        return {"axis": attributes.axis + 1}
    return {"axis": 1 if inputs[0].kind == "image" else len(inputs[0].sizes)}


def kept(*names: str) -> Callable[[Any, Inputs], dict[str, Any]]:
    """Attributes that go into the fragment as they are."""
    return lambda attributes, inputs: {name: getattr(attributes, name) for name in names}


def on_map(attributes: Attributes, inputs: Inputs) -> dict[str, Fact]:
    return {"image": inputs[0].kind == "image"}


def both(*parts: Callable[[Any, Inputs], dict[str, Fact]]) -> Callable[..., dict[str, Fact]]:
    return lambda attributes, inputs: {
        name: fact for part in parts for name, fact in part(attributes, inputs).items()
    }


ENTRIES: dict[str, Entry] = {
    "conv2d": Entry(conv2d, conv2d_facts, {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}),
    "batch_norm": Entry(batch_norm, both(kept("affine"), on_map), {"eps": 1e-5, "momentum": 0.1}),
    "linear": Entry(linear, both(kept("bias"), on_map)),
    "max_pool": Entry(pool, kept("ceil"), {"padding": 0}),
    "avg_pool": Entry(pool, kept("ceil", "count_padding"), {"padding": 0}),
    "global_avg_pool": Entry(),
    "global_max_pool": Entry(),
    "flatten": Entry(),
    "relu": Entry(),
    "relu6": Entry(),
    "leaky_relu": Entry(kept("slope"), defaults={"slope": 0.01}),
    "elu": Entry(kept("alpha"), defaults={"alpha": 1.0}),
    "selu": Entry(),
    "gelu": Entry(facts=kept("approximate")),
    "silu": Entry(),
    "mish": Entry(),
    "sigmoid": Entry(),
    "hard_sigmoid": Entry(),
    "hard_swish": Entry(),
    "tanh": Entry(),
    "softplus": Entry(),
    "dropout": Entry(kept("rate")),
    "dropout2d": Entry(kept("rate")),
    "sum": Entry(formula=True),
    "difference": Entry(formula=True),
    "product": Entry(formula=True),
    "quotient": Entry(formula=True),
    "maximum": Entry(formula=True),
    "minimum": Entry(formula=True),
    "concat": Entry(facts=axis, formula=True),
    "scalar": Entry(kept("value"), kept("sign", "on_left"), formula=True),
}
