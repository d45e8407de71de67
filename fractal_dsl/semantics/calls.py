"""Calls of rules: arguments to parameters, the case that matches, the value it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fractal_dsl.ir.graph import Recursion
from fractal_dsl.semantics.call_errors import argument_error, refuse_unknown
from fractal_dsl.semantics.definitions import Definition
from fractal_dsl.semantics.kinds import converted, passed_on
from fractal_dsl.semantics.values import Given, Value, holds_wires, is_whole, show
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["Case", "bind", "check_kinds", "split_keywords"]


@dataclass(frozen=True, slots=True)
class Case:
    """A call that an equation takes: its arguments by the places of the equation's patterns."""

    definition: Definition
    equation: tree.Equation
    given: Mapping[int, Given]
    span: Span

    @property
    def recursion(self) -> Recursion | None:
        """The level of the recursion that the call stands on."""
        group, at = self.definition.group, self.definition.level_position
        if group is None or at is None or at not in self.given:
            return None
        level = self.given[at].value
        return Recursion(group, level) if is_whole(level) else None

    @property
    def label(self) -> str:
        """How a person calls this instance: `f(3)`, `block(64, 0.1)`, `conv`; no wires."""
        texts = []
        in_order = True
        for at, pattern in enumerate(self.equation.patterns or ()):
            if at not in self.given or holds_wires(self.given[at].value):
                in_order = False
                continue
            text = show(self.given[at].value, 24)
            keyword = "" if in_order or isinstance(pattern, tree.LiteralPattern) else pattern.name
            texts.append(f"{keyword} = {text}" if keyword else text)
        name = self.definition.name
        return f"{name}({', '.join(texts)})" if texts else name


def check_kinds(case: Case) -> None:
    """Tells a wrong kind of argument at the call where the text inside is not the user's."""
    if not case.definition.home.source.is_shipped:
        return
    settings = passed_on(case.equation)
    for at, one in case.given.items():
        pattern = (case.equation.patterns or ())[at]
        if isinstance(pattern, tree.Parameter) and pattern.name in settings:
            setting = settings[pattern.name]
            converted(setting, one.value, case.definition.name, pattern.name, one.span)


def split_keywords(
    definition: Definition, implicits: frozenset[str], given: Sequence[Given], span: Span
) -> tuple[list[Given], dict[str, Given], dict[str, Value]]:
    """Positional arguments, keywords of parameters, and values for implicit names."""
    refuse_unknown(definition.name, given, definition.parameter_names | implicits)
    positional = [one for one in given if one.keyword is None]
    named: dict[str, Given] = {}
    extra: dict[str, Value] = {}
    for one in given:
        if one.keyword is None:
            continue
        if one.keyword in named or one.keyword in extra:
            raise argument_error(f"`{one.keyword}` is given twice", one.span)
        if one.keyword in definition.parameter_names:
            named[one.keyword] = one
        else:
            extra[one.keyword] = one.value
    return positional, named, extra


def bind(
    definition: Definition,
    equation: tree.Equation,
    positional: Sequence[Given],
    named: dict[str, Given],
) -> dict[int, Given] | None:
    """Arguments by position if the equation's patterns take these arguments, else None.

    Positions left out are those of parameters with a default.
    """
    patterns = equation.patterns or ()
    if len(positional) > len(patterns):
        return None
    bound: dict[int, Given] = {}
    used = 0
    for at, pattern in enumerate(patterns):
        if at < len(positional):
            one = positional[at]
        elif isinstance(pattern, tree.Parameter) and pattern.name in named:
            one = named[pattern.name]
        elif isinstance(pattern, tree.Parameter) and pattern.default is not None:
            continue
        else:
            return None
        if isinstance(pattern, tree.Parameter) and pattern.name in named:
            used += 1
            if at < len(positional):
                message = f"`{pattern.name}` is given by place and by name"
                raise argument_error(message, named[pattern.name].span)
        if not matches(definition, at, pattern, one.value):
            return None
        bound[at] = one
    return bound if used == len(named) else None


def matches(definition: Definition, at: int, pattern: tree.Pattern, value: Value) -> bool:
    """Whether one argument fits one pattern.

    `C + k` takes whole numbers down to k above the smallest literal case of that place (or
    above zero), so the order of literal and successor cases does not matter.
    """
    if isinstance(pattern, tree.Parameter):
        return True
    if not is_whole(value):
        return False
    if isinstance(pattern, tree.LiteralPattern):
        return value == pattern.value
    return value - pattern.offset >= definition.smallest_literal(at)
