"""What the writers of ``.nir`` files share: write_nir_snntorch.py and its like."""

import argparse
import json
from pathlib import Path

import nir
import numpy as np
import torch

STEPS = 40
BATCH = 4


def to_keras_order(values):
    """(batch, time, channels, height, width) as (batch, time, height, width, channels)."""
    return np.moveaxis(values, 2, -1) if values.ndim == 5 else values


def spikes_of(shape, rate=0.3):
    """Input (batch, time, *shape)."""
    return (torch.rand(BATCH, STEPS, *shape) < rate).float()


def by_step(step, spikes):
    """Output (batch, time, ...) of a function of one step's spikes, which keeps its own state."""
    return torch.stack([step(frame) for frame in spikes.unbind(1)], 1)


def lively(module, gain=3.0, mean=0.3):
    """Weights with which most neurons fire, without a shift of their sums."""
    for layer in module.modules():
        weight = getattr(layer, "weight", None)
        if isinstance(weight, torch.nn.Parameter):
            fan_in = weight[0].numel()
            layer.weight.data = gain * torch.randn_like(weight) / fan_in**0.5 + mean / fan_in**0.5
    return module


def main(description, networks):
    """Writes FOLDER/NAME.nir and FOLDER/NAME.npz (``spikes`` and ``expected``, in Keras' order).

    Prints one JSON object: by NAME how the graph is to be read (arguments of ``from_nir``).

    Args:
        networks: function that yields (name, graph, spikes, expected, arguments), the spikes and
            what the tool made of them (batch, time, ...).
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.manual_seed(0)
    torch.set_num_threads(1)
    arguments = {}
    with torch.no_grad():
        for name, graph, spikes, expected, how in networks():
            nir.write(folder / f"{name}.nir", graph)
            spikes, expected = (to_keras_order(x.numpy()) for x in (spikes, expected))
            np.savez(folder / f"{name}.npz", spikes=spikes, expected=expected)
            arguments[name] = how
    print(json.dumps(arguments))
