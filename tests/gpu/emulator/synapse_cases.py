"""What the ops of products, convolutions, pools and weights give, natively or emulated."""

import itertools

import cases
import feedback_cases
import numpy as np
import tensorflow as tf

from keras_slayer.ops import library, neurons

FRAMES, SIZE, CHANNELS, FILTERS = 6, (9, 8), 6, 36
# kernel, groups, strides, dilations, padding before, output
CONVOLUTIONS = {
    "valid": ((3, 3), 1, (1, 1), (1, 1), (0, 0), (7, 6)),
    "strides and groups": ((3, 2), 2, (2, 1), (1, 1), (1, 1), (5, 9)),
    "dilations and groups": ((2, 3), 3, (1, 1), (2, 1), (0, 1), (7, 8)),
}
# size, strides, padding before, output
POOLS = {
    "side by side": ((2, 2), (2, 2), (0, 0), (4, 4)),
    "overlapping": ((3, 2), (2, 1), (1, 0), (4, 7)),
    "gaps": ((2, 1), (3, 2), (0, 1), (3, 4)),
}
NEURON = {
    "neuron": "srm",
    "names": [
        *("threshold", "response_decay", "response_gain", "refractory_decay", "refractory_gain"),
        *("surrogate_width", "surrogate_height"),
    ],
    "params": [1.0, 0.8, 0.7, 0.7, -1.0, 0.5, 1.0],
}
GRID = {"step": 0.25, "low": -2.0, "high": 1.75}  # of weights


class Inputs:
    """Random tensors of one type, and spikes of that type or bytes."""

    def __init__(self, dtype: str, spikes: str):
        self._random = np.random.default_rng(0)
        self.dtype, self._spikes = dtype, spikes
        self.bytes = spikes != dtype

    def normal(self, *shape):
        return tf.cast(self._random.normal(size=shape), self.dtype)

    def spikes(self, *shape, density=0.1):
        fired = self._random.random(shape) < density
        return tf.cast(fired * self._random.integers(1, 3, shape), self._spikes)


def _products(native, inputs: Inputs) -> dict:
    x, weights, grad = inputs.spikes(14, 70), inputs.normal(70, 45), inputs.normal(14, 45)
    offsets, index, value, dense = native.keras_slayer_find_events(
        x=x, max_density=0.9, T=inputs.dtype
    )
    none, *_, too_dense = native.keras_slayer_find_events(x=x, max_density=0.01, T=inputs.dtype)
    events = {"offsets": offsets, "index": index, "value": value}
    earlier = native.keras_slayer_find_events(
        x=tf.reshape(x, (2, 7, 70)), T=inputs.dtype, earlier=True
    )
    return {
        **events,
        **dict(zip(("earlier offsets", "earlier index", "earlier value"), earlier, strict=False)),
        "not dense": dense,
        "dense": too_dense,
        "no offsets": none,
        "event matmul": native.keras_slayer_event_matmul(**events, weights=weights),
        "event matmul's weights": native.keras_slayer_event_matmul_weights_grad(
            **events, grad=grad, columns=70
        ),
        "matmul": native.keras_slayer_few_units_matmul(x=x, weights=weights),
        "matmul's weights": native.keras_slayer_few_units_matmul_weights_grad(x=x, grad=grad),
        "matmul's input": native.keras_slayer_matmul_input_grad(
            grad=inputs.normal(70, 33), weights=weights[:, :33]
        ),
    }


