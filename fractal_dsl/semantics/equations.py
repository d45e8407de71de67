"""The text of an equation at one level: `f(3) = (f(2) . f(2)) (+) conv`."""

from __future__ import annotations

import re

from fractal_dsl.semantics.values import RuleCall
from fractal_dsl.syntax import tree

__all__ = ["equation_text", "one_line"]

LONGEST = 120
ARGUMENTS = re.compile(r"\([^()]{30,}\)")
SUM = re.compile(r"(?<=[(,])\s*(\d+)\s*([+-])\s*(\d+)\s*(?=[),])")


# A line ends a statement unless it ends, or the next begins, with one of these.
GOES_ON = re.compile(r"([-{=,+*/.>]|\(\+\)|\b(then|else|if|for|in|and|or))$")
CARRIES_ON = re.compile(r"[-})\]+*/.>=,]|\(\+\)|(then|else|for|if|and|or)\b")


def equation_text(value: RuleCall) -> str:
    """The equation as written; a recursive case at its level, its index a number."""
    equation = value.equation
    body, head = one_line(equation.body.span.text), one_line(equation.head.text)
    for pattern in equation.patterns or ():
        if isinstance(pattern, tree.SuccessorPattern):
            level = value.scope.locals[pattern.name]
            body = re.sub(rf"\b{re.escape(pattern.name)}\b", str(level), body)
            head = value.label
    return abbreviated(f"{head} = {SUM.sub(folded, body)}")


def abbreviated(text: str) -> str:
    """`conv(...) = conv2d(...) >> relu`: long arguments are left out of long equations."""
    return ARGUMENTS.sub("(...)", text) if len(text) > LONGEST else text


def folded(found: re.Match[str]) -> str:
    left, sign, right = int(found[1]), found[2], int(found[3])
    return str(left + right if sign == "+" else left - right)


def one_line(text: str) -> str:
    """Text without comments on one line, a `;` between the statements of a block."""
    kept = (" ".join(line.split("#", 1)[0].split()) for line in text.splitlines())
    made, level = "", 0
    for line in filter(None, kept):
        ends = made and level == 0 and not GOES_ON.search(made) and not CARRIES_ON.match(line)
        made += ("; " if ends else " " if made else "") + line
        level += sum(line.count(sign) for sign in "([") - sum(line.count(sign) for sign in ")]")
    return made
