"""``to_loihi``: a network of SRM or CUBA neurons as one of Loihi's neurons, to be fine-tuned."""

from __future__ import annotations

import keras

from keras_slayer import checks
from keras_slayer.export.conversion.plan import plan_conversion
from keras_slayer.export.conversion.thresholds import calibrate_thresholds, first_samples
from keras_slayer.export.model.graph import read_network
from keras_slayer.export.model.read_program import read_program
from keras_slayer.export.model.timing import schedule
from keras_slayer.export.problems import refuse
from keras_slayer.export.samples import Recordings
from keras_slayer.export.targets.loihi1 import TARGET


def to_loihi(
    model: keras.Model, calibration: Recordings | None = None, *, weight_bits: int = 8
) -> keras.Model:
    """A copy of ``model`` whose ``SRM`` and ``CUBA`` neurons have become ``LoihiCUBA``.

    The copy is a start: fine-tune it with ``fit`` for a few epochs, then export it. What it
    computes on the way is what the chip will compute.

    Of an SRM neuron with weights w, threshold theta and d = exp(-dt / tau_response) the response

        eps[k] = e (dt / tau_response) k d^k = gain k d^(k-1),   gain = e (dt / tau_response) d

    is ``gain`` times that of a Loihi neuron whose two decays are 4096 (1 - d), its step from layer
    to layer included. The Loihi neuron with the weights c w and the threshold c theta / gain thus
    has the same membrane potential up to a factor, until the first spike. A CUBA neuron keeps its
    decays, rounded to 1 / 4096, and answers one step later per layer. The scale c is chosen for
    each layer such that rounding to the chip's weights does the least harm while synaptic sums
    fit into the chip's 16 bits where they can.

    What a spike does to its neuron has no counterpart: the refractory response of SRM becomes a
    reset of the voltage, which the synaptic current survives. Thresholds make up for it as far as
    they can: with ``calibration`` each is set, layer by layer, such that the layer fires as often
    as the given model's on that data. ``kernel_cutoff`` goes into the gain only, truncation has no
    counterpart either.

    All other layers, names, delays and surrogates are kept. So are regularisers, constraints and
    initialisers, which were made for the weights before scaling. Layers that have ``LoihiCUBA``
    neurons already are copied as they are. Weights now fill the chip's range of -4 to 4, whatever
    they were before, so that one learning rate suits most models: Adam at 2e-3, decaying to 0.

    Args:
        model: built ``keras.Sequential`` or functional model; not changed.
        calibration: spikes (samples, time, ...), a pair (spikes, labels) or a ``tf.data.Dataset``
            of batches of either; the first 128 samples are used, labels are not. None: thresholds
            are c theta / gain.
        weight_bits: 1 to 8, of all converted layers.

    Returns:
        A ``keras.Sequential`` or functional model, as given, built, not compiled. The same model
        and data give the same copy.

    Raises:
        ValueError: a model that cannot become one for the chip (with every reason), or calibration
            data of another shape.

    Example:

    >>> loihi = keras_slayer.export.to_loihi(model, train)
    >>> schedule = keras.optimizers.schedules.CosineDecay(2e-3, 3 * len(train))
    >>> loihi.compile(keras.optimizers.Adam(schedule), loss=keras_slayer.SpikeMaxLoss())
    >>> loihi.fit(train, epochs=3, shuffle=False)
    >>> loihi.export_loihi("network.net")
    """
    checks.integer(weight_bits, "weight_bits", low=1, high=8)
    program, problems = read_program(model)
    refuse(problems, "converted to Loihi")
    plan, problems = plan_conversion(program, weight_bits)
    refuse(problems, "converted to Loihi")
    if calibration is None:
        layers = {key: layer.converted() for key, layer in plan.items()}
    else:
        shapes = {name: tuple(shape[2:]) for name, shape in program.inputs.items()}
        layers = calibrate_thresholds(program, plan, first_samples(calibration, shapes))
    # What was small enough to be no problem may not be so after scaling.
    network, problems = read_network(program.with_layers(layers), TARGET)
    _, late = schedule(network, TARGET.max_delay)
    refuse([*problems, *late], "converted to Loihi")
    of = {id(step.given): id(step.operation) for step in program.chip_steps}  # settled ones
    return _assemble(model, {key: layers[own] for key, own in of.items() if own in layers})


def _assemble(model: keras.Model, converted: dict[int, keras.Layer]) -> keras.Model:
    """``model`` with ``converted`` (by the identity of the given layer), other layers copied."""
    copies = []

    def clone(layer):
        if id(layer) in converted:
            return converted[id(layer)]
        copies.append((layer, type(layer).from_config(layer.get_config())))
        return copies[-1][1]

    result = keras.models.clone_model(model, clone_function=clone, recursive=True)
    for layer, copy in copies:
        if isinstance(layer, keras.Layer):
            copy.set_weights(layer.get_weights())
    # Cloning compiles like the given model, whose learning rate was for weights of another scale.
    result.compiled = False
    return result
