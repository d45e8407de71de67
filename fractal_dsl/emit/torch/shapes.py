"""Comments that say the shape of a value, by the names of its class where sizes vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fractal_dsl.emit.torch.sizes import Number
from fractal_dsl.ir.shapes import Shape

__all__ = ["Symbols"]

# What each axis is called where its size varies.
AXES = {"image": "chw", "sequence": "nd", "vector": "c", "tokens": "n"}


class Symbols:
    """Sizes of one family of classes: what comes in, and its named widths, by instance."""

    def __init__(self, incoming: Sequence[Shape], widths: Mapping[str, Sequence[Number]]) -> None:
        self.incoming = incoming
        self.widths = widths

    def shape(self, shapes: Sequence[Shape | None], channels: str | None = None) -> str:
        """`[c_out, h/2, w/2]` for the shape a value has in each instance; "" if unclear.

        `channels` is a name for the size of the channel axis.
        """
        known = [shape for shape in shapes if shape is not None]
        kinds = {(shape.kind, len(shape.sizes)) for shape in known}
        if len(known) < len(shapes) or len(kinds) != 1:
            return ""
        columns = list(zip(*(shape.sizes for shape in known), strict=True))
        ((kind, _),) = kinds
        sizes = list(map(self.size, columns, AXES[kind], range(len(columns))))
        if channels is not None:
            sizes[known[0].channel_axis] = channels
        return f"[{', '.join(sizes)}]"

    def size(self, sizes: Sequence[int], symbol: str, axis: int) -> str:
        if symbol in ("c", "d"):
            return self.width(sizes, symbol)
        return self.edge(sizes, axis, symbol)

    def width(self, sizes: Sequence[int], symbol: str) -> str:
        if len(set(sizes)) == 1:
            return str(sizes[0])
        named = {name: row for name, row in self.widths.items() if len(row) == len(sizes)}
        for name, row in named.items():
            if tuple(row) == tuple(sizes):
                return name
        for name, row in named.items():
            if relation := related(sizes, row, name):
                return relation
        return symbol

    def edge(self, sizes: Sequence[int], axis: int, symbol: str) -> str:
        if len(set(sizes)) == 1:
            return str(sizes[0])
        came = [shape.sizes[axis] for shape in self.incoming if symbol in AXES[shape.kind]]
        if len(came) != len(sizes):
            return symbol
        return related(sizes, came, symbol) or f"{symbol}'"


def related(sizes: Sequence[int], row: Sequence[Number], name: str) -> str:
    """How `sizes` follow from the numbers called `name`: half of them, twice, so much more."""
    pairs = [(size, other) for size, other in zip(sizes, row, strict=True)]
    if any(not isinstance(other, int) or other < 1 for _, other in pairs):
        return ""
    numbers = [(size, int(str(other))) for size, other in pairs]
    size, other = numbers[0]
    if all(a == b for a, b in numbers):
        return name
    if other % size == 0 and all(b == a * (other // size) for a, b in numbers):
        return f"{name}/{other // size}"
    if size % other == 0 and all(a == b * (size // other) for a, b in numbers):
        return f"{size // other}*{name}"
    if all(a - b == size - other for a, b in numbers):
        return f"{name} + {size - other}" if size > other else f"{name} - {other - size}"
    return ""
