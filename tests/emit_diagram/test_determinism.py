"""The same bytes for the same program: any hash seed, folder, locale, time zone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import hashlib
from fractal_dsl.emit.data import to_graphml, to_json
from fractal_dsl.emit.diagram import DrawOptions, draw
from tests.emit_diagram.pictures import bridges
from tests.handmade import fractalnet
program = fractalnet(2, (16, 32))
texts = [to_json(program).encode(), to_graphml(program).encode()]
texts += [draw(program, form).data for form in ("svg", "png", "pdf", "dot")]
texts += [draw(bridges(2), "svg", DrawOptions(expand=True)).data]
print(*(hashlib.sha256(text).hexdigest() for text in texts))
"""


def hashes(folder: Path, seed: str, locale: str, zone: str) -> list[str]:
    root = Path(__file__).parents[2]
    settings = {"PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_every_format_has_one_digest(tmp_path: Path) -> None:
    one = hashes(tmp_path, "1", "C", "UTC")
    other = hashes(Path.cwd(), "77", "de_DE.UTF-8", "Asia/Kolkata")
    assert len(one) == 7
    assert one == other
