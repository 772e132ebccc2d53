"""Memory and time of a recording that is much larger than what training on it should take.

    python benchmarks/long_recording.py                    # 60 s of 1280 x 720 pixels, 10^8 events
    python benchmarks/long_recording.py --events 1000000   # a quick look

The recording is made chunk by chunk. `from_generator` packs it, `slice` cuts it into windows of 1 s
every 0.5 s, `spike_pipeline` makes spikes of 160 x 90 pixels of them, and a small network trains.
Peaks of memory are of the process. They count pages of the packed recording that are mapped, which
the system takes back when it needs them; "not mapped" leaves these out.
"""

import re
import time

import common
import keras
import numpy as np
from rich.progress import track

import keras_slayer as ks
from keras_slayer.events import Events, from_generator, spike_pipeline

HEIGHT, WIDTH = 720, 1280
SMALL = (90, 160)
SECONDS = 60
CHUNK_EVENTS = 1 << 20
GESTURE_SECONDS = 5  # left and right in turn
STEPS, STEP_MS = 200, 5.0


def chunks(events: int):
    """A bar of events that moves to the left or to the right, over noise; in order of time."""
    random = np.random.default_rng(0)
    starts = range(0, events, CHUNK_EVENTS)
    for start in track(starts, "making the recording", console=common.console):
        size = min(CHUNK_EVENTS, events - start)
        span = SECONDS * 1e6 / events
        t = np.sort(random.integers(int(start * span), int((start + size) * span), size))
        right = t // (GESTURE_SECONDS * 1_000_000) % 2
        place = t * 1e-6 % 1.0
        bar = WIDTH * np.where(right, place, 1 - place) + random.normal(0, 20, size)
        x = np.where(random.random(size) < 0.5, bar, WIDTH * random.random(size))
        yield Events(
            x=np.clip(x, 0, WIDTH - 1).astype(np.uint16),
            y=random.integers(0, HEIGHT, size, np.uint16),
            t=t,
            polarity=random.integers(0, 2, size, np.uint8),
        )


def not_mapped() -> int:
    """Bytes of this process's memory now that are no pages of files."""
    with open("/proc/self/status") as file:
        return int(re.search(r"RssAnon:\s+(\d+) kB", file.read())[1]) * 1024


class Memory(keras.callbacks.Callback):
    """The largest `not_mapped` after a batch."""

    peak = 0

    def on_train_batch_end(self, batch, logs=None):
        self.peak = max(self.peak, not_mapped())


def network(shape):
    neuron = ks.SRM(dt=STEP_MS, tau_response=5 * STEP_MS)
    model = keras.Sequential(
        [
            keras.Input(shape, dtype="uint8"),
            ks.Flatten(),
            ks.SpikingDense(2, neuron),
        ]
    )
    metrics = [ks.SpikeCountAccuracy()]
    model.compile(keras.optimizers.Adam(3e-6), ks.SpikeMaxLoss(), metrics=metrics)
    return model


def main():
    parser = common.parser(__doc__, repeats=None)
    parser.add_argument("--events", type=int, default=10**8, help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=3, help="(%(default)s)")
    arguments = parser.parse_args()
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    rows = []

    def row(what, start, detail=""):
        seconds = time.perf_counter() - start
        rows.append((what, f"{seconds:.1f}", common.megabytes(common.peak_bytes()), detail))

    row("imported", time.perf_counter())
    gestures = [
        (start, start + GESTURE_SECONDS, ("left", "right")[start // GESTURE_SECONDS % 2])
        for start in range(0, SECONDS, GESTURE_SECONDS)
    ]
    start = time.perf_counter()
    recordings = from_generator(
        lambda: [(chunks(arguments.events), gestures)],
        sensor_shape=(HEIGHT, WIDTH),
        downsample=SMALL,
    )
    row("made and packed", start, f"{arguments.events:,} events")
    start = time.perf_counter()
    slices = recordings.slice(window=1.0, stride=0.5)
    row("windows found", start, f"{len(slices)} windows")

    data = spike_pipeline(
        slices.as_dataset(shuffle=True, seed=0),
        sensor_shape=slices.sensor_shape,
        steps=STEPS,
        dt=STEP_MS,
        batch_size=8,
        shuffle=True,
        seed=0,
        dtype="uint8",
    )
    model, memory = network((STEPS, *slices.sensor_shape)), Memory()
    start = time.perf_counter()
    ks.set_firing_rates(model, next(iter(data))[0])
    row("first batch, firing rates set", start)
    for epoch in range(arguments.epochs):
        start = time.perf_counter()
        history = model.fit(data, shuffle=False, verbose=0, callbacks=[memory]).history
        what = "packed files" if epoch == 0 else "the pipeline's cache"
        row(f"epoch {epoch + 1}, from {what}", start, f"loss {history['loss'][0]:.3f}")
    headings = ("", "seconds", "peak MB so far", "")
    common.Table(f"{SECONDS} s of {WIDTH} x {HEIGHT} pixels", headings, rows).print()
    print(f"largest memory after a batch, not mapped: {common.megabytes(memory.peak)} MB")


if __name__ == "__main__":
    main()
