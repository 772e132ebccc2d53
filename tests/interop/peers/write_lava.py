"""Writes ``.net`` files as lava-dl's users do: blocks of lava.lib.dl.slayer and their export_hdf5.

    python write_lava.py FOLDER

Prints one JSON object: by NAME of each FOLDER/NAME.net the shape of its input in Keras' order, and
whether a layer in it says that shape. FOLDER/NAME.npz has ``spikes``, random, and ``trained``: what
the blocks themselves, in evaluation mode, make of them. Both (batch, time, ...) in Keras' order.

Runs in an environment of its own (requirements-peers.txt, requirements-lava.txt), which has none of
TensorFlow, Keras or keras_slayer.
"""

import argparse
import json
from pathlib import Path

import h5py
import lava_python311  # noqa: F401  (before lava)
import numpy as np
import torch
from lava.lib.dl.slayer.block import cuba, rf, sigma_delta
from lava.lib.dl.slayer.neuron.norm import MeanOnlyBatchNorm, WgtScaleBatchNorm

BATCH, STEPS = 3, 60
LIVELY = {"threshold": 1.25, "current_decay": 0.25, "voltage_decay": 0.03}
FAST = {"threshold": 1.5, "current_decay": 1.0, "voltage_decay": 1.0}
POOLING = {"threshold": 0.5, "current_decay": 1.0, "voltage_decay": 0.1}
SIGMA_DELTA = {"threshold": 0.1, "activation": torch.nn.functional.relu}
RESONATE = {"threshold": 1.0, "period": 10, "decay": 0.1}


def source(**options):
    """An input block whose spikes are those that are put in, in the same step."""
    return cuba.Input(delay_shift=False, **options)


def dense(inputs, outputs, neuron=LIVELY, **options):
    return cuba.Dense(neuron, inputs, outputs, **options)


def conv(inputs, outputs, kernel, neuron=LIVELY, **options):
    return cuba.Conv(neuron, inputs, outputs, kernel, **{"weight_scale": 3, **options})


def pool(size, **options):
    return cuba.Pool(POOLING, size, **options)


def recurrent(inputs, outputs, neuron=LIVELY, **options):
    return cuba.Recurrent(dict(neuron), inputs, outputs, **options)  # it changes the dict


def mean_norm(neuron):
    return {**neuron, "norm": MeanOnlyBatchNorm}


def networks():
    """(blocks, shape of the input in lava's order: (inputs,) or (channels, height, width))"""
    return {
        "dense": ([source(), dense(30, 20), dense(20, 10, FAST, weight_scale=5)], (30,)),
        "without_input": ([dense(12, 9), dense(9, 4)], (12,)),
        "weight_norm": ([dense(25, 20, weight_norm=True), dense(20, 6, weight_norm=True)], (25,)),
        "delays": ([dense(12, 10, delay=True), dense(10, 6, delay=True), dense(6, 4)], (12,)),
        "square_delays": ([dense(8, 8, delay=True), dense(8, 8, delay=True)], (8,)),
        "last_delays": ([dense(12, 10), dense(10, 6, delay=True)], (12,)),
        "biases": (
            [
                source(),
                dense(30, 20, mean_norm(LIVELY)),
                dense(20, 10, mean_norm(LIVELY), weight_scale=3),
            ],
            (30,),
        ),
        # (n, 1, 1) throughout, as networks have it that go through images.
        "three_axes": ([source(), dense(20, 15, delay=True), dense(15, 6)], (20, 1, 1)),
        "three_axes_flattened": ([source(), cuba.Flatten(), dense(20, 6)], (20, 1, 1)),
        "flattened_input": ([source(), cuba.Flatten(), dense(2 * 4 * 5, 9)], (2, 4, 5)),
        "flatten_first": ([cuba.Flatten(), dense(2 * 4 * 5, 9)], (2, 4, 5)),
        "images": (
            [
                source(),
                conv(2, 6, (3, 2), stride=(1, 2), padding=(1, 0)),
                conv(6, 4, 2, dilation=2, groups=2),
                cuba.Flatten(),
                dense(4 * 5 * 3, 7),
            ],
            (2, 7, 10),
        ),
        "images_without_input": (
            [conv(2, 5, 3, padding=1), cuba.Flatten(), dense(5 * 6 * 7, 7)],
            (2, 6, 7),
        ),
        "image_biases": (
            [source(), conv(2, 5, 3, mean_norm(LIVELY)), cuba.Flatten(), dense(5 * 4 * 5, 7)],
            (2, 6, 7),
        ),
        "five_axes": (
            [source(), conv(2, 4, (2, 3)), cuba.Flatten(), dense(4 * 5 * 5, 7)],
            (2, 6, 7),
        ),
        "variable_strings": ([source(), dense(12, 9)], (12,)),
        "delays_of_inputs": ([source(), dense(12, 9, delay=True), dense(9, 5)], (12,)),
        "one_delay": ([source(), dense(12, 9, delay=True), dense(9, 5)], (12,)),
        "recurrent": ([recurrent(12, 9)], (12,)),
        "recurrent_square": ([source(), recurrent(9, 9, weight_scale=2)], (9,)),
        "recurrent_between": (
            [
                source(),
                dense(30, 20, weight_scale=2),
                recurrent(20, 14, weight_norm=True, weight_scale=2),
                dense(14, 6, weight_scale=3),
            ],
            (30,),
        ),
        "recurrent_twice": (
            [recurrent(16, 12, weight_scale=2), recurrent(12, 10, weight_scale=3)],
            (16,),
        ),
        "recurrent_biases": ([source(), recurrent(30, 20, mean_norm(LIVELY))], (30,)),
        "recurrent_image": (
            [source(), conv(2, 4, 3), cuba.Flatten(), recurrent(4 * 3 * 5, 8), dense(8, 4)],
            (2, 5, 7),
        ),
        "recurrent_no_delays": ([recurrent(12, 9, delay=True), dense(9, 4)], (12,)),
        "pool": (
            [source(), conv(2, 5, 3), pool(2), cuba.Flatten(), dense(5 * 4 * 3, 7)],
            (2, 10, 8),
        ),
        # 9 x 7 becomes 10 x 8: lava-dl puts zeros below and to the right.
        "odd_pool": ([source(), pool(2), conv(2, 5, 3)], (2, 9, 7)),
        "uneven_pool": ([source(), pool((3, 2), stride=(3, 1), padding=(0, 1))], (4, 9, 6)),
        "affine": ([source(), dense(12, 9), cuba.Affine(LIVELY, 9, 4, dynamics=False)], (12,)),
        "affine_dynamics": ([source(), dense(12, 9), cuba.Affine(LIVELY, 9, 4)], (12,)),
        "input_neurons": (
            [cuba.Input(LIVELY, weight=0.9), dense(14, 9, weight_scale=3)],
            (14,),
        ),
        "input_bias": ([cuba.Input(FAST, weight=1.5, bias=0.25), dense(14, 9)], (14,)),
        "input_images": ([cuba.Input(LIVELY), conv(2, 4, 3)], (2, 5, 6)),
        # What is refused.
        "leaky_input_bias": ([cuba.Input(LIVELY, bias=0.25), dense(14, 9)], (14,)),
        "misaligned_pool": ([source(), pool(3), conv(2, 4, 2)], (2, 8, 9)),
        "pool_delays": ([source(), pool(2, delay=True), conv(2, 4, 2)], (2, 8, 8)),
        "conv_delays": ([source(), conv(2, 4, 3, delay=True), conv(4, 3, 2)], (2, 8, 8)),
        "scaled_norm": ([dense(12, 9, {**LIVELY, "norm": WgtScaleBatchNorm})], (12,)),
        "own_decays": ([dense(12, 9, {**LIVELY, "shared_param": False})], (12,)),
        "recurrent_delays": ([recurrent(9, 9, delay=True), dense(9, 4)], (9,)),
        "transposed": ([source(), cuba.ConvT(LIVELY, 2, 4, 2)], (2, 5, 5)),
        "unpool": ([source(), cuba.Unpool(LIVELY, 2)], (2, 5, 5)),
        "no_flatten": ([source(), conv(2, 4, 5), dense(4, 3)], (2, 5, 5)),
        "sigma_delta": ([sigma_delta.Dense(SIGMA_DELTA, 12, 9)], (12,)),
        "resonate": ([rf.Dense(RESONATE, 12, 9)], (12,)),
    }


