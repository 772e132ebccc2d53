"""The drawing of a network: populations and what leads where, from the inputs to the outputs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from html import escape

from keras_slayer.export.report.page_tables import LAYER_COLOURS
from keras_slayer.export.report.wiring import Link, Node, Wiring, delay, steps, when
from keras_slayer.export.report.wiring_layout import Item, Layout, layout

WIDTH, HEIGHT = 172.0, 60.0
"""Of a node."""
BEND = 64.0
"""Room across for a link that passes a level, and for what is written beside it."""
GAPS = (28.0, 46.0)
"""Between nodes across, and between levels drawn downwards."""
LEVELS_IN_A_ROW = 5
"""With more, levels lie below each other: a page is wide enough for so many."""
SIDEWAYS_GAP = 72.0
"""Between levels that lie beside each other: what is written there needs more room."""
PORT = 14.0
"""Between links where they touch a node."""
MARGIN = 44.0
LETTERS = 17
"""Of a name, in a node."""
LINE, LETTER_MIDDLE = 12.0, 4.0
"""Of a label: from line to line, and from the middle of the letters down to the baseline."""


Point = tuple[float, float]
"""Along the levels, and across them."""


def fits_in_a_row(wiring: Wiring) -> bool:
    """Whether the levels of the drawing lie beside each other."""
    return _Drawing(wiring, {}).is_sideways


def draw(wiring: Wiring, cores: Mapping[str, int]) -> str:
    """An SVG element.

    Args:
        wiring: what is drawn.
        cores: of every population that has some, in the order of their numbers.
    """
    return _Drawing(wiring, cores).svg()


class _Drawing:
    def __init__(self, wiring: Wiring, cores: Mapping[str, int]):
        self.wiring = wiring
        self.cores = cores
        self.number = {name: i for i, name in enumerate(cores)}
        sides = {
            # Whether levels lie beside each other, then sizes along and across them.
            True: (WIDTH + SIDEWAYS_GAP, HEIGHT + GAPS[0], BEND / 2),
            False: (HEIGHT + GAPS[1], WIDTH + GAPS[0], BEND),
        }
        plan = layout(wiring, *sides[False][1:])
        self.is_sideways = plan.levels <= LEVELS_IN_A_ROW
        self.pitch, across, bend = sides[self.is_sideways]
        self.plan: Layout = layout(wiring, across, bend) if self.is_sideways else plan
        self.ports = {**self._ports(0, 1), **self._ports(-1, -2)}

    def svg(self) -> str:
        node = WIDTH if self.is_sideways else HEIGHT
        along = (self.plan.levels - 1) * self.pitch + node
        width, height = self._turn(along, self.plan.extent)
        width, height = width + 2 * MARGIN, height + 2 * MARGIN / 2
        links = [link for link in self.wiring.links if not link.is_loop]
        label = (
            f"The network: {len(self.wiring.nodes)} inputs and populations, {len(links)} "
            "connections between them. The table has the same facts."
        )
        parts = [
            f'<svg class="wiring" width="{width:.0f}" height="{height:.0f}" role="img" '
            f'style="--width: {width:.0f}px" '
            f'viewBox="{-MARGIN:.0f} {-MARGIN / 2:.0f} {width:.0f} {height:.0f}" '
            f'aria-label="{escape(label)}">'
        ]
        parts += [self._link(number) for number in self.plan.ways]
        parts += [self._node(node) for node in self.wiring.nodes]
        return "\n".join([*parts, "</svg>"])

    def _turn(self, along: float, across: float) -> tuple[float, float]:
        """(x, y) of a point along and across the levels."""
        return (along, across) if self.is_sideways else (across, along)

    def _ports(self, end: int, towards: int) -> dict[tuple[int, int], float]:
        """Places across at which links touch their nodes, by number and end of the link.

        Those of one node are spread in the order of the places that the links come from.
        """
        touching: dict[Item, list[int]] = {}
        for number, way in self.plan.ways.items():
            touching.setdefault(way[end], []).append(number)
        room = HEIGHT if self.is_sideways else WIDTH
        found = {}
        for item, numbers in touching.items():
            places = {n: self.plan.across[self.plan.ways[n][towards]] for n in numbers}
            numbers.sort(key=lambda n, p=places: p[n])
            pitch = min(PORT, 0.8 * room / len(numbers))
            for i, number in enumerate(numbers):
                shift = (i - (len(numbers) - 1) / 2) * pitch
                found[number, end] = self.plan.across[item] + shift
        return found

    def _link(self, number: int) -> str:
        link, way = self.wiring.links[number], self.plan.ways[number]
        node = WIDTH if self.is_sideways else HEIGHT
        # (along, across) where the link leaves a node or bend, and where it enters the next.
        points = []
        for place, item in enumerate(way):
            start = self.plan.level[item] * self.pitch
            across = self.plan.across[item]
            if place == 0:
                points.append((start + node, self.ports[number, 0]))
            elif place == len(way) - 1:
                points.append((start, self.ports[number, -1]))
            else:
                points += [(start, across), (start + node, across)]
        path = f"M{self._point(*points[0])}"
        for i, ((a, c), (b, d)) in enumerate(itertools.pairwise(points)):
            if i % 2:
                path += f"L{self._point(b, d)}"
            else:
                middle = (a + b) / 2
                path += f"C{self._point(middle, c)} {self._point(middle, d)} {self._point(b, d)}"
        tip, side = points[-1]
        head = [
            self._point(tip - 7, side - 4),
            self._point(tip, side),
            self._point(tip - 7, side + 4),
        ]
        text = self._text_on(link, way, *points[-2:])
        return (
            f'<g class="link"><title>{escape(describe(link))}</title><path d="{path}"/>'
            f'<path class="head" d="M{"L".join(head)}z"/>{text}</g>'
        )

    def _text_on(self, link: Link, way: tuple[Item, ...], start: Point, end: Point) -> str:
        """What is written on the last stretch of a link: on the line itself, so that of several it
        is plain which one is meant. Links that lead straight down have it at the side on which they
        lie: there may be several from one node to another."""
        lines = []
        if len(self.wiring.into(link.target)) > 1 and link.earliest is not None:
            lines.append(steps(link.earliest, link.latest))
        if link.longest_delay:
            lines.append(delay(link))
        # Links that pass levels come side by side; those of one node part on their way.
        at = 0.5 if len(way) == 2 else 0.1
        # The curve of _link, whose ends point along the levels.
        (a, c), (b, d) = start, end
        along = a + (b - a) * at * (1.5 - 1.5 * at + at * at)
        x, y = self._turn(along, c + (d - c) * at * at * (3 - 2 * at))
        anchor = "middle"
        if not self.is_sideways and len(way) == 2 and abs(d - c) < PORT:
            is_left = c < self.plan.across[way[0]]
            x, anchor = (x - 7, "end") if is_left else (x + 7, "start")
        y += LETTER_MIDDLE - LINE / 2 * (len(lines) - 1)
        return "".join(
            f'<text class="label" x="{x:.1f}" y="{y + LINE * i:.1f}" text-anchor="{anchor}">'
            f"{line}</text>"
            for i, line in enumerate(lines)
        )

    def _point(self, along: float, across: float) -> str:
        x, y = self._turn(along, across)
        return f"{x:.1f} {y:.1f}"

    def _node(self, node: Node) -> str:
        across = self.plan.across[node.name] - (HEIGHT if self.is_sideways else WIDTH) / 2
        x, y = self._turn(self.plan.level[node.name] * self.pitch, across)
        number = self.number.get(node.name)
        kinds = f"node {node.role}{' output' if node.is_output else ''}"
        data = "" if number is None else f' data-layer="{number}"'
        colour = "" if number is None else f"--layer: var(--layer-{number % LAYER_COLOURS}); "
        shape = f'width="{WIDTH:.0f}" height="{HEIGHT:.0f}" rx="5"'
        parts = [
            f'<g class="{kinds}"{data} style="{colour}" transform="translate({x:.1f} {y:.1f})">',
            f"<title>{escape(node.name)}</title>",
            *(self._loop(link) for link in self.wiring.loops(node.name)),
            f'<rect class="box" {shape}/>',
        ]
        if number is not None:
            parts.append(f'<rect class="stripe" width="4" height="{HEIGHT:.0f}" rx="2"/>')
        name = shorten(node.name) if number is None else f"{number + 1} {shorten(node.name)}"
        size = _count(node.neurons, "input" if node.role == "input" else "neuron")
        if number is not None:
            size += f", {_count(self.cores[node.name], 'core')}"
        for i, (kind, line) in enumerate((("name", name), ("", size), ("", when(node)))):
            text = f'x="12" y="{18 + 17 * i}"'
            parts.append(f'<text class="{kind or "fact"}" {text}>{escape(line)}</text>')
        return "".join([*parts, "</g>"])

    def _loop(self, link: Link) -> str:
        """From the node back to itself, at the side where no other links are."""
        title = f"<title>{escape(describe(link))}</title>"
        if self.is_sideways:
            x, y = WIDTH - 60, HEIGHT
            path = f"M{x} {y}c0 26 40 26 40 0"
            head = f"M{x + 36} {y + 8}L{x + 40} {y}L{x + 44} {y + 8}z"
        else:
            x, y = WIDTH, HEIGHT / 2 - 12
            path = f"M{x} {y}c26 0 26 24 0 24"
            head = f"M{x + 8} {y + 20}L{x} {y + 24}L{x + 8} {y + 28}z"
        return f'<g class="link">{title}<path d="{path}"/><path class="head" d="{head}"/></g>'


def describe(link: Link) -> str:
    """A link in words."""
    late = f", {delay(link)}" if link.longest_delay else ""
    if link.is_loop:
        return f"{link.source} feeds itself: {link.type}, {link.weights:,} weights{late}"
    arrival = f", {steps(link.earliest, link.latest)} after the input"
    return (
        f"{link.source} to {link.target}: {link.type}, {link.weights:,} weights{late}"
        f"{arrival if link.earliest is not None else ''}"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def shorten(name: str, longest: int = LETTERS) -> str:
    """``name`` without its middle, if it is long: the end tells relays from what they repeat."""
    if len(name) <= longest:
        return name
    end = longest // 2
    return f"{name[: longest - 1 - end]}…{name[-end:]}"
