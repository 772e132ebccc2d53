"""Builds a network in snnTorch and lets NeuroBench measure it.

    python run_neurobench.py FILE

FILE is a .npz with ``layers``, the kinds of the layers ("dense", "conv"), ``kernel0``, ... as Keras
holds them, ``beta`` and ``threshold`` of the neurons behind every layer, and ``x`` (samples, time,
...), channels last. Prints one JSON object: NeuroBench's figures and the spikes of each layer.

Runs in an environment of its own (requirements-peers.txt), which has none of TensorFlow, Keras or
keras_slayer.
"""

import json
import sys

import numpy as np
import snntorch as snn
import torch
from neurobench.metrics import static, workload
from neurobench.models import SNNTorchModel
from snntorch import surrogate


def linear(kernel):
    layer = torch.nn.Linear(*kernel.shape, bias=False)
    layer.weight.data = torch.tensor(kernel.T.copy())
    return layer


def convolution(kernel):
    height, width, channels, filters = kernel.shape
    layer = torch.nn.Conv2d(channels, filters, (height, width), padding="same", bias=False)
    layer.weight.data = torch.tensor(kernel.transpose(3, 2, 0, 1).copy())
    return layer


class ChannelsLast(torch.nn.Module):
    """Keras flattens images with the channels last."""

    def forward(self, x):
        return x.movedim(1, -1).flatten(1)


def network(data):
    layers, image = [], data["x"].ndim == 5
    for i, kind in enumerate(data["layers"]):
        if kind == "dense" and image:
            layers.append(ChannelsLast())
            image = False
        layers.append({"dense": linear, "conv": convolution}[str(kind)](data[f"kernel{i}"]))
        # Resets within the step, as CUBA does.
        layers.append(
            snn.Leaky(
                beta=float(data["beta"]),
                threshold=float(data["threshold"]),
                reset_mechanism="zero",
                reset_delay=False,
                init_hidden=True,
                output=i == len(data["layers"]) - 1,
                spike_grad=surrogate.atan(),
            )
        )
    return torch.nn.Sequential(*layers)


def measure(model, x):
    """Each metric as NeuroBench's own runner calls it, on one batch."""
    data = (torch.tensor(x), torch.zeros(len(x)))
    results = {
        metric.__name__: metric()(model)
        for metric in (static.ParameterCount, static.Footprint, static.ConnectionSparsity)
    }
    model.register_hooks()
    with torch.no_grad():
        outputs = model(data[0])
    spikes = [int(sum(o.sum() for o in hook.activation_outputs)) for hook in model.activation_hooks]
    for metric in (
        workload.ActivationSparsity,
        workload.ActivationSparsityByLayer,
        workload.SynapticOperations,
        workload.MembraneUpdates,
    ):
        results[metric.__name__] = metric()(model, outputs, data)
    return {**results, "spikes": spikes}


def main(path):
    data = np.load(path)
    x = data["x"]
    if x.ndim == 5:
        x = np.moveaxis(x, -1, 2)
    print(json.dumps(measure(SNNTorchModel(network(data)), x)))


if __name__ == "__main__":
    main(sys.argv[1])
