"""SavedModels in a process that has TensorFlow and the op library, and nothing else of ours."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

import keras_slayer as ks
from keras_slayer.export import export_saved_model

STEPS = 20

# What a server does. Any import of this package or of Keras is an error.
SERVER = """
import json, sys
blocked = ("keras", "keras_slayer", "tf_keras")
sys.modules.update(dict.fromkeys(blocked))  # to import what is None is an error
import numpy as np
import tensorflow as tf

library, *folders = sys.argv[1:]
tf.load_op_library(library)
for folder in folders:
    network = tf.saved_model.load(folder)
    given = dict(np.load(folder + ".npz"))
    x = [given[name] for name in sorted(given)]
    served = network.serve(x[0] if len(x) == 1 else x)
    by_signature = network.signatures["serving_default"]
    names = sorted(by_signature.structured_input_signature[1])  # a, b
    signed = by_signature(**{name: tf.constant(one) for name, one in zip(names, x)})
    (signed,) = signed.values()
    np.save(folder + ".npy", served)
    assert (served.numpy() == signed.numpy()).all()
x = tf.zeros((1, 20, 30))
network = tf.saved_model.load(folders[0])
try:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = network.serve(x)
    tape.gradient(y, x)
    gradient = "there is one"
except LookupError as error:
    gradient = str(error)
names = [name for name in sys.modules if name.split(".")[0] in blocked]
print(json.dumps({"modules": names, "gradient": gradient}))
"""


def weights(scale):
    return keras.initializers.RandomUniform(0, scale, seed=0)


def dense():
    """An open number of steps, and units enough for the kernels over events."""
    return keras.Sequential(
        [
            keras.Input((None, 30)),
            ks.SpikingDense(80, kernel_initializer=weights(3)),
            ks.DelayLayer(5),
            ks.SpikingDense(5, neuron="loihi", kernel_initializer=weights(0.2)),
        ]
    )


def conv():
    return keras.Sequential(
        [
            keras.Input((STEPS, 8, 8, 2), dtype="uint8"),
            ks.SpikingConv2D(8, 3, neuron="cuba", kernel_initializer=weights(0.3)),
            ks.SpikingSumPooling2D(2, neuron="cuba"),
            ks.Flatten(),
            ks.SpikingRecurrentDense(6, neuron="alif", kernel_initializer=weights(0.3)),
        ]
    )


def two_inputs():
    inputs = [keras.Input((STEPS, 7), name="a"), keras.Input((STEPS, 9), name="b")]
    a, b = (ks.SpikingDense(6, neuron="cuba", kernel_initializer=weights(0.9))(x) for x in inputs)
    last = ks.SpikingDense(4, neuron="cuba", kernel_initializer=weights(0.9))
    return keras.Model(inputs, last(keras.layers.Add()([a, b])))


MODELS = {"dense": dense, "conv": conv, "two_inputs": two_inputs}


def ops_of(folder):
    """How often each op of this package is in a SavedModel, in the graph and in its functions."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((pathlib.Path(folder) / "saved_model.pb").read_bytes())
    (meta,) = saved.meta_graphs
    library = meta.graph_def.library
    nodes = [*meta.graph_def.node, *(n for f in library.function for n in f.node_def)]
    ours = [node.op for node in nodes if node.op.startswith("KerasSlayer>")]
    return {op: ours.count(op) for op in ours}, len(library.registered_gradients)


def spikes_for(model):
    rng = np.random.default_rng(0)
    shapes = [(2, *(n or STEPS for n in x.shape[1:])) for x in model.inputs]
    x = [(rng.random(s) < 0.2).astype(i.dtype) for s, i in zip(shapes, model.inputs, strict=True)]
    return x if len(x) > 1 else x[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """By name: folder, spikes of the model, and of the process that serves it."""
    folder = tmp_path_factory.mktemp("saved")
    wanted, places = {}, {}
    for name, make in MODELS.items():
        model = make()
        x = spikes_for(model)
        places[name] = folder / name
        export_saved_model(model, places[name])
        given = x if isinstance(x, list) else [x]
        np.savez(f"{places[name]}.npz", **{f"x{i}": one for i, one in enumerate(given)})
        wanted[name] = np.asarray(model(x))
        if name == "dense":  # and as Keras writes it
            places["by Keras"] = folder / "by_keras"
            model.export(places["by Keras"], verbose=False)
            np.savez(f"{places['by Keras']}.npz", x0=x)
            wanted["by Keras"] = wanted[name]
    (folder / "server.py").write_text(SERVER)
    done = subprocess.run(
        [sys.executable, "-P", "server.py", ks.ops.library_path(), *places.values()],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert set(said["modules"]) == {"keras", "keras_slayer", "tf_keras"}  # as they were put there
    assert said["gradient"].startswith("No gradient defined for operation")
    return {name: (path, wanted[name], np.load(f"{path}.npy")) for name, path in places.items()}


@pytest.mark.parametrize("name", [*MODELS, "by Keras"])
def test_spikes_where_only_tensorflow_and_the_library_are(served, name):
    _, wanted, found = served[name]
    assert wanted.sum() > 5
    np.testing.assert_array_equal(found, wanted)


def gradient_ops(ops):
    return {op for op in ops if "Grad" in op}


@pytest.mark.parametrize("name", MODELS)
def test_no_gradients_for_inference(served, name):
    ops, gradients = ops_of(served[name][0])
    assert len(ops) >= 2 and not gradient_ops(ops)
    assert gradients == 0


def test_where_gradients_come_from(served):
    """TensorFlow keeps custom gradients unless it is told not to: what the docs say."""
    ops, gradients = ops_of(served["by Keras"][0])
    assert gradient_ops(ops) and gradients > 0


def test_other_models_are_refused(tmp_path):
    class Own(keras.Model):
        pass

    for model in (Own(), keras.Sequential([ks.SpikingDense(3)])):
        with pytest.raises(ValueError, match=r"model must be a Sequential model that is built"):
            export_saved_model(model, tmp_path / "saved")
    assert not list(tmp_path.iterdir())


def test_the_library_in_use():
    path = ks.ops.library_path()
    assert path.is_file() and path.suffix == ".so"
    assert str(path.resolve()) in pathlib.Path("/proc/self/maps").read_text()
