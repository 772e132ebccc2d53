"""``export_xylo``: a trained Keras model as a network of SynSense Xylo, spike for spike."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import numpy as np

from keras_slayer.export.problems import refuse
from keras_slayer.export.samples import Recordings, check_ends
from keras_slayer.export.xylo.fit import layer_reports, network_of, problems_of
from keras_slayer.export.xylo.network import XyloNetwork
from keras_slayer.export.xylo.read import ReadModel, read_model
from keras_slayer.export.xylo.report import XyloCalibration, XyloReport, warnings_of
from keras_slayer.export.xylo.simulator import XyloSimulator
from keras_slayer.files import target_of, write_whole


def export_xylo(
    model: keras.Model,
    path: str | os.PathLike | None,
    *,
    calibration: Recordings | None = None,
) -> XyloReport:
    """Writes ``model`` as a network for Xylo Audio 2 that spikes exactly as the model does.

    Exported are chains (``keras.Sequential``, or functional) of ``XyloDense``,
    ``XyloRecurrentDense`` and Flatten, at least one layer of hidden neurons and one of output
    neurons, ``XyloLIF(max_spikes=1)``. Dropout and noise are dropped. What comes after the last
    spiking layer stays on the host, and the report names it.

    SpikingDense, SpikingRecurrentDense, and Dense followed by SpikingActivation, of ``XyloLIF``
    neurons, train with float weights. They are rounded here, and the report says so.

    A spike takes one step from layer to layer on the chip, and none in the model: the output of the
    model in step t is that of the chip in step t + ``report.latency_steps``.

    Args:
        model: a built model, compiled or not, fresh or loaded.
        path: file to write, replaced if it exists; it appears whole or not at all. An .npz archive
            of the arguments of Rockpool's ``config_from_specification``, by their names, so it ends
            in .npz. None: report, and write nothing.
        calibration: spikes (samples, time, ...), a pair (spikes, labels), or a ``tf.data.Dataset``
            of batches of either. Model and exported network run on it and are compared.

    Returns:
        XyloReport: ``print`` it for a table; it has ``to_json()``.

    Raises:
        ValueError: a bad argument, or a model that the chip cannot run as trained. The message
            lists every problem with its layer, the limit and what to do. Nothing has been written
            then.

    Example:

    >>> report = keras_slayer.export.export_xylo(model, "network.npz", calibration=(spikes, labels))
    >>> print(report)
    """
    if path is not None:
        if Path(path).suffix != ".npz":
            raise ValueError(f"path must end in .npz. Received: path={str(path)!r}")
        target_of(path)  # refuses now what could not be written at the end
    read, problems = read_model(model)
    refuse(problems, what="exported to Xylo")
    layers = read.layers
    refuse(problems_of(layers, model.name), what="exported to Xylo")
    check_ends(calibration)
    network, latency = network_of(layers), len(layers) - 1
    measured = None
    if calibration is not None:
        measured = _calibrate(calibration, read, network, latency)
    data = network.to_bytes()
    if path is not None:
        write_whole(path, data)
    reports = layer_reports(layers)
    return XyloReport(
        path=None if path is None else str(path),
        file_bytes=0 if path is None else len(data),
        inputs=network.weights_in.shape[0],
        hidden_neurons=len(network.threshold),
        output_neurons=len(network.threshold_out),
        synapses=int(np.count_nonzero(network.weights_rec)),
        latency_steps=latency,
        exact=all(layer.exact for layer in reports),
        layers=reports,
        host_layers=read.host,
        calibration=measured,
        warnings=warnings_of(reports),
    )


def _calibrate(
    data: Recordings, read: ReadModel, network: XyloNetwork, latency: int
) -> XyloCalibration:
    simulator = XyloSimulator.from_network(network)
    samples = steps = differing = compared = spikes = labelled = 0
    hits = np.zeros(2, np.int64)
    for x, labels in read.batches(data):
        model = read.spikes(x)
        late = np.pad(x, [(0, 0), (0, latency), *[(0, 0)] * (x.ndim - 2)])
        chip = simulator.run(late)[:, latency:]
        samples, steps = samples + len(x), x.shape[1]
        differing += int(np.count_nonzero(model != chip))
        compared, spikes = compared + model.size, spikes + int(chip.sum())
        if labels is not None:
            labelled += len(labels)
            decided = [run.sum(axis=1).argmax(axis=-1) for run in (model, chip)]
            hits += [np.count_nonzero(choice == labels) for choice in decided]
    accuracies = (hits / labelled).tolist() if labelled else (None, None)
    return XyloCalibration(samples, steps, spikes, differing, compared, *accuracies)
