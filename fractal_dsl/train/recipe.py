"""What a run is told: every setting by name, from a file of TOML, from a name, from a command line.

Nothing here needs torch: the command line is made from this table.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.source import Source, Span

__all__ = [
    "RECIPES", "Recipe", "as_toml", "changed", "from_word", "name_of", "parse_toml", "quoted",
    "read_recipe", "recipe_names", "settings",
]  # fmt: skip

RECIPES = Path(__file__).resolve().parent / "recipes"
HALVINGS = (0.5, 0.75, 0.875, 0.9375, 0.96875)


def setting(
    default: Any, about: str, *, choices: Sequence[str] = (), least: float = 0,
    most: float = math.inf, below: float = math.inf,
) -> Any:  # fmt: skip
    """A number is from `least` to `most`, or to less than `below`."""
    bounds = {"least": least, "most": most, "below": below}
    return field(default=default, metadata={"about": about, "choices": choices, **bounds})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every setting of a training run; names and defaults are those of files and options."""

    epochs: int = setting(20, "passes over the training images", least=1)
    batch: int = setting(50, "images of a step, over all processes together", least=1)
    learning_rate: float = setting(0.02, "of SGD, before the first drop")
    drops: tuple[float, ...] = setting(HALVINGS, "shares of all steps after which it drops")
    drop_factor: float = setting(10.0, "by which each drop divides the rate", least=1)
    warmup: int = setting(0, "first steps, at a tenth of the learning rate")
    momentum: float = setting(0.9, "of SGD", most=1)
    nesterov: bool = setting(False, "Nesterov's momentum")
    weight_decay: float = setting(1e-4, "on weights of convolutions and dense layers only")
    initial: str = setting(
        "xavier_uniform", "first weights of convolutions and dense layers",
        choices=("xavier_uniform", "xavier_normal", "he_normal", "torch"),
    )  # fmt: skip
    augment: str = setting(
        "none", "none; + mirrors and moves by up to 4 pixels; ++ the same, reflecting edges",
        choices=("none", "+", "++"),
    )  # fmt: skip
    centre: str = setting(
        "pixel", "subtract each pixel's mean over the training images (pixel), or each"
        " channel's and divide by its deviation (channel)",
        choices=("pixel", "channel", "none"),
    )  # fmt: skip
    local: float | None = setting(None, "drop-path's local rate; unless given, the file's", below=1)
    global_: float | None = setting(None, "share of global plans; unless given, the file's", most=1)
    held_out: float = setting(
        0.2, "share of the images to test on, where data has no test set", most=1
    )
    train_images: int = setting(0, "train on so many images; 0: on all")
    test_images: int = setting(0, "test on so many images; 0: on all")
    seed: int = setting(0, "of weights, order, augmentation, dropout and plans")
    device: str = setting("auto", "where to train", choices=("auto", "cpu", "cuda"))
    precision: str = setting(
        "32", "of the layers; weights and sums stay in 32 bits", choices=("32", "bf16")
    )
    deterministic: bool = setting(False, "only kernels that repeat bit for bit")
    compile: bool = setting(False, "torch.compile what lies between joins")
    channels_last: bool = setting(False, "keep the channels of a pixel together in memory")
    plans: str = setting(
        "same", "of several processes: the same plan in all, or each its own",
        choices=("same", "own"),
    )  # fmt: skip
    sharded: bool = setting(False, "of several processes: each keeps a part of every weight (FSDP)")
    sync_batch_norm: bool = setting(False, "normalise over the batches of all processes")
    check_every: int = setting(1, "steps between looks for NaN and infinity", least=1)
    log_every: int = setting(10, "steps between lines in the log", least=1)
    evaluate_every: int = setting(1, "epochs between looks at the test images", least=1)
    columns: bool = setting(True, "look at each column as well")
    checkpoint_every: int = setting(0, "steps between checkpoints; 0: one each epoch")
    keep: int = setting(3, "checkpoints to keep", least=1)

    def __post_init__(self) -> None:
        """As from a file: `drops` may be a list. Raises ValueError for what a file cannot say."""
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None or one.default is not None:
                object.__setattr__(self, one.name, checked(one, value))


def settings() -> tuple[Field[Any], ...]:
    """The settings, in order; `name_of` is how each is written."""
    return fields(Recipe)


def name_of(one: Field[Any]) -> str:
    """As in files; `global` is a word of Python's."""
    return one.name.rstrip("_")


def recipe_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in RECIPES.glob("*.toml")))


# Reading -----------------------------------------------------------------------------


def read_recipe(name: str) -> Recipe:
    """A recipe by its name (`paper`), or from a file of TOML. Raises DiagnosticError (F0803)."""
    path = RECIPES / f"{name}.toml" if name in recipe_names() else Path(name)
    text = read_text(path, name)
    source = Source(os.fspath(path), text)
    values = parse_toml(source)
    if isinstance(values.get("recipe"), dict):  # a run's own `run.toml`
        others = {one: value for one, value in values.items() if one not in ("run", "recipe")}
        values = {**values["recipe"], **others}
    return changed(Recipe(), values, source)


def read_text(path: Path, name: str) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        known = ", ".join(f"`{one}`" for one in recipe_names())
        raise DiagnosticError(
            Diagnostic(
                "F0803", f"there is no recipe `{name}`: {reason.lower()}", None,
                helps=(Help(f"recipes that come along: {known}; or give a file of TOML"),),
            )
        ) from None  # fmt: skip


