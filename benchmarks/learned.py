"""What it costs to learn the parameters of neurons: W1 and W3 with and without.

    python benchmarks/learned.py                   # both, SRM and CUBA
    python benchmarks/learned.py w1 --neurons srm --repeats 40
    python benchmarks/learned.py w3 --processor    # on a machine that does other things, too

W1 is a training step of 2312-512-10, W3 the neurons alone, forward and backward. All parameters of
the neuron are learned, per layer and per channel. Candidates run in processes of their own, in
turn; ratios are to the first. With ``--processor``, they run in one process, on one thread, and
what counts is the least time of the processor: other work of the machine is not in it.
"""

import time

import common
import keras
import numpy as np
import tensorflow as tf
import training_step

import keras_slayer as ks

SHAPE = (16, 350, 4096)  # of W3
WAYS = ("not learned", "per layer", "per channel")


def options(neuron, way: str) -> dict:
    if way == "not learned":
        return {"neuron": neuron}
    return {"neuron": neuron, "learn": tuple(neuron.learnable), "per": way.removeprefix("per ")}


def prepare_network(name: str, way: str) -> common.Work:
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)
    work = training_step.WORKLOADS["w1"]
    size = (work.batch, work.steps, *work.input_shape)
    x = tf.cast(random.random(size, dtype="float32") < work.density, tf.float32)
    y = tf.constant(random.integers(0, training_step.CLASSES, work.batch), tf.int32)
    neuron, _ = training_step.make_neurons(name, work.tau, "exponential")
    made = training_step.fed_at(work.density, neuron) | options(neuron, way)
    layers = [ks.SpikingDense(units, **made) for units in (512, training_step.CLASSES)]
    model = keras.Sequential([keras.Input(size[1:]), *layers])
    model.compile(ks.ScaledAdam(1e-3), loss=ks.SpikeMaxLoss())
    losses = []

    def step():
        losses.append(float(model.train_on_batch(x, y)))

    def facts():
        common.check_finite("the loss", losses[-1])
        rate = float(tf.reduce_mean(model.layers[0](x)))
        return {"rate": common.check_rate("the hidden layer", rate)}

    return common.Work(step, facts)


def prepare_neurons(name: str, way: str) -> common.Work:
    neuron, _ = training_step.make_neurons(name, 10.0, "exponential")
    energy = float(np.sum(neuron.response_kernel() ** 2))
    z = tf.random.stateless_normal(SHAPE, [1, 0]) * (neuron.firing_threshold / (2 * energy**0.5))
    upstream = tf.random.stateless_normal(SHAPE, [2, 0])
    layer = ks.SpikingActivation(**options(neuron, way))
    layer.build(SHAPE)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(z)
            spikes = layer(z)
        sources = [z, *(weight.value for weight in layer.weights)]
        return spikes, tape.gradient(spikes, sources, output_gradients=upstream)

    def facts():
        spikes, gradients = step()
        for gradient in gradients:
            common.check_finite("a gradient", float(tf.reduce_sum(tf.abs(gradient))))
        return {"rate": common.check_rate("the neurons", float(tf.reduce_mean(spikes)))}

    return common.Work(step, facts)


PREPARE = {"w1": prepare_network, "w3": prepare_neurons}


def least_times(candidates, repeats: int) -> None:
    """Prints the least processor times of a step, and their ratios to the first."""
    work = {c.name: c.prepare(**c.options) for c in candidates}
    least = dict.fromkeys(work, float("inf"))
    for turn in range(2 + repeats):
        for name, candidate in work.items():
            start = time.process_time()
            candidate.step()
            if turn >= 2:
                least[name] = min(least[name], time.process_time() - start)
    first = next(iter(least.values()))
    for name, seconds in least.items():
        work[name].facts()
        print(f"  {name:12} {1e3 * seconds:8.2f} ms  {seconds / first:.3f}", flush=True)


def main():
    parser = common.parser(__doc__, repeats=20)
    parser.add_argument("workloads", nargs="*", metavar="workload", help="w1, w3 (default: both)")
    parser.add_argument("--neurons", nargs="+", choices=("srm", "cuba"), default=("srm", "cuba"))
    parser.add_argument("--processor", action="store_true", help="least processor times")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.workloads) - set(PREPARE))
    if unknown:
        parser.error(f"workloads are {', '.join(PREPARE)}. Received: {', '.join(unknown)}")
    if arguments.processor:
        arguments.threads = 1
        common.set_threads(1)
    common.print_machine(arguments.threads)
    for workload in arguments.workloads or PREPARE:
        for name in arguments.neurons:
            candidates = [
                common.Candidate(way, PREPARE[workload], {"name": name, "way": way}) for way in WAYS
            ]
            if arguments.processor:
                print(f"{workload}, {name}")
                least_times(candidates, arguments.repeats)
                continue
            results = common.measure(
                candidates, repeats=arguments.repeats, threads=arguments.threads, separate=True
            )
            common.print_results(
                f"{workload}, {name}",
                results,
                {"spikes/neuron-step": lambda r: f"{r.facts['rate']:.4f}"},
            )


if __name__ == "__main__":
    main()
