"""Runs a specification of Xylo in SynSense's own simulator, xylosim 0.1.3.

    python run_xylosim.py network.npz spikes.npz results.npz

``network.npz`` is a file of export_xylo. ``spikes.npz`` holds ``spikes``, integers (samples, steps,
inputs). Each sample starts from rest. Written to ``results.npz``, (samples, steps, neurons) each:

    spikes, current, membrane: of the output neurons
    hidden_spikes, hidden_current, hidden_membrane: of the hidden neurons
    rockpool: output spikes from Rockpool's XyloSim.from_specification, which takes the arrays of
        the file as they are

Prints a JSON line with the version of xylosim. Needs none of TensorFlow, Keras or keras_slayer.
"""

import importlib.metadata
import json
import sys
import warnings

import numpy as np
from xylosim.v2 import XyloLayer, XyloSynapse


def synapses(weights):
    return [
        [XyloSynapse(int(to), 0, int(row[to])) for to in np.flatnonzero(row)] for row in weights
    ]


def layer_of(spec):
    """The layer, and the synapses that it points to: they must live as long as it does."""
    hidden, outputs = spec["weights_out"].shape
    kept = [synapses(spec[f"weights_{name}"]) for name in ("in", "rec", "out")]
    lists = {name: value.tolist() for name, value in spec.items() if value.ndim == 1}
    layer = XyloLayer(
        synapses_in=kept[0],
        synapses_rec=kept[1],
        synapses_out=kept[2],
        aliases=[[]] * hidden,
        threshold=lists["threshold"],
        threshold_out=lists["threshold_out"],
        has_bias=False,
        bias=[0] * hidden,
        bias_out=[0] * outputs,
        weight_shift_inp=0,
        weight_shift_rec=0,
        weight_shift_out=0,
        dash_mem=lists["dash_mem"],
        dash_mem_out=lists["dash_mem_out"],
        dash_syns=[[dash, 1] for dash in lists["dash_syn"]],
        dash_syns_out=[[dash] for dash in lists["dash_syn_out"]],
        name="network",
    )
    return layer, kept


def run(spec, samples):
    layer, kept = layer_of(spec)
    names = ("spikes", "current", "membrane")
    results = {prefix + name: [] for prefix in ("", "hidden_") for name in names}
    for sample in samples:
        layer.reset_all()
        results["spikes"].append(layer.evolve(sample.tolist()))
        results["current"].append(np.transpose(layer.rec_i_syn_out))
        results["membrane"].append(np.transpose(layer.rec_v_mem_out))
        results["hidden_spikes"].append(np.array(layer.rec_recurrent_spikes))
        results["hidden_current"].append(np.transpose(layer.rec_i_syn))
        results["hidden_membrane"].append(np.transpose(layer.rec_v_mem))
    del layer, kept
    return {name: np.array(value) for name, value in results.items()}


def run_rockpool(path, samples):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Rockpool says which of its back ends are not there
        from rockpool.devices.xylo.syns61201.xylo_sim import XyloSim

        simulator = XyloSim.from_specification(**np.load(path))
    outputs = []
    for sample in samples:
        simulator.reset_state()
        outputs.append(simulator(sample)[0])
    return np.array(outputs)


def main(network, spikes, results):
    samples = np.load(spikes)["spikes"]
    found = run(dict(np.load(network)), samples)
    np.savez(results, rockpool=run_rockpool(network, samples), **found)
    print(json.dumps({"version": importlib.metadata.version("xylosim")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
