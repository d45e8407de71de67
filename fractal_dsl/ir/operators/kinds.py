"""Which kinds of value an operator takes, and what others are told."""

from __future__ import annotations

from collections.abc import Sequence

from fractal_dsl.ir.operators.spec import ShapeError
from fractal_dsl.ir.shapes import Shape

__all__ = ["not_tokens", "the_image", "the_sequence"]

TO_IMAGE = "`image(height, width)` lays tokens out as an image"
TO_SEQUENCE = "`tokens` makes a sequence of an image: a token for each place"
EMBED = "`embedding(vocab, width)` looks up a vector for each of them"


def the_image(operator: str, inputs: Sequence[Shape]) -> Shape:
    """What comes into an operator of images."""
    kind = inputs[0].kind
    if kind != "image":
        helps = {"sequence": (TO_IMAGE,), "tokens": (EMBED,)}.get(kind, ())
        raise ShapeError(f"`{operator}` takes an image; here {inputs[0]} comes in", *helps)
    return inputs[0]


def the_sequence(operator: str, inputs: Sequence[Shape]) -> Shape:
    """What comes into an operator of sequences."""
    kind = inputs[0].kind
    if kind != "sequence":
        helps = {"image": (TO_SEQUENCE,), "tokens": (EMBED,)}.get(kind, ())
        raise ShapeError(f"`{operator}` takes a sequence; here {inputs[0]} comes in", *helps)
    return inputs[0]


def not_tokens(operator: str, inputs: Sequence[Shape]) -> Shape:
    """What comes into an operator of numbers of any kind."""
    if inputs[0].kind == "tokens":
        raise ShapeError(f"`{operator}` needs numbers; {inputs[0]} holds integers", EMBED)
    return inputs[0]
