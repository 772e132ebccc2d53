"""W3: the neurons alone, forward and forward + backward, over (batch, time, neurons).

    python benchmarks/neurons.py
    python benchmarks/neurons.py --reference      # also plain TensorFlow, on fewer steps

The input is noise under which the membrane fluctuates around half the threshold.
"""

import dataclasses
import functools
import unittest.mock

import common
import numpy as np
import tensorflow as tf

from keras_slayer import neurons
from keras_slayer.ops import library

# Distance of the threshold from rest in standard deviations of the membrane.
XI = 2.0
# At 1 the exact gradient ("exodus") of so much noise grows without bound over the steps.
SURROGATE_SCALE = 0.25
# Written out, so that other defaults do not change what is timed.
TIMED = {
    "srm": neurons.SRM(10.0, tau_response=10.0, surrogate_tau=0.3),
    "cuba": neurons.CUBA(1.25, 0.25, 0.03, surrogate_tau=0.3),
    "loihi": neurons.LoihiCUBA(80, 1024, 128, surrogate_tau=0.3),
}
NEURONS = list(TIMED)


@functools.cache
def noise(shape, seed):
    return tf.random.stateless_normal(shape, [seed, 0])


@functools.cache
def synaptic_input(name, shape):
    neuron = TIMED[name]
    energy = float(np.sum(neuron.response_kernel() ** 2))
    return noise(shape, 1) * (neuron.firing_threshold / (XI * energy**0.5))


def prepare(name, gradient, backward, shape, reference=False):
    changes = {"surrogate_scale": SURROGATE_SCALE, "gradient": gradient}
    neuron = dataclasses.replace(TIMED[name], **changes)
    z, grad_spikes = synaptic_input(name, shape), noise(shape, 2)

    @tf.function
    def forward(z):
        return neuron.fire(z)[0]

    @tf.function
    def forward_backward(z, grad_spikes):
        with tf.GradientTape() as tape:
            tape.watch(z)
            spikes = neuron.fire(z)[0]
        return spikes, tape.gradient(spikes, z, output_gradients=grad_spikes)

    def run():
        return forward_backward(z, grad_spikes) if backward else (forward(z),)

    def facts():
        spikes, *grads = run()
        for grad in grads:
            common.check_finite(f"the gradient of {name}", float(tf.reduce_sum(tf.abs(grad))))
            if not tf.reduce_any(grad != 0):
                raise RuntimeError(f"{name}: the gradient is zero everywhere")
        return {"rate": common.check_rate(name, float(tf.reduce_mean(spikes)))}

    # Which ops a function uses is settled when it is traced.
    native = None if reference else library.native()
    with unittest.mock.patch.object(library, "native", return_value=native):
        run()
    return common.Work(run, facts)


def candidates(names, backward, shape, reference_shape):
    # Forward alone, the gradients do not differ.
    gradients = ("slayer", "exodus") if backward else ("slayer",)
    for name in names:
        for gradient in gradients:
            label = f"{name} {gradient}" if backward else name
            options = {"name": name, "gradient": gradient, "backward": backward}
            yield common.Candidate(label, prepare, {**options, "shape": shape})
            if reference_shape:
                options |= {"shape": reference_shape, "reference": True}
                label += f", TF, T={reference_shape[1]}"
                yield common.Candidate(label, prepare, options)


def main():
    parser = common.parser(__doc__, repeats=15)
    parser.add_argument("--batch", type=int, default=16, help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=350, help="(%(default)s)")
    parser.add_argument("--neurons", type=int, default=4096, help="(%(default)s)")
    parser.add_argument(
        "--neuron", nargs="+", choices=NEURONS, default=NEURONS, help="default: all, in turn"
    )
    parser.add_argument("--reference", action="store_true", help="plain TensorFlow beside it")
    parser.add_argument(
        "--reference-steps", type=int, default=60, help="time steps of --reference (%(default)s)"
    )
    arguments = parser.parse_args()
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)

    shape = (arguments.batch, arguments.steps, arguments.neurons)
    reference_shape = None
    if arguments.reference:
        reference_shape = (arguments.batch, arguments.reference_steps, arguments.neurons)
    for backward in (False, True):
        chosen = list(candidates(arguments.neuron, backward, shape, reference_shape))
        sizes = {c.name: np.prod(c.options["shape"]) for c in chosen}
        results = common.measure(
            chosen, repeats=arguments.repeats, threads=arguments.threads, separate=False
        )
        first = results[0].median / sizes[results[0].name]
        columns = {"ns/neuron-step": lambda r, n=sizes: f"{1e9 * r.median / n[r.name]:.2f}"}
        if arguments.reference:
            # Other numbers of steps: only the ratio per neuron and step means something.
            columns["ratio of it"] = lambda r, n=sizes, f=first: f"{r.median / n[r.name] / f:.1f}"
        columns["spikes/neuron-step"] = lambda r: f"{r.facts['rate']:.4f}"
        what = "forward + backward" if backward else "forward"
        common.print_results(f"Neurons, {what}, float32 {shape}", results, columns)
    print(f"peak memory of the process: {common.megabytes(common.peak_bytes())} MB")


if __name__ == "__main__":
    main()
