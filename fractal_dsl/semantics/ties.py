"""`weight = @name`: a layer that uses the weight of another one of its graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.ir.graph import Apply
from fractal_dsl.ir.operators import Attributes, spec_of
from fractal_dsl.ir.operators.layers import Linear
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.build import GraphBuilder
from fractal_dsl.semantics.strands import Strand
from fractal_dsl.semantics.suggest import did_you_mean
from fractal_dsl.syntax import tree

__all__ = ["tied_weight", "without_tie"]


def without_tie(expression: tree.Expression) -> tuple[tree.Expression, tree.Reference | None]:
    """An operator's call without `weight = @name`, and that name."""
    if not isinstance(expression, tree.Call):
        return expression, None
    for argument in expression.arguments:
        if argument.keyword == "weight" and isinstance(argument.value, tree.Reference):
            rest = tuple(one for one in expression.arguments if one is not argument)
            return replace(expression, arguments=rest), argument.value
    return expression, None


def tied_weight(
    builder: GraphBuilder, attributes: Attributes, tensor: Strand, reference: tree.Reference
) -> int:
    """The node whose weight is used; F0201 if none has the name, F0414 if it does not fit."""
    at = builder.named.get(reference.name)
    node = builder.nodes[at] if at is not None else None
    if at is None or not isinstance(node, Apply):
        helps = did_you_mean(reference.name, builder.named, "named layers", reference.span)
        note = "the name stands before its use, in the same equation"
        raise DiagnosticError(
            Diagnostic(
                "F0201",
                f"no layer is named `@{reference.name}` here",
                reference.span,
                notes=(note,),
                helps=helps,
            )  # fmt: skip
        )
    if not isinstance(attributes, Linear) or tensor.shape.kind == "image":
        raise fail("F0414", f"`{attributes.operator}` cannot use another's weight", reference.span,
                   "`linear` on a sequence or a vector can")  # fmt: skip
    if attributes.bias:
        raise fail("F0414", "a layer that uses another's weight has no bias of its own",
                   reference.span, "", "add `bias = false`")  # fmt: skip
    incoming = [builder.shape_of(ref) for ref in node.inputs]
    theirs = weight_of(node.attributes, incoming)
    mine = weight_of(attributes, [tensor.shape])
    if mine != theirs:
        labels = (
            (Label(node.span, f"its weight is {list(theirs)}"),) if node.span and theirs else ()
        )
        raise DiagnosticError(
            Diagnostic(
                "F0414",
                f"the weight of `@{reference.name}` does not fit",
                reference.span,
                f"{list(mine or ())} is needed",
                labels=labels,
                helps=(Help("both layers must have the same sizes"),),
            )  # fmt: skip
        )
    return at


def weight_of(attributes: Attributes, incoming: Sequence[Shape]) -> tuple[int, ...] | None:
    tensors = spec_of(attributes).parameters(attributes, incoming)
    return next((one.shape for one in tensors if one.name == "weight"), None)
