"""Runs ``.nir`` files in snnTorch.

    python run_snntorch.py FOLDER

For each FOLDER/NAME.nir there is a FOLDER/NAME.npz with ``spikes`` (batch, time, ...) and
``expected`` (batch, time, ...), as Keras takes and gives them. Prints one JSON object: by NAME the
number of spikes that differ from the expected ones, or the error.

Runs in an environment of its own (requirements-peers.txt), which has none of TensorFlow, Keras or
keras_slayer.
"""

import nir_folder
from snntorch.import_nir import import_from_nir


def load(graph):
    network = import_from_nir(graph)  # the neurons keep their state from call to call
    return lambda spikes: network(spikes)[0]


if __name__ == "__main__":
    nir_folder.main(__doc__, load)
