"""Event-driven against dense synapses over input densities: what MAX_DENSITY should be.

    python benchmarks/synapses.py

Each product is timed with the events' path forced and with TensorFlow's dense
one: forward, weight gradient, and both as a layer needs them (the nonzeros are
then found once). The crossover is the density at which "both" costs the same.
"""

import dataclasses
import importlib
import math
import unittest.mock

import common
import tensorflow as tf
from rich.table import Table
from training_step import dense_conv2d, dense_matmul

from keras_slayer import ops

# The modules: as attributes of the package, the functions hide them.
MODULES = {
    name: importlib.import_module(f"keras_slayer.ops.{name}")
    for name in ("spike_matmul", "spike_conv2d")
}
DENSITIES = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
MODES = ("forward", "weight gradient", "both")


@dataclasses.dataclass(frozen=True)
class Synapse:
    """One product: shapes of W1's and W2's layers."""

    title: str
    op: str
    spikes: tuple[int, ...]
    weights: tuple[int, ...]
    padding: str = "valid"

    def event(self, spikes, weights):
        if self.op == "spike_matmul":
            return ops.spike_matmul(spikes, weights)
        return ops.spike_conv2d(spikes, weights, padding=self.padding)

    def dense(self, spikes, weights):
        if self.op == "spike_matmul":
            return dense_matmul(spikes, weights)
        options = {"strides": (1, 1), "padding": self.padding, "dilations": (1, 1)}
        return dense_conv2d(spikes, weights, **options)


SYNAPSES = (
    Synapse("matmul 2312 -> 512", "spike_matmul", (8, 300, 2312), (2312, 512)),
    Synapse("matmul 512 -> 10", "spike_matmul", (8, 300, 512), (512, 10)),
    Synapse("conv 34x34x2 -> 12c5", "spike_conv2d", (4, 300, 34, 34, 2), (5, 5, 2, 12)),
    Synapse("conv 15x15x12 -> 64c5", "spike_conv2d", (4, 300, 15, 15, 12), (5, 5, 12, 64), "same"),
)


def prepare(synapse, spikes, weights, mode, event):
    product = synapse.event if event else synapse.dense
    grad_out = tf.random.stateless_normal(synapse.dense(spikes[:1], weights).shape[1:], [3, 0])
    grad_out = tf.repeat(grad_out[tf.newaxis], spikes.shape[0], axis=0)

    @tf.function
    def run(spikes, weights):
        if mode == "forward":
            return product(spikes, weights)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            out = product(spikes, weights)
        grad = tape.gradient(out, weights, output_gradients=grad_out)
        return grad if mode == "weight gradient" else (out, grad)

    # The limit is read when the function is traced; at 1 nothing is dense.
    with unittest.mock.patch.object(MODULES[synapse.op], "MAX_DENSITY", 1.0):
        traced = run.get_concrete_function(spikes, weights)

    def facts():
        """Both ways give the same."""
        if mode != "weight gradient":
            out = traced(spikes, weights)
            exact = synapse.dense(spikes, weights)
            error = tf.reduce_max(tf.abs((out[0] if mode == "both" else out) - exact))
            if not error <= 1e-4 * tf.reduce_max(tf.abs(exact)):
                raise RuntimeError(f"{synapse.title}: differs from the dense product by {error}")
        return {}

    return common.Work(lambda: traced(spikes, weights), facts)


def crossover(densities, ratios):
    """Density at which event / dense reaches 1, interpolated in logarithms; inf if it does not."""
    previous = None
    for density, ratio in zip(densities, ratios, strict=True):
        point = (math.log(density), math.log(ratio))
        if point[1] >= 0:
            if previous is None:
                return density
            share = -previous[1] / (point[1] - previous[1])
            return math.exp(previous[0] + share * (point[0] - previous[0]))
        previous = point
    return math.inf


def measure(synapse, arguments):
    """{mode: [(event s, dense s) per density]}."""
    found = {mode: [] for mode in MODES}
    weights = tf.random.stateless_normal(synapse.weights, [2, 0])
    for density in DENSITIES:
        spikes = tf.cast(tf.random.stateless_uniform(synapse.spikes, [1, 0]) < density, tf.float32)
        shared = {"synapse": synapse, "spikes": spikes, "weights": weights}
        candidates = [
            common.Candidate(mode, prepare, {**shared, "mode": mode, "event": event})
            for mode in MODES
            for event in (True, False)
        ]
        results = common.measure(
            candidates,
            repeats=arguments.repeats,
            threads=arguments.threads,
            separate=False,
            warmup=2,
        )
        for event, dense in zip(results[::2], results[1::2], strict=True):
            found[event.name].append((event.median, dense.median))
    return found


def print_synapse(synapse, found):
    table = Table(title=f"{synapse.title}: ms event-driven / dense", title_justify="left")
    table.add_column("density", justify="right")
    for mode in MODES:
        table.add_column(mode, justify="right")
    for row, density in enumerate(DENSITIES):
        pairs = [found[mode][row] for mode in MODES]
        table.add_row(f"{density:.1%}", *(f"{1e3 * e:.2f} / {1e3 * d:.2f}" for e, d in pairs))
    table.add_section()
    table.add_row(
        "crossover",
        *(f"{crossover(DENSITIES, [e / d for e, d in found[mode]]):.3g}" for mode in MODES),
    )
    common.console.print(table)


def main():
    arguments = common.parser(__doc__, repeats=7).parse_args()
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    for synapse in SYNAPSES:
        print_synapse(synapse, measure(synapse, arguments))
    for name, module in MODULES.items():
        print(f"now in use: MAX_DENSITY = {module.MAX_DENSITY} in {name}")


if __name__ == "__main__":
    main()
