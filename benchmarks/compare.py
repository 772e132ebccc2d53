"""Two checkouts side by side: are results equal to the bit, and how long does a step take?

    python benchmarks/compare.py OTHER                     # digests and times, all workloads
    python benchmarks/compare.py OTHER w1 w3 --pairs 9
    python benchmarks/compare.py OTHER --digests           # digests alone

OTHER is the folder of another checkout (``git worktree add ../before COMMIT``), whose ops are
built or in the cache. A process of each checkout runs W1, W2, W4 (training steps) and W3 (neurons
alone), for every neuron; they take turns, so that a change of the machine's speed meets both. A
process keeps the memory that it was given first, which may make it a sixth slower than another of
the same code: so several pairs of fresh processes are timed, and the ratio is the median of theirs.
A digest covers losses, weights after training, spikes of the last layer, and for W3 spikes and
gradients, under both gradients.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
NEURONS = ("srm", "cuba", "loihi")
GRADIENTS = ("slayer", "exodus")
WORKLOADS = ("w1", "w2", "w3", "w4")
STEPS = {"w1": 20, "w2": 4, "w3": 5, "w4": 6}  # that are timed at once


def digest(arrays) -> str:
    import numpy as np

    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[
        :16
    ]


def make_network(name, neuron, gradient, batch=None):
    """(step, digest of what it has computed) of a training step."""
    import keras
    import numpy as np
    import tensorflow as tf
    import training_step

    import keras_slayer as ks

    keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)
    workload = training_step.WORKLOADS[name]
    size = (batch or workload.batch, workload.steps, *workload.input_shape)
    x = tf.constant(random.random(size, dtype="float32") < workload.density, tf.float32)
    y = tf.constant(random.integers(0, training_step.CLASSES, size[0]), tf.int32)
    neurons = training_step.make_neurons(neuron, workload.tau, "exponential")
    neurons = [dataclasses.replace(n, gradient=gradient, surrogate_scale=0.25) for n in neurons]
    model = keras.Sequential([keras.Input(size[1:]), *workload.layers(*neurons, workload.density)])
    model.compile(ks.ScaledAdam(1e-3), loss=ks.SpikeMaxLoss())
    losses = []

    def step():
        losses.append(np.float64(model.train_on_batch(x, y)))

    def result():
        weights = [w.numpy() for w in model.trainable_variables]
        return digest([np.array(losses), *weights, model(x).numpy()])

    return step, result


def make_neurons(neuron, gradient, shape=(16, 350, 4096)):
    """The same of W3."""
    import neurons

    work = neurons.prepare(neuron, gradient, True, shape)
    step = getattr(work, "run", None) or work.step

    def result():
        return digest([t.numpy() for t in step()])

    return step, result


def make(name, neuron, gradient):
    if name == "w3":
        return make_neurons(neuron, gradient)
    return make_network(name, neuron, gradient)


def serve() -> None:
    """Answers one JSON line for each on standard input."""
    current = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "make":
            current = make(request["workload"], request["neuron"], request["gradient"])
            current[0]()
            answer = None
        elif request["do"] == "time":
            start = time.perf_counter()
            for _ in range(request["steps"]):
                current[0]()
            answer = (time.perf_counter() - start) / request["steps"]
        else:
            for _ in range(2):
                current[0]()
            answer = current[1]()
        print(json.dumps({"answer": answer}), flush=True)


class Side:
    """A process of one checkout."""

    def __init__(self, checkout: pathlib.Path, threads: int):
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "benchmarks")]),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
        }
        command = [sys.executable, "-P", str(HERE), "--serve", str(checkout)]
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def ask(self, **request):
        print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise RuntimeError(f"a process of the comparison has ended:\n{self.log.read()[-4000:]}")
        return json.loads(line)["answer"]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


def pair(name, neuron, gradient, checkouts, arguments, number) -> tuple[list[str], list]:
    """Digests of both, and the seconds of a step in turn, in two fresh processes."""
    order = [0, 1] if number % 2 else [1, 0]  # which starts first has the better memory
    sides = {i: Side(checkouts[i], arguments.threads) for i in order}
    for i in order:
        sides[i].ask(do="make", workload=name, neuron=neuron, gradient=gradient)
    digests = [sides[i].ask(do="digest") for i in (0, 1)]
    times = []
    for turn in range(0 if arguments.digests or gradient != "slayer" else arguments.turns):
        first = turn % 2
        taken = {}
        for i in (first, 1 - first):
            taken[i] = sides[i].ask(do="time", steps=STEPS[name])
        times.append((taken[0], taken[1]))
    for side in sides.values():
        side.close()
    return digests, times


def compare(name, neuron, gradient, checkouts, arguments) -> bool:
    """Prints one line; whether the digests are equal."""
    timed = gradient == "slayer" and not arguments.digests
    pairs = [
        pair(name, neuron, gradient, checkouts, arguments, number)
        for number in range(arguments.pairs if timed else 1)
    ]
    first, second = pairs[0][0]
    same = all(digests == [first, first] for digests, _ in pairs)
    line = f"{name}  {neuron:6}{gradient:8}{first}  {'equal' if same else second}"
    if timed:
        ours, other = (statistics.median(t[i] for _, times in pairs for t in times) for i in (0, 1))
        ratios = [statistics.median(a / b for a, b in times) for _, times in pairs]
        line += (
            f"  {1e3 * ours:7.2f} ms, other {1e3 * other:7.2f} ms, ratio "
            f"{statistics.median(ratios):.3f} (pairs: {' '.join(f'{r:.2f}' for r in ratios)})"
        )
    print(line, flush=True)
    return same


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=pathlib.Path, help="folder of the other checkout")
    parser.add_argument("workloads", nargs="*", metavar="workload", help=", ".join(WORKLOADS))
    parser.add_argument("--neurons", nargs="+", choices=NEURONS, default=NEURONS)
    parser.add_argument("--digests", action="store_true", help="no times")
    parser.add_argument("--turns", type=int, default=7, help="of each pair (%(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="of fresh processes (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(%(default)s)")
    arguments = parser.parse_args()
    chosen = arguments.workloads or WORKLOADS
    if unknown := sorted(set(chosen) - set(WORKLOADS)):
        parser.error(f"workloads are {', '.join(WORKLOADS)}. Received: {', '.join(unknown)}")
    checkouts = [HERE.parents[1], arguments.other.resolve()]
    same = [
        compare(name, neuron, gradient, checkouts, arguments)
        for name in chosen
        for neuron in arguments.neurons
        for gradient in GRADIENTS
    ]
    print(f"{sum(same)} of {len(same)} digests are equal")
    return 0 if all(same) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve()
    else:
        sys.exit(main())
