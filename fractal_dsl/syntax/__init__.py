"""The text of FDL and its syntax tree: `parse` there, `print_program` back."""

from fractal_dsl.syntax.parser import parse

__all__ = ["parse"]
