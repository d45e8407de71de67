"""What `drop_path(...)` says, checked."""

from __future__ import annotations

from dataclasses import replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.ir.graph import Sampling
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.drop_rates import checked_rate
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.suggest import did_you_mean
from fractal_dsl.semantics.values import Items, Scope, Value, describe, is_number, is_whole, show
from fractal_dsl.semantics.world import World
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["sampling"]

WORDS = {
    "per": ("batch", "sample"),
    "mode": ("sampled", "simultaneous"),
    "dead": ("skip", "advance"),
}
PARAMETERS = ("local", "global", *WORDS, "columns")


def sampling(world: World, scope: Scope) -> Steps[Sampling | None]:
    """The file's `drop_path` directive; None where there is none."""
    found: Sampling | None = None
    for directive in world.resolved.directives:
        if directive.name != "drop_path":
            helps = did_you_mean(directive.name, ["drop_path"], "the directives")
            message = f"there is no directive `{directive.name}`"
            raise DiagnosticError(
                Diagnostic("F0211", message, directive.span, "an equation needs `=`", helps=helps)
            )
        if found is not None:
            raise fail("F0209", "`drop_path` is said twice", directive.span, "again here")
        found = Sampling()
        for argument in directive.arguments:
            value: Value = yield plain(Place(world, scope, None), argument.value, "a setting")
            found = with_setting(found, argument, value)
    return found


def with_setting(settings: Sampling, argument: tree.Argument, value: Value) -> Sampling:
    name, span = argument.keyword, argument.value.span
    if name not in PARAMETERS:
        helps = did_you_mean(name or "", PARAMETERS, "its settings")
        said = f"no setting `{name}`" if name else "no setting without a name"
        message = f"`drop_path` has {said}"
        raise DiagnosticError(Diagnostic("F0211", message, argument.span, helps=helps))
    if name == "local":
        return replace(settings, local=checked_rate(value, "drop-path", span))
    if name == "global":
        return replace(settings, mixture=probability(value, span))
    if name == "columns":
        return replace(settings, columns=column_list(value, span))
    return replace(settings, **{name: word(name, value, span)})  # type: ignore[arg-type]


def probability(value: Value, span: Span) -> float:
    if not is_number(value) or not 0 <= value <= 1:
        raise fail(
            "F0501", f"`global` is a probability in [0, 1], found {show(value)}", span,
            "the share of mini-batches that train one column", "write `0.5` as the paper did",
        )  # fmt: skip
    return float(value)


def column_list(value: Value, span: Span) -> tuple[int, ...]:
    items = value.values if isinstance(value, Items) else ()
    columns = tuple(i for i in items if is_whole(i) and i > 0)
    if not items or len(columns) != len(items):
        raise fail(
            "F0405", "`columns` is a list of column numbers, counted from 1", span,
            f"this is {describe(value)}", "write `columns = [1, 3]`",
        )  # fmt: skip
    return columns


def word(name: str, value: Value, span: Span) -> str:
    if isinstance(value, str) and value in WORDS[name]:
        return value
    listed = " or ".join(f'"{one}"' for one in WORDS[name])
    raise DiagnosticError(
        Diagnostic(
            "F0211", f"`{name}` of `drop_path` is {listed}", span, helps=(Help(f"write {listed}"),)
        )
    )
