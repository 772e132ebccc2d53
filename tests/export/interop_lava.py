"""Runs a ``.net`` file in the real runtime (lava-dl netx, lava-nc's fixed-point models).

    python interop_lava.py network.net spikes.npz

``spikes.npz`` holds ``spikes`` (batch, time, ...) and ``expected`` (batch, time, ...), as the Keras
model takes and gives them. Prints the differing spikes of every sample as one JSON line and ends
with status 1 if there are any. Not collected by pytest: it needs its own virtual environment,

    pip install 'numpy<2' scipy h5py networkx asteval scikit-learn matplotlib \
        'opencv-python-headless<4.12' torch torchvision
    pip install --no-deps --ignore-requires-python lava-nc==0.10.0 lava-dl==0.6.0

(numpy 2 breaks conv -> flatten -> dense there), and none of TensorFlow, Keras or keras_slayer.
"""

import argparse
import dataclasses
import json
import logging
import sys

import numpy as np


def accept_lava_dataclasses():
    """lava uses dataclass instances as field defaults, which Python 3.11 refuses: it takes an
    unhashable default for a mutable one. With a hash they pass."""
    make_dataclass = dataclasses.dataclass

    def dataclass(cls=None, /, **options):
        def decorate(cls):
            cls = make_dataclass(cls, **options)
            if cls.__hash__ is None:
                cls.__hash__ = object.__hash__
            return cls

        return decorate if cls is None else decorate(cls)

    dataclasses.dataclass = dataclass


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


def run(path, spikes):
    """Output of the network for one sample (time, ...), a fresh network each time."""
    from lava.lib.dl.netx import hdf5
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    steps = len(spikes)
    network = hdf5.Network(net_config=path)
    source = Source(data=to_lava(spikes, network.inp.shape).astype(np.int32))
    sink = Sink(shape=network.out.shape, buffer=steps)
    source.s_out.connect(network.inp)
    network.out.connect(sink.a_in)
    network.run(
        condition=RunSteps(num_steps=steps),
        run_cfg=Loihi2SimCfg(select_tag="fixed_pt"),
    )
    output = sink.data.get()
    network.stop()
    return from_lava(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", help=".net file")
    parser.add_argument("spikes", help=".npz file with spikes and expected")
    arguments = parser.parse_args()
    data = np.load(arguments.spikes)
    accept_lava_dataclasses()
    logging.getLogger().setLevel(logging.ERROR)
    outputs = np.stack([run(arguments.network, sample) for sample in data["spikes"]])
    expected = data["expected"]
    if outputs.shape != expected.shape:
        sys.exit(f"output shape {outputs.shape}, expected {expected.shape}")
    differing = [int(np.count_nonzero(a != b)) for a, b in zip(outputs, expected, strict=True)]
    print(json.dumps({"differing": differing, "spikes": int(outputs.sum()), "of": outputs.size}))
    sys.exit(any(differing))


if __name__ == "__main__":
    main()
