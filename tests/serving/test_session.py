"""A SavedModel in a C++ program: TensorFlow's sessions and the op library, and no Python."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from cpp_cases import SOURCES
from tensorflow.core.protobuf import saved_model_pb2

import keras_slayer as ks
from keras_slayer.export import export_saved_model


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    flags = "CXXFLAGS=-O0 -Wall -Wextra -Werror -isystem " + tf.sysconfig.get_include()
    settings = [f"VPATH={SOURCES}", f"PYTHON={sys.executable}", flags]
    command = ["make", "-C", folder, "-f", SOURCES / "Makefile", *settings, "run_saved_model"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "run_saved_model"


def signature(folder):
    """The names of the input and of the output, as saved_model_cli prints them."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((pathlib.Path(folder) / "saved_model.pb").read_bytes())
    served = saved.meta_graphs[0].signature_def["serving_default"]
    return [one.name for part in (served.inputs, served.outputs) for one in part.values()]


def test_spikes_without_python(program, tmp_path):
    """What TensorFlow Serving does: a session that knows the ops, and the signature's names."""
    weights = keras.initializers.RandomUniform(0, 1, seed=0)
    layers = [
        ks.SpikingConv2D(4, 3, neuron="loihi", kernel_initializer=weights),
        ks.Flatten(),
        ks.SpikingRecurrentDense(5, kernel_initializer=weights),
    ]
    model = keras.Sequential([keras.Input((12, 6, 6, 2)), *layers])
    export_saved_model(model, tmp_path / "saved")
    x = (np.random.default_rng(0).random((3, 12, 6, 6, 2)) < 0.2).astype("float32")
    wanted = np.asarray(model(x))
    assert 10 < wanted.sum() < 0.9 * wanted.size
    arguments = [program, ks.ops.library_path(), tmp_path / "saved", *signature(tmp_path / "saved")]
    sizes = [str(n) for n in x.shape]
    done = subprocess.run([*arguments, *sizes], input=x.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_array_equal(np.frombuffer(done.stdout, "f4").reshape(wanted.shape), wanted)

    def error(*changed, given=b""):
        done = subprocess.run(changed, input=given or x.tobytes(), capture_output=True)
        assert done.returncode == 1 and done.stdout == b""
        return done.stderr.decode().splitlines()[-1]

    assert error(*arguments, *sizes, given=b"1234") == "error: the input is shorter than its shape"
    assert "SIZE must be a whole number" in error(*arguments, "3", "many")
    assert error(*arguments[:3], "none:0", *arguments[4:], *sizes) == (
        "error: the graph has no none:0"
    )
    assert "none.so" in error(program, "none.so", *arguments[2:], *sizes)