def parse_toml(source: Source) -> dict[str, Any]:
    """The table of a file of TOML. Raises DiagnosticError (F0803) with the place."""
    import tomllib  # which the command line need not wait for

    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(error))
        span = None
        if found:
            at = offset_of(source, int(found[2]), int(found[3]))
            span = Span(source, at, at + 1)
        said = (found[1] if found else str(error)).lower()
        raise DiagnosticError(Diagnostic("F0803", f"this is no TOML: {said}", span)) from None


def offset_of(source: Source, line: int, column: int) -> int:
    lines = source.text.split("\n")
    return min(sum(len(one) + 1 for one in lines[: line - 1]) + column - 1, len(source.text))


def changed(recipe: Recipe, values: Mapping[str, object], source: Source | None = None) -> Recipe:
    """`recipe` with other values, by their written names; `source` shows where they stand.

    Raises DiagnosticError (F0803) for names and values that cannot be, all of them.
    """
    known = {name_of(one): one for one in settings()}
    wrong: list[Diagnostic] = []
    taken: dict[str, Any] = {}
    for name, value in values.items():
        span = place_of(source, name)
        if name not in known:
            wrong.append(unknown(name, known, span))
            continue
        try:
            taken[known[name].name] = checked(known[name], value)
        except ValueError as error:
            wrong.append(Diagnostic("F0803", str(error), span))
    if wrong:
        raise DiagnosticError(*wrong)
    return replace(recipe, **taken)


def unknown(name: str, known: Mapping[str, object], span: Span | None) -> Diagnostic:
    from fractal_dsl.semantics.suggest import did_you_mean

    said = f"there is no setting `{name}`"
    return Diagnostic("F0803", said, span, helps=did_you_mean(name, known, "settings"))


def place_of(source: Source | None, name: str) -> Span | None:
    """Where `name = ...` stands in a file of TOML."""
    if source is None:
        return None
    found = re.search(rf'^[ \t]*"?({re.escape(name)})"?[ \t]*=', source.text, re.MULTILINE)
    return Span(source, *found.span(1)) if found else None


def checked(one: Field[Any], value: object) -> Any:
    """`value` as the setting's type. Raises ValueError with what was expected."""
    found = converted(one, value)
    choices = one.metadata["choices"]
    if choices and found not in choices:
        raise ValueError(f"`{name_of(one)}` is one of {', '.join(choices)}, not {value!r}")
    numbers = found if isinstance(found, tuple) else (found,)
    for number in numbers:
        if isinstance(number, int | float) and not isinstance(number, bool):
            check_number(one, number)
    if one.name == "drops" and (list(found) != sorted(found) or any(n >= 1 for n in found)):
        raise ValueError(f"`drops` are shares of the run, in order and below 1, not {value!r}")
    return found


def check_number(one: Field[Any], number: float) -> None:
    least, most, below = (one.metadata[bound] for bound in ("least", "most", "below"))
    if least <= number <= most and number < below:
        return
    bounds = f"at least {least:g}"
    if most < math.inf:
        bounds = f"between {least:g} and {most:g}"
    if below < math.inf:
        bounds += f" and below {below:g}"
    raise ValueError(f"`{name_of(one)}` is {bounds}, not {number:g}")


EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "float | None": "a number",
    "bool": "true or false",
    "str": "a string",
    "tuple[float, ...]": "a list of numbers",
}


def converted(one: Field[Any], value: object) -> Any:
    """A value of TOML's types as the setting's."""
    kind = str(one.type)
    match kind, value:
        case "bool", bool():
            return value
        case "int", int() if not isinstance(value, bool):
            return value
        case "float" | "float | None", int() | float() if not isinstance(value, bool):
            return float(value)
        case "str", str():
            return value
        case "tuple[float, ...]", list() | tuple():
            if all(isinstance(x, int | float) and not isinstance(x, bool) for x in value):
                return tuple(map(float, value))
    raise ValueError(f"`{name_of(one)}` is {EXPECTED[kind]}, not {value!r}")


def from_word(one: Field[Any], word: str) -> object:
    """What a word of the command line means as a value of TOML's."""
    kind = str(one.type)
    import tomllib

    if kind == "str":
        return word
    if kind == "tuple[float, ...]" and not word.startswith("["):
        word = f"[{word}]"
    try:
        return tomllib.loads(f"x = {word}")["x"]
    except tomllib.TOMLDecodeError:
        return word


# Writing -----------------------------------------------------------------------------


def as_toml(recipe: Recipe) -> str:
    """All settings, as a file that `read_recipe` reads."""
    return "".join(f"{line}\n" for line in toml_lines(recipe))


def toml_lines(recipe: Recipe) -> Iterator[str]:
    for one in settings():
        value = getattr(recipe, one.name)
        if value is None:
            yield f"# {name_of(one)}: as the specification says"
        else:
            yield f"{name_of(one)} = {toml_value(value)}"


def toml_value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case tuple() | list():
            return f"[{', '.join(map(toml_value, value))}]"
        case _:
            return repr(value)


def quoted(text: str) -> str:
    """A basic string of TOML's."""
    from json import dumps

    return dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
