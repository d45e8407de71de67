"""`fractalc keymap SMALL LARGE`: which weights of a small net seed which of a larger one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence

from fractal_dsl.cli.console import Console
from fractal_dsl.cli.reading import asked
from fractal_dsl.cli.status import OK
from fractal_dsl.cli.waiting import waiting
from fractal_dsl.driver import Compilation, compile_source
from fractal_dsl.driver.keymap import KeyMap, keymap
from fractal_dsl.driver.settings import parse_settings
from fractal_dsl.driver.sources import read_source

__all__ = ["run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    both = arguments.settings
    small = compiled(arguments.spec, arguments.net, [*both, *arguments.set_small])
    large = compiled(arguments.large, arguments.net, [*both, *arguments.set_large])
    found = keymap(small, large)
    if arguments.json:
        console.result(json.dumps(as_data(small, large, found), indent=2))
        return OK
    console.diagnostics([*small.warnings, *large.warnings])
    console.result("\n".join(lines(small, large, found)))
    return OK


def compiled(spec: str, net: str | None, settings: Sequence[str]) -> Compilation:
    with asked():
        values = parse_settings(settings)
    source = read_source(spec)
    with waiting(f"compiling {source.name}"):
        return compile_source(source, net=net, params=values)


def lines(small: Compilation, large: Compilation, found: KeyMap) -> Iterator[str]:
    total = len(found.keys) + len(found.fresh)
    yield f"{len(found.keys)} of {total} tensors of {large.name} take one of {small.name}"
    yield from (f"  {ours} <- {theirs}" for ours, theirs in found.keys.items())
    for title, keys in (
        (f"{len(found.fresh)} stay fresh", found.fresh),
        (f"{len(found.unused)} of {small.name} go nowhere", found.unused),
    ):
        if keys:
            yield title
            yield from (f"  {key}" for key in keys)


def as_data(small: Compilation, large: Compilation, found: KeyMap) -> dict[str, object]:
    return {
        "small": small.name,
        "large": large.name,
        "keys": found.keys,
        "fresh": list(found.fresh),
        "unused": list(found.unused),
    }
