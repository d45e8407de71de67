"""The same bytes for the same specification: whatever the hash seed, the folder, the locale."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Torch is not imported, so a run is short; sets and dicts are everywhere in the emitter.
SCRIPT = f"""
import hashlib, sys
from pathlib import Path
from fractal_dsl.driver import compile
digest = hashlib.sha256()
for name in ("three_signs", "digits"):
    made = compile(Path({str(ROOT)!r}) / "specs" / (name + ".fdl"))
    for style in ("modules", "flat"):
        digest.update(made.generate(style).encode())
assert "torch" not in sys.modules
print(digest.hexdigest())
"""


def digest(folder: Path, seed: int, locale: str) -> str:
    settings = {"PYTHONHASHSEED": str(seed), "LC_ALL": locale, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_one_digest_under_eight_hash_seeds_in_two_folders_and_three_locales(
    tmp_path: Path,
) -> None:
    folders, locales = (ROOT, tmp_path), ("C", "C.UTF-8", "en_US.UTF-8")
    found = {digest(folders[seed % 2], seed, locales[seed % 3]) for seed in range(8)}
    assert len(found) == 1
    assert len(found.pop()) == 64


@pytest.mark.slow
def test_one_digest_in_every_folder_and_locale(tmp_path: Path) -> None:
    found = {
        digest(folder, 0, locale)
        for folder in (ROOT, tmp_path)
        for locale in ("C", "C.UTF-8", "en_US.UTF-8")
    }
    assert len(found) == 1
