"""Collects the results of the other benchmarks into RESULTS.md, with a picture.

    python benchmarks/report.py

Takes what against_peers.py, growth.py, time_to_accuracy.py and limits.py wrote to --input.
What has not been run is left out, and the report says so.
"""

import argparse
import json
import pathlib

from matplotlib.ticker import LogLocator, NullFormatter
from peers.networks import NETWORKS

from keras_slayer.visualization import style

FOLDER = pathlib.Path(__file__).parent
OURS, TWIN, LAVA = "keras_slayer", "dense TensorFlow twin", "lava-dl"
HEADLINE = "keras_slayer, SRM"
AXES = {"steps": "time steps", "batch": "batch", "density": "input density"}
INTRODUCTION = """\
# Benchmark results

Written by `benchmarks/report.py` from the runs named below it; do not edit. Each table is one
run, its candidates timed in turn in processes of their own: compare ratios within a table, not
milliseconds of two. TensorFlow takes its products from oneDNN, as `TF_ENABLE_ONEDNN_OPTS=1` asks it
to. What the workloads are, and what the limits count: `peers/networks.py`.
"""
PICTURE = "![Training steps and training](results.png)"


def read(folder: pathlib.Path) -> dict[str, dict]:
    """Results by name, in the order of the report."""
    found = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    kinds = ("against_peers", "growth", "accuracy", "limits")
    return {name: found[name] for kind in kinds for name in sorted(found) if name.startswith(kind)}


def markdown_table(headings, rows) -> str:
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def summary(results) -> str:
    """Our step against the fastest of the others and against lava-dl, workload by workload."""
    rows = []
    for workload, network in NETWORKS.items():
        result = results.get(f"against_peers_{workload}")
        if result is None or HEADLINE not in result["medians"]:
            continue
        medians, memory = result["medians"], result["memory"]
        ours = medians[HEADLINE]
        others = {n: t for n, t in medians.items() if not n.startswith((OURS, TWIN))}
        lava = {n: t for n, t in others.items() if n.startswith(LAVA)}
        # Without a reset there is less to do, and it is not the same network.
        resetting = {n: t for n, t in others.items() if "no reset" not in n}
        row = [f"{workload.upper()}: {network.title}", f"{1e3 * ours:.1f}"]
        for group in (others, resetting, lava):
            fastest = min(group, key=group.get, default=None)
            row.append(f"{group[fastest] / ours:.1f}x ({fastest})" if fastest else "")
        smallest = min((memory[n] for n in lava), default=None)
        row.append(f"{smallest / memory[HEADLINE]:.1f}x" if smallest else "")
        rows.append(row)
    headings = [
        "training step",
        f"{HEADLINE}, ms",
        "fastest other takes",
        "fastest other with a reset takes",
        "lava-dl takes",
        "lava-dl's memory over imports",
    ]
    return markdown_table(headings, rows)


