"""TFLite files: the spikes of the reference ops in TFLite's interpreter."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.export import export_tflite
from keras_slayer.ops import library

STEPS = 12


def weights(scale):
    return keras.initializers.RandomUniform(0, scale, seed=0)


def interpreted(path, x):
    with pytest.warns(UserWarning, match="Interpreter is deprecated"):
        interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_dense(tmp_path):
    """Two samples at once, and an input that leaves the number of steps open."""
    model = keras.Sequential(
        [
            keras.Input((None, 10)),
            ks.SpikingDense(8, kernel_initializer=weights(9)),
            ks.SpikingDense(4, neuron="cuba", kernel_initializer=weights(0.4)),
        ]
    )
    x = (np.random.default_rng(0).random((2, STEPS, 10)) < 0.2).astype("float32")
    assert ks.ops.backend() == "native"
    export_tflite(model, tmp_path / "network.tflite", batch_size=np.int64(2), steps=np.int64(STEPS))
    assert ks.ops.backend() == "native"
    with library.reference_ops():
        assert ks.ops.backend() == "reference"
        wanted = np.asarray(model(x))
    assert 5 < wanted.sum() < wanted.size
    np.testing.assert_array_equal(interpreted(tmp_path / "network.tflite", x), wanted)
    np.testing.assert_array_equal(np.asarray(model(x)), wanted)  # of the native ops


def test_conv(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((STEPS, 6, 7, 2)),
            ks.SpikingConv2D(3, 3, neuron="cuba", kernel_initializer=weights(0.4)),
            ks.SpikingSumPooling2D(2, neuron="cuba"),
            ks.Flatten(),
            ks.SpikingDense(4, neuron="cuba", kernel_initializer=weights(0.7)),
        ]
    )
    x = (np.random.default_rng(0).random((1, STEPS, 6, 7, 2)) < 0.2).astype("float32")
    export_tflite(model, tmp_path / "network.tflite")
    wanted = np.asarray(model(x))
    assert 5 < wanted.sum() < wanted.size
    np.testing.assert_array_equal(interpreted(tmp_path / "network.tflite", x), wanted)


def open_model(neuron="cuba"):
    return keras.Sequential([keras.Input((None, 4)), ks.SpikingDense(3, neuron, name="classes")])


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (open_model("loihi"), {}, r"write_flat writes .* layers with LoihiCUBA: classes"),
        (open_model(), {}, r"give `steps`.* Received: an input of shape \(1, None, 4\)"),
        (
            keras.Sequential([keras.Input((9, 4)), ks.SpikingDense(3, "cuba")]),
            {"steps": 5},
            r"steps must be None, or 9 .*Received: steps=5, an input of shape \(None, 9, 4\)",
        ),
        (open_model(), {"steps": True}, "steps must be a positive integer. Received: steps=True"),
        (open_model(), {"steps": 0}, "steps must be a positive integer. Received: steps=0"),
        (open_model(), {"batch_size": None}, "batch_size must be .* Received: batch_size=None"),
    ],
)
def test_refusals(model, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_tflite(model, tmp_path / "network.tflite", **options)
    assert not list(tmp_path.iterdir())


class Digamma(keras.layers.Layer):
    """Has an op that TFLite lacks."""

    def call(self, x):
        return tf.math.digamma(x)


def test_ops_that_tflite_lacks(tmp_path, capfd):
    model = keras.Sequential([keras.Input((3, 3)), Digamma()])
    with pytest.raises(ValueError, match=r"TFLite has no ops for the model: Digamma\. Replace"):
        export_tflite(model, tmp_path / "network.tflite")
    capfd.readouterr()
    assert not list(tmp_path.iterdir())
