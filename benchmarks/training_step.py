"""W1, W2, W4: one whole training step (`train_on_batch` on ready tensors) against dense products.

    python benchmarks/training_step.py                  # all
    python benchmarks/training_step.py w1 --density 0.05
    python benchmarks/training_step.py w2 --surrogate triangle

Candidates run in processes of their own, in turn. The dense twin is the same
network from the same weights, with the synapses' products and their gradients
TensorFlow's own, one op after the other; the neurons are the native ones in both.
"""

import contextlib
import dataclasses
import unittest.mock
from collections.abc import Callable

import common
import keras
import numpy as np
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.neurons import decay_from_tau
from keras_slayer.ops import selection

CLASSES = 10  # of the labels
# Fixed here, so that better default weights do not change what is timed: layers
# fire at about 1 % per step, the pools of the CNN at 3 to 5 %.
XI = 2.0
POOLED_RATE = 0.05


def make_neurons(name, tau, surrogate):
    """(neuron of the weighted layers, neuron of the pools); tau in steps."""
    decay, options = decay_from_tau(tau), {"surrogate": surrogate, "surrogate_tau": 0.3}
    if name == "srm":
        weighted = pool = ks.SRM(10.0, tau_response=tau, **options)
    elif name == "cuba":
        leaks = {"current_decay": decay / 4096, "voltage_decay": decay / 4096}
        weighted = pool = ks.CUBA(10.0, **leaks, **options)
    else:
        # Within reach of the chip's weights, -4 .. 4: small kernels, and the pools' fixed weight.
        weighted, pool = (ks.LoihiCUBA(m, decay, decay, **options) for m in (320, 80))
    return weighted, pool


def fed_at(rate, neuron):
    """Arguments of a layer with weights made for inputs of this rate."""
    initializer = ks.FluctuationDriven(neuron, rate=rate, xi=XI, mean=0.0)
    return {"neuron": neuron, "kernel_initializer": initializer}


def mlp(neuron, pool, density):
    sparse = fed_at(density, neuron)
    return [ks.SpikingDense(512, **sparse), ks.SpikingDense(CLASSES, **sparse)]


def cnn(neuron, pool, density):
    return [
        ks.SpikingConv2D(12, 5, **fed_at(density, neuron)),
        ks.SpikingSumPooling2D(2, neuron=pool),
        ks.SpikingConv2D(64, 5, padding="same", **fed_at(POOLED_RATE, neuron)),
        ks.SpikingSumPooling2D(2, neuron=pool),
        ks.Flatten(),
        ks.SpikingDense(CLASSES, **fed_at(POOLED_RATE, neuron)),
    ]


def gesture(neuron, pool, density):
    return [
        ks.SpikingSumPooling2D(4, neuron=pool),
        ks.SpikingConv2D(16, 5, padding="same", **fed_at(POOLED_RATE, neuron)),
        ks.SpikingSumPooling2D(2, neuron=pool),
        ks.SpikingConv2D(32, 3, padding="same", **fed_at(POOLED_RATE, neuron)),
        ks.SpikingSumPooling2D(2, neuron=pool),
        ks.Flatten(),
        ks.SpikingDense(512, **fed_at(POOLED_RATE, neuron)),
        ks.SpikingDense(11, **fed_at(POOLED_RATE, neuron)),
    ]


@dataclasses.dataclass(frozen=True)
class Workload:
    """A network, the time constant of its neurons in steps, and the batch it is timed on."""

    title: str
    layers: Callable
    input_shape: tuple[int, ...]
    tau: float
    batch: int
    density: float
    steps: int = 300


WORKLOADS = {
    "w1": Workload("MLP 2312-512-10", mlp, (2312,), tau=10.0, batch=8, density=0.01),
    "w2": Workload(
        "CNN 34x34x2-12c5-2a-64c5-2a-10", cnn, (34, 34, 2), tau=2.0, batch=4, density=0.01
    ),
    "w4": Workload(
        "CNN 128x128x2-4a-16c5-2a-32c3-2a-512-11",
        gesture,
        (128, 128, 2),
        tau=2.0,
        batch=2,
        density=0.005,
    ),
}


# TensorFlow's dense products instead of the events', and neurons in an op of their own.
DENSE = {
    **{f"{op} and neuron": (selection.IN_TURN,) for op in ("matmul", "conv2d", "sum_pool2d")},
    **{op: (selection.DENSE,) for op in ("matmul", "conv2d")},
}


def dense_synapses():
    """Layers that are traced within have TensorFlow's dense products."""
    return unittest.mock.patch.dict(selection.CANDIDATES, DENSE)


