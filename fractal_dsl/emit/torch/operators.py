"""How each operator is written: what its template fragment needs to know.

An operator of `fractal_dsl.ir.operators` has one entry here and one macro of the same name in
`codegen_templates/operators.py.j2`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString, TypeAlias

from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.shapes import KINDS, Shape

__all__ = ["ENTRIES", "Entry", "Fact", "Number", "call_of", "facts", "is_formula", "plain_pair"]

Number: TypeAlias = "int | float | tuple[int, ...]"
Fact: TypeAlias = "str | bool | int | tuple[str, ...] | tuple[tuple[str, str], ...] | None"
Inputs: TypeAlias = Sequence[Shape]


def nothing(attributes: Any, inputs: Inputs) -> dict[str, Any]:
    return {}


def as_it_is(attributes: Any) -> dict[str, LiteralString]:
    return {}


@dataclass(frozen=True, slots=True)
class Entry:
    """An operator in generated code.

    `numbers` may differ between graphs that share a class: each is a literal or an argument
    of its constructor, and left out where it is torch's own default. `facts` decide how the
    fragment is written and are part of what makes a class. On the kinds of input of `formula`
    it stands in `forward`; anything else is a module made in `__init__`. `call` gives, by kind of
    input, how that module is called where its input must be brought into another form.
    """

    numbers: Callable[[Any, Inputs], dict[str, Number]] = nothing
    facts: Callable[[Any, Inputs], dict[str, Fact]] = nothing
    defaults: Mapping[str, Number] = field(default_factory=dict)
    formula: Collection[str] = ()
    call: Callable[[Any], Mapping[str, LiteralString]] = as_it_is


ALWAYS = frozenset(KINDS)


def is_formula(attributes: Attributes, inputs: Inputs) -> bool:
    """Whether an operator on these inputs is written in `forward`."""
    return bool(inputs) and inputs[0].kind in ENTRIES[attributes.operator].formula


def facts(attributes: Attributes, inputs: Inputs) -> dict[str, Fact]:
    """What decides how an operator on these inputs is written."""
    kind = inputs[0].kind if inputs else ""
    return {**ENTRIES[attributes.operator].facts(attributes, inputs), "kind": kind}


def call_of(attributes: Attributes, inputs: Inputs) -> LiteralString:
    """How an operator's module is called on these inputs: a template of both."""
    if not inputs:
        return "{}()"
    return ENTRIES[attributes.operator].call(attributes).get(inputs[0].kind, "{}({})")


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


