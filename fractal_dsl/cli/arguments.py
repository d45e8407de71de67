"""What can be typed after `fractalc`."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn, TypeAlias

from fractal_dsl.version import VERSION

__all__ = [
    "COMMANDS", "SHELLS", "STAGES", "Commands", "UsageError", "add", "add_choices", "build_parser",
    "parsed", "subparsers",
]  # fmt: skip

SHELLS = ("bash", "zsh", "fish")
STAGES = ("tokens", "syntax", "resolved", "ir", "flat", "report", "python", "dot")
KINDS = ("python", "svg", "png", "pdf", "dot", "json", "graphml")

ABOUT = """\
Compiles FDL, the fractal description language: from three lines to a network that trains.

    f(1)   = conv
    f(C+1) = (f(C) . f(C)) (+) conv
    net    = f(4)
"""

EXAMPLES = """\
examples:
  fractalc fractal4.fdl -o model.py               a torch module in one file
  fractalc fractal4.fdl -o model.py -o model.svg  the same, and a picture of it
  fractalc fractal4.fdl -o model.py --set C=5     another value for `param C`
  fractalc fractal4.fdl -o f.pdf --highlight column=3
  fractalc fractal4.fdl -o col3.py --column 3     one column, a network of its own
  fractalc info fractal4.fdl                      depth, columns, paths, work, memory
  fractalc check *.fdl                            only look for mistakes
  fractalc train digits.fdl --data digits         train it
  fractalc explain F0202                          what a code means, and how to mend it

`fractalc COMMAND --help` says more. A specification called like a command: ./info.
"""

STATUSES = """\
exit status:
  0  done
  1  the specification has a mistake, or a file cannot be read or written
  2  the command line is wrong
  3  the specification is over a limit
  70 a bug in fractalc, with a report to send
 130 interrupted
"""

CHECK = "Looks for mistakes in every net of every file, and writes nothing."
INFO = "What a network is made of: layers, columns, paths, joins, weights, work and memory."
KEYMAP = """\
Which weights of a small net seed which of a larger one: those of f(C) for f(C+1). Prints, for
each state-dict key of the larger net that takes one, the small net's key.
"""
DUMP = "The program between two stages of the compiler."
EXPLAIN = "What a code such as F0202 means, with an example that gives it and one that is mended."
COMPLETION = """\
A script that completes fractalc's commands and options:

    bash  source <(fractalc completion bash)
    zsh   fractalc completion zsh > "${fpath[1]}/_fractalc"
    fish  fractalc completion fish > ~/.config/fish/completions/fractalc.fish
"""
COMMANDS = {
    "compile": "compile a specification; the word may be left out",
    "info": "print what a network is made of",
    "check": "look for mistakes only",
    "keymap": "say which weights of a small net seed a larger one",
    "dump": "print what one stage of the compiler made",
    "explain": "say what a code such as F0202 means",
    "operators": "list the operators",
    "train": "train a network, and go on where training stopped",
    "eval": "loss, accuracy and time of each column of a trained network",
    "report": "figures and tables of runs",
    "export": "write a trained network for use",
    "experiment": "train the rows of a table and print it",
    "completion": "print a script for your shell",
}


EXAMPLES_OF = {
    "compile": (
        "fractalc fractal4.fdl -o model.py -o model.svg",
        "fractalc fractal4.fdl -o model.py --set C=5 --style flat",
        "fractalc fractal4.fdl -o sample.png --highlight sample=7",
        "fractalc - -o - --to json < fractal4.fdl",
    ),
    "info": (
        "fractalc info fractal4.fdl",
        "fractalc info fractal4.fdl --set C=60",
        "fractalc info fractal4.fdl --column 3 --json",
        "fractalc info fractal4.fdl --batch 128    memory of the worst draw, before training",
    ),
    "check": ("fractalc check *.fdl", "fractalc check fractal4.fdl --set C=5 --json"),
    "keymap": ("fractalc keymap f.fdl f.fdl --set-small C=3 --set-large C=4",),
    "dump": (
        "fractalc dump fractal4.fdl --stage ir      each distinct graph",
        "fractalc dump fractal4.fdl --stage flat    every node, with its state-dict key",
    ),
    "explain": ("fractalc explain F0202", "fractalc explain        every code"),
    "operators": ("fractalc operators",),
    "eval": ("fractalc eval runs/digits", "fractalc eval runs/digits --column all --json"),
    "report": ("fractalc report runs/one runs/other -o figures",),
    "export": (
        "fractalc export runs/digits -o digits.safetensors -o digits.onnx",
        "fractalc export runs/digits -o column2.py --column 2",
    ),
    "experiment": ("fractalc experiment table4.toml --epochs 20",),
    "completion": ("fractalc completion bash",),
}


class UsageError(Exception):
    """The command line is wrong; the text says how, and `usage` what a right one is like."""

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


class Formatter(argparse.RawDescriptionHelpFormatter):
    """argparse's, in lines of at most 90 cells and with room for our longest command."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size((80, 24)).columns - 2, 90)
        super().__init__(prog, max_help_position=26, width=width)


