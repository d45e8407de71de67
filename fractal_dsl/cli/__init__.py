"""The command `fractalc`: the only room that prints or ends the process."""

from fractal_dsl.cli.main import entry, main

__all__ = ["entry", "main"]
