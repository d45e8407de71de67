"""From the command line to an exit status."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from fractal_dsl.cli.arguments import UsageError, parsed
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.status import INTERNAL, INTERRUPTED, LIMIT, OK, USAGE, status_of
from fractal_dsl.diagnostics import DiagnosticError

__all__ = ["entry", "main"]

TRAINING = ("train", "eval", "report", "export", "experiment")
PYTHONS = gc.get_threshold()


def entry() -> None:
    """What the installed command runs.

    Nearly all that a compilation makes lives to its end, so looking for cycles every 700
    objects, as Python does, is a tenth of the time for nothing; every 100,000 is enough. Not so
    where objects hold tensors: training looks as Python does.
    """
    gc.set_threshold(100_000, 50, 50)
    status = main()
    gc.freeze()
    if together := sys.modules.get("fractal_dsl.train.together"):
        together.leave(status)
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit status; lets no exception through."""
    words = list(sys.argv[1:] if argv is None else argv)
    console = Console()
    arguments = argparse.Namespace()
    try:
        arguments = parsed(words)
        console.colour = getattr(arguments, "colour", "auto")
        return run(arguments, console)
    except SystemExit as end:  # argparse's --help; what another process says for this one
        return end.code if isinstance(end.code, int) else OK
    except UsageError as error:
        console.error(str(error), error.usage)
        return USAGE
    except DiagnosticError as error:
        console.diagnostics(error.diagnostics)
        return status_of(error.diagnostics)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return quietly()
    except MemoryError:
        console.error("out of memory; nothing was written")
        return LIMIT
    except Exception as error:  # noqa: BLE001 - the last resort: say that the fault is ours
        from fractal_dsl.cli.bugs import report_bug

        sys.stderr.write(report_bug(error, specs_of(arguments)))
        return INTERNAL


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Each command is a module of its name, imported only when it is called for."""
    if arguments.command in TRAINING:
        gc.set_threshold(*PYTHONS)
    command = import_module(f"fractal_dsl.cli.{arguments.command}")
    status: int = command.run(arguments, console)
    return status


def specs_of(arguments: argparse.Namespace) -> list[str]:
    spec = getattr(arguments, "spec", None)
    return getattr(arguments, "specs", [] if spec is None else [spec])


def quietly() -> int:
    """The reader of our output has gone: nothing to say, and nothing left to flush to it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK
