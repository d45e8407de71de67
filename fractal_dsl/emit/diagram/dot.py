"""DOT source: names made by the compiler, texts escaped, every part in its place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from graphviz import Digraph, escape, nohtml  # type: ignore[import-untyped]

from fractal_dsl.emit.diagram.figure import Figure, Key, Panel, Words
from fractal_dsl.emit.diagram.geometry import Frame, Path, Point, Spot
from fractal_dsl.emit.diagram.labels import text_width
from fractal_dsl.emit.diagram.sheet import Item, Kind, Link, Sheet
from fractal_dsl.emit.diagram.theme import (
    DEAD_BAR,
    DEAD_INK,
    FONT,
    INK,
    LOOKS,
    PAPER,
    SMALL,
    TEXT,
    TITLE,
    Sizes,
)

__all__ = ["bare_source", "source"]

MARGIN, TIP = 10.0, 4.5
FRAME, PANEL_FRAME = "#8c9197", "#c5c9ce"


def literal(text: str) -> str:
    """`text` as a label that stands for itself: no escapes, entities or HTML in it."""
    label: str = nohtml(escape(text.replace("&", "&amp;")))
    return label


def source(figure: Figure) -> str:
    """The whole page with positions: Graphviz's `neato -n2` draws it as it stands."""
    return _Writer(figure).run()


class _Writer:
    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.tall = figure.height + 2 * MARGIN
        self.made: dict[str, int] = {}

    def run(self) -> str:
        wide = self.figure.width + 2 * MARGIN
        graph = Digraph("net")
        graph.attr("graph", bb=f"0,0,{_n(wide)},{_n(self.tall)}", fontname=FONT, bgcolor=PAPER)
        graph.attr("graph", outputorder="edgesfirst", splines="true", pad="0.1")
        graph.attr("node", shape="box", fixedsize="true", fontname=FONT, fontcolor=INK)
        graph.attr("node", fontsize=_n(TEXT), penwidth="0.8", margin="0")
        graph.attr("edge", fontname=FONT, fontsize=_n(SMALL), fontcolor="#4a4f55", color="#4a4f55")
        graph.attr("edge", penwidth="0.8", arrowsize="0.45", labelfontsize=_n(SMALL))
        for panel in self.figure.panels:
            self.panel(graph, panel)
        for key in self.figure.legend:
            self.key(graph, key)
        text: str = graph.source
        return text

    def name(self, letter: str) -> str:
        """The next name of its kind: `n17`."""
        number = self.made.get(letter, 0)
        self.made[letter] = number + 1
        return f"{letter}{number}"

    def at(self, point: Point) -> str:
        return f"{_n(point.x + MARGIN)},{_n(self.tall - point.y - MARGIN)}"

    def box(self, spot: Spot) -> str:
        """Corners of a frame, lower left and upper right."""
        return f"{self.at(Point(spot.left, spot.bottom))},{self.at(Point(spot.right, spot.top))}"

    def panel(self, graph: Digraph, panel: Panel) -> None:
        placement = panel.placement
        with graph.subgraph(name=self.name("cluster_")) as cluster:
            middle = Point(panel.frame.x, panel.frame.top + 14)
            self.frame(cluster, panel.frame, panel.title, middle, TITLE, PANEL_FRAME)
            for words in panel.words:
                self.words(cluster, words)
            names = [self.name("n") for _ in panel.sheet.items]
            framed = {at: frame for frame in placement.frames for at in frame.items}
            for at, item in enumerate(panel.sheet.items):
                if at not in framed:
                    self.item(cluster, names[at], item, placement.spots[at])
            for frame in placement.frames:
                self.group(cluster, frame, panel, names)
        order = sorted(placement.paths, key=lambda at: (panel.sheet.links[at].live, at))
        for at in order:
            self.link(graph, names, panel.sheet, at, placement.paths[at])

    def group(self, cluster: Digraph, frame: Frame, panel: Panel, names: list[str]) -> None:
        with cluster.subgraph(name=self.name("cluster_")) as inner:
            middle = Point(
                frame.spot.left + text_width(frame.title, TEXT) * 0.52 + 8, frame.spot.top + 9
            )
            self.frame(inner, frame.spot, frame.title, middle, TEXT, FRAME)
            for at in frame.items:
                self.item(inner, names[at], panel.sheet.items[at], panel.placement.spots[at])

    def frame(
        self, cluster: Digraph, spot: Spot, title: str, middle: Point, size: float, ink: str
    ) -> None:
        cluster.attr(label=literal(title), lp=self.at(middle), bb=self.box(spot), style="rounded")
        cluster.attr(fontname=f"{FONT} Semibold", fontsize=_n(size), fontcolor=INK)
        cluster.attr(color=ink, penwidth="0.7")

    def words(self, graph: Digraph, words: Words) -> None:
        graph.node(
            self.name("t"),
            label=literal(words.text),
            pos=self.at(words.centre),
            shape="plaintext",
            fontsize=_n(SMALL),
            fontcolor="#4a4f55",
            width=_n(text_width(words.text, SMALL) / 72),
            height="0.15",
        )

    def item(self, graph: Digraph, name: str, item: Item, spot: Spot) -> None:
        graph.node(name, pos=self.at(Point(spot.x, spot.y)), **_look(item, spot))

    def key(self, graph: Digraph, key: Key) -> None:
        look = _look(key.item, key.spot)
        graph.node(self.name("k"), pos=self.at(Point(key.spot.x, key.spot.y)), **look)
        self.words(graph, key.words)

    def link(self, graph: Digraph, names: Sequence[str], sheet: Sheet, at: int, path: Path) -> None:
        link, marked = sheet.links[at], not all(item.live for item in sheet.items)
        attributes = _ink(link, marked)
        points = list(path.points)
        if sheet.items[link.target].kind.is_bar:
            attributes["arrowhead"] = "none"
            places = [self.at(point) for point in points]
        else:
            places = self.pointed(points)
        if link.text and path.label:
            attributes |= {"label": literal(link.text), "lp": self.at(path.label)}
        if path.head:
            attributes |= {"headlabel": literal(link.place), "head_lp": self.at(path.head)}
        graph.edge(names[link.source], names[link.target], pos=" ".join(places), **attributes)

    def pointed(self, points: list[Point]) -> list[str]:
        """Points of a curve that ends `TIP` short of its end, where the arrow's head goes."""
        before, tip = points[-2], points[-1]
        length = max(((tip.x - before.x) ** 2 + (tip.y - before.y) ** 2) ** 0.5, 1e-6)
        cut = min(TIP / length, 0.9)
        end = Point(tip.x + (before.x - tip.x) * cut, tip.y + (before.y - tip.y) * cut)
        return [f"e,{self.at(tip)}", *(self.at(point) for point in (*points[:-1], end))]


