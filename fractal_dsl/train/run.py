"""A run and its folder: what it was told, its log, its checkpoints.

run.toml         everything it was told, and what it ran with
spec.fdl         the specification
model.py         the network that it trains, as generated
centre.npz       `mean` and `deviation`: the network takes (pixels - mean) / deviation
log.jsonl        a line for some steps and for each epoch
checkpoints/     the last few, each a file that says of itself whether it is whole
"""

from __future__ import annotations

import io
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.driver import Compilation
from fractal_dsl.driver.output import write_atomically
from fractal_dsl.driver.settings import parse_settings
from fractal_dsl.driver.sources import decoded
from fractal_dsl.source import Source
from fractal_dsl.train.batches import Centre
from fractal_dsl.train.checkpoint import Checkpoints
from fractal_dsl.train.data import Data, load_data
from fractal_dsl.train.initial import initialise
from fractal_dsl.train.log import Log, read_log
from fractal_dsl.train.network import Specification, compiled_for, fresh, sha256_of
from fractal_dsl.train.progress import Progress
from fractal_dsl.train.ranks import derived, launched
from fractal_dsl.train.recipe import Recipe, as_toml, changed, name_of, quoted
from fractal_dsl.train.together import AgreedError, by_each, by_first, connect, is_first
from fractal_dsl.train.trainer import PIECES, Trainer, idle_rates
from fractal_dsl.version import VERSION

__all__ = ["Job", "Result", "Run", "agree", "check_specification", "located", "network_of", "train"]


@dataclass(frozen=True, slots=True)
class Job:
    """What a run is told. `words` are `--set`'s, as written."""

    source: Source
    data: str
    recipe: Recipe
    words: tuple[str, ...] = ()
    net: str | None = None
    column: int | None = None

    @property
    def spec(self) -> Specification:
        return Specification(self.source, parse_settings(self.words), self.net, self.column)


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended: in `folder`, after `step` of `steps`; `last` is the log's last epoch."""

    folder: Path
    step: int
    steps: int
    last: dict[str, Any]

    @property
    def finished(self) -> bool:
        return self.step == self.steps


# The folder --------------------------------------------------------------------------


class Run:
    """The folder of a run that has begun."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def log(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def about(self) -> Path:
        return self.folder / "run.toml"

    def exists(self) -> bool:
        return self.about.is_file()

    def is_used(self) -> bool:
        """Whether something of a run is there, were it only a part."""
        return self.log.exists() or (self.folder / "checkpoints").exists()

    def checkpoints(self, job: Job, made: Compilation, data: Data) -> Checkpoints:
        about = {
            "fractalc": VERSION,
            "spec": job.source.text,
            "imported": [source.text for source in made.imported],
            "spec_sha256": sha256_of(made),
            "recipe": as_toml(job.recipe),
            "data_sha256": data.digest,
        }
        return Checkpoints(self.folder / "checkpoints", job.recipe.keep, about)

    def read(self) -> tuple[dict[str, Any], Job]:
        """What the run was told. Raises DiagnosticError (F0804) where that cannot be known."""
        try:
            held = tomllib.loads(self.about.read_text("utf-8"))
            about, recipe = held["run"], held["recipe"]
            source = decoded(about["spec"], (self.folder / "spec.fdl").read_bytes())
        except (OSError, ValueError, KeyError) as error:
            raise DiagnosticError(no_run(self.folder, error)) from None
        data = about["data"]
        if "data_at" in about and not Path(data).exists():
            data = about["data_at"]
        job = Job(
            source, data, changed(Recipe(), recipe), tuple(about.get("set", ())),
            about.get("net"), about.get("column"),
        )  # fmt: skip
        return about, job

    def begin(self, job: Job, made: Compilation, data: Data, fabric: Fabric) -> None:
        """Makes the folder. Raises DiagnosticError (F0801)."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            said = f"cannot make `{self.folder}`: {reason}"
            raise DiagnosticError(Diagnostic("F0801", said, None)) from None
        spec = job.source.text.encode("utf-8", "surrogateescape")
        write_atomically(self.folder / "spec.fdl", spec)
        write_atomically(self.folder / "model.py", made.source.encode())
        write_atomically(self.about, about_text(job, made, data, fabric).encode())

    def keep_centre(self, centre: Centre) -> None:
        """Writes it once; a run that began without it gets it when it goes on."""
        place = self.folder / "centre.npz"
        if not place.exists():
            held = io.BytesIO()
            mean, deviation = (one.cpu().numpy() for one in (centre.mean, centre.deviation))
            np.savez(held, mean=mean, deviation=deviation)
            write_atomically(place, held.getvalue())


def no_run(folder: Path, error: OSError | ValueError | KeyError) -> Diagnostic:
    reason = str(error).lower()
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        reason = f"it has no `{Path(error.filename).name}`" if folder.is_dir() else "no such folder"
    elif isinstance(error, OSError):
        reason = (error.strerror or reason).lower()
    help_text = "a run is a folder that `fractalc train SPEC --out FOLDER` has made"
    said = f"`{folder}` is no folder of a run: {reason}"
    return Diagnostic("F0804", said, None, helps=(Help(help_text),))


