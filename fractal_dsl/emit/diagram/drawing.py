"""From a program to a picture: choose what to show, place it, hand it to Graphviz."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from time import monotonic

from fractal_dsl.emit.diagram.arrange import Layered, arrange
from fractal_dsl.emit.diagram.dot import source
from fractal_dsl.emit.diagram.figure import Figure, Panel, compose
from fractal_dsl.emit.diagram.layered import TooManyPartsError, layers
from fractal_dsl.emit.diagram.options import FORMATS, Drawing, DrawOptions
from fractal_dsl.emit.diagram.panels import Leaf, collapsed, expanded, parts_expanded, summary
from fractal_dsl.emit.diagram.render import Graphviz, SlowLayoutError
from fractal_dsl.ir.graph import Program

__all__ = ["dot", "draw"]

SHARP, LONGEST = 192.0, 12_000.0


def draw(program: Program, form: str, options: DrawOptions | None = None) -> Drawing:
    """`program` as a picture, in one of `FORMATS`.

    Above a limit the picture with repeats drawn once takes the place of the expanded one, and
    the drawing's notes say so. Raises `DiagnosticError`: F0901 if Graphviz takes too long even
    so, F0902 if it fails, F0903 if a library is missing.
    """
    if form not in FORMATS:
        raise ValueError(f"no format {form!r}: choose among {', '.join(FORMATS)}")
    options = options or DrawOptions()
    if options.highlight and options.plan is None:
        raise ValueError("a highlight needs the plan that it names")
    figure, notes = _figure(program, options)
    text = source(figure)
    if form == "dot":
        return Drawing(text.encode(), notes)
    dpi = min(SHARP, 72 * LONGEST / max(figure.width, figure.height))
    return Drawing(_graphviz(options).paint(text, form, dpi), notes)


def dot(program: Program, options: DrawOptions | None = None) -> str:
    """The picture's DOT source, positions included: `neato -n2` draws it as `draw` does."""
    return draw(program, "dot", options).data.decode()


def _graphviz(options: DrawOptions) -> Graphviz:
    """A fresh allowance of time."""
    return Graphviz(monotonic() + options.seconds, options.seconds, options.memory)


def _figure(program: Program, options: DrawOptions) -> tuple[Figure, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if options.expand or options.plan is not None:
        figure, note = _whole(program, options)
        if figure is not None:
            return figure, ()
        notes = (note,)
    panels, further = collapsed(program, options)
    place = _placing(options)
    placed = []
    for panel in panels:
        try:
            placed.append(_placed(panel, place))
        except TooManyPartsError as many:
            notes += (f"a part of {many.count:,} nodes that form no columns is drawn as one box",)
            placed.append(_placed(replace(panel, sheet=summary(panel.sheet)), place))
    return compose(placed, legend=options.legend), notes + further


def _whole(program: Program, options: DrawOptions) -> tuple[Figure | None, str]:
    """The expanded picture, or why there is none."""
    count = parts_expanded(program)
    instead = (
        "the picture shows repeats once, and no highlight"
        if options.plan
        else ("the picture shows repeats once")
    )
    if count > options.nodes:
        limit = f"{options.nodes:,}"
        shown = f"{count:,}" if count < 10**9 else "over 10^9"
        return None, f"expanded, the net has {shown} parts, above the limit of {limit}: {instead}"
    try:
        panel = _placed(expanded(program, options), _placing(options))
        return compose([panel], legend=options.legend), ""
    except TooManyPartsError as many:
        return None, (
            f"expanded, the net has {many.count:,} parts that form no columns, above the limit of "
            f"{options.layered:,}: {instead}"
        )
    except SlowLayoutError:
        return None, f"the expanded net took more than {options.seconds:g} s: {instead}"


def _placing(options: DrawOptions) -> Layered:
    return partial(layers, _graphviz(options), options.layered)


def _placed(leaf: Leaf, layered: Layered) -> Panel:
    return Panel(leaf.title, leaf.lines, leaf.sheet, arrange(leaf.sheet, layered))
