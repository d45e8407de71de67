"""How long one whole run of the command takes, in units of importing what it is built on.

    python benchmarks/startup.py [--runs 15]

Runs `fractalc specs/fractal4.fdl -o model.py` and `python -c "import lark, networkx, jinja2"` in
turn, each in a process of its own, and compares their processor time (user and system, so that
other work on the machine counts little). Bytecode is there beforehand, as after any install.
Prints the smallest and the median of each and of the ratio of neighbours. The promise is a ratio
of at most 2.
"""

from __future__ import annotations

import argparse
import compileall
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
UNIT = [sys.executable, "-c", "import lark, networkx, jinja2"]


def processor_seconds(command: list[str]) -> float:
    """User and system time of one run of `command` and its children."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime


def fractalc() -> list[str]:
    """The installed command of this environment, else the module of this checkout."""
    installed = Path(sys.executable).with_name("fractalc")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "fractal_dsl"]


def measure(runs: int, spec: Path) -> tuple[list[float], list[float]]:
    """Seconds of the command and of the unit, alternating; one run of each goes uncounted."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*fractalc(), str(spec), "-o", f"{folder}/model.py"]
        processor_seconds(command), processor_seconds(UNIT)
        pairs = [(processor_seconds(command), processor_seconds(UNIT)) for _ in range(runs)]
    return [ours for ours, _ in pairs], [unit for _, unit in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--spec", type=Path, default=ROOT / "specs" / "fractal4.fdl")
    arguments = parser.parse_args()
    compileall.compile_dir(ROOT / "fractal_dsl", quiet=2)
    ours, unit = measure(arguments.runs, arguments.spec)
    ratios = [one / other for one, other in zip(ours, unit, strict=True)]
    print(f"{'':24}{'smallest':>10}{'median':>10}")
    for name, values in (("fractalc, s", ours), ("import of the three, s", unit)):
        print(f"{name:24}{min(values):10.3f}{median(values):10.3f}")
    print(f"{'ratio of the two':24}{min(ours) / min(unit):10.2f}{median(ratios):10.2f}")


if __name__ == "__main__":
    main()
