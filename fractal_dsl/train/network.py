"""From a specification to the network that a run trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from torch import nn

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.driver import Compilation, compile_source
from fractal_dsl.driver.sources import digest
from fractal_dsl.semantics.values import Value
from fractal_dsl.source import Source

__all__ = ["CLASSES", "Specification", "compiled_for", "fresh", "sha256_of"]

CLASSES = "classes"


@dataclass(frozen=True, slots=True)
class Specification:
    """Which network: a file's text, what is set in it, which net of it, and which column alone."""

    source: Source
    settings: Mapping[str, Value] = field(default_factory=dict)
    net: str | None = None
    column: int | None = None

    def compiled(self, **more: Value) -> Compilation:
        """Raises DiagnosticError for mistakes, RequestError for a column that is not there."""
        made = compile_source(self.source, net=self.net, params={**self.settings, **more})
        return made if self.column is None else made.column(self.column)


def sha256_of(made: Compilation) -> str:
    """Of a specification and all that it imports."""
    return digest([made.spec, *made.imported])


def compiled_for(spec: Specification, shape: tuple[int, ...], classes: int) -> Compilation:
    """`spec` for images of `shape` in so many classes.

    Where the net has a parameter `classes` and nobody set it, it takes the data's number.
    Raises DiagnosticError (F0811) where net and data do not fit.
    """
    made = spec.compiled()
    if made.report.output.sizes != (classes,) and CLASSES not in spec.settings:
        try:
            made = spec.compiled(classes=classes)
        except DiagnosticError as error:
            if any(one.code != "F0213" for one in error.diagnostics):
                raise
    taken, given = made.report.input, made.report.output
    if taken.kind != "image" or taken.sizes != shape:
        said = f"the net takes {taken}, the data has image[{', '.join(map(str, shape))}]"
        help_ = f"write `on image[{', '.join(map(str, shape))}]` in the specification"
        raise DiagnosticError(misfit(said, help_))
    if given.sizes != (classes,):
        said = f"the net gives {given}, the data has {classes} classes"
        help_ = "end the net with `linear(classes)`, where `classes` is a parameter of the net"
        raise DiagnosticError(misfit(said, help_))
    return made


def misfit(said: str, help_: str) -> Diagnostic:
    return Diagnostic("F0811", said, None, helps=(Help(help_),))


def fresh(made: Compilation, seed: int, plan_seed: int) -> Any:
    """The network itself; its own first weights are those of `seed`."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = made.module()
        # A net with `drop_path` and no join, as f(1) alone, draws no plans.
        draws = "plan_seed" in signature(network).parameters
        model: nn.Module = network(plan_seed=plan_seed) if draws else network()
    return model
