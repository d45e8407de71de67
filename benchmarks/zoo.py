"""The zoo in numbers: lines of FDL beside lines of the network that others wrote, and sizes.

    python -m benchmarks.zoo

Lines are counted as they stand in the files, comments and blank ones too; of pytorchcv, those of
the file of the network alone, not of what it imports. Seconds are processor time of reading,
expanding and generating code, in a warm process, the best of three.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from time import process_time

from benchmarks.gallery import SPECS, compiled, shown
from tests.zoo.entries import PEERS

__all__ = ["main"]

REFERENCES = {
    "fractals": ("fractalnet34", "fractalnet40", "fractalnet_deep", "plain", "crescendonet",
                 "alternating_fractals", "fractal_of_fractals"),
    "pyramids": ("bifpn", "fpn", "hourglass", "unetpp"),
    "sequences": ("butterfly", "gpt2", "highway", "mlp_mixer", "universal_transformer",
                  "vit_s16"),
}  # fmt: skip


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def reference(name: str) -> tuple[str, str]:
    """Where the net is that this one is compared with, and its lines; shared files are many's."""
    for peer in PEERS:
        if peer.spec == name:
            found = find_spec(f"pytorchcv.models.{peer.module}")
            assert found is not None and found.origin is not None
            return f"pytorchcv {peer.module}.py", str(lines(Path(found.origin)))
    module = next(module for module, names in REFERENCES.items() if name in names)
    return f"tests/zoo/{module}.py", "shared"


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
            made.name, str(lines(spec)), where, size, f"{report.parameters:,}",
            f"{report.weighted_depth:,}", shown(str(report.paths)), f"{seconds(spec):.2f}",
        ]  # fmt: skip
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
