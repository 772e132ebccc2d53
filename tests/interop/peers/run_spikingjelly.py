"""Runs ``.nir`` files in spikingjelly.

    python run_spikingjelly.py FOLDER

Takes and prints the same as run_snntorch.py.
"""

import nir_folder
from spikingjelly.activation_based.nir_exchange import import_from_nir


def load(graph):
    network, state = import_from_nir(graph), None

    def step(spikes):
        nonlocal state
        output, state = network(spikes[None], state)  # its Flatten keeps an axis of samples
        return output[0]

    return step


if __name__ == "__main__":
    nir_folder.main(__doc__, load)
