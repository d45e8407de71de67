"""Every text of a drawing: from names of the spec to one clean line of known width."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields

from fractal_dsl.emit.diagram.sheet import Kind
from fractal_dsl.ir.graph import Apply, Graph
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.elementwise import Scalar
from fractal_dsl.ir.shapes import Shape

__all__ = ["clean", "kind_of", "leaf_kind", "operator_text", "shape_text", "text_width", "times"]

# The font has no circled plus and no ring; FDL's own ASCII spelling stands in for them.
SUBSTITUTES = str.maketrans({"⊕": "(+)", "∘": "."})

SIGNS = {
    "sum": "+",
    "difference": "a \N{MINUS SIGN} b",
    "product": "\N{MULTIPLICATION SIGN}",
    "quotient": "a / b",
    "maximum": "max",
    "minimum": "min",
    "concat": "++",
}

KINDS = {
    "conv2d": Kind.CONV,
    "linear": Kind.DENSE,
    "max_pool": Kind.POOL,
    "avg_pool": Kind.POOL,
    "global_avg_pool": Kind.POOL,
    "global_max_pool": Kind.POOL,
}
NARROW, WIDE = frozenset("fijlrtI.,:;'|!()[] "), frozenset("mwMW@%+×→…")


def clean(text: str, limit: int = 40) -> str:
    """`text` as one line of printable characters, cut at `limit`."""
    line = " ".join(text.translate(SUBSTITUTES).split())
    shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in line)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def text_width(text: str, size: float) -> float:
    """Width in points, within about a tenth, of `text` in the drawing's font."""
    return sum(_advance(char) for char in text) * size


def _advance(char: str) -> float:
    if char in NARROW:
        return 0.30
    if char in WIDE:
        return 0.80
    if ord(char) > 0x2E80:
        return 1.0
    return 0.60 if char.isupper() else 0.51


def shape_text(shape: Shape) -> str:
    """`64×32×32`"""
    return "×".join(map(str, shape.sizes))


def times(count: int) -> str:
    """`× 5`; a power of ten past the millions."""
    if count < 10**7:
        return f"× {count:,}"
    return f"× 10^{len(str(count)) - 1}" if count < 10**4000 else "× over 10^4000"


def kind_of(node: Apply) -> Kind:
    if len(node.inputs) > 1:
        return Kind.MERGE
    return KINDS.get(node.attributes.operator, Kind.OTHER)


def leaf_kind(graph: Graph) -> Kind:
    """What a graph of operators counts as: a convolution if it holds one, and so on."""
    held = {kind_of(node) for node in graph.nodes if isinstance(node, Apply)}
    return next((kind for kind in (Kind.CONV, Kind.DENSE, Kind.POOL) if kind in held), Kind.OTHER)


def operator_text(attributes: Attributes) -> str:
    """An operator as FDL calls it: `max_pool(2)`, `conv2d(64, stride = 2)`, `+`."""
    if isinstance(attributes, Scalar):
        sign, value = attributes.sign, _plain(attributes.value)
        return f"{value} {sign} x" if attributes.on_left else f"x {sign} {value}"
    sign = SIGNS.get(attributes.operator, "")
    if sign:
        return sign
    given = ", ".join(_arguments(attributes))
    return f"{attributes.operator}({given})" if given else attributes.operator


def _arguments(attributes: Attributes) -> Iterable[str]:
    in_order = True
    for field in fields(attributes):
        value = getattr(attributes, field.name)
        if field.default is not MISSING and value == field.default:
            in_order = False
            continue
        yield _plain(value) if in_order else f"{field.name} = {_plain(value)}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