def _convolutions(native, inputs: Inputs) -> dict:
    frames, results = inputs.spikes(FRAMES, *SIZE, CHANNELS, density=0.2), {}
    for name, (kernel, groups, strides, dilations, padding, output) in CONVOLUTIONS.items():
        shape = [*kernel, CHANNELS // groups, FILTERS]
        options = {
            "input_size": [*SIZE, CHANNELS],
            "output_size": output,
            "strides": strides,
            "dilations": dilations,
            "padding_before": padding,
        }
        results[name] = native.keras_slayer_frames_conv2d(
            frames=frames, weights=inputs.normal(*shape), **options
        )
        results[f"{name}, weights"] = native.keras_slayer_frames_conv2d_weights_grad(
            frames=frames,
            grad=inputs.normal(FRAMES, *output, FILTERS),
            weights_shape=shape,
            **options,
        )
        results[f"{name}, input"] = native.keras_slayer_frames_conv2d_input_grad(
            grad=inputs.normal(FRAMES, *output, FILTERS),
            transposed=inputs.normal(*kernel, FILTERS, CHANNELS // groups),
            **options,
        )
    return results


def _pools(native, inputs: Inputs) -> dict:
    frames, results = inputs.spikes(2, 3, *SIZE, 5, density=0.3), {}
    for name, (size, strides, padding, output) in POOLS.items():
        options = {"pool_size": size, "strides": strides, "padding_before": padding, "weight": 1.1}
        spikes, membrane, (state,) = native.keras_slayer_sum_pool2d_layer(
            frames=frames,
            output_size=output,
            state=[tf.cast(inputs.normal(2, 4, *output, 5), tf.float64)],
            T=inputs.dtype,
            **options,
            **NEURON,
        )
        results |= {
            f"{name}, spikes": spikes,
            f"{name}, membrane": membrane,
            f"{name}, state": state,
        }
        results[f"{name}, input"] = native.keras_slayer_sum_pool2d_layer_input_grad(
            grad=inputs.normal(*membrane.shape),
            membrane=inputs.normal(*membrane.shape),
            input_size=SIZE,
            **options,
            **NEURON,
        )
    return results


def _others(native, inputs: Inputs) -> dict:
    weights, grad = 3 * inputs.normal(45, 33), inputs.normal(45, 33)
    spikes, membrane, _ = native.keras_slayer_neuron_bytes(
        synaptic_input=inputs.normal(2, 9, 5),
        state=[],
        **NEURON,
    )
    return {
        "bytes": spikes,
        "membrane": membrane,
        "quantized": native.keras_slayer_quantize(weights=weights, **GRID),
        "quantized's weights": native.keras_slayer_quantize_grad(
            weights=weights, grad=grad, **GRID
        ),
    }


def _states(native, inputs: Inputs) -> dict:
    """From a state, and the state after the last step."""
    results, x = {}, inputs.normal(2, 9, 300)
    for name, neuron in feedback_cases.NEURONS.items():
        for size in (1.0, 1e9):  # larger than floats hold the chip's integers exactly
            start = tf.round(size * tf.cast(inputs.normal(2, neuron.states, 300), tf.float64))
            spikes, membrane, (state,) = native.keras_slayer_neuron(
                synaptic_input=x, state=[start], **neurons.native_gradient_options(neuron)
            )
            results |= {
                f"{name} {size}": spikes,
                f"{name} {size}, membrane": membrane,
                f"{name} {size}, state": state,
            }
    for name, states in (("alpha", 2), ("exponential", 1), ("oscillator", 2)):
        start = tf.cast(inputs.normal(2, states, 300), tf.float64)
        y, (state,) = native.keras_slayer_recursive_filter(
            x=x, decay=0.7, gain=0.6, state=[start], filter=name
        )
        results |= {name: y, f"{name}, state": state}
        y, (state,) = native.keras_slayer_recursive_filter(
            x=x, decay=0.7, gain=0.6, state=[start], filter=name, reverse=True
        )
        results |= {f"{name}, reverse": y, f"{name}, reverse, state": state}
    return results


PARTS = {
    "recurrent": feedback_cases.matrices,
    "recurrent maps": feedback_cases.maps,
    "products": _products,
    "convolutions": _convolutions,
    "pools": _pools,
    "others": _others,
    "states": _states,
}


def results(part: str) -> dict[str, np.ndarray]:
    """By name: what the ops of a part give, for all types."""
    found = {}
    for dtype in cases.DTYPES:
        for spikes in (dtype, "uint8"):
            made = PARTS[part](library.native(), Inputs(dtype, spikes))
            found |= {f"{dtype}, {spikes}: {name}": y.numpy() for name, y in made.items()}
    return found


def all_bytes() -> dict[str, np.ndarray]:
    """All results, as bytes: NumPy's files know no bfloat16."""
    made = itertools.chain.from_iterable(results(part).items() for part in PARTS)
    return {f"synapses, {name}": np.frombuffer(y.tobytes(), np.uint8) for name, y in made}
