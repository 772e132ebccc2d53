"""Writes ``.nir`` files with snnTorch, and what the networks do there: see nir_written.main.

    python write_nir_snntorch.py FOLDER

Runs in an environment of its own (requirements-peers.txt), which has none of TensorFlow, Keras or
keras_slayer.
"""

import nir_written
import snntorch as snn
import torch
from snntorch.export_nir import export_to_nir


def full(value, *shape):
    """snnTorch writes a number as an array without axes, which nir then refuses."""
    return torch.full(shape, value)


def leaky(*shape, **options):
    beta, threshold = full(0.9, *shape), full(1.0, *shape)
    return snn.Leaky(beta=beta, threshold=threshold, init_hidden=True, **options)


def synaptic(*shape, **options):
    values = {"alpha": full(0.8, *shape), "beta": full(0.85, *shape), "threshold": full(1, *shape)}
    return snn.Synaptic(**values, init_hidden=True, **options)


def networks():
    linear, conv = torch.nn.Linear, torch.nn.Conv2d
    for reset in ("zero", "subtract"):
        how = {"tool": "snntorch", "reset": reset}
        # With its default of reset_delay, a Synaptic neuron reset to zero also loses the input of
        # the step after a spike.
        at_once = {"reset_delay": reset == "subtract"}
        nets = {
            "dense": ((30,), linear(30, 20), leaky(20, reset_mechanism=reset), linear(20, 10)),
            "current": (
                (30,),
                linear(30, 20),
                synaptic(20, reset_mechanism=reset, **at_once),
                linear(20, 10),
            ),
            "image": (
                (2, 8, 9),
                conv(2, 6, 3, stride=(1, 2), padding=1),
                leaky(6, 8, 5, reset_mechanism=reset),
                torch.nn.AvgPool2d(2),
                torch.nn.Flatten(),
                linear(48, 10),
            ),
        }
        for name, (shape, *layers) in nets.items():
            last = leaky(10, reset_mechanism=reset)
            net = nir_written.lively(torch.nn.Sequential(*layers, last))
            graph = export_to_nir(net, torch.rand(1, *shape), ignore_dims=[0])
            spikes = nir_written.spikes_of(shape)
            for layer in net:
                if hasattr(layer, "reset_mem"):
                    layer.reset_mem()
            yield f"{name}_{reset}", graph, spikes, nir_written.by_step(net, spikes), how


if __name__ == "__main__":
    nir_written.main(__doc__, networks)
