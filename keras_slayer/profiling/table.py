"""A profile as a table for a terminal."""

from __future__ import annotations

import io

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from keras_slayer.profiling.energy import AC, MAC
from keras_slayer.profiling.figures import LayerProfile, Profile

WIDTH = 1000
"""Of a string, in characters: tables take what they need of it."""
RULES = box.Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)
"""Rules below the heading and above the total, and no other lines."""


def render(profile: Profile) -> str:
    """The table as plain text, as wide as it needs to be."""
    out = io.StringIO()
    Console(file=out, width=WIDTH, no_color=True, force_terminal=False).print(renderable(profile))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def renderable(profile: Profile) -> Group:
    """The table and the lines below it, for rich."""
    table = Table(box=RULES, show_edge=False, pad_edge=False, show_footer=True)
    for heading, text in COLUMNS:
        justify = "left" if heading in ("layer", "type") else "right"
        table.add_column(heading, Text(text(profile.total)), justify=justify, no_wrap=True)
    for layer in profile:
        table.add_row(*(Text(text(layer)) for _, text in COLUMNS))
    return Group(table, *(Text(line) for line in _facts(profile)))


def _facts(profile: Profile) -> list[str]:
    plural = "s" * (profile.samples != 1)
    lines = [f"{profile.samples:,} sample{plural}; operations, updates and energy are per sample"]
    without = ", without the layers below" if profile.not_counted else ""
    lines.append(
        f"energy of the synaptic operations{without}: {_joules(profile.total.energy())} "
        f"(a count times {MAC * 1e12:g} pJ per MAC and {AC * 1e12:g} pJ per AC, Horowitz 2014; "
        "no measurement)"
    )
    lines += [f"not counted: {layer.name} ({layer.note})" for layer in profile if not layer.counted]
    lines += [f"{layer.name}: {layer.note}" for layer in profile if layer.counted and layer.note]
    return lines


def _joules(energy: float | None) -> str:
    for factor, unit in ((1e3, "mJ"), (1e6, "uJ"), (1e9, "nJ")):
        if (energy or 0.0) * factor >= 1:
            return f"{energy * factor:.3g} {unit}"
    return f"{(energy or 0.0) * 1e12:.3g} pJ"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _operations(name: str):
    """None for layers without synapses, a question mark for those that are not counted."""

    def text(layer: LayerProfile) -> str:
        value = getattr(layer, name)
        if value is None:
            return "?"
        return _number(value) if layer.dense else ""

    return text


COLUMNS = (
    ("layer", lambda layer: layer.name),
    ("type", lambda layer: layer.type),
    ("parameters", lambda layer: _number(layer.parameters)),
    ("bytes", lambda layer: _number(layer.footprint)),
    ("zero weights", lambda layer: _percent(layer.connection_sparsity)),
    ("zero outputs", lambda layer: _percent(layer.activation_sparsity)),
    ("dense ops", _operations("dense")),
    ("MACs", _operations("macs")),
    ("ACs", _operations("acs")),
    ("neuron updates", lambda layer: _number(layer.neuron_updates)),
    ("rate", lambda layer: "" if layer.spike_rate is None else f"{layer.spike_rate:.4f}"),
)
"""Heading, and the text of a cell."""
