"""The picture of docs/performance.md: every measured ratio with its interval, floor and goal.

    python benchmarks/plot.py benchmarks/results -o docs/pictures/performance.svg

Takes files that the other scripts wrote, or folders of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

LABELS, SCALE, ROW, TOP = 430, 420, 22, 34  # pixels
STYLE = (
    "text{font:12px sans-serif;fill:#222}.grid{stroke:#ddd}.bar{fill:#7aa6c2}.miss{fill:#d9a05b}"
    ".half{stroke:#222}.goal{stroke:#b03030;stroke-width:2}.floor{stroke:#2f7d4f;stroke-width:2}"
)


def claims(places: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """All rows of all files; a row that only continues the one before is told what it is about."""
    for place in places:
        for path in sorted(place.glob("*.json")) if place.is_dir() else [place]:
            subject = ""
            for row in json.loads(path.read_text("utf-8")).get("claims", ()):
                what = row["what"]
                if what.startswith(("the same", "own")):
                    what = f"{subject}: {what.removeprefix('the same, ')}"
                else:
                    subject = what.split(":")[0].split(" over ")[0]
                yield {**row, "what": what}


def across(value: float) -> float:
    return LABELS + SCALE * min(value, 1.05)


def line(kind: str, x: float, top: float, bottom: float) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'


def bar(number: int, row: dict[str, Any]) -> Iterator[str]:
    top = TOP + ROW * number
    middle, ratio, half = top + ROW / 2, row["ratio"], row["half_width"]
    kind = "bar" if row["holds"] else "miss"
    yield f'<text x="{LABELS - 8}" y="{middle + 4}" text-anchor="end">{escape(row["what"])}</text>'
    yield (
        f'<rect class="{kind}" x="{LABELS}" y="{top + 5}" width="{across(ratio) - LABELS:.1f}"'
        f' height="{ROW - 10}"/>'
    )
    left, right = across(ratio - half), across(ratio + half)
    yield f'<line class="half" x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}"/>'
    for mark in ("floor", "goal"):
        if row[mark] is not None:
            yield line(mark, across(row[mark]), top + 2, top + ROW - 2)
    yield f'<text x="{across(1.05) + 10:.1f}" y="{middle + 4}">{ratio:.3f}</text>'


def picture(rows: Sequence[dict[str, Any]]) -> str:
    width, height = int(across(1.05)) + 70, TOP + ROW * len(rows) + 10
    parts = [f'<rect width="{width}" height="{height}" fill="white"/>']
    for tenth in range(0, 11, 2):
        x = across(tenth / 10)
        parts.append(line("grid", x, TOP - 6, height - 8))
        parts.append(f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{tenth / 10}</text>')
    for number, row in enumerate(rows):
        parts.extend(bar(number, row))
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n'
    return head + "\n".join(parts) + "\n</svg>\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    given.output.write_text(picture(list(claims(given.results))), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
