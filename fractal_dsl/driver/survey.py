"""What a file holds, before anything is expanded."""

from __future__ import annotations

from dataclasses import dataclass

from fractal_dsl.semantics import resolve
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse

__all__ = ["Survey", "survey"]


@dataclass(frozen=True, slots=True)
class Survey:
    """`nets` as `compile_source` takes them (None for one that stands alone), and `implicits`:
    for each rule of the file, the names that it takes from the calls outside."""

    nets: tuple[str | None, ...]
    implicits: tuple[tuple[str, tuple[str, ...]], ...]


def survey(source: Source) -> Survey:
    """Raises DiagnosticError for what is wrong with the file as a whole."""
    found = resolve(parse(source))
    nets = (None,) if len(found.nets) < 2 else tuple(net.name or "net" for net in found.nets)
    own = (rule for rule in found.names.values() if not rule.from_prelude)
    return Survey(nets, tuple((rule.name, tuple(sorted(found.implicits[rule]))) for rule in own))