def section(result) -> str:
    """The command, what it ran on, and its tables."""
    versions = {**result["versions"], **result.get("peers", {})}
    parts = [
        f"`{result['command']}`, {result['date']}",
        result["machine"],
        ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    text = "  \n".join(parts)
    for table in result["tables"]:
        text += f"\n\n**{table['title']}**\n\n" + markdown_table(table["headings"], table["rows"])
    return text


def missing(results) -> list[str]:
    wanted = [f"against_peers_{workload}" for workload in NETWORKS]
    wanted += [f"growth_{axis}" for axis in AXES]
    return [name for name in wanted if name not in results]


def write_markdown(results, path: pathlib.Path) -> None:
    parts = [INTRODUCTION, summary(results), PICTURE]
    parts += [f"## {name.replace('_', ' ')}\n\n{section(r)}" for name, r in results.items()]
    if absent := missing(results):
        parts.append(f"Not run: {', '.join(absent)}.")
    path.write_text("\n\n".join(parts) + "\n")


def draw_bars(ax, results):
    """Every candidate's step in multiples of ours, workload by workload."""
    position, places, names = 0, [], []
    for workload in NETWORKS:
        medians = results.get(f"against_peers_{workload}", {}).get("medians", {})
        if HEADLINE not in medians:
            continue
        for name, median in sorted(medians.items(), key=lambda item: item[1]):
            color = style.ON if name.startswith(OURS) else style.OTHER
            ratio = median / medians[HEADLINE]
            ax.barh(position, ratio, color=color)
            ax.text(ratio * 1.05, position, f"{ratio:.1f}", va="center", fontsize=6)
            places.append(position)
            names.append(f"{workload.upper()}  {name}")
            position -= 1
        position -= 1
    ax.set_yticks(places, names, fontsize=6)
    ax.margins(y=0.01)
    ax.set_xscale("log")
    ax.set_xlabel("time of a training step, multiples of keras_slayer's (SRM)")
    style.style_axes(ax)
    ax.tick_params(axis="y", labelsize=6)


def plain_numbers(axis):
    """1, 2, 5, 10, ... along a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def draw_growth(ax, axis, result):
    points = result["points"]
    values = [point["value"] for point in points]
    middle = len(values) // 2
    for key, name, color in (("twin", "dense products", style.OTHER), ("ours", OURS, style.ON)):
        times = [1e3 * point[key] for point in points]
        ax.plot(values, times, "o-", color=color, markersize=3, linewidth=1.2)
        place = {"xytext": (6, -9), "textcoords": "offset points"}
        ax.annotate(name, (values[middle], times[middle]), fontsize=7, color=color, **place)
    ax.set_xscale("log")
    ax.set_yscale("log")
    labels = [f"{100 * value:g}%" if axis == "density" else str(value) for value in values]
    ax.set_xticks(values, labels)
    ax.xaxis.set_minor_formatter(NullFormatter())
    plain_numbers(ax.yaxis)
    ax.set_xlabel(AXES[axis])
    ax.set_ylabel("ms per training step")
    style.style_axes(ax)
    style.heading(ax, f"Growth with {AXES[axis]} (W1)")


def draw_accuracy(ax, results):
    named = set()
    first = min(result["epochs"][0]["seconds"] for result in results.values())
    for result in results.values():
        epochs = result["epochs"]
        library = result["tables"][0]["rows"][0][0]
        color = style.ON if library == OURS else style.OFF if library == LAVA else style.OTHER
        seconds = [epoch["seconds"] for epoch in epochs]
        accuracy = [100 * epoch["accuracy"] for epoch in epochs]
        ax.plot(seconds, accuracy, "o-", color=color, markersize=3, linewidth=1.2)
        if library not in named:  # once, whatever the number of seeds
            place = {"xytext": (-5, 0), "textcoords": "offset points", "ha": "right"}
            ax.annotate(library, (seconds[0], accuracy[0]), fontsize=7, color=color, **place)
        named.add(library)
    ax.set_xscale("log")
    ax.set_xlim(left=first / 6)  # room for the names, left of the lines
    plain_numbers(ax.xaxis)
    ax.set_xlabel("seconds of training")
    ax.set_ylabel("test accuracy, %")
    style.style_axes(ax)
    style.heading(ax, "N-MNIST sample, 2312-512-10")


def draw(results, path: pathlib.Path) -> None:
    figure = style.new_figure(10, 9)
    left, right = figure.subfigures(1, 2, width_ratios=(1.15, 1))
    bars = left.subplots()
    draw_bars(bars, results)
    style.heading(bars, "Training step against peers")
    growth = {axis: r for axis in AXES if (r := results.get(f"growth_{axis}"))}
    learning = {name: r for name, r in results.items() if name.startswith("accuracy")}
    count = len(growth) + bool(learning)
    axes = right.subplots(count, 1, squeeze=False)[:, 0] if count else []
    for ax, (axis, result) in zip(axes, growth.items(), strict=False):
        draw_growth(ax, axis, result)
    if learning:
        draw_accuracy(axes[-1], learning)
    style.save(figure, path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folder = pathlib.Path("out/benchmarks")
    parser.add_argument("--input", type=pathlib.Path, default=folder, help="(%(default)s)")
    parser.add_argument("--output", type=pathlib.Path, default=FOLDER, help="folder (%(default)s)")
    arguments = parser.parse_args()
    results = read(arguments.input)
    if not results:
        parser.error(f"no results in {arguments.input}: run the other benchmarks first")
    write_markdown(results, arguments.output / "RESULTS.md")
    draw(results, arguments.output / "results.png")
    print(f"written: {arguments.output / 'RESULTS.md'}, {arguments.output / 'results.png'}")


if __name__ == "__main__":
    main()
