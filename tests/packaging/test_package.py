"""The package as users get it: what the wheel holds, what a start loads, one result everywhere."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain, product
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import fractal_dsl

ROOT = Path(__file__).resolve().parents[2]
FLAGSHIP = ROOT / "specs" / "fractal4.fdl"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel would put into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def python(code: str, where: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` in a fresh interpreter that sees this environment's packages."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def compiling(*outputs: str) -> str:
    words = [str(FLAGSHIP), *(word for output in outputs for word in ("-o", output))]
    return f"from fractal_dsl.cli import main; assert main({words!r}) == 0"


def test_the_wheel_holds_everything_it_reads(installed: Path) -> None:
    package = installed / "fractal_dsl"
    for part in (
        "grammars/fdl.lark", "codegen_templates/operators.py.j2", "semantics/prelude.fdl",
        "semantics/std.fdl", "diagnostics/explain/F0202.txt", "py.typed",
    ):  # fmt: skip
        assert (package / part).is_file(), part
    top = {path.name for path in installed.iterdir()}
    assert top == {"fractal_dsl", f"fractal_dsl-{fractal_dsl.__version__}.dist-info"}


def test_the_wheel_works_from_another_directory(installed: Path, tmp_path: Path) -> None:
    code = f"import sys; sys.modules['torch'] = None; {compiling('model.py', 'model.svg')}"
    code += f"; import fractal_dsl; assert {str(installed)!r} in fractal_dsl.__file__"
    found = python(code, tmp_path, PYTHONPATH=str(installed))
    assert (found.returncode, found.stderr) == (0, "")
    assert "class Fractal4" in (tmp_path / "model.py").read_text()
    assert "<svg" in (tmp_path / "model.svg").read_text()


def test_the_command_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"fractalc": "fractal_dsl.cli:entry"}
    assert project["dynamic"] == ["version"]


def test_constraints_pin_every_requirement_exactly() -> None:
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    names = {name.lower().replace("_", "-") for name in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in chain.from_iterable(groups):
        name = requirement.split(">=")[0].split("[")[0]
        assert name == "fractal-dsl" or name in names
    assert pins["torch"] == "2.13.0"


def test_compiling_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"""{compiling("model.py")}
import sys
heavy = {{"torch", "rich", "pygraphviz", "graphviz", "numpy", "fractal_dsl.reference"}}
print(*sorted(heavy & sys.modules.keys()))"""
    assert python(code, tmp_path).stdout.strip() == ""


def test_importing_the_package_loads_almost_nothing(tmp_path: Path) -> None:
    code = "import sys, fractal_dsl; print(*sys.modules)"
    assert "lark" not in python(code, tmp_path).stdout.split()


def test_drawing_and_data_need_no_torch(tmp_path: Path) -> None:
    code = f"""import sys; sys.modules["torch"] = None
{compiling("a.svg", "a.json", "a.graphml", "a.dot")}"""
    found = python(code, tmp_path)
    assert (found.returncode, found.stderr) == (0, "")


SETTINGS = list(product(range(8), ("a", "b/c"), ("C", "C.UTF-8", "POSIX")))


@pytest.mark.parametrize(
    "chosen",
    [SETTINGS[::7], pytest.param(SETTINGS, marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_one_output_whatever_the_hash_seed_directory_and_locale(
    chosen: list[tuple[int, str, str]], tmp_path: Path
) -> None:
    found = set()
    for at, (seed, folder, locale) in enumerate(chosen):
        where = tmp_path / str(at) / folder
        where.mkdir(parents=True)
        done = python(
            compiling("model.py", "model.json", "model.graphml", "model.dot"), where,
            PYTHONHASHSEED=str(seed), LC_ALL=locale, LANG=locale, TZ=("UTC", "Asia/Tokyo")[at % 2],
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        files = sorted(where.glob("model.*"))
        assert len(files) == 4
        found.add(hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest())
    assert len(found) == 1
