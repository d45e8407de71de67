"""Where the files that travel with the package are: grammars, templates, the prelude."""

from __future__ import annotations

from pathlib import Path

__all__ = ["resource_dir"]


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
