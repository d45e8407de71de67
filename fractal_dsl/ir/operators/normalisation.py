"""Normalisation of each sample by itself: over channels, or over groups of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fractal_dsl.ir.operators.kinds import not_tokens
from fractal_dsl.ir.operators.spec import Attributes, OperatorSpec, ShapeError, Tensor
from fractal_dsl.ir.shapes import Shape

__all__ = ["NORMALISATION", "GroupNorm", "LayerNorm", "Normalize", "Softmax"]


@dataclass(frozen=True, slots=True)
class LayerNorm(Attributes):
    """Layer normalisation over the channels of each token, or of each place of an image."""

    eps: float = 1e-5
    affine: bool = True
    bias: bool = True


@dataclass(frozen=True, slots=True)
class GroupNorm(Attributes):
    """Normalisation over all places and the channels of each of `groups` groups."""

    groups: int
    eps: float = 1e-5
    affine: bool = True


@dataclass(frozen=True, slots=True)
class Normalize(Attributes):
    """x / (norm + eps), with the p-norm over the channels."""

    p: float = 2.0
    eps: float = 1e-12


@dataclass(frozen=True, slots=True)
class Softmax(Attributes):
    """exp(x), divided by its sum over the channels."""


def norm_shape(attributes: Attributes, inputs: Sequence[Shape]) -> Shape:
    return not_tokens(attributes.operator, inputs)


def group_norm_shape(attributes: GroupNorm, inputs: Sequence[Shape]) -> Shape:
    incoming = norm_shape(attributes, inputs)
    if attributes.groups < 1 or incoming.channels % attributes.groups:
        raise ShapeError(
            f"{incoming.channels} channels do not divide into {attributes.groups} groups",
            f"choose `groups` among the divisors of {incoming.channels}",
        )
    return incoming


def normalize_shape(attributes: Normalize, inputs: Sequence[Shape]) -> Shape:
    if attributes.p < 1:
        raise ShapeError(f"there is no {attributes.p:g}-norm", "`p` is at least 1")
    return norm_shape(attributes, inputs)


def affine_parameters(
    attributes: LayerNorm | GroupNorm, inputs: Sequence[Shape]
) -> tuple[Tensor, ...]:
    if not attributes.affine:
        return ()
    width = (inputs[0].channels,)
    if isinstance(attributes, LayerNorm) and not attributes.bias:
        return (Tensor("weight", width),)
    return Tensor("weight", width), Tensor("bias", width)


NORMALISATION = (
    OperatorSpec("layer_norm", LayerNorm, "layer normalisation", norm_shape, affine_parameters),
    OperatorSpec(
        "group_norm", GroupNorm, "group normalisation", group_norm_shape, affine_parameters
    ),
    OperatorSpec("normalize", Normalize, "division by the p-norm", normalize_shape),
    OperatorSpec("softmax", Softmax, "softmax over the channels", norm_shape),
)
