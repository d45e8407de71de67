"""The text of an equation at one level: `f(3) = (f(2) . f(2)) (+) conv`."""

from __future__ import annotations

import re

from fractal_dsl.semantics.values import RuleCall
from fractal_dsl.syntax import tree

__all__ = ["equation_text"]

SUM = re.compile(r"(?<=[(,])\s*(\d+)\s*([+-])\s*(\d+)\s*(?=[),])")


def equation_text(value: RuleCall) -> str:
    """The equation as written, its recursion index replaced by the call's number."""
    equation = value.equation
    body = one_line(equation.body.span.text)
    for pattern in equation.patterns or ():
        if isinstance(pattern, tree.SuccessorPattern):
            level = value.scope.locals[pattern.name]
            body = re.sub(rf"\b{re.escape(pattern.name)}\b", str(level), body)
    return f"{value.label} = {SUM.sub(folded, body)}"


def folded(found: re.Match[str]) -> str:
    left, sign, right = int(found[1]), found[2], int(found[3])
    return str(left + right if sign == "+" else left - right)


def one_line(text: str) -> str:
    """Text without comments, its white space reduced to single blanks."""
    kept = (line.split("#", 1)[0] for line in text.splitlines())
    return " ".join(" ".join(kept).split())
