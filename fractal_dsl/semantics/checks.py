"""Mistakes that the text alone shows: unknown names, duplicates, cases never reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fractal_dsl.diagnostics import Diagnostic, Help, Label
from fractal_dsl.ir.operators import OPERATORS
from fractal_dsl.ir.shapes import KINDS
from fractal_dsl.semantics.definitions import (
    AnyName,
    Definition,
    Names,
    Resolved,
    free_names,
    is_builtin,
    names_read,
)
from fractal_dsl.semantics.facts import FACTS
from fractal_dsl.semantics.foreign_names import (
    TORCH_SIZES,
    foreign_name,
    has_torch_spelling,
    slashed_comment,
)
from fractal_dsl.semantics.import_errors import twice
from fractal_dsl.semantics.naming import COMBINATORS
from fractal_dsl.semantics.suggest import closest, did_you_mean
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = [
    "duplicates",
    "unknown_names",
    "unreachable_equations",
]


def duplicates(program: tree.Program) -> Iterator[Diagnostic]:
    """Names defined twice: params, nets, rules beside params."""
    seen: dict[str, Span] = {}
    rules: dict[str, tree.Equation] = {}
    for statement in program.statements:
        if isinstance(statement, tree.Equation):
            rules.setdefault(statement.name, statement)
        elif isinstance(statement, tree.ParamDeclaration | tree.ExternDeclaration):
            if statement.name in COMBINATORS:
                yield word_taken(statement.name, statement.name_span)
            elif statement.name in seen:
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
        "nothing else can have this name",
        helps=(Help(f"call it something else, such as `my_{name}`"),),
    )


# Unknown names -------------------------------------------------------------------------


def unknown_names(resolved: Resolved, home: Names) -> Iterator[Diagnostic]:
    """Names with no meaning: nothing defines them, and no rule could bind them implicitly."""
    implicit = possible_implicits(resolved)
    for definition in home.own:
        for equation in definition.equations:
            yield from unknown_in(home, names_read(equation), implicit)
    parameters: set[str] = set()
    for statement in home.syntax.statements:
        match statement:
            case tree.NetDeclaration():
                yield from unknown_in_net(home, statement, implicit)
                parameters |= {parameter.name for parameter in statement.parameters}
            case tree.ParamDeclaration(value=value) | tree.ImplicitDeclaration(value=value):
                yield from unknown_in(home, free_names([value]), frozenset())
            case tree.ExternDeclaration():
                yield from unknown_in_extern(home, statement)
            case tree.Directive(arguments=given):
                yield from unknown_in(home, free_names(a.value for a in given), frozenset())
            case tree.Import(origin=origin) | tree.FromImport(origin=origin):
                values = [setting.value for setting in origin.settings]
                yield from unknown_in(home, free_names(values), frozenset())
    facts = {*FACTS, "net", *parameters}
    for statement in home.syntax.statements:
        if isinstance(statement, tree.Assertion):
            yield from unknown_in(home, free_names([statement.condition]), frozenset(facts))


def unknown_in_extern(home: Names, extern: tree.ExternDeclaration) -> Iterator[Diagnostic]:
    """Defaults see the parameters before them, the shape rule all."""
    own: set[str] = set()
    for parameter in extern.parameters:
        if parameter.default is not None:
            read = free_names([parameter.default]).items()
            yield from unknown_in(home, {n: at for n, at in read if n not in own}, frozenset())
        own.add(parameter.name)
    shape = free_names([extern.shape]).items()
    known = own | KINDS.keys()
    yield from unknown_in(home, {n: at for n, at in shape if n not in known}, frozenset())


def unknown_in_net(
    home: Names, net: tree.NetDeclaration, implicit: frozenset[str]
) -> Iterator[Diagnostic]:
    own = {parameter.name for parameter in net.parameters}
    parts = [net.body, *(p.default for p in net.parameters if p.default is not None)]
    read = {n: at for n, at in free_names(parts).items() if n not in own}
    yield from unknown_in(home, read, implicit)
    if net.domain is not None:
        domain = {n: at for n, at in free_names([net.domain]).items() if n not in KINDS}
        yield from unknown_in(home, domain, frozenset(own))


def possible_implicits(resolved: Resolved) -> frozenset[str]:
    """Names that some call could bind for its callees."""
    found = set(resolved.defaults)
    for home in resolved.homes:
        found |= home.defaults.keys()
        for definition in home.own:
            for equation in definition.equations:
                found |= definition.explicit_names(equation)
        for node in walk(home.syntax):
            if isinstance(node, tree.NetDeclaration):
                found |= {parameter.name for parameter in node.parameters}
            elif isinstance(node, tree.Call) and not is_operator_call(home, node):
                found |= {a.keyword for a in node.arguments if a.keyword is not None}
    return frozenset(found)


def is_operator_call(home: Names, call: tree.Call) -> bool:
    function = call.function
    return (
        isinstance(function, tree.Name) and function.name not in home and is_builtin(function.name)
    )


def unknown_in(
    home: Names, read: Mapping[str, AnyName], implicit: frozenset[str]
) -> Iterator[Diagnostic]:
    for name, at in read.items():
        known = name in home or name in home.params or name in home.externs or name in implicit
        if known or is_builtin(name):
            continue
        if isinstance(at, tree.Qualified):
            yield unknown_member(home, at)
        else:
            yield unknown(home, name, at.span, implicit)


def unknown_member(home: Names, name: tree.Qualified) -> Diagnostic:
    """`b::f` of a file that has no `f`, or where nothing is called `b`."""
    everything = [
        one.partition("::") for one in (*home, *home.params, *home.externs) if "::" in one
    ]
    members = [member for module, _, member in everything if module == name.module]
    if members:
        what = f"`{name.module}` has no rule or param `{name.name}`"
        at = Span(name.span.source, name.span.end - len(name.name), name.span.end)
        return Diagnostic(
            "F0201", what, at, "not there", helps=did_you_mean(name.name, members, "it has", at)
        )
    at = Span(name.span.source, name.span.start, name.span.start + len(name.module))
    modules = {one.name.removesuffix("::") for one in home.imported if one.name.endswith("::")}
    helps = did_you_mean(name.module, modules, "imported here", at)
    write = Help(f'write `import "{name.module}.fdl" as {name.module}`')
    return Diagnostic(
        "F0201",
        f"nothing is imported as `{name.module}`",
        at,
        "not defined",
        helps=helps or (write,),
    )


def unknown(home: Names, name: str, span: Span, implicit: frozenset[str]) -> Diagnostic:
    operators = [n for n, spec in OPERATORS.items() if spec.callable_by_name]
    known = {*home, *home.params, *home.externs, *operators, *implicit, *COMBINATORS, "id"}
    helps = foreign_name(name, span)
    if closest(name, known) is None:
        helps = helps or slashed_comment(span)
        known = {rule for rule, one in home.items() if not one.home.source.is_shipped}
    notes = ("`fractalc operators` lists the operators",)
    return Diagnostic(
        "F0201",
        f"cannot find rule or operator `{name}`",
        span,
        "not defined",
        notes=(*notes, TORCH_SIZES) if has_torch_spelling(name) else notes,
        helps=helps or did_you_mean(name, known, "rules of this file", span),
    )


# Cases never reached -------------------------------------------------------------------


def unreachable_equations(home: Names) -> Iterator[Diagnostic]:
    """Equations whose every call an earlier one takes."""
    for definition in home.own:
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
