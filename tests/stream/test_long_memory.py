"""Memory does not grow with the length of a recording."""

import ctypes
import gc
import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from stream_cases import excitable

import keras_slayer as ks

STATUS, CLEAR = pathlib.Path("/proc/self/status"), pathlib.Path("/proc/self/clear_refs")
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="Linux tells a process its memory")
UNITS, LONG = 500, 6000


def megabytes(field):
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(fields[field].split()[0]) / 1024


def give_back_free_memory():
    """What earlier work freed would otherwise hold a part of what comes, and hide its peak."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


def of_any_length(x, labels):
    return tf.ensure_shape(x, [None, None, 100]), labels


def peak_of_training(trained, steps):
    """Megabytes that steps of training take at most, beside what is there before."""
    x = tf.constant(np.random.default_rng(0).random((4, steps, 100)) < 0.05, tf.uint8)
    labels = tf.constant([0, 1, 2, 3])
    trained.compile("adam", ks.SpikeMaxLoss())
    step = tf.data.Dataset.from_tensors((x[:, :110], labels)).map(of_any_length)
    trained.fit(step, shuffle=False, verbose=0)
    data = tf.data.Dataset.from_tensors((x, labels)).map(of_any_length)
    give_back_free_memory()
    CLEAR.write_text("5")  # the peak counts from here
    before = megabytes("VmRSS")
    trained.fit(data, shuffle=False, verbose=0)
    return megabytes("VmHWM") - before


def network():
    layers = [ks.SpikingDense(2 * UNITS), ks.SpikingDense(10)]
    return keras.Sequential([keras.Input((None, 100), dtype="uint8"), *layers])


def peaks_of_training():
    """In chunks, a tenth of the steps and all of them, with exact gradients, and plain."""
    short, long = (
        peak_of_training(ks.TruncatedTime(network(), steps=100), steps)
        for steps in (LONG // 10, LONG)
    )
    exact = peak_of_training(ks.TruncatedTime(network(), steps=100, truncate=False), LONG)
    return short, long, exact, peak_of_training(network(), LONG)


def test_training_takes_the_memory_of_a_chunk():
    # In a process of its own: what others freed here would hold a part of it.
    program = [sys.executable, __file__]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    if not result.stdout.strip():
        pytest.skip("this system does not reset the peak of memory")
    short, long, exact, plain = json.loads(result.stdout.splitlines()[-1])
    # Spikes as bytes and membrane potentials, which plain training keeps.
    kept = 4 * LONG * 2 * UNITS * (1 + 4) / 2**20
    assert long < max(2 * short, 0.2 * kept), (short, long)
    states = 4 * LONG // 100 * (2 * UNITS + 10) * 4 * 8 / 2**20  # of each chunk, which it keeps
    assert exact < max(2 * short, 0.2 * kept) + 1.5 * states, (short, exact, states)
    assert plain > 0.8 * kept and plain > 3 * long, (plain, long)


@pytest.mark.parametrize("by", ["steps", "chunks"])
def test_a_stream_takes_no_more_memory_after_many_steps(by):
    """The long version: benchmarks/streaming.py --endurance."""
    model = excitable(
        keras.Sequential(
            [keras.Input((None, 40)), ks.SpikingDense(64), ks.DelayLayer(9.0), ks.SpikingDense(8)]
        )
    )
    stream, random = ks.Stream(model), np.random.default_rng(0)
    chunk = (random.random((1, 500, 40)) < 0.1).astype("float32")
    events = [np.flatnonzero(frame) for frame in chunk[0]]

    def run(rounds):
        for _ in range(rounds):
            if by == "chunks":
                stream(chunk)
            else:
                for places in events:
                    stream.step(places)

    run(4)
    settled = megabytes("VmRSS")
    run(40)
    assert stream.steps == 22_000
    # One float of each neuron and step would be 8 MB.
    assert megabytes("VmRSS") - settled < 2


if __name__ == "__main__":
    try:
        CLEAR.write_text("5")
    except OSError:
        sys.exit(0)
    print(json.dumps(peaks_of_training()))
