"""From syntax to graphs: names, rules, their expansion."""

from fractal_dsl.semantics.elaborate import Elaborated, elaborate
from fractal_dsl.semantics.resolve import resolve

__all__ = ["Elaborated", "elaborate", "resolve"]
