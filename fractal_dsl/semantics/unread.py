"""What a file defines and nothing reads: rules, externs, params, parameters of rules and nets."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.semantics.definitions import (
    Definition,
    Resolved,
    callees,
    free_names,
    implicits_read,
    names_read,
)
from fractal_dsl.semantics.wording import warning
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["unread_parameters", "unread_params", "unused_definitions"]


def unused_definitions(resolved: Resolved) -> Iterator[Diagnostic]:
    """Rules and externs that no net reaches."""
    read = set(free_names(roots(resolved.syntax)))
    used: set[Definition] = set()
    waiting = [resolved.names[name] for name in read if name in resolved.names]
    while waiting:
        definition = waiting.pop()
        if definition not in used:
            used.add(definition)
            waiting.extend(callees(definition))
            if definition.home is resolved.names:
                read.update(*map(names_read, definition.equations))
    unused = [(one.name, one.equations[0].span) for one in resolved.names.own if one not in used]
    unused += [
        (name, extern.declaration.span)
        for name, extern in resolved.names.externs.items()
        if extern.home is resolved.names and name not in read
    ]
    for name, span in unused:
        message, way = f"`{name}` is never used", "delete it, or use it"
        yield warning("W0102", message, span, "no net reaches it", way)


def roots(program: tree.Program) -> Iterator[tree.Expression]:
    """Expressions that are worth something whatever rules are called."""
    for statement in program.statements:
        match statement:
            case tree.NetDeclaration(body=body, domain=domain, parameters=parameters):
                yield body
                yield from [] if domain is None else [domain]
                yield from (one.default for one in parameters if one.default is not None)
            case tree.ParamDeclaration(value=value) | tree.ImplicitDeclaration(value=value):
                yield value
            case tree.Assertion(condition=condition):
                yield condition
            case tree.Directive(arguments=given):
                yield from (one.value for one in given)
            case tree.Import(origin=origin) | tree.FromImport(origin=origin):
                yield from (one.value for one in origin.settings)
            case tree.ExternDeclaration(parameters=parameters, shape=shape):
                yield shape
                yield from (one.default for one in parameters if one.default is not None)


def unread_params(resolved: Resolved) -> Iterator[Diagnostic]:
    read: set[str] = set()
    for statement in resolved.syntax.statements:
        if isinstance(statement, tree.ParamDeclaration):
            read |= set(free_names([statement.value]))
        else:
            read |= {node.name for node in walk(statement) if isinstance(node, tree.Name)}
    for statement in resolved.syntax.statements:
        if isinstance(statement, tree.ParamDeclaration) and statement.name not in read:
            message = f"nothing reads the param `{statement.name}`"
            yield warning("W0104", message, statement.span, "never read", "delete it")


# Parameters of rules and nets --------------------------------------------------------------


def unread_parameters(resolved: Resolved) -> Iterator[Diagnostic]:
    """Parameters that neither the text reads nor, implicitly, what it calls.

    A place that some other case reads must be there in this one too, and a recursion's index
    says which case it is.
    """
    for definition in resolved.names.own:
        read = [read_in(resolved, definition, equation) for equation in definition.equations]
        for at in range(max(len(equation.patterns or ()) for equation in definition.equations)):
            if at in definition.pattern_positions:
                continue
            places = [(e.patterns or ())[at : at + 1] for e in definition.equations]
            named = [(p[0], names) for p, names in zip(places, read, strict=True) if p]
            if all(isinstance(p, tree.Parameter) and p.name not in names for p, names in named):
                first = named[0][0]
                assert isinstance(first, tree.Parameter)
                yield unread(first, definition.name)
    for net in resolved.nets:
        parts = [net.body, *(p.default for p in net.parameters if p.default is not None)]
        parts += [] if net.domain is None else [net.domain]
        read_by_net = reached(resolved, parts) | asserted(resolved)
        for parameter in net.parameters:
            if parameter.name not in read_by_net:
                yield unread(parameter, net.name or "net")


def unread(parameter: tree.Parameter, owner: str) -> Diagnostic:
    message = f"nothing reads the parameter `{parameter.name}` of `{owner}`"
    return warning("W0106", message, parameter.span, "never read", "delete it")


def read_in(resolved: Resolved, definition: Definition, equation: tree.Equation) -> frozenset[str]:
    parts = [equation.body] if equation.guard is None else [equation.body, equation.guard]
    defaults = [
        pattern.default
        for pattern in equation.patterns or ()
        if isinstance(pattern, tree.Parameter) and pattern.default is not None
    ]
    return reached(resolved, [*parts, *defaults])


def reached(resolved: Resolved, parts: list[tree.Expression]) -> frozenset[str]:
    """Names that expressions read, themselves or in what they call.

    A rule that was given as an argument may read whatever some rule reads.
    """
    read = {node.name for part in parts for node in walk(part) if isinstance(node, tree.Name)}
    free = free_names(parts)
    called = {
        node.function.name
        for part in parts
        for node in walk(part)
        if isinstance(node, tree.Call) and isinstance(node.function, tree.Name)
    }
    found = read | implicits_read(free, resolved.names, resolved.implicits)
    known = resolved.names.keys() | resolved.names.externs.keys()
    if any(name in free and name not in known for name in called):
        found = found.union(*resolved.implicits.values())
    return frozenset(found)


def asserted(resolved: Resolved) -> frozenset[str]:
    """Names in assertions and directives, which see the net's own parameters."""
    statements = [*resolved.assertions, *resolved.directives]
    return frozenset(
        node.name for one in statements for node in walk(one) if isinstance(node, tree.Name)
    )
