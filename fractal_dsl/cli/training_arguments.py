"""What can be typed after `fractalc train`, `eval`, `report`, `export` and `experiment`."""

from __future__ import annotations

import argparse
from dataclasses import Field
from typing import Any

from fractal_dsl.cli.arguments import Commands, add, add_choices
from fractal_dsl.train.recipe import Recipe, name_of, recipe_names, settings

__all__ = ["add_training"]

TRAIN = """\
Trains a network, and writes a folder with its log and its checkpoints.

    fractalc train specs/digits.fdl --data digits --out runs/digits
    fractalc train specs/digits.fdl --data digits --epochs 40 --augment +
    fractalc train --out runs/digits --resume
    torchrun --nproc-per-node 2 --no-python fractalc train specs/digits.fdl --data digits
"""
DATA = (
    "digits (scikit-learn's); a folder with a folder of images for each class, with MNIST's"
    " *-idx*-ubyte or CIFAR's *.bin; a .npz or .parquet; else a name on the Hugging Face hub,"
    " such as cifar10"
)
EVAL = "Loss, accuracy, size and time of a trained network and of each of its columns."
REPORT = "Figures and tables of one or more runs: PNG, SVG, and a page of HTML that holds them all."
EXPORT = "A trained network, or one of its columns, as a file for use."
EXPERIMENT = """\
Trains every row of a table, each with several seeds, and prints the table with published figures
beside. What is finished is not trained again; what was stopped goes on.
"""


def add_training(commands: Commands) -> None:
    add_train(commands)
    evaluate = add(commands, "eval", EVAL)
    add_run(evaluate)
    evaluate.add_argument(
        "--column", metavar="K", default="all",
        help="K, deepest, whole, or all (without it: all)",
    )  # fmt: skip
    evaluate.add_argument("--split", choices=("test", "train"), default="test", help="of the data")
    evaluate.add_argument("--data", metavar="DATA", help="other images than the run's own")
    evaluate.add_argument(
        "--recalibrate", metavar="N", type=batches, default=100,
        help="batches of training images to recalibrate batch norm on; 0: not at all",
    )  # fmt: skip
    evaluate.add_argument("--json", action="store_true", help="one JSON object")
    report = add(commands, "report", REPORT)
    report.add_argument("runs", metavar="RUN", nargs="+", help="folders that `train` wrote")
    report.add_argument(
        "-o", "--output", metavar="FOLDER", help="where to; without it: RUN/report of the first"
    )
    add_export(commands)
    experiment = add(commands, "experiment", EXPERIMENT)
    experiment.add_argument("table", metavar="TABLE", help="a file of TOML, such as table4.toml")
    experiment.add_argument("--data", metavar="DATA", help="other images than the table says")
    experiment.add_argument("--out", metavar="FOLDER", help="where runs go; without it: runs/TABLE")
    experiment.add_argument(
        "--print", action="store_true", help="only print what is there, and train nothing"
    )
    add_recipe(experiment)


def batches(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of batches, from 0 on")
    return int(text)


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a folder that `train` wrote")
    parser.add_argument(
        "--step", metavar="N", type=int, help="of the checkpoint after step N; without it: the last"
    )


def add_train(commands: Commands) -> None:
    parser = add(commands, "train", TRAIN, "fractalc train SPEC --data DATA [options]")
    parser.add_argument("spec", metavar="SPEC", nargs="?", help="a file of FDL")
    add_choices(parser)
    parser.add_argument(
        "--column", metavar="K", type=int, help="train column K alone, 1 the shallowest"
    )
    parser.add_argument("--data", metavar="DATA", help=DATA)
    parser.add_argument(
        "--out", metavar="FOLDER", help="where to; without it: a folder of its own in runs/"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in FOLDER, if there is one"
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="write TensorBoard's log as well"
    )
    add_recipe(parser)


def add_export(commands: Commands) -> None:
    parser = add(commands, "export", EXPORT)
    add_run(parser)
    parser.add_argument(
        "-o", "--output", metavar="OUT", action="append", default=[], dest="outputs",
        help="where to, its ending says what: .safetensors .pt .onnx .py; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--column", metavar="K", help="K alone, deepest, or whole (without it: whole)"
    )
    parser.add_argument(
        "--recalibrate", metavar="N", type=batches, default=0,
        help="recalibrate batch norm on N batches of training images first",
    )  # fmt: skip
    parser.add_argument(
        "--fold", action="store_true", help="of ONNX: batch norms inside the convolutions"
    )


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """An option for each setting; what is not given is not there."""
    parser.add_argument(
        "--recipe", metavar="RECIPE",
        help=f"{', '.join(recipe_names())}, or a file of TOML; options count for more",
    )  # fmt: skip
    group = parser.add_argument_group("settings of the recipe")
    for one in settings():
        about = one.metadata["about"].replace("%", "%%")
        group.add_argument(
            f"--{name_of(one).replace('_', '-')}", dest=f"recipe_{one.name}",
            default=argparse.SUPPRESS, metavar=metavar(one), help=f"{about} ({shown(one)})",
        )  # fmt: skip


def metavar(one: Field[Any]) -> str:
    if one.metadata["choices"]:
        return "|".join(one.metadata["choices"])
    kinds = {"bool": "true|false", "int": "N", "str": "WORD", "tuple[float, ...]": "X,X,..."}
    return kinds.get(str(one.type), "X")


def shown(one: Field[Any]) -> str:
    default = getattr(Recipe(), one.name)
    if isinstance(default, tuple):
        return ", ".join(f"{x:g}" for x in default)
    if default is None:
        return "as the specification says"
    return str(default).lower() if isinstance(default, bool) else f"{default}"
