"""Drawings of programs: SVG, PNG, PDF and DOT, by Graphviz in a child process."""

from fractal_dsl.emit.diagram.drawing import dot, draw
from fractal_dsl.emit.diagram.options import FORMATS, Drawing, DrawOptions, Plan

__all__ = ["FORMATS", "DrawOptions", "Drawing", "Plan", "dot", "draw"]
