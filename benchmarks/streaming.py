"""Time of one live step, from events to events, call from Python included.

    python benchmarks/streaming.py

Two networks: 2312-512-10 and that of the gestures, 128x128x2-4a-16c5-2a-32c3-2a-512-11. Beside
`Stream.step` a call of the stream on a chunk of one step and, of the exported file, the step of
`LoihiSimulator.stream()`. The rows take turns, step by step.
"""

import tempfile
import time
from pathlib import Path

import common
import keras
import numpy as np

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator

DENSITY = 0.005  # of the input, as in N-MNIST
TARGETS = {"2312-512-10": (100, 300), "gestures": (1000, None)}  # us: median, 99th percentile


def dense(neuron):
    return keras.Sequential(
        [
            keras.Input((300, 2312)),
            ks.SpikingDense(512, neuron=neuron),
            ks.SpikingDense(10, neuron=neuron),
        ]
    )


def gestures(neuron):
    return keras.Sequential(
        [
            keras.Input((300, 128, 128, 2)),
            ks.SpikingSumPooling2D(4, neuron=neuron),
            ks.SpikingConv2D(16, 5, padding="same", neuron=neuron),
            ks.SpikingSumPooling2D(2, neuron=neuron),
            ks.SpikingConv2D(32, 3, padding="same", neuron=neuron),
            ks.SpikingSumPooling2D(2, neuron=neuron),
            ks.Flatten(),
            ks.SpikingDense(512, neuron=neuron),
            ks.SpikingDense(11, neuron=neuron),
        ]
    )


def measure(name, build, neuron, steps):
    keras.utils.set_random_seed(1)
    model = build(neuron)
    random = np.random.default_rng(1)
    frames = (random.random((steps, *model.input_shape[2:])) < DENSITY).astype("float32")
    ks.set_firing_rates(model, frames[np.newaxis, :200], rate=0.02)
    events = [np.flatnonzero(frame).astype("int32") for frame in frames]
    chunks = frames[:, np.newaxis, np.newaxis]
    single, chunked = ks.Stream(model), ks.Stream(model)
    rows = {
        "Stream.step(events)": lambda t: single.step(events[t]),
        "Stream(chunk of one step)": lambda t: chunked(chunks[t]),
    }
    if neuron == "loihi":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.net"
            model.export_loihi(path)
            chip = LoihiSimulator(path, threads=1).stream()
        rows["LoihiSimulator.stream().step"] = lambda t: chip.step(events[t])
    for run in rows.values():
        run(0)
        run(1)
    seconds = {row: [] for row in rows}
    for t in range(2, steps):
        for row, run in rows.items():
            start = time.perf_counter()
            run(t)
            seconds[row].append(time.perf_counter() - start)
    print(f"\n{name}, {neuron}, {len(events[0])} events in a step, {steps} steps")
    print(f"{'':32}{'median':>10}{'99 %':>10}   us")
    for row, values in seconds.items():
        median, worst = np.percentile(values, [50, 99]) * 1e6
        print(f"{row:32}{median:10.1f}{worst:10.1f}")
    print(f"goal: median {TARGETS[name][0]} us, 99 % {TARGETS[name][1] or '-'} us")


def main():
    parser = common.parser(__doc__, repeats=2000)
    arguments = parser.parse_args()
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    for neuron in ("srm", "loihi"):
        measure("2312-512-10", dense, neuron, arguments.repeats)
        measure("gestures", gestures, neuron, max(arguments.repeats // 4, 10))


if __name__ == "__main__":
    main()
