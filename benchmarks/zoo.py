"""The zoo in numbers: lines of FDL beside lines of the network that others wrote, and sizes.

Run it by `python -m benchmarks.zoo`. Lines are counted as they stand in the files, comments and
blank ones too; of pytorchcv, those of the file of the network alone, with all its variants, not
of what it imports; of our references, those of the classes that the network is made of. Seconds
are processor time of reading, expanding and generating code, in a warm process, the best of three.
"""

from __future__ import annotations

from importlib.util import find_spec
from inspect import getsourcefile, getsourcelines
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.gallery import SPECS, compiled, shown
from tests.zoo import fractals, pyramids, sequences
from tests.zoo.entries import PEERS

__all__ = ["main"]

COLUMNS = [fractals.layer, fractals.mean, fractals.Columns]
RULES = [fractals.layer, fractals.mean, fractals.Branch, fractals.Doubled, fractals.Closed,
         fractals.classifier]  # fmt: skip
REFERENCES: dict[str, list[Any]] = {
    "alternating_fractals": [*RULES, fractals.alternating, fractals.alternating_fractals],
    "bifpn": [pyramids.Fusion, pyramids.BiFpn],
    "butterfly": [sequences.Butterfly],
    "crescendonet": [fractals.layer, fractals.mean, fractals.Paths, fractals.crescendonet],
    "fpn": [pyramids.Fpn],
    "fractal_of_fractals": [*RULES, fractals.doubled, fractals.fractal_of_fractals],
    "fractalnet34": [*COLUMNS, fractals.fractalnet34],
    "fractalnet40": [*COLUMNS, fractals.fractalnet40],
    "fractalnet_deep": [*COLUMNS, fractals.fractalnet],
    "gpt2": [sequences.encoder_layer, sequences.Gpt2],
    "highway": [sequences.Highway],
    "hourglass": [pyramids.Residual, pyramids.OneHourglass, pyramids.StackedHourglass],
    "mlp_mixer": [sequences.Mixer],
    "plain": [fractals.layer, fractals.plain],
    "universal_transformer": [sequences.encoder_layer, sequences.UniversalTransformer],
    "unetpp": [pyramids.double, pyramids.UNetPlusPlus],
    "vit_s16": [sequences.encoder_layer, sequences.VisionTransformer],
}


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def reference(name: str) -> tuple[str, int]:
    """Where the network is that this one is compared with, and its lines."""
    for peer in PEERS:
        if peer.spec == name:
            found = find_spec(f"pytorchcv.models.{peer.module}")
            assert found is not None and found.origin is not None
            return f"pytorchcv {peer.module}.py", lines(Path(found.origin))
    parts = REFERENCES[name]
    size = sum(len(getsourcelines(part)[0]) for part in parts)
    return f"tests/zoo {Path(getsourcefile(parts[-1]) or '').name}", size


def seconds(spec: Path) -> float:
    """Of one compilation."""
    taken = []
    for _ in range(3):
        start = process_time()
        compiled(spec).generate()
        taken.append(process_time() - start)
    return min(taken)


def main() -> None:
    print("| network | FDL | reference | its lines | parameters | depth | paths | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for spec in SPECS:
        made = compiled(spec)
        where, size = reference(spec.stem)
        report = made.report
        row = [
            made.name, str(lines(spec)), where, str(size), f"{report.parameters:,}",
            f"{report.weighted_depth:,}", shown(str(report.paths)), f"{seconds(spec):.2f}",
        ]  # fmt: skip
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