def about_text(job: Job, made: Compilation, data: Data, fabric: Fabric) -> str:
    """`run.toml`: read by `Run.read`, and by `--recipe`."""
    lines = [
        "# Everything this run was told, and what it ran with. Written by fractalc.",
        "[run]",
        f"spec = {quoted(job.source.name)}",
        f'spec_sha256 = "{sha256_of(made)}"',
        f"set = [{', '.join(map(quoted, job.words))}]",
        *([] if job.net is None else [f"net = {quoted(job.net)}"]),
        *([] if job.column is None else [f"column = {job.column}"]),
        f"name = {quoted(made.name)}",
        f"parameters = {made.report.parameters}",
        f"data = {quoted(job.data)}",
        *([f"data_at = {quoted(located(job.data))}"] if Path(job.data).exists() else []),
        f'data_sha256 = "{data.digest}"',
        f"training_images = {len(data.train)}",
        f"held_out_images = {len(data.test)}",
        f"classes = {data.classes}",
        f'fractalc = "{VERSION}"',
        f'torch = "{torch.__version__}"',
        f'device = "{fabric.device}"',
        f"processes = {fabric.world_size}",
        "",
        "[recipe]",
        as_toml(job.recipe),
    ]
    return "\n".join(lines)


def located(data: str) -> str:
    """The whole path, by which a run finds its images from another folder as well."""
    return os.fspath(Path(data).expanduser().absolute())


def free_folder(name: str, root: Path = Path("runs")) -> Path:
    """`runs/NAME`, or with the first free number behind it."""
    folder, number = root / name, 1
    while folder.exists():
        number += 1
        folder = root / f"{name}-{number}"
    return folder


# Training ----------------------------------------------------------------------------


def train(
    job: Job | None,
    folder: Path | None,
    progress: Progress,
    *,
    resume: bool = False,
    stop: Callable[[], bool] = lambda: False,
    given: Sequence[str] = (),
) -> Result:
    """Trains `job` in `folder` (None: one of its own), or goes on there with `resume`.

    Without `job`, the folder says what to do; `given` are the settings that the caller insists on
    and that must agree with it. Raises DiagnosticError.
    """
    connect()
    about, agreed = by_first(lambda: told(job, folder, resume, given))
    fabric = by_each(lambda: launched(agreed.recipe))
    return trained(agreed, folder, fabric, progress, about, stop)


def told(
    job: Job | None, folder: Path | None, resume: bool, given: Sequence[str]
) -> tuple[dict[str, Any], Job]:
    """What a run in `folder` began with (nothing for a new one), and what is to be done."""
    run = None if folder is None else Run(folder)
    known = run is not None and run.exists()
    if run is not None and (known or run.is_used()) and not (known and resume):
        raise DiagnosticError(taken(run.folder))
    about: dict[str, Any] = {}
    if known:
        assert run is not None
        about, begun = run.read()
        if job is not None:
            agree(job, begun, given)
            begun = replace(begun, data=job.data)  # wherever they are now; their sha256 must agree
        job = begun
    if job is None:
        raise DiagnosticError(
            Diagnostic("F0804", f"there is no run in `{folder}` to go on with", None)
        )
    return about, job


def trained(
    job: Job, folder: Path | None, fabric: Fabric, progress: Progress, about: dict[str, Any],
    stop: Callable[[], bool],
) -> Result:  # fmt: skip
    data, made = by_each(lambda: prepared(job, about))
    check_alike(job, data, made)
    run = by_first(lambda: opened(job, folder, made, data, fabric, begin=not about))
    deterministic(job.recipe)
    trainer = Trainer(network_of(job.recipe, made), data, job.recipe, fabric)
    by_first(lambda: run.keep_centre(trainer.batches.centre))
    saved = run.checkpoints(job, made, data)
    heard = progress if is_first() else _silent()
    if about:
        restore(trainer, saved, heard)
    heard.began(facts(run, made, trainer))
    for name in idle_rates(trainer.net, job.recipe):
        heard.noted(f"`{name}` changes nothing: this network draws nothing by it")
    logs: list[Log] = []  # the first process's own: an open file is told to nobody
    by_first(lambda: logs.append(Log(run.log, trainer.step_number)))
    log = logs[0] if logs else None
    try:
        trainer.run(log, saved, heard, stop)
    finally:
        if log is not None:
            log.close()
    last = by_first(lambda: last_epoch(run))
    result = Result(run.folder, trainer.step_number, trainer.steps, last)
    heard.ended(result.finished, last)
    return result


def prepared(job: Job, about: Mapping[str, Any]) -> tuple[Data, Compilation]:
    """The images and the network, which must be those that a run began with."""
    data = load_data(job.data, job.recipe)
    if about and about["data_sha256"] != data.digest:
        said = f"the images of `{job.data}` are not those that the run began with"
        raise DiagnosticError(Diagnostic("F0804", said, None))
    check_batch(job, data)
    made = compiled_for(job.spec, data.train.shape, data.classes)
    if about:
        check_specification(about, made)
    return data, made


