"""What every command that compiles does first."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.waiting import waiting
from fractal_dsl.driver import Compilation, compile_source
from fractal_dsl.driver.request import RequestError
from fractal_dsl.driver.settings import parse_settings
from fractal_dsl.driver.sources import read_source
from fractal_dsl.semantics.values import Value

__all__ = ["asked", "compiled", "settings_of"]


@contextmanager
def asked() -> Iterator[None]:
    """What the driver says of a wrong request is wrong usage here."""
    try:
        yield
    except RequestError as error:
        raise UsageError(str(error)) from None


def settings_of(arguments: argparse.Namespace) -> dict[str, Value]:
    with asked():
        return parse_settings(arguments.settings)


def compiled(arguments: argparse.Namespace) -> Compilation:
    """The net that the command line names. Raises UsageError and DiagnosticError."""
    values = settings_of(arguments)
    source = read_source(arguments.spec)
    with asked(), waiting(f"compiling {source.name}"):
        compilation = compile_source(source, net=arguments.net, params=values)
        column: int | None = getattr(arguments, "column", None)
        return compilation if column is None else compilation.column(column)
