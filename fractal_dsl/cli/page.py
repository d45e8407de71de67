"""The page that `info` prints."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fractal_dsl.cli.histogram import histogram, spread
from fractal_dsl.ir.graph import Sampling
from fractal_dsl.passes.paths import exact_or_power
from fractal_dsl.passes.report import Report

if TYPE_CHECKING:
    from fractal_dsl.runtime import DrawMemory

__all__ = ["page"]

MOST_ROWS = 40
MOST_ARITIES = 8


def page(
    report: Report,
    sampling: Sampling | None,
    width: int,
    memory: DrawMemory | None = None,
    *,
    colour: bool,
) -> str:
    """All of `report` as text of lines up to `width` cells."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=colour, no_color=not colour,
        highlight=False, legacy_windows=False, color_system="standard" if colour else None,
    )  # fmt: skip
    with console.capture() as capture:
        console.print(Text(report.name, style="bold"))
        console.print(facts(report, sampling, memory))
        heading(console, "columns")
        console.print(columns(report))
        if report.paths.exact is None or report.paths.exact > 1:
            heading(console, "path lengths in convolutions")
            for line in lengths(report, width):
                console.print(Text(line))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def facts(report: Report, sampling: Sampling | None, memory: DrawMemory | None) -> Table:
    table = Table(box=None, show_header=False, pad_edge=True, padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows(report, sampling, memory):
        table.add_row(f"  {name}", value)
    return table


def rows(
    report: Report, sampling: Sampling | None, memory: DrawMemory | None
) -> Iterator[tuple[str, str]]:
    yield "input -> output", " -> ".join(report.ends)
    dense = report.weighted_depth
    yield "depth", f"{grouped(report.depth)} convolutions ({grouped(dense)} with dense layers)"
    yield "convolutions", grouped(report.convs)
    size = scaled(report.parameters * 4, 1024, "B")
    more = " + extern" if report.externs else ""
    yield "parameters", f"{grouped(report.parameters)}{more} ({size} in float32)"
    one = "an image" if report.input.kind == "image" else "a sample"
    yield "multiply-adds", f"{grouped(report.macs)}{more} {one} ({scaled(report.macs, 1000, '')})"
    kept = scaled(report.activation_bytes, 1024, "B")
    yield "activations", f"{kept} {one} in float32, all kept for training"
    if memory is not None:
        yield "memory", f"a training step: {memory}"
    if report.externs:
        each = ", ".join(f"{path} x {count}" for path, count in report.externs.items())
        yield "extern modules", f"{each}; no number here has what they hold and do"
    yield "joins", joins(report)
    yield "paths", paths(report)
    if report.receptive_field is not None:
        yield "receptive field", receptive(report)
    yield "drop-path", drop_path(report, sampling)
    distinct = grouped(report.distinct_graphs)
    yield "size of the graph", f"{grouped(report.nodes)} nodes in {distinct} distinct graphs"


def joins(report: Report) -> str:
    if not report.joins:
        return "none"
    each = [f"{grouped(n)} of {arity} inputs" for arity, n in report.joins.items()]
    if len(each) > MOST_ARITIES:
        each[MOST_ARITIES - 2 : -1] = ["..."]
    return f"{grouped(sum(report.joins.values()))}: {', '.join(each)}"


def paths(report: Report) -> str:
    """The exact number, or a power of ten and that it is one."""
    exact = report.paths.exact
    if exact is None:
        return f"about {report.paths} (a power of ten: too many digits to print)"
    text = str(exact)
    if len(text) <= 60:
        return f"{exact:,}"
    return f"{text} ({len(text):,} digits)"


def receptive(report: Report) -> str:
    found = report.receptive_field
    assert found is not None
    whole = ", the whole input" if found.is_whole else ""
    stride = "x".join(map(str, found.jump))
    return f"{grouped(found.height)} x {grouped(found.width)} pixels{whole}, stride {stride}"


def drop_path(report: Report, sampling: Sampling | None) -> str:
    if sampling is None:
        return "none: no drop_path(...), or a column alone"
    columns = "all columns" if sampling.simultaneous else f"global {sampling.mixture:g}"
    rates = f"local {sampling.local:g}, {columns}, per {sampling.per}"
    if report.expected_live is None or report.expected_live_convs is None:
        return f"{rates}; expected live work is not known"
    return (
        f"{rates}; a step computes {report.expected_live:.2%} of the multiply-adds and "
        f"{report.expected_live_convs:.2%} of the convolutions, in expectation"
    )


def columns(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    for name in ("column", "depth", "convs", "parameters", "multiply-adds", "of the whole"):
        table.add_column(name, justify="right")
    shown = report.columns
    if len(shown) > MOST_ROWS:
        shown = (*shown[: MOST_ROWS // 2], *shown[-MOST_ROWS // 2 :])
    for before, one in zip((None, *shown), shown, strict=False):
        if before is not None and one.column != before.column + 1:
            table.add_row("...", *[""] * 5)
        numbers = (one.column, one.depth, one.convs, one.parameters, one.macs)
        table.add_row(*(grouped(n, 10**12) for n in numbers), share(one.macs, report.macs))
    return table


def lengths(report: Report, width: int) -> Iterator[str]:
    found = report.path_lengths
    if found is None:
        yield "  no path has a convolution"
        return
    yield f"  {spread(found)}"
    if found.histogram is not None:
        yield from histogram(found.histogram, width)
    else:
        yield "  too many lengths or paths for a histogram"


def share(part: int, whole: int) -> str:
    if not whole:
        return "-"
    return f"{part / whole:.2%}" if part * 10_000 > whole else f"{part / whole:.2e}"


def grouped(number: int, most: int = 10**15) -> str:
    """Exact with thousands marked; to four digits from `most` on."""
    if number < most:
        return f"{number:,}"
    return f"{number:.3e}".replace("e+", "e") if number < 10**300 else exact_or_power(number)


def scaled(number: int, base: int, unit: str) -> str:
    """`845.2 M`, `3.4 MiB`."""
    infix = "i" if base == 1024 else ""
    size, names = float(number), ["", *(f"{letter}{infix}" for letter in "KMGTPEZY")]
    while size >= base and len(names) > 1:
        size /= base
        names.pop(0)
    text = f"{size:.0f}" if names[0] == "" and size == int(size) else f"{size:.1f}"
    return f"{text} {names[0]}{unit}".rstrip()
