"""Writes docs/gallery.md and docs/generated.md: the networks of specs/zoo, and the code of two.

Run it by `python -m benchmarks.gallery`.
"""

from __future__ import annotations

from pathlib import Path

from fractal_dsl.driver import Compilation, compile_source
from fractal_dsl.source import Source

__all__ = ["ROOT", "SPECS", "code_page", "compiled", "page", "pictures", "shown", "written"]

ROOT = Path(__file__).resolve().parents[1]
SPECS = sorted((ROOT / "specs" / "zoo").glob("*.fdl"))
PICTURES = ROOT / "docs" / "pictures" / "zoo"
LARGEST = 80_000  # bytes of a picture on the page

INTRODUCTION = """# A gallery

Each network is one file of `specs/zoo`, shown here without its assertions, with what `fractalc
info` says of it and what `fractalc FILE.fdl -o FILE.svg` draws. `tests/zoo` checks each against a
network that others wrote. This page is written by `python -m benchmarks.gallery`.

Depth is in convolutions and, in brackets, with dense layers. Paths are those from input to output.
"""


def compiled(spec: Path) -> Compilation:
    return compile_source(Source(spec.name, spec.read_text("utf-8")))


def shown(count: str) -> str:
    """A count, or how large it is."""
    digits = count.replace(",", "")
    if not digits.isdecimal() or len(digits) <= 9:
        return f"{int(digits):,}" if digits.isdecimal() else count
    return f"about 10^{len(digits) - 1}"


def entry(spec: Path, made: Compilation) -> str:
    """A network's part of the page."""
    head, _, rules = spec.read_text("utf-8").partition("\n\n")
    prose = "\n".join(line.removeprefix("## ") for line in head.splitlines())
    code = "\n".join(line for line in rules.splitlines() if not line.startswith("assert "))
    report = made.report
    facts = [
        ("depth", f"{report.depth:,} ({report.weighted_depth:,})"),
        ("parameters", f"{report.parameters:,}"),
        ("paths", shown(str(report.paths))),
        ("multiply-adds", f"{report.macs:,}"),
    ]
    if made.program.sampling is not None:
        facts.append(("columns", f"{report.column_count:,}"))
    names, values = zip(*facts, strict=True)
    table = f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n| {' | '.join(values)} |"
    picture = f"![{made.name}](pictures/zoo/{spec.stem}.svg)"
    if not (PICTURES / f"{spec.stem}.svg").exists():
        picture = f"Too large for this page: `fractalc specs/zoo/{spec.name} -o {spec.stem}.svg`."
    return f"## {made.name}\n\n{prose}\n\n{table}\n\n```fdl\n{code.strip()}\n```\n\n{picture}\n"


def pictures() -> dict[Path, bytes]:
    """The pictures that are small enough, by their files."""
    drawn = {PICTURES / f"{spec.stem}.svg": compiled(spec).draw("svg").data for spec in SPECS}
    return {path: data for path, data in drawn.items() if len(data) <= LARGEST}


def page() -> str:
    return "\n".join([INTRODUCTION, *(entry(spec, compiled(spec)) for spec in SPECS)])


CODE = """# What generated code looks like

The files that `fractalc` writes for two networks of `specs/zoo`, as they are. This page is
written by `python -m benchmarks.gallery`.
"""


def code_page() -> str:
    parts = [CODE]
    for name, about in (("resnet", "ResNet-50"), ("unet", "U-Net, a recursive rule")):
        source = compiled(SPECS[[spec.stem for spec in SPECS].index(name)]).source
        parts.append(f"## {about}\n\n`fractalc specs/zoo/{name}.fdl -o {name}.py`\n")
        parts.append(f"```py\n{source.strip()}\n```\n")
    return "\n".join(parts)


def written() -> dict[Path, bytes]:
    """What stands in the page's files."""
    return {path: path.read_bytes() for path in sorted(PICTURES.glob("*.svg"))}


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.svg"):
        old.unlink()
    for path, data in pictures().items():
        path.write_bytes(data)
    (ROOT / "docs" / "gallery.md").write_text(page(), encoding="utf-8")
    (ROOT / "docs" / "generated.md").write_text(code_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
