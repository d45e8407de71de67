"""What is said where a wire stands for a network, or a network for a wire."""

from __future__ import annotations

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.call_errors import needs_arguments
from fractal_dsl.semantics.values import RuleValue, Value, describe, holds_wires, show
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["far_wire", "joined_with_network", "not_a_network", "show_text", "wire_into_network"]


def not_a_network(value: Value, span: Span) -> Exception:
    if isinstance(value, RuleValue):
        return needs_arguments(value.definition, span)
    if holds_wires(value):
        return fail(
            "F0411", "a wire stands where a network is needed", span,
            "this is computed already: it takes nothing in",
            "begin with it, `x >> g`, or write both sides as wires",
        )  # fmt: skip
    message = f"{describe(value)} stands where a network is needed"
    return fail("F0405", message, span, f"this is {show(value, 24)}, not a network")


def show_text(expression: tree.Expression) -> str:
    text = " ".join(expression.span.text.split())
    return text if len(text) <= 36 else text[:33] + "..."


def joined_with_network(span: Span, text: str) -> DiagnosticError:
    return DiagnosticError(
        Diagnostic(
            "F0411",
            f"`{text}` is a network where a wire is needed",
            span,
            "nothing comes into it",
            notes=("a wire is a value that has been computed; a network waits for one",),
            helps=(Help(f"say what it works on: `x >> {text}`"),),
        )
    )


def wire_into_network(label: str, span: Span) -> DiagnosticError:
    name = label.partition("(")[0]
    return DiagnosticError(
        Diagnostic(
            "F0411",
            f"`{name}` is given a wire, and a value comes into it besides",
            span,
            "a rule of wires computes from its arguments alone",
            helps=(Help(f"give it everything: `{name}(x, ...)` in place of `x >> {name}(...)`"),),
        )
    )


def far_wire(span: Span) -> DiagnosticError:
    return DiagnosticError(
        Diagnostic(
            "F0411",
            "this wire belongs to another network",
            span,
            "computed outside the network that reads it here",
            notes=("a network sees one value: the one that comes into it",),
            helps=(Help("pass the wire to a rule: `g(x, w) = ...`, called with both"),),
        )
    )
