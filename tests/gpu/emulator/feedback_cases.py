"""What the ops of neurons that feed each other give, natively or emulated.

``inputs`` are the ``Inputs`` of synapse_cases.py.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_slayer.neurons import BY_NAME
from keras_slayer.ops import neurons

# height, width, filters; kernel; groups. Of neurons that feed each other.
MAPS = {
    "one neuron": ((1, 1, 1), (1, 1), 1),
    "groups, an even kernel": ((3, 4, 6), (2, 4), 3),
    "larger than the maps": ((2, 3, 2), (5, 7), 1),
    "rows of several tiles": ((2, 37, 3), (1, 3), 1),
    "more filters than a warp": ((2, 3, 33), (1, 2), 1),
    # Whose gradients are transposed in Winograd's way.
    "3 x 3": ((9, 6, 6), (3, 3), 1),
    "5 x 5": ((5, 6, 12), (5, 5), 1),
    "3 x 5": ((4, 4, 16), (3, 5), 1),
}
NEURONS = {name: kind() for name, kind in BY_NAME.items()}


def matrices(native, inputs) -> dict:
    """Fewer units than a warp, and more than a block of threads; from a state, and at rest."""
    results = {}
    for kind, neuron in NEURONS.items():
        for units in (5, 131):
            weights = inputs.normal(units, units) * 0.1
            x = inputs.normal(3, 4, units) + 1
            start = tf.round(3 * tf.cast(inputs.normal(3, neuron.states + 1, units), tf.float64))
            for started in ([], [start]):
                spikes, membrane, after = native.keras_slayer_recurrent_layer(
                    synaptic_input=neuron.firing_threshold * x,
                    weights=weights,
                    state=started,
                    **neurons.native_options(neuron),
                )
                name = f"{kind}, {units}, {len(started)}"
                results |= {name: spikes, f"{name}, membrane": membrane}
                results |= {f"{name}, state": state for state in after}
            for gradient in ("slayer", "exodus"):
                options = dataclasses.replace(neuron, gradient=gradient)
                later = [inputs.normal(3, 0, units)]  # nothing
                for steps in (4, 0, 3):  # from the last chunk to the first
                    dz, later = native.keras_slayer_recurrent_layer_grad(
                        grad_spikes=inputs.normal(3, steps, units),
                        membrane=membrane[:, :steps],
                        weights=weights,
                        later=[tf.cast(x, tf.float64) for x in later],
                        **neurons.native_gradient_options(options),
                    )
                    run = f"{kind}, {units}, {gradient}, {steps}"
                    results |= {run: dz} | {f"{run}, earlier": x for x in later}
    return results


def maps(native, inputs) -> dict:
    """From a state, and at rest: every neuron on one kind of map, and one on all of them."""
    if inputs.bytes:  # the same again: it takes no spikes
        return {}
    results = {}
    cases = [
        *(("groups, an even kernel", kind, False, (2, 3)) for kind in NEURONS),
        *((name, "alif", True, (2, 3)) for name in MAPS),
        *(("3 x 3", "cuba", False, size) for size in ((2, 0), (0, 2), (1, 1))),
    ]
    for name, kind, per_channel, (batch, steps) in cases:
        (shape, kernel, groups), neuron = MAPS[name], NEURONS[kind]
        weights = inputs.normal(*kernel, shape[2] // groups, shape[2]) * 0.2
        common = {
            **{"input_size": shape, "output_size": shape[:2], "strides": (1, 1)},
            **{"padding_before": [(taps - 1) // 2 for taps in kernel], "dilations": (1, 1)},
            "weights": weights,
        }
        x = neuron.firing_threshold * (inputs.normal(batch, steps, *shape) + 1)
        start = tf.round(3 * tf.cast(inputs.normal(batch, neuron.states + 1, *shape), tf.float64))
        key = f"{kind}, {per_channel}, {name}, {batch}, {steps}"
        for started in ([], [start]):
            spikes, membrane, after = native.keras_slayer_recurrent_conv2d_layer(
                synaptic_input=x,
                state=started,
                **common,
                **_by_channel(neurons.native_options(neuron), shape[2], per_channel),
            )
            run = f"{key}, {len(started)}"
            results |= {run: spikes, f"{run}, membrane": membrane}
            results |= {f"{run}, state": state for state in after}
        for gradient, surrogate in (("slayer", "triangle"), ("exodus", "exponential")):
            trained = dataclasses.replace(neuron, gradient=gradient, surrogate=surrogate)
            later = [inputs.normal(batch, 0, *shape)]  # nothing
            for chunk in (steps, 0, 2):  # from the last to the first
                membrane, grad = _of_rows(neuron, inputs.normal(batch, chunk, *shape), inputs)
                dz, later = native.keras_slayer_recurrent_conv2d_layer_grad(
                    grad_spikes=grad,
                    membrane=membrane,
                    later=[tf.cast(x, tf.float64) for x in later],
                    **common,
                    **_by_channel(neurons.native_gradient_options(trained), shape[2], per_channel),
                )
                run = f"{key}, {gradient}, {chunk}"
                results |= {run: dz} | {f"{run}, earlier": x for x in later}
    return results


def _by_channel(options: dict, channels: int, wanted: bool) -> dict:
    """Options whose parameters are smaller from channel to channel, if that is wanted."""
    if not wanted:
        return options
    params = tf.convert_to_tensor(options["params"], tf.float64)
    return {**options, "params": params[:, None] * np.linspace(1.0, 0.9, channels)}


def _of_rows(neuron, grad, inputs):
    """(membrane potential, gradient of spikes) of which rows have all gradients, few and none.

    Those with all of them are among the first four, of the first sample.
    """
    rows = np.arange(grad.shape[2]).reshape(-1, 1, 1)
    few = (inputs.spikes(*grad.shape[2:], density=0.05).numpy() != 0) & (rows % 3 < 2)
    kept = np.stack([few | ((rows % 3 == 0) & (rows < 4)), few])[: grad.shape[0], None]
    near = neuron.firing_threshold * (1 + 0.1 * tf.cast(inputs.normal(*grad.shape), tf.float64))
    far = tf.where(kept, near, -100 * neuron.firing_threshold)
    return tf.cast(far, grad.dtype), tf.where(kept, grad, tf.zeros_like(grad))
