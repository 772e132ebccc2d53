"""Runs ``.nir`` files in Norse.

    python run_norse.py FOLDER

Takes and prints the same as run_snntorch.py.
"""

import nir_folder
import norse.torch

DT = 1e-4
"""Seconds per step that our files are written for; Norse would take 1e-3."""


def load(graph):
    network, state = norse.torch.from_nir(graph, dt=DT), None

    def step(spikes):
        nonlocal state
        output, state = network(spikes, state)
        return output

    return step


if __name__ == "__main__":
    nir_folder.main(__doc__, load)
