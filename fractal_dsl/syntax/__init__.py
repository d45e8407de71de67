"""The text of FDL and its syntax tree: `parse` there, `print_program` back."""

from fractal_dsl.syntax.parser import parse
from fractal_dsl.syntax.printer import print_expression, print_program, print_statement
from fractal_dsl.syntax.walk import children, walk

__all__ = [
    "children",
    "parse",
    "print_expression",
    "print_program",
    "print_statement",
    "walk",
]
