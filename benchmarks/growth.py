"""How a training step grows with time steps, batch and input density: ours and the dense twin.

    python benchmarks/growth.py steps
    python benchmarks/growth.py batch
    python benchmarks/growth.py density

Workload W1 (`--workload` for another), one axis varied, the others as the workload has them.
"""

import common
from peers import keras_slayer_step
from peers.networks import NETWORKS
from training_step import prepare

VALUES = {
    "steps": [100, 300, 1000, 3000],
    "batch": [1, 2, 4, 8, 16, 32],
    "density": [0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5],
}
TEXTS = {"steps": str, "batch": str, "density": "{:.1%}".format}


def candidates(network, neuron, settings):
    options = {
        "workload": keras_slayer_step.workload(network, settings["batch"], settings["density"]),
        "shape": (settings["batch"], settings["steps"]),
        "density": settings["density"],
        "neuron": neuron,
        "surrogate": "exponential",
    }
    return [
        common.Candidate("event-driven", prepare, {**options, "dense": False}),
        common.Candidate("dense twin", prepare, {**options, "dense": True}),
    ]


def point(value, arguments):
    """Figures at one value of the axis: seconds and bytes over imports of both."""
    network = NETWORKS[arguments.workload]
    settings = {"steps": network.steps, "batch": network.batch, "density": network.density}
    settings[arguments.axis] = value
    results = common.measure(
        candidates(network, arguments.neuron, settings),
        repeats=arguments.repeats,
        threads=arguments.threads,
        separate=True,
    )
    ours, twin = results
    figures = {
        "value": value,
        "ours": ours.median,
        "twin": twin.median,
        "ours_bytes": ours.peak_bytes - ours.idle_bytes,
        "twin_bytes": twin.peak_bytes - twin.idle_bytes,
    }
    print(f"{arguments.axis} {value}: {1e3 * ours.median:.1f} ms, twin {1e3 * twin.median:.1f} ms")
    return figures


def table(points, arguments):
    rows = [
        (
            TEXTS[arguments.axis](p["value"]),
            f"{1e3 * p['ours']:.2f}",
            f"{1e3 * p['twin']:.2f}",
            f"{p['twin'] / p['ours']:.2f}",
            common.megabytes(p["ours_bytes"]),
            common.megabytes(p["twin_bytes"]),
        )
        for p in points
    ]
    headings = ("median ms", "dense twin ms", "ratio", "MB over imports", "dense twin MB")
    title = f"{NETWORKS[arguments.workload].title}, {arguments.neuron}: {arguments.axis}"
    return common.Table(title, (arguments.axis, *headings), rows)


def main():
    parser = common.parser(__doc__, repeats=9)
    common.add_output(parser)
    parser.add_argument("axis", choices=list(VALUES))
    parser.add_argument("--values", nargs="+", type=float, help="instead of the usual ones")
    workloads = [name for name, network in NETWORKS.items() if network.specs]
    parser.add_argument("--workload", choices=workloads, default="w1", help="(%(default)s)")
    parser.add_argument("--neuron", choices=["srm", "cuba", "loihi"], default="srm")
    arguments = parser.parse_args()
    values = arguments.values or VALUES[arguments.axis]
    if arguments.axis != "density":
        values = [int(value) for value in values]
    common.print_machine(arguments.threads)
    points = [point(value, arguments) for value in values]
    found = table(points, arguments)
    found.print()
    name = f"growth_{arguments.axis}"
    common.save(arguments.output, name, arguments.threads, [found], points=points)


if __name__ == "__main__":
    main()
