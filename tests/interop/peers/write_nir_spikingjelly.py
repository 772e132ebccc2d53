"""Writes ``.nir`` files with spikingjelly, and what the networks do there: see nir_written.main.

    python write_nir_spikingjelly.py FOLDER

Runs in an environment of its own (requirements-peers.txt), which has none of TensorFlow, Keras or
keras_slayer.
"""

import nir_written
import torch
from spikingjelly.activation_based import functional, layer, neuron, nir_exchange


def networks():
    nets = {
        "lif": (
            (30,),
            layer.Linear(30, 20, bias=False),
            neuron.LIFNode(tau=4.0, v_threshold=0.3),
            layer.Linear(20, 10),
            neuron.LIFNode(tau=2.0, decay_input=False, v_reset=-0.25),
        ),
        "cuba": (
            (30,),
            layer.Linear(30, 20),
            neuron.CUBALIFNode(c_decay=0.75, v_decay=0.9, v_threshold=2.0),
            layer.Linear(20, 10),
            neuron.IFNode(),
        ),
        "image": (
            (2, 8, 9),
            layer.Conv2d(2, 6, 3, padding=1, bias=False),
            neuron.IFNode(),
            layer.AvgPool2d(2),
            layer.Flatten(),
            layer.Linear(96, 10),
            neuron.LIFNode(tau=3.0, v_threshold=0.5),
        ),
    }
    for name, (shape, *layers) in nets.items():
        net = nir_written.lively(torch.nn.Sequential(*layers))
        graph = nir_exchange.export_to_nir(net, torch.rand(1, *shape))
        spikes = nir_written.spikes_of(shape)
        functional.reset_net(net)
        expected = nir_written.by_step(net, spikes)
        yield name, graph, spikes, expected, {"tool": "spikingjelly"}


if __name__ == "__main__":
    nir_written.main(__doc__, networks)
