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


def recurrent():
    """Networks with 20 neurons that feed themselves.

    A reset to zero comes a step late ("late" in from_nir) unless ``reset_delay`` is False, which
    fails for RSynaptic. A subtraction with ``reset_delay=False`` comes before the leak, and no file
    says so.
    """
    full_matrix = {"linear_features": 20}
    diagonal = {"all_to_all": False, "V": torch.linspace(-1, 1, 20)}
    for reset, mechanism in (("subtract", "subtract"), ("late", "zero")):
        options = {"beta": 0.9, "init_hidden": True, "reset_mechanism": mechanism}
        yield f"rleaky_{reset}", snn.RLeaky(**options, **full_matrix), reset
        yield f"rleaky_diagonal_{reset}", snn.RLeaky(**options, **diagonal), reset
        yield f"rsynaptic_{reset}", snn.RSynaptic(0.8, **options, **full_matrix), reset
        yield f"rsynaptic_diagonal_{reset}", snn.RSynaptic(0.8, **options, **diagonal), reset
        yield f"synaptic_{reset}", synaptic(20, reset_mechanism=mechanism), reset
    options |= {"reset_delay": False}
    yield "rleaky_zero", snn.RLeaky(**options, **full_matrix), "zero"


def networks():
    yield from feed_forward()
    linear = torch.nn.Linear
    for name, layer, reset in recurrent():
        last = synaptic if reset == "late" else leaky
        last = last(10, reset_mechanism="subtract" if reset == "subtract" else "zero")
        net = torch.nn.Sequential(linear(30, 20), layer, linear(20, 10), last)
        net = nir_written.lively(net)
        graph = export_to_nir(net, torch.rand(1, 30), ignore_dims=[0])
        spikes = nir_written.spikes_of((30,))
        for module in (layer, last):
            module.reset_mem()
        how = {"tool": "snntorch", "reset": reset}
        yield name, graph, spikes, nir_written.by_step(net, spikes), how


def feed_forward():
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
