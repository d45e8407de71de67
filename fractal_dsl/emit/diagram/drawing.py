"""From a program to a picture: choose what to show, place it, hand it to Graphviz."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from time import monotonic

from fractal_dsl.emit.diagram.arrange import Layered, arrange
from fractal_dsl.emit.diagram.census import ENDLESS
from fractal_dsl.emit.diagram.dot import source
from fractal_dsl.emit.diagram.figure import Figure, Panel, compose
from fractal_dsl.emit.diagram.layered import TooManyPartsError, layers
from fractal_dsl.emit.diagram.options import FORMATS, Drawing, DrawOptions
from fractal_dsl.emit.diagram.panels import Leaf, collapsed, expanded, parts_expanded, summary
from fractal_dsl.emit.diagram.render import Graphviz, GraphvizError
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
    """The page, and notes on what is not drawn as it was asked for."""
    notes: tuple[str, ...] = ()
    if options.expand or options.plan is not None:
        try:
            return _whole(program, options), ()
        except (TooManyPartsError, GraphvizError) as error:
            what = "repeats once, and no highlight" if options.plan else "repeats once"
            notes = (f"expanded, the net has {_reason(error, options)}: the picture shows {what}",)
    panels, further = collapsed(program, options)
    layered = _layered(options)
    placed = []
    for panel in panels:
        try:
            placed.append(_placed(panel, layered))
        except (TooManyPartsError, GraphvizError) as error:
            notes += (f"{panel.title} has {_reason(error, options)}: it is drawn as one box",)
            placed.append(_placed(replace(panel, sheet=summary(panel.sheet)), layered))
    return compose(placed, legend=options.legend), notes + further


def _whole(program: Program, options: DrawOptions) -> Figure:
    """The expanded picture."""
    count = parts_expanded(program)
    if count > options.nodes:
        raise TooManyPartsError(count, options.nodes)
    panel = _placed(expanded(program, options), _layered(options))
    return compose([panel], legend=options.legend)


def _reason(error: TooManyPartsError | GraphvizError, options: DrawOptions) -> str:
    if isinstance(error, TooManyPartsError):
        count = f"{error.count:,}" if error.count < ENDLESS else "over 10^9"
        what = "parts that form no columns" if error.limit == options.layered else "parts"
        return f"{count} {what}, above the limit of {error.limit:,}"
    return f"no layout ({error.diagnostics[0].message})"


def _layered(options: DrawOptions) -> Layered:
    return partial(layers, _graphviz(options), options.layered)


def _placed(leaf: Leaf, layered: Layered) -> Panel:
    return Panel(leaf.title, leaf.lines, leaf.sheet, arrange(leaf.sheet, layered))