class Parser(argparse.ArgumentParser):
    """argparse, except that a mistake is an exception: only `main` ends the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, self.format_usage().strip())


def with_command(argv: Sequence[str]) -> list[str]:
    """`argv` with the word `compile` put in where no command leads it. Raises UsageError."""
    first = argv[0] if argv else "--help"
    if first in COMMANDS or first in ("-h", "--help", "--version"):
        return list(argv) or ["--help"]
    if len(argv) > 1 and first.isalpha() and not Path(first).exists():
        close = get_close_matches(first, COMMANDS, n=1, cutoff=0.6)
        if close:
            raise UsageError(f"there is no command `{first}`; did you mean `{close[0]}`?")
    return ["compile", *argv]


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The command line as argparse reads it. Raises UsageError."""
    parser = build_parser()
    arguments, unknown = parser.parse_known_args(with_command(argv))
    if unknown:
        command = subparsers(parser)[arguments.command]
        known = [word for action in command._actions for word in action.option_strings]
        option = next((word for word in unknown if word.startswith("-")), "")
        close = get_close_matches(option.partition("=")[0], known, n=1)
        way = f"; did you mean `{close[0]}`?" if close else ""
        command.error(f"unrecognized arguments: {' '.join(unknown)}{way}")
    return arguments


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, which argparse keeps to itself."""
    (sub,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return sub.choices


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fractalc",
        usage="fractalc SPEC -o OUT [-o OUT ...] [options]\n       fractalc COMMAND ...",
        description=ABOUT,
        epilog=f"{EXAMPLES}\n{STATUSES}",
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fractalc {VERSION}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", prog="fractalc"
    )
    add_compile(commands)
    add_info(commands)
    add_check(commands)
    add_keymap(commands)
    add_dump(commands)
    explain = add(commands, "explain", EXPLAIN)
    explain.add_argument("code", metavar="CODE", nargs="?", help="leave it out for a list")
    add(commands, "operators", "The operators of the language, with their settings.")
    from fractal_dsl.cli.training_arguments import add_training  # which needs `add` of this file

    add_training(commands)
    completion = add(commands, "completion", COMPLETION)
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    return parser


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def add(
    commands: Commands, name: str, about: str, usage: str | None = None
) -> argparse.ArgumentParser:
    shown = "".join(f"\n  {example}" for example in EXAMPLES_OF.get(name, ()))
    parser = commands.add_parser(
        name,
        help=COMMANDS[name],
        usage=usage,
        description=about,
        epilog=f"examples:{shown}" if shown else None,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--colour", "--color", choices=("auto", "always", "never"), default="auto",
        help="colours in messages; auto: on a terminal, unless NO_COLOR is set",
    )  # fmt: skip
    return parser


def add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="a file of FDL; - is standard input")
    add_choices(parser)
    parser.add_argument(
        "--column", metavar="K", type=int,
        help="column K alone, 1 the shallowest; weights of the whole net load into it",
    )  # fmt: skip


def add_choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="settings",
        help="value of a param, or of a parameter of the net; may be repeated",
    )  # fmt: skip
    parser.add_argument("--net", metavar="NAME", help="which net, where the file has several")


def add_compile(commands: Commands) -> None:
    usage = "fractalc SPEC -o OUT [-o OUT ...] [options]"
    parser = add(commands, "compile", "Compiles a specification.", usage)
    add_source(parser)
    parser.add_argument(
        "-o", "--output", metavar="OUT", action="append", default=[], dest="outputs",
        help="where to, its ending says what: .py .svg .png .pdf .dot .json .graphml; "
        "- is standard output; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--to", metavar="KIND", choices=KINDS,
        help=f"what to write, whatever the ending: {', '.join(KINDS)}",
    )  # fmt: skip
    parser.add_argument(
        "--style", choices=("modules", "flat"), default="modules",
        help="of Python: a class for each rule level (modules), or one class that lists every "
        "layer (flat); the weights of one load into the other",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", action="store_true",
        help="of Python: train in less memory, computing parts again in the backward pass",
    )  # fmt: skip
    parser.add_argument(
        "--expand", action="store_true", help="draw repeats one by one, instead of once with x N"
    )
    parser.add_argument(
        "--highlight", metavar="WHAT",
        help="draw one column (column=3) or one drop-path sample (sample=7, the seed) in colour",
    )  # fmt: skip


def add_info(commands: Commands) -> None:
    parser = add(commands, "info", INFO)
    add_source(parser)
    about = "what training on N samples at once keeps, at worst and on average (needs torch)"
    parser.add_argument("--batch", type=samples, metavar="N", help=about)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def samples(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10**6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of samples from 1 to 1000000")
    return int(text)


def add_check(commands: Commands) -> None:
    parser = add(commands, "check", CHECK)
    about = "files of FDL; - is standard input"
    parser.add_argument("specs", metavar="SPEC", nargs="+", help=about)
    add_choices(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def add_keymap(commands: Commands) -> None:
    parser = add(commands, "keymap", KEYMAP, "fractalc keymap SMALL LARGE [options]")
    parser.add_argument("spec", metavar="SMALL", help="a file of FDL")
    parser.add_argument("large", metavar="LARGE", help="another, or the same again")
    add_choices(parser)
    for which in ("small", "large"):
        parser.add_argument(
            f"--set-{which}", metavar="NAME=VALUE", action="append", default=[],
            help=f"the same as --set, for the {which} net alone",
        )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object")


def add_dump(commands: Commands) -> None:
    parser = add(commands, "dump", DUMP)
    add_source(parser)
    parser.add_argument(
        "--stage", metavar="NAME", choices=STAGES, required=True, help=", ".join(STAGES)
    )
