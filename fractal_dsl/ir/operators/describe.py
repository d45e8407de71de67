"""The table of operators as people read it; `docs/operators.md` is made by this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

from fractal_dsl.ir.operators.spec import OperatorSpec

__all__ = ["markdown", "signature"]

# Defaults that the table holds as None, because they depend on another setting.
COMPUTED = {
    "padding": "kernel_size // 2",
    "stride": "kernel_size",
    "bias_init": "torch's own",
}

HEAD = """# Operators

Made from the compiler's own table (`fractalc operators` prints it in a terminal). An argument may
be given by place or by name. A size that is one number holds for height and width; `(h, w)` gives
both. Windows round down, as torch does; `ceil = true` of a pool rounds up.

The prelude adds `conv(channels = channels, kernel_size = 3, stride = 1, padding = kernel_size // 2,
dilation = 1, groups = 1, bias = false)`, which is convolution, batch norm and ReLU, and
`project(w, stride = 1)`, which is `id` where the shape already fits and else a 1x1 convolution that
counts in no depth.

Channels are axis 0 of `image[C, H, W]` and the last axis of `sequence[N, D]` and `vector[D]`; the
batch is no axis. What is said of channels holds for all of them: `batch_norm` and `prelu` of a
sequence are those of its D channels, over all tokens. `tokens[N]` are integers: only `embedding`
takes them (and `++`, which puts them behind each other).

The signs take equal shapes, and besides
- `+ - * /` a vector beside an image or a sequence: one value for each channel, or one for all;
- `* /` one value for each channel as `[C, 1, 1]` or `[1, D]`, for each place as `[1, H, W]` or
  `[N, 1]`, or one for all (gates, squeeze-and-excite, layer scale).

`depth` counts convolutions; attention counts as two dense layers, those of its weights. The keys of
these in the state dict are `qkv.weight`, `qkv.bias`, `proj.weight` and `proj.bias` behind its own.
"""


def signature(spec: OperatorSpec) -> str:
    """`conv2d(channels, kernel_size = 3, ...)`; without brackets where nothing can be given."""
    settings = ", ".join(map(setting, fields(spec.attributes)))
    return f"{spec.name}({settings})" if settings else spec.name


def setting(field: Field[Any]) -> str:
    if field.default is MISSING:
        return field.name
    default = COMPUTED[field.name] if field.default is None else literal(field.default)
    return f"{field.name} = {default}"


def literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def markdown(groups: Mapping[str, Sequence[OperatorSpec]]) -> str:
    """The whole page; operators behind signs are in the language's own table."""
    parts = [HEAD]
    for title, specs in groups.items():
        rows = [row(spec) for spec in specs if spec.callable_by_name]
        if rows:
            parts += [f"\n## {title}\n\n| operator | what it does |\n|---|---|\n", *rows]
    return "".join(parts)


def row(spec: OperatorSpec) -> str:
    text = " ".join((spec.attributes.__doc__ or spec.summary).split())
    return f"| `{signature(spec)}` | {text.replace('|', chr(92) + '|')} |\n"