def to_keras(values):
    """(batch, ..., time) of lava-dl as (batch, time, ...), images with their channels last."""
    if values.ndim == 5 and values.shape[2:4] == (1, 1):
        values = values[:, :, 0, 0]
    values = values.movedim(-1, 1)
    return (values.movedim(2, -1) if values.ndim == 5 else values).numpy()


def change(name, layers):
    """What other versions of lava-dl write, or what its loader takes beside it."""

    def replaced(group, key, data):
        del group[key]
        group[key] = data

    if name == "five_axes":
        replaced(layers["1"], "weight", layers["1/weight"][()][..., None])
    elif name == "variable_strings":
        for layer in layers.values():
            replaced(layer, "type", layer["type"][0].decode())
            if "neuron" in layer:
                replaced(layer, "neuron/type", np.array([layer["neuron/type"][()]], object))
    elif name == "delays_of_inputs":
        replaced(layers["1"], "delay", np.arange(12.0, dtype=np.float32) * 3)
    elif name == "one_delay":
        replaced(layers["1"], "delay", np.float32(7))


@torch.no_grad()
def write(folder, name, blocks, shape):
    value = spikes = (torch.rand(BATCH, *shape, STEPS) < 0.3).float()
    for block in blocks:  # blocks learn their shapes, and norms their means, from data
        value = block(value)
        if isinstance(block, cuba.Recurrent):  # its neurons keep their state from call to call
            for state in ("current_state", "voltage_state"):
                setattr(block.neuron, state, torch.zeros_like(getattr(block.neuron, state)))
        if getattr(block, "delay", None) is not None and "no_delays" not in name:
            delay = block.delay.delay.data
            delay.copy_(20 * torch.rand_like(delay))
    value = spikes
    for block in blocks:
        value = block.eval()(value)
    if isinstance(value, torch.Tensor):  # not the pairs of complex neurons
        arrays = {"spikes": to_keras(spikes).astype(np.uint8), "trained": to_keras(value)}
        np.savez(folder / f"{name}.npz", **arrays)
    with h5py.File(folder / f"{name}.net", "w") as file:
        for i, block in enumerate(blocks):
            block.export_hdf5(file.create_group(f"layer/{i}"))
        change(name, file["layer"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.manual_seed(0)
    written = {}
    for name, (blocks, shape) in networks().items():
        write(folder, name, blocks, shape)
        says = not isinstance(blocks[0], cuba.Conv | cuba.Flatten)
        if shape[1:] == (1, 1):
            shape = shape[:1]
        written[name] = (shape if len(shape) == 1 else (*shape[1:], shape[0]), says)
    print(json.dumps(written))


if __name__ == "__main__":
    main()
