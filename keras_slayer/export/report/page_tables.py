"""The tables of a report in HTML: for its page and for notebooks, readable without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from keras_slayer.export.report.data import ReportData
from keras_slayer.export.report.text import WEIGHT_COLUMNS

LAYER_COLOURS = 8
"""How many page.css has; then they start anew, which is why layers are numbered, too."""

RESOURCES = {
    "compartments": "neurons",
    "input axons": "axons in",
    "output axons": "axons out",
    "synaptic memory": "synapses, KiB",
}
"""What a core has, as ``LayerMapping.limited_by`` calls it, and the columns that show it."""


@dataclass(frozen=True)
class Layer:
    """The name of a layer with neurons, with its number and colour."""

    index: int
    name: str

    def __str__(self) -> str:
        colour = f"--layer: var(--layer-{self.index % LAYER_COLOURS})"
        number = f'<span class="swatch" style="{colour}">{self.index + 1}</span>'
        name = escape(self.name)
        return f'{number} <span class="name" title="{name}">{name}</span>'


@dataclass(frozen=True)
class Bar:
    """A number over a bar of length ``share`` (0 to 1), coloured if it is the one to look at."""

    text: str
    share: float
    strong: bool = False

    def __str__(self) -> str:
        kind = "bar strong" if self.strong else "bar"
        return f'<span class="{kind}" style="--share: {self.share:.2%}">{escape(self.text)}</span>'


@dataclass(frozen=True)
class Long:
    """A text that may take several lines."""

    text: str

    def __str__(self) -> str:
        return f'<span class="long">{escape(self.text)}</span>'


@dataclass(frozen=True)
class Differing:
    """A count that should be 0."""

    count: int
    of: int

    def __str__(self) -> str:
        kind = "bad" if self.count else "good"
        return f'<span class="{kind}">{self.count:,}</span> of {self.of:,}'


def table(
    label: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    left: Sequence[int] = (0,),
    total: Sequence[object] | None = None,
) -> str:
    """An HTML table in a frame that scrolls sideways where the window is narrow.

    Args:
        label: for screen readers.
        headings: of the columns.
        rows: the first cell of each names the row. None is an empty cell, integers get thousands'
            commas, ``Layer``, ``Bar``, ``Long`` and ``Differing`` draw themselves. The page's
            script finds the rows whose first cell is a ``Layer``.
        left: columns that are flush left.
        total: the last row.
    """
    kinds = [' class="left"' if i in left else "" for i in range(len(headings))]
    head = "".join(
        f'<th scope="col"{kind}>{escape(heading)}</th>'
        for kind, heading in zip(kinds, headings, strict=True)
    )
    body = "".join(_row(row, kinds) for row in rows)
    foot = f"<tfoot>{_row(total, kinds)}</tfoot>" if total else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>{foot}</table></div>"
    )


def _row(row: Sequence[object], kinds: Sequence[str]) -> str:
    first = row[0]
    mark = f' data-layer="{first.index}"' if isinstance(first, Layer) else ""
    cells = [f'<th scope="row"{kinds[0]}>{_cell(first)}</th>']
    cells += [f"<td{kind}>{_cell(c)}</td>" for kind, c in zip(kinds[1:], row[1:], strict=True)]
    return f"<tr{mark}>{''.join(cells)}</tr>\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Layer | Bar | Long | Differing):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def numbers(report: ReportData) -> dict[str, int]:
    """Of all that has neurons, by name, as the core map numbers them, too."""
    return {layer.name: i for i, layer in enumerate(report.mapping.layers)}


def layers(report: ReportData) -> str:
    """Weights and neurons of each layer."""
    fields = [field for _, field, _ in WEIGHT_COLUMNS]
    number = numbers(report)
    rows = []
    for layer in report.layers:
        first: object = layer.name
        if layer.neurons:
            first = Layer(number[layer.name], layer.name)
        rows.append([first, *(getattr(layer, field) for field in fields[1:])])
    total = [
        sum(getattr(layer, field) for layer in report.layers) if adds else None
        for _, field, adds in WEIGHT_COLUMNS
    ]
    headings = [heading for heading, _, _ in WEIGHT_COLUMNS]
    return table("Layers", headings, rows, left=(0, 1), total=["total", *total[1:]])


def cores_per_layer(report: ReportData) -> str:
    """What each layer takes of its fullest core, and what keeps it from fewer cores."""
    mapping = report.mapping
    rows = []
    for i, layer in enumerate(mapping.layers):
        cores = [core for core in mapping.cores if core.layer == i]
        counts = (
            f"{max(core.compartments for core in cores):,}",
            f"{layer.max_input_axons:,}",
            f"{layer.max_output_axons:,}",
            f"{layer.max_memory_bytes / 1024:,.1f}",
        )
        bars = [
            Bar(
                count,
                max(getattr(core.utilisation, resource.replace(" ", "_")) for core in cores),
                strong=resource == layer.limited_by,
            )
            for resource, count in zip(RESOURCES, counts, strict=True)
        ]
        rows.append(
            [
                Layer(i, layer.name),
                layer.cores,
                *bars,
                layer.weight_bits,
                layer.delay_bits,
                f"{layer.utilisation:.0%}",
                layer.limited_by,
            ]
        )
    headings = ("layer", "cores", *RESOURCES.values())
    headings += ("weight bits", "delay bits", "use", "limited by")
    total = ["total", len(mapping.cores), *[None] * (len(headings) - 2)]
    return table("Cores of each layer", headings, rows, left=(0, 9), total=total)


def cores(report: ReportData) -> str:
    """Every core."""
    rows = [
        [
            core.index,
            core.chip,
            core.core_on_chip,
            Layer(core.layer, report.mapping.layers[core.layer].name),
            core.where,
            core.compartments,
            core.input_axons,
            core.output_axons,
            f"{core.synaptic_memory_bits / 8 / 1024:,.1f}",
            "{1:.0%} {0}".format(*core.utilisation.tightest),
        ]
        for core in report.mapping.cores
    ]
    headings = ("core", "chip", "on chip", "layer", "holds", *RESOURCES.values(), "fullest")
    return table("All cores", headings, rows, left=(0, 3, 4, 9))


def widths(report: ReportData) -> str:
    """What 1 to 8 bits do to the weights."""
    used = [layer.weight_bits for layer in report.layers]
    rows = [
        [
            f"{width.bits} bit{'s' * (width.bits > 1)}",
            *(_share(n, width.total) for n in (width.zero, width.changed, width.out_of_range)),
            used.count(width.bits) or None,
        ]
        for width in report.widths
    ]
    headings = ("weights in", "zero", "changed", "out of range", "layers exported so")
    return table("Weights in 1 to 8 bits", headings, rows)


def variants(report: ReportData) -> str:
    """The network in its forms, on calibration data."""
    rows = [
        [
            variant.name,
            percent(variant.accuracy),
            percent(variant.same_decision),
            f"{variant.spikes:,.1f}",
            Differing(variant.differing, variant.of),
        ]
        for variant in report.calibration.variants
    ]
    headings = ("network", "accuracy", "same decision", "spikes per sample", "differing spikes")
    return table("The network in its forms", headings, rows)


def activity(report: ReportData) -> str:
    """What each layer does on the chip, and costs."""
    calibration, number = report.calibration, numbers(report)
    rows = [
        [
            Layer(number[layer.name], layer.name),
            f"{layer.spikes:,.1f}",
            f"{layer.rate:.4f}",
            f"{layer.silent:.0%}",
            f"{layer.synaptic_operations:,.0f}",
            Bar(energy(layer.energy), _ratio(layer.energy, calibration.energy)),
            Differing(layer.differing, layer.of),
        ]
        for layer in calibration.layers
    ]
    headings = ("layer", "spikes", "spikes per neuron and step", "silent neurons")
    headings += ("synaptic operations", "energy", "differing spikes")
    total = [
        "total",
        f"{sum(layer.spikes for layer in calibration.layers):,.1f}",
        None,
        None,
        f"{sum(layer.synaptic_operations for layer in calibration.layers):,.0f}",
        energy(calibration.energy),
        Differing(calibration.differing, sum(layer.of for layer in calibration.layers)),
    ]
    return table("Activity and energy per sample", headings, rows, total=total)


def _share(count: int, total: int) -> Bar:
    share = _ratio(count, total)
    return Bar(f"{count:,} ({share:.1%})", share)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.2%}"


def energy(joules: float) -> str:
    """In the unit that suits it."""
    for unit, per_joule in (("mJ", 1e3), ("µJ", 1e6)):
        if joules * per_joule >= 1:
            return f"{joules * per_joule:,.2f} {unit}"
    return f"{joules * 1e9:,.2f} nJ"