def bare_source(sheet: Sheet, sizes: Sizes, items: Sequence[int], links: Sequence[int]) -> str:
    """Part of a sheet without texts or positions, for Graphviz's `dot` to lay out in layers.

    Links whose order counts enter their target side by side, the first on the left; so stand
    several inputs at the top, and several outputs at the bottom.
    """
    graph = Digraph("part")
    graph.attr("graph", rankdir="TB", nodesep="0.22", ranksep="0.3")
    graph.attr("node", shape="box", fixedsize="true", label="")
    graph.attr("edge", fontname=FONT, fontsize=_n(SMALL), arrowhead="none")
    slots: dict[int, list[int]] = {}
    for at in links:
        if sheet.links[at].place:
            slots.setdefault(sheet.links[at].target, []).append(at)
    for at in items:
        width, height = sizes.item(sheet.items[at])
        size = {"width": _n(width / 72, 4), "height": _n(height / 72, 4)}
        if at in slots:
            size |= {
                "shape": "record",
                "label": nohtml("|".join(f"<s{slot}>" for slot in slots[at])),
            }
        graph.node(f"n{at}", **size)
    for at in links:
        link = sheet.links[at]
        text = {"label": literal(f"  {link.text}  ")} if link.text else {}
        slot = f":s{at}:n" if link.place else ""
        graph.edge(f"n{link.source}", f"n{link.target}{slot}", id=f"e{at}", **text)
    for kind, rank in ((Kind.INPUT, "source"), (Kind.OUTPUT, "sink")):
        row = [f"n{at}" for at in items if sheet.items[at].kind is kind]
        if len(row) > 1:
            with graph.subgraph(graph_attr={"rank": rank}) as level:
                level.edge_attr["style"] = "invis"
                level.edges(pairwise(row))
    text_: str = graph.source
    return text_


def _look(item: Item, spot: Spot) -> dict[str, str]:
    look = LOOKS[item.kind]
    fill, border, ink, style = look.fill, look.border, look.ink, look.style
    if not item.live and item.kind.is_bar:
        fill, border, ink = DEAD_BAR, DEAD_BAR, DEAD_INK
    elif not item.live:
        fill, border, ink, style = PAPER, DEAD_INK, DEAD_INK, f"{look.style},dashed"
    size = SMALL if item.kind.is_bar else TEXT
    return {
        "label": literal(item.text),
        "width": _n(spot.width / 72, 4),
        "height": _n(spot.height / 72, 4),
        "fillcolor": fill,
        "color": border,
        "fontcolor": ink,
        "fontsize": _n(size),
        "style": style,
    }


def _ink(link: Link, marked: bool) -> dict[str, str]:
    if not link.live:
        return {"color": DEAD_INK, "fontcolor": DEAD_INK, "style": "dashed"}
    return {"color": INK, "penwidth": "1.4"} if marked else {}


def _n(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
