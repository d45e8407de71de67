"""Words that take a value apart, and the one that makes one out of nothing."""

from __future__ import annotations

from fractal_dsl.ir.operators.values import Chunk, Parameter, Slice
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import LEARNED
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow, Strand, Strands
from fractal_dsl.semantics.values import Items, Value, describe, is_number, is_whole, show
from fractal_dsl.semantics.wire_errors import joined_with_network
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["parameter", "split"]

MAX_SIZE = 2**31


def split(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    """`split(n)`: n equal parts of the channels; `split([a, b])`: parts of those widths."""
    if arrival is None:
        raise joined_with_network(expression.span, "split(...)")
    tensor = site.builder.tensor(arrival, expression.span, "split")
    given = [a.value for a in expression.arguments if a.keyword is None]
    if len(given) != 1 or len(expression.arguments) != 1:
        raise fail("F0206", "`split` takes a number of parts, or a list of widths", expression.span)
    value: Value = yield plain(site.place(tensor), given[0], "what `split` takes")
    parts = [
        site.builder.apply(part, [tensor], "split", expression.span)
        for part in parts_of(value, tensor, given[0].span)
    ]
    return Flow.of(Strands(tuple(parts), expression.span))


def parts_of(value: Value, tensor: Strand, span: Span) -> list[Chunk] | list[Slice]:
    channels = tensor.shape.channels
    if not is_whole(value):
        sizes = widths(value, tensor, span)
        return [Slice(sum(sizes[:at]), size) for at, size in enumerate(sizes)]
    if not 1 <= value <= channels:
        raise fail(
            "F0403", f"{channels} channels make no {show(value)} parts", span,
            f"{tensor.shape} comes in",
        )  # fmt: skip
    return [Chunk(at, value) for at in range(value)]


def widths(value: Value, tensor: Strand, span: Span) -> list[int]:
    """The channels of each part; together all that come in."""
    channels = tensor.shape.channels
    parts = value.values if isinstance(value, Items) else value
    if not isinstance(parts, tuple):
        raise fail("F0405", f"`split` takes a number or a list, not {describe(value)}", span)
    found = [part for part in parts if is_whole(part) and part > 0]
    if len(found) != len(parts) or not found:
        raise fail("F0405", "the widths of `split` are whole numbers from 1", span)
    if sum(found) != channels:
        raise fail(
            "F0403", f"the parts have {sum(found)} channels together", span,
            f"{tensor.shape} comes in, with {channels}",
        )  # fmt: skip
    return found


def parameter(site: Site, expression: tree.Expression, tag: str | None) -> Steps[Flow]:
    """`parameter(shape, init = 0)`: a learned tensor, the same whatever comes in."""
    given: dict[str, tree.Expression] = {}
    order = ["shape", "init"]
    arguments = expression.arguments if isinstance(expression, tree.Call) else ()
    for at, argument in enumerate(arguments):
        name = argument.keyword or (order[at] if at < len(order) else "")
        if name not in order or name in given:
            raise fail("F0206", f"`{LEARNED}` takes a shape and `init`", argument.span)
        given[name] = argument.value
    if "shape" not in given:
        help_ = f"write `{LEARNED}([1, 64])`"
        raise fail("F0206", f"`{LEARNED}` needs a shape", expression.span, "", help_)
    place = site.place(None)
    shape: Value = yield plain(place, given["shape"], "its shape")
    init: Value = 0.0
    if "init" in given:
        init = yield plain(place, given["init"], "`init`", "a number")
    if not is_number(init):
        raise fail("F0405", f"`init` is a number, not {describe(init)}", given["init"].span)
    attributes = Parameter(sizes(shape, given["shape"].span), float(init))
    name = site.builder.names.get(id(expression), LEARNED)
    return Flow.of(site.builder.apply(attributes, [], name, expression.span, tag))


def sizes(value: Value, span: Span) -> tuple[int, ...]:
    """One to three sizes: a vector, a sequence, an image."""
    parts = value.values if isinstance(value, Items) else value
    if is_whole(value):
        parts = (value,)
    if not isinstance(parts, tuple) or not 1 <= len(parts) <= 3:
        raise fail("F0405", f"a shape is a list of one to three sizes, not {show(value)}", span)
    found = tuple(part for part in parts if is_whole(part) and 0 < part < MAX_SIZE)
    if len(found) != len(parts):
        raise fail("F0405", f"a size is a whole number from 1: {show(value)}", span)
    return found
