"""The table of operators as people read it; `docs/operators.md` is made by this."""

from __future__ import annotations

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

| operator | what it does |
|---|---|
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


def markdown(specs: list[OperatorSpec]) -> str:
    """The whole page; operators behind signs are in the language's own table."""
    rows = []
    for spec in specs:
        if spec.callable_by_name:
            text = " ".join((spec.attributes.__doc__ or spec.summary).split())
            rows.append(f"| `{signature(spec)}` | {text.replace('|', chr(92) + '|')} |")
    return HEAD + "\n".join(rows) + "\n"
