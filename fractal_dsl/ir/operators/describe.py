"""The table of operators as people read it; `docs/operators.md` is made by this."""

from __future__ import annotations

from dataclasses import MISSING, fields

from fractal_dsl.ir.operators.spec import OperatorSpec

__all__ = ["markdown", "signature"]

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
    parts = []
    for field in fields(spec.attributes):
        if field.default is MISSING:
            parts.append(field.name)
        elif field.default is None:
            meaning = "kernel_size" if field.name == "stride" else "kernel_size // 2"
            parts.append(f"{field.name} = {meaning}")
        else:
            parts.append(f"{field.name} = {literal(field.default)}")
    return f"{spec.name}({', '.join(parts)})" if parts else spec.name


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
