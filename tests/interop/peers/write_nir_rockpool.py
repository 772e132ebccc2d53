"""Writes ``.nir`` files with Rockpool, and what the networks do there: see nir_written.main.

    python write_nir_rockpool.py FOLDER

Runs in an environment of its own (requirements-peers.txt), which has none of TensorFlow, Keras or
keras_slayer.
"""

import nir_written
import torch
from rockpool.nn.combinators import Sequential
from rockpool.nn.modules import ExpSynTorch, LIFTorch, LinearTorch
from rockpool.nn.modules.torch.nir import to_nir

DT = 1e-3


def lif(size, spikes=1):
    """With threshold 4; with at most so many spikes per step."""
    return LIFTorch(
        size,
        tau_mem=0.02,
        tau_syn=0.01,
        threshold=4.0,
        dt=DT,
        max_spikes_per_dt=torch.tensor(float(spikes)),
    )


def networks():
    nets = {
        "lif": (lif(20), LinearTorch((20, 10)), lif(10)),
        "many_spikes": (lif(20, 2**16), LinearTorch((20, 10)), lif(10, 2**16)),
        "exp_syn": (lif(20), LinearTorch((20, 10)), ExpSynTorch(10, tau=0.01, dt=DT)),
    }
    for name, layers in nets.items():
        net = nir_written.lively(Sequential(LinearTorch((30, 20)), *layers))
        graph = to_nir(net)
        spikes = nir_written.spikes_of((30,))
        net.reset_state()
        expected, _, _ = net(spikes)
        yield name, graph, spikes, expected, {"tool": "rockpool"}


if __name__ == "__main__":
    nir_written.main(__doc__, networks)
