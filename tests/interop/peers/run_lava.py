"""Runs ``.net`` files in the real runtime: lava-dl's netx on lava-nc's fixed-point models.

    python run_lava.py FOLDER [--fresh]

For each FOLDER/NAME.net there is a FOLDER/NAME.npz with ``spikes`` (batch, time, ...) and
``expected`` (batch, time, ...), as the Keras model takes and gives them; for a last layer of dense
neurons there may be ``voltage`` (batch, neurons), theirs at the end. Prints one JSON object: by
NAME the spikes of each sample that differ from the expected ones, or the error. A network is built
once and set back to its first state between samples; with --fresh it is built for each.

Runs in an environment of its own (requirements-peers.txt, requirements-lava.txt), which has none of
TensorFlow, Keras or keras_slayer.
"""

import argparse
import json
import logging
import sys
import time
from pathlib import Path

import lava_python311  # noqa: F401  (before lava)
import numpy as np
from lava.lib.dl.netx import hdf5
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source


def to_lava(spikes, shape):
    """One sample of Keras, (time, ...), as lava's source wants: (..., time), images (W, H, C)."""
    if spikes.ndim == 4 and len(shape) == 1:  # a flatten in the file counts over (C, H, W)
        spikes = spikes.transpose(0, 3, 1, 2).reshape(len(spikes), -1)
    elif spikes.ndim == 4:
        spikes = spikes.transpose(0, 2, 1, 3)
    return np.moveaxis(spikes, 0, -1)


def from_lava(data):
    """What lava's sink received, (..., time) with images (W, H, C), in Keras' order."""
    data = np.moveaxis(data, -1, 0)
    return data.transpose(0, 2, 1, 3) if data.ndim == 4 else data


class Runner:
    """A network that is compiled once and runs one sample after the other.

    Attributes:
        voltage: of the last layer at the end of the last run.
        seconds_to_start: reading the file, compiling, starting the processes.
        seconds: of each run so far.
    """

    def __init__(self, path, samples):
        start = time.perf_counter()
        self.steps = samples.shape[1]
        shape = samples.shape[2:]
        self.network = hdf5.Network(
            net_config=str(path),  # the shape is taken where the file has no input layer
            input_shape=(shape[1], shape[0], shape[2]) if len(shape) == 3 else shape,
        )
        data = [to_lava(sample, self.network.inp.shape) for sample in samples]
        self.source = Source(data=np.concatenate(data, axis=-1).astype(np.int32))
        self.sink = Sink(shape=self.network.out.shape, buffer=self.steps)
        self.source.s_out.connect(self.network.inp)
        self.network.out.connect(self.sink.a_in)
        self.network.create_runtime(run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        self.seconds_to_start = time.perf_counter() - start
        self.seconds = []

    def run(self):
        """Output (time, ...) for the next sample."""
        if self.seconds:
            self._reset()
        start = time.perf_counter()
        self.network.run(condition=RunSteps(num_steps=self.steps))
        self.seconds.append(time.perf_counter() - start)
        self.voltage = self.network.layers[-1].neuron.v.get()
        return from_lava(self.sink.data.get())

    def _reset(self):
        """Every state to zero: potentials, and what the synapses still have to deliver."""
        for layer in self.network.layers:
            synapses = [layer.synapse]
            if hasattr(layer, "synapse_rec"):
                synapses.append(layer.synapse_rec)
            deliveries = [
                each.a_buf if hasattr(each, "a_buf") else each.a_buff for each in synapses
            ]
            for state in (layer.neuron.u, layer.neuron.v, *deliveries):
                state.set(np.zeros(state.shape))

    def stop(self):
        self.network.stop()


def outputs(path, samples, fresh):
    """(batch, time, ...) of all samples, the last voltages, the seconds of each start and run."""
    results, voltages, seconds = [], [], {"start": [], "runs": []}
    for batch in samples[:, None] if fresh else [samples]:
        runner = Runner(path, batch)
        try:
            for _ in batch:
                results.append(runner.run())
                voltages.append(runner.voltage)
        finally:
            runner.stop()
        seconds["start"].append(runner.seconds_to_start)
        seconds["runs"] += runner.seconds
    return np.stack(results), np.stack(voltages), seconds


def compare(path, fresh):
    """What the network of one file did, or the error with which lava refuses it."""
    print(path, file=sys.stderr)  # says which network it was if lava hangs
    data = np.load(path.with_suffix(".npz"))
    try:
        found, voltages, seconds = outputs(path, data["spikes"], fresh)
    except Exception as error:  # lava's own: of any class
        return {"error": f"{type(error).__name__}: {error}"}
    expected = data["expected"]
    if found.shape[2:] != expected.shape[2:] and found[0, 0].size == expected[0, 0].size:
        # A flatten at the end, which lava leaves out.
        found = found.reshape(expected.shape)
    if found.shape != expected.shape:
        return {"error": f"output shape {found.shape}, expected {expected.shape}"}
    wrong = found != expected
    return {
        "differing": wrong.sum(axis=tuple(range(1, wrong.ndim))).tolist(),
        "first": np.argwhere(wrong)[:1].tolist(),
        "spikes": int(found.sum()),
        "of": found.size,
        "voltages_differ": int((voltages != data["voltage"]).sum()) if "voltage" in data else None,
        "seconds": seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with pairs of NAME.net and NAME.npz")
    parser.add_argument("--fresh", action="store_true", help="build the network for each sample")
    arguments = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    paths = sorted(arguments.folder.glob("*.net"))
    print(json.dumps({path.stem: compare(path, arguments.fresh) for path in paths}))


if __name__ == "__main__":
    main()
