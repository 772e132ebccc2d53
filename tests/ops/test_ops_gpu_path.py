"""The ops that are chosen on a GPU, here by their CPU kernels: they give what the others give.

The kernels of the GPU are compared with these in tests/gpu.
"""

import cases
import keras
import layer_ops
import numpy as np
import processes
import pytest
import tensorflow as tf
from layer_ops import LAYERS, NEURONS, evaluate

import keras_slayer as ks
from keras_slayer.ops import library, selection
from keras_slayer.ops.synapses import conv2d

NEURON = NEURONS["srm-exponential-slayer"]


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(library, "on_gpu", lambda: True)


@pytest.mark.parametrize("density", [0.05, 0.5])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_give_the_same(gpu, name, density):
    for kind in ("srm-exponential-slayer", "loihi-triangle-exodus"):
        inputs = LAYERS[name].arrays(density, bias="pool" not in name)
        outputs, gradients = evaluate(LAYERS[name], inputs, NEURONS[kind], "native")
        expected, expected_gradients = evaluate(LAYERS[name], inputs, NEURONS[kind], "reference")
        for actual, e in zip(outputs, expected, strict=True):
            np.testing.assert_array_equal(actual, e)
        for i, (actual, e) in enumerate(zip(gradients, expected_gradients, strict=True)):
            cases.assert_close(actual, e, 1e-4, f"gradient {i}")


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        ("matmul", {"few_units_matmul", "few_units_matmul_weights_grad", "matmul_input_grad"}),
        (
            "conv",
            {"frames_conv2d", "frames_conv2d_weights_grad", "frames_conv2d_input_grad"},
        ),
    ],
)
def test_spikes_are_read_as_they_are_and_written_as_bytes(gpu, name, ops):
    """No list of events, whose length the host would have to wait for."""
    inputs = LAYERS[name].arrays(0.05)
    with layer_ops.ops_used() as used, tf.GradientTape() as tape:
        tape.watch(inputs[:2])
        spikes, _ = LAYERS[name].run(*inputs, NEURON)
        tape.gradient(spikes, inputs[:2])
    assert used == ops | {"neuron_bytes", "neuron_grad"}


def test_a_layer_reads_the_bytes_of_the_one_before(gpu):
    """Whose floats are then computed by nobody."""
    read = []

    @tf.function
    def two_layers(spikes, first, second):
        hidden, _ = LAYERS["conv"].run(spikes, first, None, NEURON)
        with layer_ops.ops_used():
            z = conv2d.conv2d_synapse(
                hidden, second, strides=(1, 1), padding="same", dilations=(1, 1)
            )
            out = z.value()
        graph = tf.compat.v1.get_default_graph()
        convolutions = [op for op in graph.get_operations() if "FramesConv2D" in op.type]
        read.extend(op.inputs[0].dtype for op in convolutions)
        return out

    spikes, first, _ = LAYERS["conv"].arrays(0.05)
    two_layers(spikes, first, tf.ones([3, 3, 5, 2]))
    assert read == [tf.float32, tf.uint8]


def test_neurons_that_feed_each_other_by_a_convolution(monkeypatch):
    """The loop is one op there, too, and the gradient of the weights reads spikes as they are."""
    random = np.random.default_rng(0)
    z, weights = random.normal(size=(2, 9, 6, 5, 4)), random.normal(size=(3, 2, 2, 4))
    z, weights = tf.constant(z, tf.float32), tf.constant(0.3 * weights, tf.float32)
    found, kernels = [], {"events": "event", "frames": "frames"}
    for choice, events in kernels.items():
        monkeypatch.setattr(library, "on_gpu", lambda choice=choice: choice == "frames")
        with layer_ops.ops_used() as used, tf.GradientTape() as tape:
            tape.watch([z, weights])
            spikes, _ = ks.ops.fire_recurrent(z, weights, NEURON)
            gradients = tape.gradient(spikes, [z, weights])
        used -= {"find_events"} if choice == "events" else set()
        assert used == {
            *("recurrent_conv2d_layer", "recurrent_conv2d_layer_grad"),
            f"{events}_conv2d_weights_grad",
        }
        found.append([spikes, *gradients])
    assert all(np.any(x) for x in found[0])
    for actual, expected in zip(*found, strict=True):
        np.testing.assert_array_equal(actual, expected)


SERVE = """
import sys
import numpy as np
import keras_slayer as ks
import tensorflow as tf
assert ks.ops.load() == "native" and not ks.ops.library.on_gpu()
network = tf.saved_model.load(sys.argv[1])
graph = network.signatures["serving_default"].graph.as_graph_def()
types = {node.op for f in graph.library.function for node in f.node_def}
print(*sorted(name.removeprefix("KerasSlayer>") for name in types if "Slayer" in name))
np.save(sys.argv[2], network.serve(np.load(sys.argv[2])))
"""


def test_a_saved_model_of_a_machine_with_a_gpu_runs_on_one_without(gpu, tmp_path):
    """Its ops have kernels for both."""
    weights = {"kernel_initializer": keras.initializers.RandomNormal(0.2, 0.5, seed=5)}
    model = keras.Sequential(
        [
            keras.Input((12, 7, 6, 2)),
            ks.SpikingConv2D(3, 3, **weights),
            ks.SpikingSumPooling2D(2),
            ks.Flatten(),
            ks.SpikingDense(4, **weights),
        ]
    )
    spikes = (np.random.default_rng(0).random((2, 12, 7, 6, 2)) < 0.4).astype("float32")
    expected = model.predict(spikes, verbose=0)
    model.export(tmp_path / "net", verbose=False)
    np.save(tmp_path / "x.npy", spikes)
    served = processes.start("-c", SERVE, str(tmp_path / "net"), str(tmp_path / "x.npy"))
    names = processes.output_of(served).split()
    assert {"FramesConv2D", "NeuronBytes", "FewUnitsMatmul"} <= set(names)
    assert np.sum(expected) > 0
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected)


@pytest.mark.parametrize("op", ["matmul and neuron", "matmul", "conv2d and neuron", "conv2d"])
def test_choices(gpu, op):
    shapes = {
        "matmul": ((2, 9, 300), (300, 512)),
        "conv2d": ((2, 9, 8, 8, 3), (3, 3, 3, 8)),
    }[op.split()[0]]
    kernel = selection.choose(op, *map(tf.TensorShape, shapes), layer="").kernel
    expected = {"matmul": "few units", "conv2d": "frames"}.get(op, selection.IN_TURN.kernel)
    assert kernel == expected
