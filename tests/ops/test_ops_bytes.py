"""Spikes of uint8 and bool: as the same spikes in floats, but for their gradient, which is none."""

import cases
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import LAYERS, NEURONS

from keras_slayer import ops
from keras_slayer.ops.synapses.events import find_events

BACKENDS = pytest.mark.parametrize("backend", ["native", "reference"])
BYTES = pytest.mark.parametrize("byte", ["uint8", "bool"])
SPARSE, DENSE = 0.05, 0.5
DENSITIES = pytest.mark.parametrize("density", [0.0, SPARSE, DENSE, 1.0])


def bytes_like(rng, shape, density, byte):
    """Up to 255 where that can be."""
    spikes = (rng.random(shape) < density) * rng.choice([1, 1, 2, 255], size=shape)
    return tf.cast(spikes, byte)


def results(function, spikes, weights):
    """[outputs..., gradient of the weights], and the gradient of the spikes."""
    with tf.GradientTape() as tape:
        tape.watch([x for x in (spikes, weights) if x.dtype.is_floating])
        outputs = function(spikes, weights)
        outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
        upstream = np.random.default_rng(3).normal(size=outputs[0].shape)
        total = tf.reduce_sum(outputs[0] * tf.cast(upstream, outputs[0].dtype))
    of_spikes, of_weights = tape.gradient(total, [spikes, weights])
    return [*outputs, of_weights], of_spikes


def assert_same_as_floats(function, spikes, weights, dtype):
    weights = tf.cast(weights, dtype)
    actual, of_bytes = results(function, spikes, weights)
    expected, of_floats = results(function, tf.cast(spikes, dtype), weights)
    assert of_bytes is None and of_floats is not None
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a, e)


@BACKENDS
@BYTES
@DENSITIES
@pytest.mark.parametrize("units", [3, 70])
def test_matmul(units, density, byte, backend):
    rng = np.random.default_rng(4)
    spikes, weights = bytes_like(rng, (2, 9, 37), density, byte), rng.normal(size=(37, units))
    with cases.backend(backend):
        assert_same_as_floats(ops.spike_matmul, spikes, weights, "float32")


@BACKENDS
@BYTES
@DENSITIES
def test_conv2d(density, byte, backend):
    rng = np.random.default_rng(4)
    spikes = bytes_like(rng, (2, 3, 5, 7, 3), density, byte)
    with cases.backend(backend):
        weights = rng.normal(size=(3, 2, 3, 5))
        assert_same_as_floats(ops.spike_conv2d, spikes, weights, "float32")


@BACKENDS
@pytest.mark.parametrize("dtype", cases.DTYPES[1:])
@pytest.mark.parametrize("density", [SPARSE, DENSE])
def test_dtypes(density, dtype, backend):
    rng = np.random.default_rng(4)
    rows, frames = (bytes_like(rng, s, density, "uint8") for s in ((2, 3, 70), (2, 3, 5, 7, 2)))
    with cases.backend(backend):
        assert_same_as_floats(ops.spike_matmul, rows, rng.normal(size=(70, 64)), dtype)
        assert_same_as_floats(ops.spike_conv2d, frames, rng.normal(size=(3, 3, 2, 4)), dtype)


@BACKENDS
@BYTES
@pytest.mark.parametrize("density", [SPARSE, DENSE])
@pytest.mark.parametrize("name", ["srm-exponential-slayer", "loihi-triangle-exodus"])
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_layers(layer, name, density, byte, backend):
    neuron = NEURONS[name]
    spikes, weights, _ = layer.arrays(density)
    ones = tf.zeros([1]) if weights is None else weights  # what a pool has none of

    def run(spikes, ones):
        spikes, membrane = layer.run(spikes, weights if weights is None else ones, None, neuron)
        return spikes + 0 * ones[0] if weights is None else spikes, membrane

    with cases.backend(backend):
        assert_same_as_floats(run, tf.cast(spikes, byte), ones, "float32")


@pytest.mark.parametrize("dtype", ["uint8", "bool", *cases.DTYPES])
@pytest.mark.parametrize("columns", [1, 15, 16, 17, 63, 64, 100])
def test_events_are_found_wherever_they_are(columns, dtype):
    """One in each column, alone in its row; an empty row; a full one."""
    rows = np.concatenate([np.eye(columns), np.zeros((1, columns)), np.ones((1, columns))])
    out = tf.as_dtype(dtype if dtype in cases.DTYPES else "float32")
    with cases.backend("native"):
        events, dense = find_events(tf.cast(rows, dtype), out, 1.0)
    assert not dense
    found = np.zeros(rows.shape)
    sizes = np.diff(events["offsets"])
    found[np.repeat(np.arange(len(rows)), sizes), events["index"]] = events["value"].numpy()
    assert events["value"].dtype == out and sizes.tolist() == rows.sum(axis=1).tolist()
    np.testing.assert_array_equal(found, rows)


def test_no_copy_in_floats_is_made():
    """Sparse bytes go to the ops as they are: the casts are of the result, and of dense input."""
    for layer in (LAYERS["matmul, two blocks"], LAYERS["conv"], LAYERS["pool"]):
        spikes, weights, _ = layer.arrays(SPARSE)
        with cases.backend("native"):
            traced = tf.function(lambda s, layer=layer, w=weights: layer.run(
                s, w, None, NEURONS["srm-exponential-slayer"]
            )).get_concrete_function(tf.cast(spikes, "uint8"))  # fmt: skip
        casts = [op for op in traced.graph.get_operations() if op.type == "Cast"]
        widened = [op.outputs[0].shape for op in casts if op.inputs[0].dtype == tf.uint8]
        assert widened == [traced.outputs[0].shape] != [spikes.shape]


@pytest.mark.parametrize("dtype", ["int32", "uint16", "int8", "complex64"])
def test_other_integers_are_refused(dtype):
    spikes, frames = tf.zeros((2, 3, 4), dtype), tf.zeros((2, 3, 4, 4, 1), dtype)
    for function, x, w in ((ops.spike_matmul, spikes, tf.zeros((4, 2))),
                           (ops.spike_conv2d, frames, tf.zeros((2, 2, 1, 2)))):  # fmt: skip
        with pytest.raises(ValueError, match=rf"uint8, bool\. Received: dtype={dtype}"):
            function(x, w)


def test_weights_must_be_floats():
    with pytest.raises(ValueError, match="or spikes be uint8 or bool"):
        ops.spike_matmul(tf.zeros((2, 3, 4), tf.uint8), tf.zeros((4, 2), tf.uint8))