def check_alike(job: Job, data: Data, made: Compilation) -> None:
    """Raises DiagnosticError (F0804) where machines have other images or imported files."""
    digest, sha256 = by_first(lambda: (data.digest, sha256_of(made)))

    def check() -> None:
        if digest != data.digest:
            said = f"the images of `{job.data}` are not those of the first process"
            raise DiagnosticError(Diagnostic("F0804", said, None))
        if sha256 != sha256_of(made):
            said = "a file that the specification imports is not that of the first process"
            raise DiagnosticError(Diagnostic("F0804", said, None))

    by_each(check)


def opened(
    job: Job, folder: Path | None, made: Compilation, data: Data, fabric: Fabric, *, begin: bool
) -> Run:
    run = Run(free_folder(made.name) if folder is None else folder)
    if begin:
        run.begin(job, made, data, fabric)
    return run


def last_epoch(run: Run) -> dict[str, Any]:
    """The log's last."""
    return next((one for one in reversed(read_log(run.log)) if one["kind"] == "epoch"), {})


def check_batch(job: Job, data: Data) -> None:
    """Raises DiagnosticError (F0803) where no mini-batch can be filled: only whole ones count."""
    if job.recipe.batch > len(data.train):
        said = (
            f"a batch of {job.recipe.batch:,} is more than the {len(data.train):,} images of"
            f" `{job.data}` to train on"
        )
        help_ = Help(f"--batch {len(data.train)}, or less; or more images")
        raise DiagnosticError(Diagnostic("F0803", said, None, helps=(help_,)))


def _silent() -> Progress:
    from fractal_dsl.train.progress import Silent

    return Silent()


def check_specification(about: Mapping[str, Any], made: Compilation) -> None:
    """Raises DiagnosticError (F0804) where it, or what it imports, has changed since."""
    if sha256_of(made) != about["spec_sha256"]:
        said = "the specification, or a file that it imports, is not what the run began with"
        raise DiagnosticError(Diagnostic("F0804", said, None))


def network_of(recipe: Recipe, made: Compilation) -> Any:
    """The network with its first weights."""
    net = fresh(made, derived(recipe.seed, "layers"), derived(recipe.seed, "plans"))
    initialise(net, recipe.initial, derived(recipe.seed, "weights"))
    return net


def deterministic(recipe: Recipe) -> None:
    if recipe.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False


def restore(trainer: Trainer, saved: Checkpoints, progress: Progress) -> None:
    """Goes on from the newest whole checkpoint, if there is one."""
    found = by_first(saved.latest)
    if found is None:
        return
    path, state, damaged = found
    for one, why in damaged:
        progress.noted(f"checkpoint `{one}` is damaged: {why}; an older one is used")
    missing = [piece for piece in PIECES if piece not in state]
    if missing or state.get("spec_sha256") != saved.about["spec_sha256"]:
        told = f"lacks {', '.join(missing)}" if missing else "is of another specification"
        raise AgreedError(Diagnostic("F0804", f"checkpoint `{path}` {told}", None))
    if not trainer.load_state(state):
        progress.noted(
            f"the checkpoint is of {len(state['random'])} processes, not of"
            f" {trainer.fabric.world_size}: dropout draws other numbers from here on"
        )
    progress.noted(f"going on after step {trainer.step_number:,}, from `{path}`")


def facts(run: Run, made: Compilation, trainer: Trainer) -> dict[str, Any]:
    return {
        "folder": os.fspath(run.folder), "name": made.name,
        "parameters": made.report.parameters, "device": str(trainer.fabric.device),
        "processes": trainer.fabric.world_size, "training_images": len(trainer.data.train),
        "held_out_images": len(trainer.data.test), "epochs": trainer.recipe.epochs,
        "step": trainer.step_number, "steps": trainer.steps, "columns": len(trainer.columns),
    }  # fmt: skip


def taken(folder: Path) -> Diagnostic:
    return Diagnostic(
        "F0804", f"there is a run in `{folder}` already", None,
        helps=(Help("--resume goes on with it; another --out begins a new one"),),
    )  # fmt: skip


def agree(
    wanted: Job, begun: Job, given: Sequence[str],
    help_: str = "--resume needs none of them: the folder knows them",
) -> None:  # fmt: skip
    """Raises DiagnosticError (F0804) with every setting that is not what the run began with."""
    wrong = []
    if wanted.source.text != begun.source.text:
        wrong.append("the specification")
    for what, before, now in (
        ("--set", " ".join(begun.words), " ".join(wanted.words)),
        ("--net", begun.net, wanted.net),
        ("--column", begun.column, wanted.column),
    ):
        if before != now:
            wrong.append(f"`{what}`: {before or 'not given'}, now {now or 'not given'}")
    for one in fields(Recipe):
        before, now = getattr(begun.recipe, one.name), getattr(wanted.recipe, one.name)
        if one.name in given and before != now:
            wrong.append(f"`{name_of(one)}`: {before}, now {now}")
    if wrong:
        said = "the run began with other settings: " + "; ".join(wrong)
        raise DiagnosticError(
            Diagnostic("F0804", said, None,
                       helps=(Help(help_),))
        )  # fmt: skip
