"""The tables and the picture of defaults.py."""

from __future__ import annotations

import pathlib
from statistics import mean

import numpy as np
from defaults_grids import RELU, Grid, key
from defaults_tasks import CLASSES
from matplotlib.colors import LinearSegmentedColormap
from report import markdown_table

from keras_slayer.visualization import style

# Twice what guessing reaches.
AT_CHANCE = 2 / CLASSES
# From this accuracy on, white is easier to read on the picture's blue than black.
WHITE_FROM = 0.42
NAMES = {"srm": "SRM", "cuba": "CUBA", "loihi": "LoihiCUBA", "alif": "ALIF", RELU: "ReLU"}
OPTIMIZERS = {"adam": "Adam", "nadam": "Nadam"}
NETWORKS = {"dense": "2312-512-10", "conv": "12c5-2a-64c5-2a-10"}
INTRODUCTION = f"""\
# What the defaults reach

Written by `benchmarks/defaults.py`; do not edit. Test accuracy in percent after the last epoch:
mean of the seeds, least to most in brackets. "silent": the output layer of a run fires nothing on
64 training recordings. "at chance": the mean is below {AT_CHANCE:.0%}. Rates are spikes per neuron
and step, layer by layer.
"""


def collect(grid: Grid, rows: list[dict]) -> dict[tuple, dict[object, list[dict]]]:
    """The runs of a grid by row of its table and by column; of equal settings, the last."""
    latest = {key(row["settings"]): row for row in rows if grid.has(row["settings"])}
    table = {}
    for row in latest.values():
        settings = row["settings"]
        line = tuple(settings[name] for name in grid.rows)
        table.setdefault(line, {}).setdefault(settings[grid.column], []).append(row)
    order = sorted(table, key=lambda line: [_place(v) for v in line])
    return {line: table[line] for line in order}


def _place(value):
    """Where a value goes in a table: as in the lists above, numbers by size."""
    for known in (NAMES, OPTIMIZERS, NETWORKS):
        if value in known:
            return (0, list(known).index(value), "")
    return (1, 0, value) if isinstance(value, str) else (0, value, "")


def columns(table) -> list:
    return sorted({value for cells in table.values() for value in cells}, key=_place)


def label(value) -> str:
    for known in (NAMES, OPTIMIZERS, NETWORKS):
        if value in known:
            return known[value]
    return value if isinstance(value, str) else f"{value:g}"


def silent(runs: list[dict]) -> bool:
    return any(run["rates_after"][-1]["rate"] == 0 for run in runs if run["rates_after"])


def accuracy(runs: list[dict]) -> float:
    return mean(run["accuracy"] for run in runs)


def flag(runs: list[dict]) -> str:
    if silent(runs):
        return "silent"
    return "at chance" if accuracy(runs) < AT_CHANCE else ""


def cell(runs: list[dict]) -> str:
    if not runs:
        return ""
    found = [100 * run["accuracy"] for run in runs]
    text = f"{mean(found):.1f}"
    if len(runs) > 1:
        text += f" ({min(found):.1f} .. {max(found):.1f})"
    return f"{text} {flag(runs)}".rstrip()


def accuracy_table(grid: Grid, table) -> str:
    across = columns(table)
    lines = [
        [", ".join(map(label, line)), *(cell(cells.get(column, [])) for column in across)]
        for line, cells in table.items()
    ]
    ceilings = [_ceiling(table, column) for column in across]
    if any(ceilings):
        lines.append(["naive Bayes on spike counts", *ceilings])
    what = ", ".join(grid.rows)
    headings = [f"{what} \\ {grid.column}".replace("_", " "), *map(label, across)]
    return markdown_table(headings, lines)


def _ceiling(table, column) -> str:
    runs = [run for cells in table.values() for run in cells.get(column, [])]
    found = [run["ceiling"] for run in runs if run["ceiling"] is not None]
    return f"{100 * mean(found):.1f}" if found else ""


def details_table(grid: Grid, table) -> str:
    """What else is known of each cell: training accuracy, seconds, rates of the layers."""
    lines = []
    for line, cells in table.items():
        for column in sorted(cells, key=_place):
            runs = cells[column]
            lines.append(
                [
                    ", ".join(map(label, (*line, column))),
                    f"{len(runs)}",
                    f"{100 * mean(run['train_accuracy'][-1] for run in runs):.1f}",
                    f"{mean(run['seconds'] for run in runs):.0f}",
                    layer_rates(runs, "rates_before"),
                    layer_rates(runs, "rates_after"),
                    layer_rates(runs, "rates_after", "silent", "{:.0%}"),
                    layer_rates(runs, "rates_after", "saturated", "{:.0%}"),
                ]
            )
    headings = [", ".join([*grid.rows, grid.column]).replace("_", " "), "runs"]
    headings += ["training accuracy, %", "seconds", "rates before", "rates after"]
    return markdown_table([*headings, "silent neurons", "saturated neurons"], lines)


