"""Writes ``.nir`` files with Norse, and what the networks do there: see nir_written.main.

    python write_nir_norse.py FOLDER

``norse.torch.to_nir`` writes a time constant as dt tau, so that dt=1 gives seconds.

Runs in an environment of its own (requirements-peers.txt), which has none of TensorFlow, Keras or
keras_slayer.
"""

import nir
import nir_written
import norse.torch as norse
import numpy as np
import torch

DT = 1e-3


def full(value, *shape):
    """nir cannot write a number without axes."""
    return torch.full(shape, value)


def lif_box(*shape, tau=0.01, leak=0.0):
    p = norse.LIFBoxParameters(
        tau_mem_inv=full(1 / tau, *shape), v_th=full(0.3, *shape), v_leak=full(leak, *shape)
    )
    return norse.LIFBoxCell(p, dt=DT)


def run(net, spikes):
    state = None

    def step(frame):
        nonlocal state
        output, state = net(frame, state)
        return output

    return nir_written.by_step(step, spikes)


def networks():
    linear = torch.nn.Linear
    iaf = norse.IAFCell(norse.IAFParameters(v_th=full(1.0, 10)))
    li_box = norse.LIBoxCell(
        norse.LIBoxParameters(tau_mem_inv=full(50.0, 10), v_leak=full(0.0, 10)), dt=DT
    )
    leaking = norse.LIBoxCell(
        norse.LIBoxParameters(tau_mem_inv=full(50.0, 10), v_leak=full(0.5, 10)), dt=DT
    )
    nets = {
        "leak": (
            (30,),
            linear(30, 20),
            lif_box(20, leak=0.2),
            linear(20, 10),
            lif_box(10, leak=-0.1),
        ),
        "li_box_leak": ((30,), linear(30, 20), lif_box(20, leak=0.2), linear(20, 10), leaking),
        "lif_box": ((30,), linear(30, 20), lif_box(20), linear(20, 10), lif_box(10, tau=0.002)),
        "image": ((2, 7, 8), torch.nn.Conv2d(2, 4, 3), lif_box(4, 5, 6)),
        "iaf": ((30,), linear(30, 20), lif_box(20), linear(20, 10), iaf),
        "li_box": ((30,), linear(30, 20), lif_box(20), linear(20, 10), li_box),
    }
    for name, (shape, *layers) in nets.items():
        net = nir_written.lively(norse.SequentialState(*layers))
        graph = norse.to_nir(net, torch.rand(1, *shape), dt=1.0)
        if name == "image":  # else nir.write fails on the convolution
            graph.nodes["input"] = nir.Input(np.array(shape))
            graph.nodes["output"] = nir.Output(np.array([4, 5, 6]))
            graph.infer_types()
        spikes = nir_written.spikes_of(shape)
        yield name, graph, spikes, run(net, spikes), {"tool": "norse"}


if __name__ == "__main__":
    nir_written.main(__doc__, networks)
