"""Writes ``.nir`` files with nirtorch, and what it makes of them: see nir_written.main.

    python write_nir_nirtorch.py FOLDER

nirtorch has no neurons of its own. A module here stands for neurons that feed themselves and
becomes a graph within the graph; nirtorch's executor runs the graph, with a LIF cell from here.

Runs in an environment of its own (requirements-peers.txt), which has none of TensorFlow, Keras or
keras_slayer.
"""

import nir
import nir_written
import nirtorch
import numpy as np
import torch

DT = 1e-4
TAU = 8  # steps
THRESHOLD = 1.0


class Recurrent(torch.nn.Module):
    """Neurons with weights to each other; runs as a graph only."""

    def __init__(self, size):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(size, size))

    def forward(self, x):
        return x


def lif_node(size):
    values = {"tau": TAU * DT, "r": TAU, "v_leak": 0.0, "v_threshold": THRESHOLD, "v_reset": 0.0}
    return nir.LIF(**{name: np.full(size, value, np.float32) for name, value in values.items()})


def as_graph(module):
    size = len(module.weight)
    nodes = {
        "input": nir.Input(np.array([size])),
        "cell": lif_node(size),
        "back": nir.Linear(module.weight.detach().numpy()),
        "output": nir.Output(np.array([size])),
    }
    edges = [("input", "cell"), ("cell", "back"), ("back", "cell"), ("cell", "output")]
    return nir.NIRGraph(nodes, edges, type_check=False)


class Cell(torch.nn.Module):
    """One forward Euler step of a LIF node."""

    def __init__(self, node):
        super().__init__()
        self.decay = torch.tensor(DT / node.tau, dtype=torch.float32)
        self.gain = torch.tensor(node.r * DT / node.tau, dtype=torch.float32)

    def forward(self, x, state=None):
        v = torch.zeros_like(x) if state is None else state
        v = (1 - self.decay) * v + self.gain * x
        spikes = (v > THRESHOLD).float()
        return spikes, torch.where(spikes > 0, 0.0, v)


def to_module(node):
    if isinstance(node, nir.LIF):
        return Cell(node)
    if isinstance(node, nir.Linear):
        linear = torch.nn.Linear(*node.weight.shape[::-1], bias=False)
        linear.weight.data = torch.tensor(node.weight)
        return linear
    return None


def run(graph, spikes):
    """Sample by sample, as the graph holds no axis of samples."""
    outputs = []
    for sample in spikes:
        network, state = nirtorch.load(graph, to_module), None
        rows = []
        for frame in sample:
            output, state = network(frame, state)
            rows.append(output)
        outputs.append(torch.stack(rows))
    return torch.stack(outputs)


def networks():
    mapping = {
        torch.nn.Linear: lambda linear: nir.Linear(linear.weight.detach().numpy()),
        Recurrent: as_graph,
    }
    layers = [torch.nn.Linear(30, 20, bias=False), Recurrent(20)]
    net = nir_written.lively(torch.nn.Sequential(*layers, torch.nn.Linear(20, 10, bias=False)))
    nested = nirtorch.torch_to_nir(net, mapping, type_check=False)
    (name,) = [name for name, node in nested.nodes.items() if isinstance(node, nir.Input)]
    nested.nodes[name] = nir.Input(np.array([30]))
    nested.nodes["end"] = lif_node(10)
    nested.edges = [(a, "end") if b == "output" else (a, b) for a, b in nested.edges]
    nested.edges.append(("end", "output"))
    nested.nodes["output"] = nir.Output(np.array([10]))
    spikes = nir_written.spikes_of((30,))
    yield "nested", nested, spikes, run(nested, spikes), {"tool": "nir"}


if __name__ == "__main__":
    nir_written.main(__doc__, networks)