def layer_rates(runs, when: str, what: str = "rate", form: str = "{:.2g}") -> str:
    """Layer by layer, the mean of the runs."""
    layers = zip(*(run[when] for run in runs), strict=True)
    return " / ".join(form.format(mean(layer[what] for layer in of_runs)) for of_runs in layers)


def made_on(table) -> str:
    """Versions and machines of the runs of a table."""
    runs = [run for cells in table.values() for of_cell in cells.values() for run in of_cell]
    # The load of the machine, which the name ends with, differs from run to run.
    hosts = {run["host"].split(", load")[0] for run in runs}
    versions = {", ".join(f"{name} {v}" for name, v in run["versions"].items()) for run in runs}
    commits = {run["commit"] for run in runs}
    recordings = {"{} to train, {} to test".format(*run["recordings"]) for run in runs}
    dates = sorted(run["date"] for run in runs)
    parts = [*sorted(hosts), *sorted(versions), f"commit {', '.join(sorted(commits))}"]
    return "  \n".join([*parts, f"{dates[0]} to {dates[-1]}; " + "; ".join(sorted(recordings))])


def write(made: dict[str, Grid], rows: list[dict], output: pathlib.Path) -> list[pathlib.Path]:
    """Writes report.md, and defaults.png if there are runs to draw; returns what was written."""
    tables = {name: collect(grid, rows) for name, grid in made.items()}
    parts = [INTRODUCTION.rstrip()]
    for name, table in tables.items():
        if table:
            grid = made[name]
            parts += [f"## {name}: {grid.title}", made_on(table), accuracy_table(grid, table)]
            parts.append(details_table(grid, table))
    if absent := [name for name, table in tables.items() if not table]:
        parts.append(f"Not run: {', '.join(absent)}.")
    output.mkdir(parents=True, exist_ok=True)
    written = [output / "report.md"]
    written[0].write_text("\n\n".join(parts) + "\n")
    if tables["rates"]:
        written.append(output / "defaults.png")
        draw(tables["rates"], written[1])
    return written


def by_rate(table) -> list:
    """The networks whose spiking neurons were run with more than one learning rate; or else all."""
    networks = sorted({line[0] for line in table}, key=_place)

    def run_with(network) -> set:
        cells = [cells for line, cells in table.items() if line[0] == network and RELU not in line]
        return {rate for of_line in cells for rate in of_line}

    return [network for network in networks if len(run_with(network)) > 1] or networks


def draw(table, path: pathlib.Path) -> None:
    """Accuracy of neurons and optimisers by learning rate, a block for each network."""
    networks, rates = by_rate(table), columns(table)
    lines = sorted({line[1:] for line in table}, key=lambda line: [_place(v) for v in line])
    width, height = 1.9 + 0.85 * len(rates) * len(networks), 1.3 + 0.45 * len(lines)
    figure = style.new_figure(max(width, 5.2), height)
    axes = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
    # Light to dark in one hue: the order is seen without colours, too.
    shades = LinearSegmentedColormap.from_list("accuracy", ["#FFFFFF", style.ON, "#00263D"])
    for ax, network in zip(axes, networks, strict=True):
        cells = [
            [table.get((network, *line), {}).get(rate, []) for rate in rates] for line in lines
        ]
        draw_block(ax, cells, shades)
        ax.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        ax.set_yticks(range(len(lines)), [" ".join(map(label, line)) for line in lines])
        ax.set_xlabel("learning rate")
        style.style_axes(ax)
        ax.tick_params(length=0, labelsize=11)
        ax.xaxis.label.set(size=11)
        ax.spines[:].set_visible(False)
        style.heading(ax, label(network))
    style.heading(figure, "N-MNIST sample, defaults alone: test accuracy, %")
    style.save(figure, path)


def draw_block(ax, cells, shades) -> None:
    values = np.array([[accuracy(runs) if runs else np.nan for runs in line] for line in cells])
    ax.imshow(values, cmap=shades, vmin=0, vmax=1, aspect="auto")
    ax.set_facecolor(style.PANE)
    # White lines between cells.
    ax.set_xticks(np.arange(values.shape[1] + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(values.shape[0] + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)
    for (row, column), value in np.ndenumerate(values):
        runs = cells[row][column]
        text = f"{100 * value:.0f}" if runs else "\N{EN DASH}"
        place = {"ha": "center", "color": "white" if value > WHITE_FROM else "black"}
        flagged = flag(runs) if runs else ""
        ax.text(column, row, text, va="bottom" if flagged else "center", fontsize=12, **place)
        ax.text(column, row + 0.05, flagged, va="top", fontsize=8.5, **place)
