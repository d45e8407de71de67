"""The parser's callbacks: one method for each phrase of grammars/fdl.lark, named as there.

They are called bottom-up while the parser reduces, so no walk over the tree ever follows and
depth costs nothing. `parts` holds the phrase's lexemes and finished parts in the order
written; what is optional and absent is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from fractal_dsl.source import Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.patterns import parameters_of, patterns_of
from fractal_dsl.syntax.text import number_value, string_value

__all__ = ["Builder"]

Parts: TypeAlias = list[Any]


@dataclass(frozen=True, slots=True)
class _Head:
    span: Span
    name: str
    arguments: tuple[tree.Argument, ...]


@dataclass(frozen=True, slots=True)
class _Names:
    span: Span
    names: tuple[str, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class _Generators:
    span: Span
    generators: tuple[tree.Generator, ...]
    condition: tree.Expression | None


_NO_GENERATORS: tuple[tree.Generator, ...] = ()


def _whole(parts: Parts) -> Span:
    """From the first part to the last; absent ones never stand at either end."""
    first: Span = parts[0].span
    last: Span = parts[-1].span
    return Span(first.source, first.start, last.end)


class _Statements:
    def equation(self, parts: Parts) -> tree.Equation:
        head, _, guard, _, body = parts
        patterns = patterns_of(head.arguments)
        return tree.Equation(_whole(parts), head.name, patterns, guard, body, head.span, "")

    def constant(self, parts: Parts) -> tree.Equation:
        name, _, body = parts
        return tree.Equation(_whole(parts), name.text, None, None, body, name.span, "")

    def directive(self, parts: Parts) -> tree.Directive:
        (head,) = parts
        return tree.Directive(head.span, head.name, head.arguments)

    def param(self, parts: Parts) -> tree.ParamDeclaration:
        _, name, _, value = parts
        return tree.ParamDeclaration(_whole(parts), name.text, name.span, value, "")

    def implicit(self, parts: Parts) -> tree.ImplicitDeclaration:
        _, name, _, value = parts
        return tree.ImplicitDeclaration(_whole(parts), name.text, name.span, value, "")

    def net(self, parts: Parts) -> tree.NetDeclaration:
        keyword, name, parameters, _, domain, _, body = parts
        return tree.NetDeclaration(
            _whole(parts),
            None if name is None else name.text,
            None if name is None else name.span,
            () if parameters is None else parameters_of(parameters),
            domain,
            body,
            keyword.span,
            "",
        )

    def assertion(self, parts: Parts) -> tree.Assertion:
        return tree.Assertion(_whole(parts), parts[1])

    def import_file(self, parts: Parts) -> tree.Import:
        _, path, settings, _, alias = parts
        origin = tree.Origin(path.span, string_value(path.text), settings or ())
        return tree.Import(_whole(parts), origin, alias.text, alias.span)

    def import_names(self, parts: Parts) -> tree.FromImport:
        _, path, settings, _, names = parts
        origin = tree.Origin(path.span, string_value(path.text), settings or ())
        return tree.FromImport(_whole(parts), origin, names.names, names.spans)

    def extern_declaration(self, parts: Parts) -> tree.ExternDeclaration:
        keyword, path, name, parameters, _, shape = parts
        return tree.ExternDeclaration(
            _whole(parts),
            tree.Extern(keyword.span.to(path.span), string_value(path.text)),
            name.text,
            name.span,
            parameters_of(parameters),
            shape,
            "",
        )

    def head(self, parts: Parts) -> _Head:
        name, _, arguments, _ = parts
        return _Head(_whole(parts), name.text, arguments or ())

    def parameters(self, parts: Parts) -> tuple[tree.Argument, ...]:
        return parts[1] or ()


class _Expressions(_Statements):
    def conditional(self, parts: Parts) -> tree.Conditional:
        _, condition, _, positive, _, negative = parts
        return tree.Conditional(_whole(parts), condition, positive, negative)

    def range(self, parts: Parts) -> tree.Range:
        return tree.Range(_whole(parts), parts[0], parts[2])

    def either(self, parts: Parts) -> tree.Logic:
        return tree.Logic(_whole(parts), "or", tuple(parts[::2]))

    def both(self, parts: Parts) -> tree.Logic:
        return tree.Logic(_whole(parts), "and", tuple(parts[::2]))

    def negation(self, parts: Parts) -> tree.Unary:
        return tree.Unary(_whole(parts), "not", parts[1])

    def comparison(self, parts: Parts) -> tree.Compare:
        left, operator, right = parts
        return tree.Compare(_whole(parts), operator.text, left, right)

    def join(self, parts: Parts) -> tree.Join:
        signs = tuple(sign.span for sign in parts[1::2])
        return tree.Join(_whole(parts), tuple(parts[::2]), signs)

    def sum(self, parts: Parts) -> tree.Expression:
        left: tree.Expression = parts[0]
        for operator, right in zip(parts[1::2], parts[2::2], strict=True):
            span = left.span.to(right.span)
            left = tree.Binary(span, operator.text, left, right, operator.span)
        return left

    product = sum

    def series(self, parts: Parts) -> tree.Series:
        return tree.Series(_whole(parts), tuple(parts[::2]))

    def tagged(self, parts: Parts) -> tree.Tag:
        operand, _, name = parts
        return tree.Tag(_whole(parts), operand, name.text, name.span)

    def composition(self, parts: Parts) -> tree.Compose:
        return tree.Compose(_whole(parts), tuple(parts[::2]))

    def signed(self, parts: Parts) -> tree.Unary:
        return tree.Unary(_whole(parts), parts[0].text, parts[1])

    def power(self, parts: Parts) -> tree.Power:
        return tree.Power(_whole(parts), parts[0], parts[2])

    def call(self, parts: Parts) -> tree.Call:
        return tree.Call(_whole(parts), parts[0], parts[2] or ())

    def index(self, parts: Parts) -> tree.Index:
        return tree.Index(_whole(parts), parts[0], parts[2])


class _Atoms(_Expressions):
    def name(self, parts: Parts) -> tree.Name:
        return tree.Name(parts[0].span, parts[0].text)

    def qualified(self, parts: Parts) -> tree.Qualified:
        return tree.Qualified(_whole(parts), parts[0].text, parts[2].text)

    def number(self, parts: Parts) -> tree.Number:
        return tree.Number(parts[0].span, number_value(parts[0].text))

    def string(self, parts: Parts) -> tree.String:
        return tree.String(parts[0].span, string_value(parts[0].text))

    def boolean(self, parts: Parts) -> tree.Boolean:
        return tree.Boolean(parts[0].span, parts[0].type == "TRUE")

    def parenthesised(self, parts: Parts) -> tree.Parenthesised:
        return tree.Parenthesised(_whole(parts), parts[1])

    def tuple_display(self, parts: Parts) -> tree.TupleDisplay:
        return tree.TupleDisplay(_whole(parts), (parts[1], *(parts[3] or ())))

    def list_display(self, parts: Parts) -> tree.ListDisplay:
        return tree.ListDisplay(_whole(parts), parts[1] or ())

    def list_comprehension(self, parts: Parts) -> tree.ListComprehension:
        return tree.ListComprehension(_whole(parts), parts[1])

    def reference(self, parts: Parts) -> tree.Reference:
        return tree.Reference(_whole(parts), parts[1].text)

    def shared(self, parts: Parts) -> tree.Shared:
        return tree.Shared(_whole(parts), parts[2])

    def extern(self, parts: Parts) -> tree.Extern:
        return tree.Extern(_whole(parts), string_value(parts[1].text))

    def net_fact(self, parts: Parts) -> tree.Compose:
        """`net.depth`: `net` is no name anywhere else, so the tree needs no node of its own."""
        net, _, fact = parts
        names = (tree.Name(net.span, "net"), tree.Name(fact.span, fact.text))
        return tree.Compose(_whole(parts), names)

    def wiring(self, parts: Parts) -> tree.Wiring:
        target: tree.Target = parts[2]
        return tree.Wiring(_whole(parts), target.names, target.unpacks, parts[4])


class Builder(_Atoms):
    """Makes the nodes of tree.py; keeps no state, so one serves every parse."""

    def block(self, parts: Parts) -> tree.Block:
        bindings = tuple(part for part in parts if isinstance(part, tree.Binding))
        return tree.Block(_whole(parts), bindings, parts[-2])

    def binding(self, parts: Parts) -> tree.Binding:
        target, _, value, more = parts
        if more is None:
            return tree.Binding(target.span.to(value.span), target, value, _NO_GENERATORS, None)
        span = target.span.to(more.span)
        return tree.Binding(span, target, value, more.generators, more.condition)

    def one_wire(self, parts: Parts) -> tree.Target:
        return tree.Target(parts[0].span, (parts[0].text,))

    def family(self, parts: Parts) -> tree.Target:
        return tree.Target(_whole(parts), (parts[0].text,), parts[2])

    def unpacking(self, parts: Parts) -> tree.Target:
        return tree.Target(_whole(parts), parts[1].names, unpacks=True)

    def arguments(self, parts: Parts) -> tuple[tree.Argument, ...]:
        return tuple(part for part in parts if isinstance(part, tree.Argument))

    def lone_comprehension(self, parts: Parts) -> tuple[tree.Argument, ...]:
        return (tree.Argument(parts[0].span, None, parts[0]),)

    def argument(self, parts: Parts) -> tree.Argument:
        keyword = parts[0].text if len(parts) == 3 else None
        return tree.Argument(_whole(parts), keyword, parts[-1])

    def items(self, parts: Parts) -> tuple[tree.Expression, ...]:
        return tuple(parts[::2])

    def names(self, parts: Parts) -> _Names:
        names = parts[::2]
        texts, spans = (one.text for one in names), (one.span for one in names)
        return _Names(_whole(parts), tuple(texts), tuple(spans))

    def comprehension(self, parts: Parts) -> tree.Comprehension:
        element, more = parts
        return tree.Comprehension(_whole(parts), element, more.generators, more.condition)

    def generators(self, parts: Parts) -> _Generators:
        made = tuple(part for part in parts if isinstance(part, tree.Generator))
        condition = parts[-1]
        last = made[-1] if condition is None else condition
        return _Generators(made[0].span.to(last.span), made, condition)

    def generator(self, parts: Parts) -> tree.Generator:
        return tree.Generator(_whole(parts), parts[1].names, parts[3])
