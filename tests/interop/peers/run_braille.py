"""Runs the recurrent Braille network of the NIR paper in the tools that read it.

    python run_braille.py FOLDER

The file was written by snnTorch and comes with Norse (norse/torch/utils/test/braille.nir): it is
copied to FOLDER. FOLDER/at_once.nir is the same network with the bias of its loop in front of the
neurons. Writes FOLDER/NAME.npz: ``spikes`` (batch, time, 12), and for each tool its spikes (batch,
time, 7). Prints one JSON object: the network's shape.

Runs in an environment of its own (requirements-peers.txt), which has none of TensorFlow, Keras or
keras_slayer.
"""

import argparse
import json
import shutil
from pathlib import Path

import nir
import norse.torch
import numpy as np
import snntorch as snn
import torch
from spikingjelly.activation_based.nir_exchange import import_from_nir

DT = 1e-4
BATCH, STEPS = 4, 256


def norse_step(graph):
    network, state = norse.torch.from_nir(graph, dt=DT), None

    def step(frame):
        nonlocal state
        output, state = network(frame, state)
        return output

    return step


def spikingjelly_step(graph):
    network, state = import_from_nir(graph), None

    def step(frame):
        nonlocal state
        output, state = network(frame[None], state)
        return output[0]

    return step


def snntorch_step(reset):
    """By hand: snnTorch 1.0.0 does not run what it reads of this file."""

    def load(graph):
        def linear(name):
            node = graph.nodes[name]
            layer = torch.nn.Linear(*node.weight.shape[::-1])
            layer.weight.data, layer.bias.data = map(torch.tensor, (node.weight, node.bias))
            return layer

        def neurons(kind, name, **options):
            node = graph.nodes[name]
            alpha, beta = (float(1 - DT / tau[0]) for tau in (node.tau_syn, node.tau_mem))
            options |= {"init_hidden": True, "reset_mechanism": reset}
            return kind(alpha, beta, threshold=float(node.v_threshold[0]), **options)

        hidden = neurons(snn.RSynaptic, "lif1.lif", linear_features=38)
        hidden.recurrent = linear("lif1.w_rec")
        last = neurons(snn.Synaptic, "lif2")
        return torch.nn.Sequential(linear("fc1"), hidden, linear("fc2"), last)

    return load


TOOLS = {
    "norse": norse_step,
    "spikingjelly": spikingjelly_step,
    "snntorch_subtract": snntorch_step("subtract"),
    "snntorch_late": snntorch_step("zero"),
}


def with_the_bias_in_front(graph):
    nodes = dict(graph.nodes)
    first, loop = nodes["fc1"], nodes["lif1.w_rec"]
    nodes["fc1"] = nir.Affine(first.weight, first.bias + loop.bias)
    nodes["lif1.w_rec"] = nir.Affine(loop.weight, 0 * loop.bias)
    return nir.NIRGraph(nodes, graph.edges, type_check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.manual_seed(0)
    torch.set_num_threads(1)
    source = Path(norse.torch.__file__).parent / "utils" / "test" / "braille.nir"
    shutil.copyfile(source, folder / "braille.nir")
    nir.write(folder / "at_once.nir", with_the_bias_in_front(nir.read(source)))
    rates = 0.25 * torch.rand(BATCH, 1, 12)
    spikes = (torch.rand(BATCH, STEPS, 12) < rates).float()
    for name in ("braille", "at_once"):
        found = {"spikes": spikes.numpy()}
        for tool, load in TOOLS.items():
            rows = []
            for sample in spikes:
                step = load(nir.read(folder / f"{name}.nir"))
                rows.append(torch.stack([step(frame) for frame in sample]))
            found[tool] = torch.stack(rows).detach().numpy()
        np.savez(folder / f"{name}.npz", **found)
    print(json.dumps({"nodes": len(nir.read(source).nodes)}))


if __name__ == "__main__":
    with torch.no_grad():
        main()
