"""Event-driven against dense synapses: what the limits of density should be.

    python benchmarks/synapses.py

Each layer is timed over densities of its input with the events' path forced and
with TensorFlow's dense product: forward, and forward and weight gradient as a
training step needs them (the nonzeros are then found once). The crossover is the
density at which that costs the same. For the gradient of a convolution's input,
which is event-driven where few neurons are near threshold, the triangle's width
is varied, from next to none to all of them.
"""

import contextlib
import dataclasses
import functools
import math
import unittest.mock

import common
import tensorflow as tf
from rich.table import Table
from training_step import dense_synapses

import keras_slayer as ks
from keras_slayer.ops import selection
from keras_slayer.ops.synapses.conv2d import conv2d_synapse
from keras_slayer.ops.synapses.matmul import matmul_synapse
from keras_slayer.ops.synapses.synaptic_input import fire

DENSITIES = (0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.45)
WIDTHS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)  # surrogate_tau
XI = 2.0  # distance of the threshold from rest, in deviations of the membrane
MODES = ("forward", "forward and weights", "input gradient")


@dataclasses.dataclass(frozen=True)
class Synapse:
    """One layer; the first ones are those of W1 and W2."""

    title: str
    spikes: tuple[int, ...]
    weights: tuple[int, ...]
    padding: str = "valid"

    @property
    def is_conv(self) -> bool:
        return len(self.weights) == 4

    @property
    def limit(self) -> float:
        if self.is_conv:
            return selection.conv2d_max_density(self.weights)
        return selection.matmul_max_density(self.weights[1])

    def layer(self, spikes, weights, spec, dense: bool):
        """(spikes, membrane)"""
        synapse = matmul_synapse
        if self.is_conv:
            geometry = {"strides": (1, 1), "padding": self.padding, "dilations": (1, 1)}
            synapse = functools.partial(conv2d_synapse, **geometry)
        with dense_synapses() if dense else contextlib.nullcontext():
            return fire(synapse(spikes, weights), spec)


SYNAPSES = (
    Synapse("matmul 2312 -> 512", (8, 300, 2312), (2312, 512)),
    Synapse("matmul 512 -> 128", (8, 300, 512), (512, 128)),
    Synapse("matmul 512 -> 32", (8, 300, 512), (512, 32)),
    Synapse("conv 34x34x2 -> 12c5", (4, 300, 34, 34, 2), (5, 5, 2, 12)),
    Synapse("conv 15x15x12 -> 64c5", (4, 300, 15, 15, 12), (5, 5, 12, 64), "same"),
    Synapse("conv 16x16x16 -> 32c3", (4, 300, 16, 16, 16), (3, 3, 16, 32), "same"),
)


def spikes_of(synapse, density):
    uniform = tf.random.stateless_uniform(synapse.spikes, [1, 0])
    return tf.cast(uniform < density, tf.float32)


def weights_of(synapse, density, neuron):
    initializer = ks.FluctuationDriven(neuron, rate=density, xi=XI, mean=0.0, seed=2)
    return tf.convert_to_tensor(initializer(synapse.weights))


def prepare(synapse, density, mode, dense, surrogate_tau=0.3):
    neuron = ks.SRM(10.0, tau_response=2.0, surrogate="triangle", surrogate_tau=surrogate_tau)
    spikes, weights = spikes_of(synapse, density), weights_of(synapse, density, neuron)
    fired, _ = synapse.layer(spikes, weights, neuron.spec, dense=True)
    grad_out = tf.random.stateless_normal(fired.shape, [3, 0])

    @tf.function
    def run(spikes, weights):
        if mode == "forward":
            return synapse.layer(spikes, weights, neuron.spec, dense)[0]
        with tf.GradientTape() as tape:
            tape.watch([spikes, weights])
            out, _ = synapse.layer(spikes, weights, neuron.spec, dense)
        source = spikes if mode == "input gradient" else weights
        return out, tape.gradient(out, source, output_gradients=grad_out)

    # Read when a function is traced: events whatever the density.
    name = "conv2d_max_density" if synapse.is_conv else "matmul_max_density"
    with unittest.mock.patch.object(selection, name, lambda _: 1.0):
        traced = run.get_concrete_function(spikes, weights)

    def facts():
        """Both ways give the same spikes, but for rounding at threshold."""
        result = traced(spikes, weights)
        out = result if mode == "forward" else result[0]
        changed = float(tf.reduce_mean(tf.abs(out - fired)))
        if changed > 1e-4:
            raise RuntimeError(f"{synapse.title}: {changed:.1e} of the spikes differ")
        _, membrane = synapse.layer(spikes, weights, neuron.spec, dense=True)
        threshold, width, *_ = neuron.spec.params
        near = tf.abs(membrane - threshold) < 2 * width
        return {"near": float(tf.reduce_mean(tf.cast(near, tf.float32)))}

    return common.Work(lambda: traced(spikes, weights), facts)


def crossover(points, ratios):
    """Point at which event / dense reaches 1, interpolated in logarithms; inf if it does not."""
    previous = None
    for at, ratio in zip(points, ratios, strict=True):
        point = (math.log(at), math.log(ratio))
        if point[1] >= 0:
            if previous is None:
                return at
            share = -previous[1] / (point[1] - previous[1])
            return math.exp(previous[0] + share * (point[0] - previous[0]))
        previous = point
    return math.inf


def measure(arguments, synapse, modes, **options):
    """[(event, dense) of each mode]"""
    candidates = [
        common.Candidate(
            mode, prepare, {"synapse": synapse, "mode": mode, "dense": dense, **options}
        )
        for mode in modes
        for dense in (False, True)
    ]
    results = common.measure(
        candidates, repeats=arguments.repeats, threads=arguments.threads, separate=False, warmup=2
    )
    return list(zip(results[::2], results[1::2], strict=True))


def both(pair) -> str:
    return " / ".join(f"{1e3 * result.median:.2f}" for result in pair)


def print_densities(arguments, synapse):
    modes = MODES[:2]
    found = [measure(arguments, synapse, modes, density=density) for density in DENSITIES]
    table = Table(title=f"{synapse.title}: ms event-driven / dense", title_justify="left")
    for heading in ("density", *modes):
        table.add_column(heading, justify="right")
    for density, pairs in zip(DENSITIES, found, strict=True):
        table.add_row(f"{density:.1%}", *(both(pair) for pair in pairs))
    ratios = [[event.median / dense.median for event, dense in pairs] for pairs in found]
    table.add_section()
    crossovers = (crossover(DENSITIES, column) for column in zip(*ratios, strict=True))
    table.add_row("crossover", *(f"{value:.3g}" for value in crossovers))
    table.add_row("now in use", "", f"{synapse.limit:.3g}")
    common.console.print(table)


def print_nearness(arguments, synapse):
    table = Table(
        title=f"{synapse.title}, gradient of the input: ms ours / TensorFlow's",
        title_justify="left",
    )
    for heading in ("surrogate_tau", "near threshold", "forward and gradient"):
        table.add_column(heading, justify="right")
    for tau in WIDTHS:
        options = {"density": 0.03, "surrogate_tau": tau}
        (pair,) = measure(arguments, synapse, MODES[2:], **options)
        table.add_row(f"{tau:g}", f"{pair[0].facts['near']:.1%}", both(pair))
    common.console.print(table)


def main():
    arguments = common.parser(__doc__, repeats=7).parse_args()
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    for synapse in SYNAPSES:
        print_densities(arguments, synapse)
        if synapse.is_conv:
            print_nearness(arguments, synapse)


if __name__ == "__main__":
    main()
