"""Every text of a drawing: from names of the spec to one clean line of known width."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import MISSING, fields

from fractal_dsl.emit.diagram.sheet import Kind
from fractal_dsl.ir.graph import Apply, Call, Graph, Node
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.elementwise import Scalar
from fractal_dsl.ir.operators.extern import Extern
from fractal_dsl.ir.operators.values import Chunk, Parameter, Slice
from fractal_dsl.ir.shapes import Shape

__all__ = [
    "call_text",
    "clean",
    "is_ordered",
    "kind_of",
    "leaf_kind",
    "operator_text",
    "shape_text",
    "text_width",
    "times",
]

# The font has no circled plus and no ring; FDL's own ASCII spelling stands in for them.
SUBSTITUTES = str.maketrans({"⊕": "(+)", "∘": "."})

SIGNS = {
    "sum": "+",
    "difference": "\N{MINUS SIGN}",
    "product": "\N{MULTIPLICATION SIGN}",
    "quotient": "/",
    "maximum": "max",
    "minimum": "min",
    "concat": "++",
}
DECIMAL = re.compile(r"(?<![\w.])\d+(?:\.\d+(?:e[+-]?\d+)?|e[+-]?\d+)")
UNORDERED = frozenset({"sum", "product", "maximum", "minimum"})

KINDS = {
    "conv2d": Kind.CONV,
    "conv_transpose2d": Kind.CONV,
    "linear": Kind.DENSE,
    "embedding": Kind.DENSE,
    "attention": Kind.DENSE,
    "cross_attention": Kind.DENSE,
    "max_pool": Kind.POOL,
    "avg_pool": Kind.POOL,
    "global_avg_pool": Kind.POOL,
    "global_max_pool": Kind.POOL,
}
# Advance widths of U+0020 to U+007E in Source Sans Pro Regular, in thousandths of an em.
ADVANCES = (
    200, 289, 425, 497, 497, 824, 609, 249, 303, 303, 418, 497, 249, 311, 249, 350,
    497, 497, 497, 497, 497, 497, 497, 497, 497, 497, 249, 249, 497, 497, 497, 425,
    847, 544, 588, 571, 615, 527, 494, 617, 652, 263, 480, 579, 486, 727, 647, 664,
    566, 664, 569, 534, 536, 645, 515, 786, 513, 476, 539, 303, 350, 303, 497, 500,
    542, 504, 553, 456, 555, 496, 292, 504, 544, 246, 247, 495, 255, 829, 547, 542,
    555, 555, 347, 419, 338, 544, 467, 718, 446, 467, 425, 303, 241, 303, 497,
)  # fmt: skip


def clean(text: str, limit: int = 40) -> str:
    """`text` as one line of printable characters, cut at `limit`."""
    line = " ".join(text.translate(SUBSTITUTES).split())
    shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in line)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def call_text(label: str, limit: int = 40) -> str:
    """The label of a graph, its numbers rounded: `unit(384, 0.0353)`."""
    return clean(DECIMAL.sub(lambda found: _rounded(float(found[0])), label), limit)


def _rounded(value: float) -> str:
    """Three digits, which is what a picture has room for."""
    return f"{float(f'{value:.3g}'):g}"


def text_width(text: str, size: float) -> float:
    """Width in points of `text` in the drawing's font; exact for ASCII but for kerning."""
    return sum(_advance(char) for char in text) * size / 1000


def _advance(char: str) -> int:
    at = ord(char) - 0x20
    if 0 <= at < len(ADVANCES):
        return ADVANCES[at]
    return 550 if at < 0x2E80 and char != "…" else 1000


def shape_text(shape: Shape) -> str:
    """`64×32×32`"""
    return "×".join(map(str, shape.sizes))


def times(count: int) -> str:
    """`× 5`; a power of ten past the millions."""
    if count < 10**7:
        return f"× {count:,}"
    return f"× 10^{len(str(count)) - 1}" if count < 10**4000 else "× over 10^4000"


def kind_of(node: Apply) -> Kind:
    other = Kind.MERGE if len(node.inputs) > 1 else Kind.OTHER
    return KINDS.get(node.attributes.operator, other)


def is_ordered(node: Node) -> bool:
    """Whether it matters which of its inputs comes first."""
    if isinstance(node, Apply):
        return len(node.inputs) > 1 and node.attributes.operator not in UNORDERED
    return isinstance(node, Call) and len(node.inputs) > 1


def leaf_kind(graph: Graph) -> Kind:
    """What a graph of operators counts as: a convolution if it holds one, and so on."""
    held = {kind_of(node) for node in graph.nodes if isinstance(node, Apply)}
    return next((kind for kind in (Kind.CONV, Kind.DENSE, Kind.POOL) if kind in held), Kind.OTHER)


def operator_text(attributes: Attributes) -> str:
    """An operator as FDL calls it: `max_pool(2)`, `conv2d(64, stride = 2)`, `+`."""
    if isinstance(attributes, Scalar):
        sign, value = attributes.sign, _plain(attributes.value)
        return f"{value} {sign} x" if attributes.on_left else f"x {sign} {value}"
    if isinstance(attributes, Chunk):
        return f"part {attributes.index + 1} of {attributes.of}"
    if isinstance(attributes, Slice):
        return f"channels {attributes.start} to {attributes.start + attributes.size - 1}"
    if isinstance(attributes, Parameter):
        return "parameter"
    if isinstance(attributes, Extern):
        return attributes.written.removeprefix(attributes.path.rpartition(".")[0] + ".")
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
    return _rounded(value) if isinstance(value, float) else str(value)