def build(workload, shape, density, neuron, surrogate, optimizer=ks.ScaledAdam, dtype=tf.float32):
    """A compiled model and its batch, of this dtype; `shape` is (batch, steps)."""
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)
    size = (*shape, *workload.input_shape)
    x = tf.cast(random.random(size, dtype="float32") < density, dtype)
    y = tf.constant(random.integers(0, CLASSES, shape[0]), tf.int32)
    layers = workload.layers(*make_neurons(neuron, workload.tau, surrogate), density)
    model = keras.Sequential([keras.Input(size[1:], dtype=dtype.name), *layers])
    model.compile(optimizer(1e-3), loss=ks.SpikeMaxLoss())
    return model, x, y


def prepare(workload, shape, density, neuron, surrogate, dense, **options):
    model, x, y = build(workload, shape, density, neuron, surrogate, **options)
    spiking = [layer for layer in model.layers if hasattr(layer, "neuron")]
    probe = keras.Model(model.inputs, [layer.output for layer in spiking])
    losses = []

    def step():
        losses.append(float(model.train_on_batch(x, y)))

    @tf.function(reduce_retracing=True)
    def rates_of(x):
        return [tf.reduce_mean(out) for out in tf.nest.flatten(probe(x))]

    def rates():
        # Sample by sample: all spikes at once would be more memory than a step takes.
        return np.mean([rates_of(x[i : i + 1]) for i in range(len(x))], axis=0).tolist()

    def facts():
        after = rates()
        for layer, fresh, trained in zip(spiking, before, after, strict=True):
            common.check_rate(f"{layer.name}, untrained", fresh)
            common.check_rate(f"{layer.name}, trained", trained)
        for loss in losses:
            common.check_finite("the loss", loss)
        names = [layer.name for layer in spiking]
        return {"losses": losses, "layers": names, "before": before, "after": after}

    with dense_synapses() if dense else contextlib.nullcontext():
        before = rates()
        step()
    return common.Work(step, facts)


def run(workload, arguments):
    batch, steps = arguments.batch or workload.batch, arguments.steps or workload.steps
    density = workload.density if arguments.density is None else arguments.density
    options = {
        "workload": workload,
        "shape": (batch, steps),
        "density": density,
        "neuron": arguments.neuron,
        "surrogate": arguments.surrogate,
    }
    results = common.measure(
        [
            common.Candidate("event-driven", prepare, {**options, "dense": False}),
            common.Candidate("dense twin", prepare, {**options, "dense": True}),
        ],
        repeats=arguments.repeats,
        threads=arguments.threads,
        separate=True,
    )
    common.print_results(
        f"{workload.title}, {arguments.neuron}, {arguments.surrogate}, batch {batch}, T = {steps}, "
        f"density {density:.2%}",
        results,
        {
            "peak MB": lambda r: common.megabytes(r.peak_bytes),
            "over imports": lambda r: common.megabytes(r.peak_bytes - r.idle_bytes),
            "first loss": lambda r: f"{r.facts['losses'][0]:.4f}",
            "last loss": lambda r: f"{r.facts['losses'][-1]:.4f}",
        },
    )
    ours, twin = (np.array(r.facts["losses"]) for r in results)
    difference = np.max(abs(ours / twin - 1))
    print(f"largest relative difference of the losses of {len(ours)} steps: {difference:.1e}")
    facts = results[0].facts
    for name, before, after in zip(facts["layers"], facts["before"], facts["after"], strict=True):
        print(f"  {name:28} spikes per neuron and step {before:.4f}, after the run {after:.4f}")


def main():
    parser = common.parser(__doc__, repeats=20)
    parser.add_argument(
        "workloads", nargs="*", metavar="workload", help="w1, w2, w4 (default: all)"
    )
    parser.add_argument("--neuron", choices=["srm", "cuba", "loihi"], default="srm")
    parser.add_argument("--surrogate", choices=["exponential", "triangle"], default="exponential")
    parser.add_argument("--batch", type=int, help="instead of the workload's")
    parser.add_argument("--steps", type=int, help="instead of the workload's")
    parser.add_argument("--density", type=float, help="of the input, instead of the workload's")
    arguments = parser.parse_args()
    chosen = arguments.workloads or list(WORKLOADS)
    unknown = sorted(set(chosen) - set(WORKLOADS))
    if unknown:
        parser.error(f"workloads are {', '.join(WORKLOADS)}. Received: {', '.join(unknown)}")
    common.print_machine(arguments.threads)
    for name in chosen:
        run(WORKLOADS[name], arguments)


if __name__ == "__main__":
    main()
