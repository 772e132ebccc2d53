"""What a training step costs on several workers, and what it would cost on many machines.

    python benchmarks/scaling.py [--workers 1,2,4] [--batch 16] [--json FILE]

Measures on this machine: workers are processes that talk over the loopback, each with its part of
the global batch. They share the cores, so their steps say what distribution costs and that it
changes no result, not how fast several machines are. That is a model, and printed as one:

    step(n) = compute + 2 (n - 1) / n * volume / bandwidth + calls * 2 (n - 1) * latency

It is the ring that TensorFlow's collective operations use, without overlap of computing and
sending, with the batch of one machine (weak scaling). `compute` is the step of a worker alone,
`volume` the bytes of all trainable weights, `calls` the sums per step.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import math
import os
import pathlib
import re
import resource
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

STEPS, SENSOR, CLASSES = 100, (34, 34, 2), 10
DENSITY = 0.005  # N-MNIST at 1 ms
UNITS = 512
# Gradients are one sum; the share of the batch, and loss and accuracy in the logs, one each.
CALLS = 4

MACHINES = (1, 8, 16, 32, 64, 128, 256)


@dataclasses.dataclass(frozen=True)
class Network:
    """What machines are connected by; the latency is of one message between two of them."""

    name: str
    bits_per_second: float
    latency: float


NETWORKS = (
    Network("10 Gb/s, 50 us", 10e9, 50e-6),
    Network("100 Gb/s, 10 us", 100e9, 10e-6),
)


def communication(machines: int, volume: int, network: Network, calls: int = CALLS) -> float:
    """Seconds of a step that go to sums over `machines`, by a ring.

    Args:
        machines: how many.
        volume: bytes of the gradients.
        network: what connects them.
        calls: sums per step, whose messages each go 2 (machines - 1) times from one to the next.
    """
    hops = 2 * (machines - 1)
    sent = hops / machines * volume
    return sent * 8 / network.bits_per_second + calls * hops * network.latency


def efficiency(machines: int, compute: float, volume: int, network: Network) -> float:
    """The share of `machines` times one machine's samples per second that is left."""
    return compute / (compute + communication(machines, volume, network))


def _loopback_bytes() -> int:
    """Bytes that this machine has sent to itself; 0 where Linux does not say."""
    try:
        text = pathlib.Path("/proc/net/dev").read_text()
    except OSError:
        return 0
    found = re.search(r"^\s*lo:\s*(\d+)", text, flags=re.MULTILINE)
    return int(found[1]) if found else 0


class Timed:
    """Keras callback, made late as keras takes seconds to import: seconds of each step."""

    def __new__(cls):
        import keras

        class Callback(keras.callbacks.Callback):
            def __init__(self):
                super().__init__()
                self.seconds, self.losses, self.bytes = [], [], []

            def on_train_batch_begin(self, batch, logs=None):
                self._start, self._sent = time.perf_counter(), _loopback_bytes()

            def on_train_batch_end(self, batch, logs=None):
                self.losses.append(float(logs["loss"]))
                self.seconds.append(time.perf_counter() - self._start)
                self.bytes.append(_loopback_bytes() - self._sent)

        return Callback()


def work(batch: int, steps: int) -> None:
    """One worker: trains, and prints what it found as the last line."""
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()

    import keras
    import numpy as np

    import keras_slayer as ks

    ks.distribute.enable_multi_worker()
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = (random.random((batch, STEPS, *SENSOR)) < DENSITY).astype("float32")
    y = np.arange(batch) % CLASSES
    normal = keras.initializers.RandomNormal
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((STEPS, *SENSOR)),
                ks.Flatten(),
                ks.SpikingDense(UNITS, kernel_initializer=normal(2.0, 4.0, seed=1)),
                ks.SpikingDense(CLASSES, kernel_initializer=normal(0.0, 3.0, seed=2)),
            ]
        )
        model.compile(ks.ScaledAdam(1e-2), ks.SpikeMaxLoss(), metrics=[ks.SpikeCountAccuracy()])
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch, drop_remainder=True)
    data = data.cache().repeat(steps + 1)
    timed = Timed()
    before = _processor_seconds()
    model.fit(data, verbose=0, shuffle=False, callbacks=[timed])
    found = {
        "seconds": timed.seconds[1:],  # the first one traces
        "losses": timed.losses,
        "bytes": timed.bytes[1:],
        "processor": _processor_seconds() - before,
        "volume": 4 * sum(math.prod(v.shape) for v in model.trainable_variables),
    }
    print("FOUND " + json.dumps(found), flush=True)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(workers: int, batch: int, steps: int) -> list[dict]:
    """What each of `workers` processes found."""
    from keras_slayer.distribute import launch

    program = [sys.executable, __file__, "--batch", str(batch), "--steps", str(steps), "--work"]
    output = io.StringIO()
    status = launch.run(program, workers, output)
    found = re.findall(r"^\[worker \d+\] FOUND (.*)$", output.getvalue(), flags=re.MULTILINE)
    if status or len(found) != workers:
        raise SystemExit(f"A worker failed with status {status}:\n{output.getvalue()[-3000:]}")
    return [json.loads(line) for line in found]


def report(measured: dict[int, list[dict]]) -> None:
    from common import Table
    from host import print_machine

    print_machine(os.cpu_count())
    rows = []
    for workers, found in measured.items():
        least = min(found[0]["seconds"])
        sent = sorted(found[0]["bytes"])[len(found[0]["bytes"]) // 2]
        differ = max(
            abs(a - b) / abs(b)
            for one in found
            for a, b in zip(one["losses"], measured[min(measured)][0]["losses"], strict=True)
        )
        processor = sum(one["processor"] for one in found) / len(found[0]["losses"])
        rows.append(
            (str(workers), f"{1e3 * least:.0f}", f"{1e3 * processor:.0f}", f"{sent / 1e6:.1f}",
             f"{differ:.1e}")
        )  # fmt: skip
    headings = (
        "workers",
        "step, ms (least)",
        "processor ms a step, all",
        "MB sent",
        "losses differ",
    )
    Table("Measured on this machine, over the loopback", headings, rows).print()
    one = measured[min(measured)][0]
    compute, volume = min(one["seconds"]), one["volume"]
    rows = [
        (str(n), *(text for network in NETWORKS for text in (
            f"{1e3 * (compute + communication(n, volume, network)):.0f}",
            f"{efficiency(n, compute, volume, network):.0%}",
        )))
        for n in MACHINES
    ]  # fmt: skip
    headings = ("machines", *(h for net in NETWORKS for h in (f"ms ({net.name})", "efficiency")))
    title = (
        f"On paper, not measured: {1e3 * compute:.0f} ms of computing a step, "
        f"{volume / 1e6:.1f} MB of gradients, {CALLS} sums"
    )
    Table(title, headings, rows).print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", default="1,2,4", help="default: 1,2,4")
    parser.add_argument("--batch", type=int, default=16, help="of all workers; default: 16")
    parser.add_argument("--steps", type=int, default=20, help="timed steps; default: 20")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures here")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.batch, options.steps)
        return
    counts = [int(count) for count in options.workers.split(",")]
    measured = {count: measure(count, options.batch, options.steps) for count in counts}
    report(measured)
    if options.json:
        options.json.write_text(json.dumps(measured))


if __name__ == "__main__":
    main()
