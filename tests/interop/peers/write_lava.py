"""Writes ``.net`` files as lava-dl's users do: blocks of lava.lib.dl.slayer and their export_hdf5.

    python write_lava.py FOLDER

Prints one JSON object: by NAME of each FOLDER/NAME.net the shape of its input, in Keras' order.

Runs in an environment of its own (requirements-peers.txt, requirements-lava.txt), which has none of
TensorFlow, Keras or keras_slayer.
"""

import argparse
import json
from pathlib import Path

import h5py
import lava_python311  # noqa: F401  (before lava)
import torch
from lava.lib.dl.slayer.block import cuba

STEPS = 20
LIVELY = {"threshold": 1.25, "current_decay": 0.25, "voltage_decay": 0.03}
FAST = {"threshold": 1.5, "current_decay": 1.0, "voltage_decay": 1.0}


def dense(inputs, outputs, neuron=LIVELY, **options):
    return cuba.Dense(neuron, inputs, outputs, **options)


def networks():
    """(blocks, shape of the input in lava's order: (inputs,) or (channels, height, width))"""
    return {
        "dense": (
            [cuba.Input(delay_shift=False), dense(30, 20), dense(20, 10, FAST, weight_scale=5)],
            (30,),
        ),
        "without_input": ([dense(12, 9), dense(9, 4)], (12,)),
        "weight_norm": ([dense(25, 20, weight_norm=True), dense(20, 6, weight_norm=True)], (25,)),
        "delays": ([dense(12, 10, delay=True), dense(10, 6, delay=True), dense(6, 4)], (12,)),
        "square_delays": ([dense(8, 8, delay=True), dense(8, 8, delay=True)], (8,)),
        "images": (
            [
                cuba.Input(delay_shift=False),
                cuba.Conv(LIVELY, 2, 6, (3, 2), stride=(1, 2), padding=(1, 0), weight_scale=3),
                cuba.Conv(LIVELY, 6, 4, 2, dilation=2, groups=2, weight_scale=3),
                cuba.Flatten(),
                dense(4 * 5 * 3, 7),
            ],
            (2, 7, 10),
        ),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.manual_seed(0)
    shapes = {}
    for name, (blocks, shape) in networks().items():
        value = (torch.rand(1, *shape, STEPS) < 0.3).float()
        for block in blocks:  # blocks learn their shapes from data
            value = block(value)
            if getattr(block, "delay", None) is not None:
                delay = block.delay.delay.data
                delay.copy_(20 * torch.rand_like(delay))
        with h5py.File(folder / f"{name}.net", "w") as file:
            for i, block in enumerate(blocks):
                block.export_hdf5(file.create_group(f"layer/{i}"))
        shapes[name] = shape if len(shape) == 1 else (*shape[1:], shape[0])
    print(json.dumps(shapes))


if __name__ == "__main__":
    main()
