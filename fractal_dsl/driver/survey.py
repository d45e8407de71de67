"""What a file holds, before anything is expanded."""

from __future__ import annotations

from dataclasses import dataclass

from fractal_dsl.driver.imports import resolved
from fractal_dsl.semantics.taken import taken_from_callers
from fractal_dsl.source import Source

__all__ = ["Survey", "survey"]


@dataclass(frozen=True, slots=True)
class Survey:
    """`nets` as `compile_source` takes them (None for one that stands alone), and `implicits`:
    for each rule of the file, the names that it takes from the calls outside."""

    nets: tuple[str | None, ...]
    implicits: tuple[tuple[str, tuple[str, ...]], ...]


def survey(source: Source) -> Survey:
    """Raises DiagnosticError for what is wrong with the file as a whole."""
    found = resolved(source)
    nets = (None,) if len(found.nets) < 2 else tuple(net.name or "net" for net in found.nets)
    rules = found.names.own
    taken = taken_from_callers(found)
    return Survey(nets, tuple((rule.name, tuple(sorted(taken[rule]))) for rule in rules))
