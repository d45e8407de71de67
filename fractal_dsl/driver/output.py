"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError

__all__ = ["write_atomically"]


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Puts `data` at `path`: afterwards the old file or the new one is there, never a part.

    The data goes to a temporary file in the same folder, onto the disk, and into its place by
    a rename. A link is followed; what is no regular file (`/dev/null`, a pipe) is written to
    as it is. Raises DiagnosticError (F0801); no temporary file is left behind.
    """
    try:
        target = Path(os.path.realpath(path))
        mode = mode_of(target)
        if mode is not None and not stat.S_ISREG(mode):
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(None, "is a folder")
            target.write_bytes(data)
            return
        remove_left_behind(target)
        replace(target, data, mode)
    except (OSError, ValueError) as error:
        raise DiagnosticError(unwritable(path, error)) from None


def mode_of(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def replace(target: Path, data: bytes, mode: int | None) -> None:
    temporary = target.with_name(f"{prefix(target)}{os.getpid()}.tmp")
    try:
        write_through(temporary, data, mode)
        os.replace(temporary, target)  # noqa: PTH105 - the one call that tests make fail
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def write_through(path: Path, data: bytes, mode: int | None) -> None:
    """A new file with all of `data` on the disk, and with the rights of the one it replaces."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(handle, left) :]
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(handle, stat.S_IMODE(mode))
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Makes the rename last through a power cut, where the system lets a folder be synced."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def prefix(target: Path) -> str:
    """How the names of a file's temporary files begin; short enough for any file system."""
    return f".{target.name[:40]}.fractalc-"


def remove_left_behind(target: Path) -> None:
    """Removes temporary files of this target whose writer was killed."""
    if os.name != "posix":
        return
    lead = prefix(target)
    for entry in list(os.scandir(target.parent)):
        if entry.name.startswith(lead) and entry.name.endswith(".tmp"):
            number = entry.name[len(lead) : -len(".tmp")]
            if number.isascii() and number.isdigit() and not is_alive(int(number)):
                Path(entry.path).unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return process != os.getpid()


def unwritable(path: str | os.PathLike[str], error: Exception) -> Diagnostic:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Diagnostic("F0801", f"cannot write `{os.fspath(path)}`: {reason.lower()}", None)
