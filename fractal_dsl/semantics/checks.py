"""Mistakes that the text alone shows: unknown names, duplicates, cases never reached."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.diagnostics import Diagnostic, Help, Label
from fractal_dsl.ir.operators import OPERATORS
from fractal_dsl.semantics.definitions import (
    Definition,
    Resolved,
    free_names,
    is_builtin,
    names_read,
)
from fractal_dsl.semantics.facts import FACTS
from fractal_dsl.semantics.naming import COMBINATORS
from fractal_dsl.semantics.suggest import closest, did_you_mean
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["duplicates", "unknown_names", "unreachable_equations", "unsupported"]

LATER: dict[type[tree.Node], str] = {
    tree.Import: "`import`",
    tree.FromImport: "`from ... import`",
    tree.ExternDeclaration: "`extern`",
    tree.Extern: "`extern`",
    tree.Qualified: "`::`",
}


def unsupported(program: tree.Program) -> Iterator[Diagnostic]:
    """Parts of the language that parse but are not built yet: one message for each kind."""
    said: set[str] = set()
    for statement in program.statements:
        for node in walk(statement):
            what = LATER.get(type(node))
            if what is not None and what not in said:
                said.add(what)
                yield Diagnostic(
                    "F0210",
                    f"{what} is not there yet",
                    node.span,
                    "planned, not built",
                    notes=("this version builds networks of rules, series and joins",),
                )


def duplicates(program: tree.Program) -> Iterator[Diagnostic]:
    """Names defined twice: params, nets, rules beside params."""
    seen: dict[str, Span] = {}
    rules: dict[str, tree.Equation] = {}
    for statement in program.statements:
        if isinstance(statement, tree.Equation):
            rules.setdefault(statement.name, statement)
        elif isinstance(statement, tree.ParamDeclaration):
            if statement.name in seen:
                yield twice(statement.name, statement.name_span, seen[statement.name])
            seen.setdefault(statement.name, statement.name_span)
        elif isinstance(statement, tree.NetDeclaration) and statement.name is not None:
            assert statement.name_span is not None
            if f"net {statement.name}" in seen:
                first = seen[f"net {statement.name}"]
                yield twice(statement.name, statement.name_span, first)
            seen.setdefault(f"net {statement.name}", statement.name_span)
    for name, equation in rules.items():
        if name in COMBINATORS:
            yield word_taken(name, equation.head)
        elif name in seen:
            yield twice(name, equation.head, seen[name])


def word_taken(name: str, span: Span) -> Diagnostic:
    return Diagnostic(
        "F0209",
        f"`{name}` is a word of the language",
        span,
        "no rule can have this name",
        helps=(Help(f"call it something else, such as `my_{name}`"),),
    )


def twice(name: str, span: Span, first: Span) -> Diagnostic:
    return Diagnostic(
        "F0209",
        f"`{name}` is defined twice",
        span,
        "again here",
        labels=(Label(first, "first here"),),
        helps=(Help("give one of them another name"),),
    )


# Unknown names -------------------------------------------------------------------------


def unknown_names(resolved: Resolved) -> Iterator[Diagnostic]:
    """Names with no meaning: nothing defines them, and no rule could bind them implicitly."""
    implicit = possible_implicits(resolved)
    for definition in resolved.names.values():
        if definition.from_prelude:
            continue
        for equation in definition.equations:
            yield from unknown_in(resolved, names_read(equation), implicit)
    for net in resolved.nets:
        own = {parameter.name for parameter in net.parameters}
        parts = [net.body, *(p.default for p in net.parameters if p.default is not None)]
        read = {n: at for n, at in free_names(parts).items() if n not in own}
        yield from unknown_in(resolved, read, implicit)
        if net.domain is not None:
            domain = {n: at for n, at in free_names([net.domain]).items() if n not in DOMAINS}
            yield from unknown_in(resolved, domain, frozenset(own))
    values = [p.value for p in resolved.params.values()]
    values += [d.value for d in resolved.defaults.values()]
    yield from unknown_in(resolved, free_names(values), frozenset())
    directives = [a.value for d in resolved.directives for a in d.arguments]
    yield from unknown_in(resolved, free_names(directives), frozenset())
    facts = frozenset(FACTS) | {"net"} | {p.name for net in resolved.nets for p in net.parameters}
    conditions = [assertion.condition for assertion in resolved.assertions]
    yield from unknown_in(resolved, free_names(conditions), facts)


DOMAINS = frozenset({"image", "sequence", "vector", "tokens"})


def possible_implicits(resolved: Resolved) -> frozenset[str]:
    """Names that some call could bind for its callees."""
    found = set(resolved.defaults)
    for definition in resolved.names.values():
        for equation in definition.equations:
            found |= definition.explicit_names(equation)
    for net in resolved.nets:
        found |= {parameter.name for parameter in net.parameters}
    for statement in resolved.syntax.statements:
        for node in walk(statement):
            if isinstance(node, tree.Call) and not is_operator_call(resolved, node):
                found |= {a.keyword for a in node.arguments if a.keyword is not None}
    return frozenset(found)


def is_operator_call(resolved: Resolved, call: tree.Call) -> bool:
    function = call.function
    return (
        isinstance(function, tree.Name)
        and function.name not in resolved.names
        and is_builtin(function.name)
    )


def unknown_in(
    resolved: Resolved, read: dict[str, tree.Name], implicit: frozenset[str]
) -> Iterator[Diagnostic]:
    for name, at in read.items():
        if name in resolved.names or name in resolved.params or name in implicit:
            continue
        if not is_builtin(name):
            yield unknown(resolved, name, at.span, implicit)


def unknown(resolved: Resolved, name: str, span: Span, implicit: frozenset[str]) -> Diagnostic:
    operators = [n for n, spec in OPERATORS.items() if spec.callable_by_name]
    known = {*resolved.names, *resolved.params, *operators, *implicit, *COMBINATORS, "id"}
    if closest(name, known) is None:
        known = {rule for rule, one in resolved.names.items() if not one.from_prelude}
    helps = did_you_mean(name, known, "rules of this file", span)
    if name == "drop_path":
        helps = (Help("`drop_path(local = 0.15)` is a line of its own, beside the net"),)
    return Diagnostic(
        "F0201",
        f"cannot find rule or operator `{name}`",
        span,
        "not defined",
        notes=("`fractalc operators` lists the operators",),
        helps=helps,
    )


# Cases never reached -------------------------------------------------------------------


def unreachable_equations(resolved: Resolved) -> Iterator[Diagnostic]:
    """Equations whose every call an earlier one takes."""
    for definition in resolved.names.values():
        equations = definition.equations
        for at, equation in enumerate(equations):
            for earlier in equations[:at]:
                if covers(definition, earlier, equation):
                    yield Diagnostic(
                        "F0204",
                        f"this case of `{definition.name}` is never reached",
                        equation.head,
                        "every call that fits here is taken before",
                        labels=(Label(earlier.head, "by this case"),),
                        helps=(Help("put the special case first, or delete one of them"),),
                    )
                    break


def covers(definition: Definition, earlier: tree.Equation, later: tree.Equation) -> bool:
    first, second = earlier.patterns or (), later.patterns or ()
    if earlier.guard is not None or len(first) != len(second):
        return False
    return all(
        takes(definition, at, a, b) for at, (a, b) in enumerate(zip(first, second, strict=True))
    )


def takes(definition: Definition, at: int, first: tree.Pattern, second: tree.Pattern) -> bool:
    """Whether pattern `first` fits every value that `second` fits."""
    if isinstance(first, tree.Parameter):
        return True
    if isinstance(first, tree.LiteralPattern):
        return isinstance(second, tree.LiteralPattern) and first.value == second.value
    if isinstance(second, tree.LiteralPattern):
        return second.value - first.offset >= definition.smallest_literal(at)
    return isinstance(second, tree.SuccessorPattern) and first.offset <= second.offset
