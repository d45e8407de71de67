"""Things that are right and yet worth a word."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.diagnostics import Diagnostic, Help, Label, Severity
from fractal_dsl.semantics.definitions import AnyName, Resolved, callees, free_names, names_read
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["lints"]


def lints(resolved: Resolved) -> Iterator[Diagnostic]:
    """Of the file that is compiled; those of imported files are for whoever checks them."""
    yield from compositions(resolved)
    yield from unused_definitions(resolved)
    yield from shadowed_names(resolved)
    yield from unread_params(resolved)
    yield from unused_imports(resolved)


def warning(code: str, message: str, node: tree.Node, label: str, help_: str) -> Diagnostic:
    return Diagnostic(
        code, message, node.span, label, helps=(Help(help_),), severity=Severity.WARNING
    )


def compositions(resolved: Resolved) -> Iterator[Diagnostic]:
    """`a . b` applies b first; where the sides differ, `>>` says so more plainly."""
    for statement in resolved.syntax.statements:
        if isinstance(statement, tree.Assertion):
            continue
        for node in walk(statement):
            if not isinstance(node, tree.Compose):
                continue
            texts = ["".join(item.span.text.split()) for item in node.items]
            if any(text != texts[0] for text in texts):
                first, last = texts[-1], texts[0]
                yield warning(
                    "W0101",
                    "the right side of `.` comes first",
                    node,
                    f"`{first}` comes first, `{last}` last",
                    f"write `{' >> '.join(reversed(texts))}` to read it left to right",
                )


def unused_definitions(resolved: Resolved) -> Iterator[Diagnostic]:
    """Rules that no net reaches."""
    used = set()
    statements = resolved.syntax.statements
    roots: list[tree.Node] = [net.body for net in resolved.nets]
    roots += [s.value for s in statements if isinstance(s, tree.ParamDeclaration)]
    roots += [a.value for s in statements for a in settings(s)]
    roots += [assertion.condition for assertion in resolved.assertions]
    roots += [a.value for directive in resolved.directives for a in directive.arguments]
    for net in resolved.nets:
        roots += [p.default for p in net.parameters if p.default is not None]
    read = set(free_names(roots))
    waiting = [resolved.names[n] for n in read if n in resolved.names]
    while waiting:
        definition = waiting.pop()
        if definition not in used:
            used.add(definition)
            waiting.extend(callees(definition))
            if definition.home is resolved.names:
                read.update(*map(names_read, definition.equations))
    for definition in resolved.names.own:
        if definition not in used:
            yield warning(
                "W0102",
                f"`{definition.name}` is never used",
                definition.equations[0],
                "no net reaches it",
                "delete it, or use it",
            )
    for name, extern in resolved.names.externs.items():
        if extern.home is resolved.names and name not in read:
            message = f"`{name}` is never used"
            yield warning("W0102", message, extern.declaration, "no net reaches it", "delete it")


def settings(statement: tree.Statement) -> tuple[tree.Argument, ...]:
    """What an import gives to the params of its file."""
    if isinstance(statement, tree.Import | tree.FromImport):
        return statement.origin.settings
    return ()


def shadowed_names(resolved: Resolved) -> Iterator[Diagnostic]:
    """Parameters and comprehension variables that hide a rule of the file."""
    own = {n for n, one in resolved.names.items() if not one.home.source.is_shipped}
    for definition in resolved.names.own:
        for equation in definition.equations:
            for pattern in equation.patterns or ():
                if not isinstance(pattern, tree.LiteralPattern) and pattern.name in own:
                    hidden = resolved.names[pattern.name].equations[0].head
                    found = warning(
                        "W0103",
                        f"`{pattern.name}` hides the rule of that name",
                        pattern,
                        "in this equation it is the parameter",
                        "give the parameter another name",
                    )
                    yield Diagnostic(
                        found.code, found.message, found.span, found.label,
                        (Label(hidden, "the rule"),), found.notes, found.helps,
                        severity=Severity.WARNING,
                    )  # fmt: skip


def unread_params(resolved: Resolved) -> Iterator[Diagnostic]:
    read = set()
    for statement in resolved.syntax.statements:
        if isinstance(statement, tree.ParamDeclaration):
            read |= set(free_names([statement.value]))
        else:
            read |= {node.name for node in walk(statement) if isinstance(node, tree.Name)}
    for statement in resolved.syntax.statements:
        if isinstance(statement, tree.ParamDeclaration) and statement.name not in read:
            message = f"nothing reads the param `{statement.name}`"
            yield warning("W0104", message, statement, "never read", "delete it")


def unused_imports(resolved: Resolved) -> Iterator[Diagnostic]:
    """Names that are imported for nothing; `b` of `import ... as b` if no `b::` is written."""
    names = [node for node in walk(resolved.syntax) if isinstance(node, AnyName)]
    used = {f"{n.module}::" if isinstance(n, tree.Qualified) else n.name for n in names}
    for one in resolved.names.imported:
        if one.name not in used:
            name = one.name.removesuffix("::")
            message = f"`{name}` is imported and never used"
            yield Diagnostic(
                "W0105", message, one.span, "nothing here reads it",
                helps=(Help("delete it"),), severity=Severity.WARNING,
            )  # fmt: skip