def conv_transpose2d(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    numbers: dict[str, Number] = {"c_in": inputs[0].channels, "channels": attributes.channels}
    sizes = ("kernel_size", "stride", "padding", "output_padding", "dilation")
    numbers |= {name: plain_pair(getattr(attributes, name)) for name in sizes}
    return numbers | {"groups": attributes.groups}


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


def norm(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    return {"channels": inputs[0].channels, "eps": attributes.eps}


def group_norm(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    return {**norm(attributes, inputs), "groups": attributes.groups}


def linear(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    numbers: dict[str, Number] = {
        "c_in": inputs[0].channels, "features": attributes.features
    }  # fmt: skip
    if attributes.bias_init is not None:
        numbers["bias_init"] = attributes.bias_init
    return numbers


def linear_facts(attributes: Any, inputs: Inputs) -> dict[str, Fact]:
    return {"bias": attributes.bias, "biased": attributes.bias_init is not None}


def embedding(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    return {"vocab": attributes.vocab, "width": attributes.width}


def attention(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    return {
        "c_in": inputs[0].channels, "heads": attributes.heads, "dropout": attributes.dropout
    }  # fmt: skip


def cross_attention(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    memory = {} if inputs[1].channels == inputs[0].channels else {"memory": inputs[1].channels}
    return {**attention(attributes, inputs), **memory}


def timing(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    length, width = inputs[0].sizes
    return {"length": length, "width": width, "step": attributes.step}


def prelu(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    numbers: dict[str, Number] = {"init": attributes.init}
    if attributes.channelwise:
        numbers["channels"] = inputs[0].channels
    return numbers


def upsample(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    return {"factor": plain_pair(attributes.factor)}


# How a vector is read beside a larger value: its channels, and ones.
BESIDE: Mapping[str, str] = {"image": "[:, :, None, None]", "sequence": "[:, None]"}


def beside(attributes: Any, inputs: Inputs) -> dict[str, Fact]:
    """How each input is read, where a vector stands beside an image or a sequence."""
    larger = next((shape.kind for shape in inputs if shape.kind != "vector"), None)
    views = tuple(BESIDE[larger] if larger and one.kind == "vector" else "" for one in inputs)
    return {"views": views} if any(views) else {}


def concat(attributes: Any, inputs: Inputs) -> dict[str, Fact]:
    """The axis of torch's tensors, which count the batch; and which operands have none."""
    learned = set(attributes.learned)
    batched = next((at for at in range(len(inputs)) if at not in learned), None)
    rest = ", -1" * len(inputs[0].sizes)
    at = attributes.axis
    return {
        "axis": inputs[0].channel_axis + 1 if at is None else at + 1,
        "learned": ",".join(map(str, sorted(learned))),
        "batched": batched,
        "rest": rest,
    }


def channels(attributes: Any, inputs: Inputs) -> dict[str, Fact]:
    """The place of a slice, as an index of torch's tensors."""
    first, last = attributes.start, attributes.start + attributes.size
    end = "" if last == inputs[0].channels else str(last)
    before = ":, " * (inputs[0].channel_axis + 1)
    return {"index": f"{before}{first or ''}:{end}"}


def chunk(attributes: Any, inputs: Inputs) -> dict[str, Fact]:
    axis = inputs[0].channel_axis + 1
    return {"dim": str(axis), "index": str(attributes.index), "of": str(attributes.of)}


def learned(attributes: Any, inputs: Inputs) -> dict[str, Number]:
    axis = 0 if len(attributes.sizes) == 3 else -1
    return {"channels": attributes.sizes[axis], "init": attributes.init}


def around_channels(attributes: Any, inputs: Inputs) -> dict[str, Fact]:
    """The sizes of a learned tensor before and after its channels."""
    sizes = [str(size) for size in attributes.sizes]
    if len(sizes) == 3:
        return {"before": "", "after": "".join(f", {size}" for size in sizes[1:])}
    return {"before": "".join(f"{size}, " for size in sizes[:-1]), "after": ""}


def channel_axis(attributes: Any, inputs: Inputs) -> dict[str, Fact]:
    return {"axis": inputs[0].channel_axis + 1}


def kept(*names: str) -> Callable[[Any, Inputs], dict[str, Any]]:
    """Attributes that go into the fragment as they are."""
    return lambda attributes, inputs: {name: getattr(attributes, name) for name in names}


# torch's modules have the channels behind the batch; in a sequence they come last.


def channels_first(attributes: Any) -> dict[str, LiteralString]:
    return {"sequence": "{}({}.transpose(1, 2)).transpose(1, 2)"}


def channels_last(attributes: Any) -> dict[str, LiteralString]:
    return {"image": "{}({}.movedim(1, 3)).movedim(3, 1)"}


def without_ones(attributes: Any) -> dict[str, LiteralString]:
    return {"image": "{}({}.flatten(1))"}


def two_sequences(attributes: Any) -> dict[str, LiteralString]:
    return {"sequence": "{}({}, {})"}


def prelu_call(attributes: Any) -> dict[str, LiteralString]:
    return channels_first(attributes) if attributes.channelwise else {}


ENTRIES: dict[str, Entry] = {
    "extern": Entry(facts=kept("path", "arguments")),
    "conv2d": Entry(conv2d, conv2d_facts, {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}),
    "conv_transpose2d": Entry(
        conv_transpose2d,
        kept("bias"),
        {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1},
    ),
    "batch_norm": Entry(
        batch_norm, kept("affine"), {"eps": 1e-5, "momentum": 0.1}, call=channels_first
    ),
    "linear": Entry(linear, linear_facts, call=without_ones),
    "embedding": Entry(embedding),
    "attention": Entry(attention, kept("causal", "bias"), {"dropout": 0.0}),
    "cross_attention": Entry(cross_attention, kept("bias"), {"dropout": 0.0}, call=two_sequences),
    "timing": Entry(timing, defaults={"step": 0}),
    "tokens": Entry(formula=ALWAYS),
    "image": Entry(kept("height", "width"), formula=ALWAYS),
    "transpose": Entry(formula=ALWAYS),
    "take": Entry(kept("index"), kept("axis"), formula=ALWAYS),
    "layer_norm": Entry(norm, kept("affine", "bias"), {"eps": 1e-5}, call=channels_last),
    "group_norm": Entry(group_norm, kept("affine"), {"eps": 1e-5}, call=channels_first),
    "normalize": Entry(kept("p", "eps"), channel_axis, formula=ALWAYS),
    "softmax": Entry(facts=channel_axis),
    "max_pool": Entry(pool, kept("ceil"), {"padding": 0}),
    "avg_pool": Entry(pool, kept("ceil", "count_padding"), {"padding": 0}),
    "global_avg_pool": Entry(formula={"sequence"}),
    "global_max_pool": Entry(formula={"sequence"}),
    "flatten": Entry(),
    "upsample": Entry(upsample, kept("mode", "align_corners")),
    "pad": Entry(kept("left", "right", "top", "bottom")),
    "channel_shuffle": Entry(kept("groups")),
    "relu": Entry(),
    "relu6": Entry(),
    "leaky_relu": Entry(kept("slope"), defaults={"slope": 0.01}),
    "prelu": Entry(prelu, kept("channelwise"), {"init": 0.25}, call=prelu_call),
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
    "stochastic_depth": Entry(kept("rate"), kept("per")),
    "sum": Entry(facts=beside, formula=ALWAYS),
    "difference": Entry(facts=beside, formula=ALWAYS),
    "product": Entry(facts=beside, formula=ALWAYS),
    "quotient": Entry(facts=beside, formula=ALWAYS),
    "maximum": Entry(formula=ALWAYS),
    "minimum": Entry(formula=ALWAYS),
    "concat": Entry(facts=concat, formula=ALWAYS),
    "chunk": Entry(facts=chunk, formula=ALWAYS),
    "slice": Entry(facts=channels, formula=ALWAYS),
    "parameter": Entry(learned, around_channels),
    "scalar": Entry(kept("value"), kept("sign", "on_left"), formula=ALWAYS),
}
