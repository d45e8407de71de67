"""Files that travel with the package (grammars, templates), and files kept for speed."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["cache_dir", "keep", "kept", "resource_dir"]

DIGEST = 32


def resource_dir(name: str) -> Path:
    """Folder `name`: in the installed package, else in the checkout that holds the package.

    A wheel carries `grammars/` and `codegen_templates/` inside the package; an editable
    install leaves them beside it.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"fractal_dsl is installed without its folder {name!r}")


def cache_dir() -> Path | None:
    """The user's own folder for what is slow to make and easily made again, if there is one."""
    try:
        root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        folder = Path(root) / "fractalc"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK) else None


def kept(name: str) -> bytes | None:
    """What `keep` wrote under that name; None if it is not there, or not as it was written."""
    folder = cache_dir()
    if folder is None:
        return None
    try:
        content = (folder / name).read_bytes()
    except OSError:
        return None
    digest, data = content[:DIGEST], content[DIGEST:]
    return data if hashlib.sha256(data).digest() == digest else None


def keep(name: str, data: bytes) -> None:
    """Writes `data` into the cache, whole or not at all; a failure is no matter."""
    folder = cache_dir()
    if folder is None:
        return
    unfinished = folder / f"{name}.{os.getpid()}"
    with suppress(OSError):
        unfinished.write_bytes(hashlib.sha256(data).digest() + data)
        unfinished.replace(folder / name)
    with suppress(OSError):
        unfinished.unlink(missing_ok=True)
