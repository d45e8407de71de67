"""Opens the files that a specification imports: below the project's root, and nothing else."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import ExitStack
from os.path import normpath, realpath
from pathlib import Path, PurePath
from typing import BinaryIO

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.driver.sources import MOST_READ, decoded, unreadable
from fractal_dsl.semantics import resolve
from fractal_dsl.semantics.definitions import Resolved
from fractal_dsl.semantics.suggest import did_you_mean
from fractal_dsl.source import Source, Span
from fractal_dsl.syntax import parse

__all__ = ["MAX_BYTES", "MAX_FILES", "ProjectFiles", "project_root", "resolved"]

MAX_FILES = 64
MAX_BYTES = 4 << 20
MAX_PATH = 1_024

ROOT_MARKS = (".git", "pyproject.toml")
UNIX = os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd
# A path that says where it starts, or that not all systems read alike.
NOT_RELATIVE = re.compile(r"[/~]|.*[:\\\x00-\x1f\x7f]", re.DOTALL)


def resolved(source: Source) -> Resolved:
    """A file with all that it imports. Raises DiagnosticError for what is wrong with them."""
    return resolve(parse(source), ProjectFiles(source))


def project_root(folder: Path) -> Path:
    """The nearest folder from `folder` up that holds .git or pyproject.toml, else `folder`."""
    for one in (folder, *folder.parents):
        if any((one / mark).exists() for mark in ROOT_MARKS):
            return one
    return folder


class ProjectFiles:
    """The files that one specification imports (`semantics.imports.Loader`).

    A path is relative to the folder of the file that writes it; for text that came from no
    file, to the current folder. Symbolic links are resolved first; what then lies outside the
    root is never opened.
    """

    def __init__(self, main: Source) -> None:
        self.main = main
        self.folders: dict[Source, Path] = {}
        self.root = Path()
        self.known: dict[tuple[int, int], Source] = {}
        self.bytes = 0

    def begin(self) -> None:
        """Looks where the specification is, once it imports something."""
        place = Path(realpath(self.main.name))
        self.root = project_root(place.parent)
        if place.is_file():
            self.known[identity(place.stat())] = self.main
        self.folders[self.main] = place.parent

    def load(self, importer: Source, path: str, span: Span) -> Source:
        check_path(path, span)
        name = normpath(PurePath(importer.name).parent / path)
        try:
            if not self.folders:
                self.begin()
            written = self.folders[importer] / path
            self.check_inside(Path(normpath(written)), path, span)
            place = Path(realpath(written, strict=True))
            self.check_inside(place, path, span)
            with open_below(self.root, place) as file:
                return self.read(file, name, place, span)
        except FileNotFoundError as error:
            helps = did_you_mean(written.name, files_beside(written), "files beside it")
            raise DiagnosticError(unreadable(name, error, span, helps)) from None
        except (OSError, ValueError) as error:
            raise DiagnosticError(unreadable(name, error, span)) from None

    def read(self, file: BinaryIO, name: str, place: Path, span: Span) -> Source:
        """The file's text, once however often it is imported."""
        same = identity(os.fstat(file.fileno()))
        if same in self.known:
            return self.known[same]
        data = file.read(MOST_READ)
        self.bytes += len(data)
        if len(self.folders) > MAX_FILES:
            raise refused(name, f"more than {MAX_FILES} files would be imported", span)
        if self.bytes > MAX_BYTES:
            raise refused(name, f"the imported files hold more than {MAX_BYTES >> 20} MiB", span)
        self.known[same] = source = decoded(name, data)
        self.folders[source] = place.parent
        return source

    def check_inside(self, place: Path, path: str, span: Span) -> None:
        if not place.is_relative_to(self.root):
            way = "the project is the nearest folder around that holds .git or pyproject.toml"
            raise refused(path, "it is outside the project", span, way)


def check_path(path: str, span: Span) -> None:
    """Refuses what is no relative path to a file of FDL, wherever it would lead."""
    if not path or NOT_RELATIVE.match(path) or len(path) > MAX_PATH:
        way = "write it relative to this file, with `/`: `blocks/conv.fdl`, `../blocks.fdl`"
        raise refused(path, "a path is relative to the file that imports it", span, way)
    if PurePath(path).suffix != ".fdl":
        way = "the shipped library is `std`" if "." not in path else ""
        raise refused(path, "the name of an imported file ends in `.fdl`", span, way)


def refused(path: str, reason: str, span: Span, way: str = "") -> DiagnosticError:
    shown = path if len(path) <= 60 else path[:57] + "..."
    helps = (Help(way),) if way else ()
    return DiagnosticError(
        Diagnostic("F0214", f"cannot import `{shown}`: {reason}", span, "not opened", helps=helps)
    )


def identity(status: os.stat_result) -> tuple[int, int]:
    """What two paths to one file have in common."""
    return status.st_dev, status.st_ino


def files_beside(place: Path) -> list[str]:
    try:
        return [one.name for one in place.parent.iterdir() if one.suffix == ".fdl"]
    except OSError:
        return []


def open_below(root: Path, place: Path) -> BinaryIO:
    """Opens the plain file at `place`, which has no links in it.

    Folder by folder from `root`, following none: nothing can be exchanged for a link between
    the look at the path and the opening. Devices and FIFOs are not opened.
    """
    if not UNIX:
        return place.open("rb")
    *folders, name = place.relative_to(root).parts
    with ExitStack() as closing:
        above = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        closing.callback(os.close, above)
        for folder in folders:
            above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
            closing.callback(os.close, above)
        if not stat.S_ISREG(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=above)
        return os.fdopen(handle, "rb")
