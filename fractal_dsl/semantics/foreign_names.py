"""Names of Python and of torch, and what is written here in their place."""

from __future__ import annotations

from fractal_dsl.diagnostics import Edit, Help
from fractal_dsl.source import Span

__all__ = ["TORCH_SIZES", "foreign_name", "has_torch_spelling", "slashed_comment"]

TORCH_SIZES = (
    "a layer is told what it gives, not what comes in: `Conv2d(3, 64, 3)` of torch is "
    "`conv2d(64, 3)`, and `BatchNorm2d(64)` is `batch_norm`"
)

# Names that may simply be exchanged.
ALIKE = {
    "True": "true",
    "False": "false",
    "Identity": "id",
    "identity": "id",
    "Swish": "silu",
    "swish": "silu",
    "Dense": "linear",
    "dense": "linear",
    "cat": "concat",
}
SAYINGS = {
    "range": "`0..n-1` counts from 0 to n - 1, both included: `range(3)` is `0..2`",
    "AdaptiveAvgPool2d": "`global_avg_pool` averages over all places and takes no size",
    "AdaptiveMaxPool2d": "`global_max_pool` takes the largest of all places, and no size",
    "Sequential": "layers in series are written `a >> b`",
    "ModuleList": "a list is written `[a, b]`",
    "add": "a sum is written `a + b`",
    "mul": "a product is written `a * b`",
    "DropPath": "`stochastic_depth(e, 0.1)` on a branch of a sum, or for joins `(+)` a line of "
    "its own, `drop_path(local = 0.15)`",
    "drop_path": "`drop_path(local = 0.15)` is a line of its own, beside the net",
    **{
        name: f'`extern "torch.nn.{name}"(...)` is any module of torch'
        for name in ("InstanceNorm2d", "LocalResponseNorm", "PixelShuffle", "RMSNorm")
    },
}
SAYINGS |= {
    "adaptive_avg_pool2d": SAYINGS["AdaptiveAvgPool2d"],
    "adaptive_max_pool2d": SAYINGS["AdaptiveMaxPool2d"],
}


def foreign_name(name: str, span: Span) -> tuple[Help, ...]:
    """The way out for a name of elsewhere; nothing for one that is only unknown."""
    if name in ALIKE:
        return (Help(f"write `{ALIKE[name]}`", Edit(span, ALIKE[name])),)
    if name in SAYINGS:
        return (Help(SAYINGS[name]),)
    following = span.source.text[span.end : span.end + 1]
    if name in ("nn", "torch") and following == ".":
        module = Span(span.source, span.start, span.end + 1)
        return (Help(f"layers stand without `{name}.` before them", Edit(module, "")),)
    return ()


def slashed_comment(span: Span) -> tuple[Help, ...]:
    """For a word that alone ends its line after `//`, which divides."""
    text = span.source.text
    before, behind = text[: span.start].rstrip(" "), text[span.end :].partition("\n")[0]
    if not before.endswith("//") or behind.strip():
        return ()
    slashes = Span(span.source, len(before) - 2, span.start)
    return (Help("a comment begins with `#`", Edit(slashes, "# ")),)


def has_torch_spelling(name: str) -> bool:
    """`Conv2d`, `BatchNorm2d`, `Linear`: layers that torch tells what comes in."""
    return name[:1].isupper() and (name.endswith("2d") or name == "Linear")
