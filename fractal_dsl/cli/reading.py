"""What every command that compiles does first."""

from __future__ import annotations

import argparse

from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.waiting import waiting
from fractal_dsl.driver import Compilation, compile_source
from fractal_dsl.driver.settings import SettingError, parse_settings
from fractal_dsl.driver.sources import read_source
from fractal_dsl.semantics.values import Value

__all__ = ["compiled", "settings_of"]


def settings_of(arguments: argparse.Namespace) -> dict[str, Value]:
    try:
        return parse_settings(arguments.settings)
    except SettingError as error:
        raise UsageError(str(error)) from None


def compiled(arguments: argparse.Namespace) -> Compilation:
    """The net that the command line names. Raises UsageError and DiagnosticError."""
    values = settings_of(arguments)
    source = read_source(arguments.spec)
    with waiting(f"compiling {source.name}"):
        return compile_source(source, net=arguments.net, params=values)
