"""A Stream gives the spikes of the whole, whatever the chunks."""

import re
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks

BATCH, STEPS = 2, 24
CUTS = [0, 3, 3, 4, 5, 15, STEPS]


def spikes(*shape, batch=BATCH, density=0.08):
    random = np.random.default_rng(3)
    return (random.random((batch, STEPS, *shape)) < density).astype("float32")


def excitable(model):
    """The same with weights that make every layer fire."""
    for weight in model.trainable_weights:
        if weight.name == "kernel":
            weight.assign(4 * weight + abs(weight.numpy()).mean())
    return model


def image_network(neuron="srm", **options):
    """Every layer that has a state, and layers of Keras between them."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((100, 9, 8, 2))  # another length than the recordings
    x = ks.SpikingConv2D(4, 3, neuron=neuron)(inputs)
    x = ks.DelayLayer(5.0, delay_initializer=keras.initializers.RandomUniform(0, 5))(x)
    x = ks.SpikingSumPooling2D(2, neuron=neuron)(x)
    x = ks.WinnerTakeAll(window=3, duration=2.0)(x)
    x = ks.PerStep(keras.layers.Conv2D(3, 2))(x)
    x = keras.layers.BatchNormalization()(x)
    x = ks.SpikingActivation("alif")(x)
    x = ks.Flatten()(x)
    block = keras.Sequential(
        [keras.Input((100, x.shape[-1])), ks.SpikingDense(20, neuron="cuba"), ks.DelayLayer(2.0)]
    )
    left = block(x)
    shared = ks.SpikingDense(20, neuron="loihi")
    x = keras.layers.Add()([shared(left), shared(ks.TemporalFilter([0.0, 1.0])(left))])
    x = keras.layers.Dropout(0.5)(x)
    x = ks.SpikingDense(6, neuron=ks.SRM(kernel_cutoff=1e-2))(x)
    return excitable(keras.Model(inputs, ks.TemporalFilter(neuron)(x)))


@pytest.fixture(scope="module")
def network():
    return ks.Stream(image_network())


@pytest.fixture
def stream(network):
    network.reset()
    return network


def through(stream, recording, cuts):
    return np.concatenate([stream(recording[:, a:b]) for a, b in pairwise(cuts)], axis=1)


@pytest.mark.parametrize("neuron", ["srm", "cuba", "loihi", "alif"])
def test_chunks_are_the_whole(neuron):
    model, recording = image_network(neuron), spikes(9, 8, 2)
    stream = ks.Stream(model)
    whole = stream(recording)
    assert np.any(whole) and stream.steps == STEPS
    stream.reset()
    np.testing.assert_array_equal(through(stream, recording, CUTS), whole)
    stream.reset()
    np.testing.assert_array_equal(through(stream, recording, list(range(STEPS + 1))), whole)


def test_the_whole_is_what_the_model_gives():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((None, 70)), ks.SpikingDense(80, neuron="cuba"), ks.SpikingDense(5)]
    )
    recording = spikes(70, density=0.03)
    expected = excitable(model)(recording)
    assert np.any(expected)
    np.testing.assert_array_equal(through(ks.Stream(model), recording, CUTS), expected)


def test_the_reference_streams_too(monkeypatch):
    from keras_slayer.ops import library

    monkeypatch.setattr(library, "native", lambda: None)
    layers = [ks.SpikingDense(9, neuron="cuba"), ks.DelayLayer(2.0), ks.WinnerTakeAll()]
    stream = ks.Stream(excitable(sequential(*layers, ks.SpikingDense(3, neuron="loihi"))))
    recording = spikes(6, density=0.3)
    whole = stream(recording)
    assert np.any(whole)
    stream.reset()
    np.testing.assert_array_equal(through(stream, recording, [0, 5, 5, STEPS]), whole)


def test_some_samples_begin_again(stream):
    recording = spikes(9, 8, 2)
    first = stream(recording).numpy()
    stream.reset(np.array([True, False]))
    second = stream(recording).numpy()
    np.testing.assert_array_equal(second[0], first[0])
    assert np.any(second[1] != first[1])
    stream.reset()
    np.testing.assert_array_equal(stream(recording[:1]), first[:1])  # another batch size


def test_a_state_is_saved_and_restored(stream, tmp_path):
    recording = spikes(9, 8, 2)
    assert stream.state == {}
    stream(recording[:, :9])
    np.savez(tmp_path / "state.npz", **stream.state)
    rest = stream(recording[:, 9:])
    other = ks.Stream(stream.model)
    other.state = dict(np.load(tmp_path / "state.npz"))
    np.testing.assert_array_equal(other(recording[:, 9:]), rest)
    assert all(type(array) is np.ndarray for array in other.state.values())
    other.state = {}
    assert other.batch_size is None


def test_states_do_not_grow(stream):
    chunk = spikes(9, 8, 2)
    stream(chunk)
    sizes = {name: state.shape for name, state in stream.state.items()}
    assert len(sizes) == 12  # the shared layer has two
    for _ in range(3):
        stream(chunk)
    assert {name: state.shape for name, state in stream.state.items()} == sizes


def test_training_goes_on():
    """The stream takes the weights as they are, and delays that became longer."""
    model, recording = image_network(), spikes(9, 8, 2)
    stream = ks.Stream(model)
    stream(recording[:, :9])
    for layer in model.layers:
        if isinstance(layer, ks.DelayLayer):
            layer.delay.assign(layer.delay + 3.0)
    after = stream(recording[:, 9:]).numpy()
    assert after.shape[1] == STEPS - 9
    changed = ks.Stream(model)
    changed(recording[:, :9])
    assert stream.state.keys() == changed.state.keys()


def chain(neuron="srm", shape=(9, 8, 2)):
    keras.utils.set_random_seed(1)
    bias = {"use_bias": neuron != "loihi", "bias_initializer": keras.initializers.Constant(0.1)}
    return excitable(
        keras.Sequential(
            [
                keras.Input((100, *shape)),
                ks.SpikingSumPooling2D(2, padding="same", neuron=neuron),
                ks.SpikingConv2D(6, 3, padding="same", neuron=neuron, **bias),
                ks.DelayLayer(4.0, delay_initializer=keras.initializers.RandomUniform(0, 4)),
                ks.SpikingConv2D(4, 2, strides=2, groups=2, neuron=neuron),
                ks.Flatten(),
                keras.layers.Dropout(0.5),
                ks.SpikingDense(70, neuron=neuron, **bias),
                ks.DelayLayer(2.0, per="neuron"),
            ]
        )
    )


@pytest.mark.parametrize("neuron", ["srm", "cuba", "loihi", "alif"])
def test_single_steps_are_the_whole(neuron):
    """Mixed with chunks, with events in any order, and named twice."""
    recording = spikes(9, 8, 2, batch=1, density=0.2)
    stream = ks.Stream(chain(neuron))
    whole = stream(recording).numpy()
    assert whole.any()
    stream.reset()
    random = np.random.default_rng(0)
    for t in range(STEPS):
        if t in (7, 8, 15):
            (found,) = np.nonzero(stream(recording[:, t : t + 1]).numpy().ravel())
        else:
            places = np.flatnonzero(recording[0, t])
            found = stream.step(random.permutation([*places, *places[:2]]))
        np.testing.assert_array_equal(found, np.flatnonzero(whole[0, t]))
        if t == 10:
            stream.state = stream.state
    assert stream.steps == STEPS - 11  # since the state was set


def test_values_of_events():
    ones = {"kernel_initializer": "ones", "neuron": "cuba"}
    model = keras.Sequential([keras.Input((None, 5)), ks.SpikingDense(3, **ones)])
    recording = np.zeros((1, 4, 5), np.float32)
    recording[0, 0] = [0, 9.5, 0, -1.0, 0]
    stream = ks.Stream(model)
    whole = stream(recording).numpy()
    stream.reset()
    found = [stream.step([3, 1], [-1.0, 9.5]), *(stream.step([]) for _ in range(3))]
    assert whole.any()
    for t, places in enumerate(found):
        np.testing.assert_array_equal(places, np.flatnonzero(whole[0, t]))


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        ([3, 144], None, r"an index must lie in [0, 143]. Received: 144"),
        ([-1], None, r"an index must lie in [0, 143]. Received: -1"),
        ([5, 5], [1.0, 1.0], "a place has one value in a step. Received: index 5 twice"),
        ([1, 2], [1.0], "`value` must have a number for each of 2 places. Received: 1"),
        ([[1]], None, "`index` must be a vector of integers. Received: int64 of shape (1, 1)"),
        ([0.5], None, "`index` must be a vector of integers. Received: float64 of shape (1,)"),
    ],
)
def test_wrong_events(index, value, message):
    stream = ks.Stream(chain())
    with pytest.raises(ValueError, match=re.escape(message)):
        stream.step(index, value)


def branches():
    inputs = keras.Input((100, 4))
    x = ks.SpikingDense(3)(inputs)
    return keras.Model(inputs, keras.layers.Add()([x, ks.SpikingDense(3)(x)]))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (branches, "each used once. Call the stream on chunks of one step instead. Received: add"),
        (lambda: image_network(), "takes a chain of"),
        (
            lambda: keras.Sequential([keras.Input((9, 4)), ks.SpikingDense(3, dtype="float16")]),
            "with dtype float16",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((9, 4)), ks.SpikingDense(3, neuron=ks.SRM(kernel_cutoff=0.1))]
            ),
            "kernel_cutoff=0.1",
        ),
    ],
)
def test_no_single_steps(model, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ks.Stream(model()).step([])


def test_single_steps_are_of_one_sample():
    stream = ks.Stream(chain())
    stream(spikes(9, 8, 2))
    with pytest.raises(ValueError, match=r"takes one sample.*Received: a state of 2 samples"):
        stream.step([])


def sequential(*layers, shape=(24, 6)):
    return keras.Sequential([keras.Input(shape), *layers], name="net")


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (keras.layers.GRU(3, return_sequences=True, name="g"), "g (GRU): it may look over"),
        (keras.layers.Flatten(name="f"), "f (Flatten): it moves the time axis: use keras_slayer."),
        (keras.layers.Conv1D(3, 2, name="c"), "c (Conv1D): it may look over the whole time axis"),
        (
            keras.layers.BatchNormalization(axis=1, name="b"),
            "b (BatchNormalization): it computes along time",
        ),
        (ks.SpikingDense(3, return_state=True, name="s"), "s (SpikingDense): it returns its state"),
    ],
)
def test_refused_by_name(layer, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        if getattr(layer, "return_state", False):
            inputs = keras.Input((24, 6))
            ks.Stream(keras.Model(inputs, layer(inputs)[0]))
        ks.Stream(sequential(layer))


def test_operations_of_keras():
    inputs = keras.Input((24, 6))
    x = ks.SpikingDense(6)(inputs)
    ks.Stream(keras.Model(inputs, 0.5 * x + inputs))
    message = "keras.ops.sum may look along time"
    with pytest.raises(ValueError, match=message):
        ks.Stream(keras.Model(inputs, keras.ops.sum(x, axis=1)))


class OwnCall(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("net", "model must be a keras.Model. Received: model='net'"),
        (OwnCall(), "needs a model that is built"),
        (keras.Sequential([ks.SpikingDense(3)]), "needs a model that is built"),
    ],
)
def test_models_that_cannot_stream(model, message):
    with pytest.raises(ValueError, match=message):
        ks.Stream(model)


def test_two_inputs():
    one, two = keras.Input((24, 6)), keras.Input((24, 6))
    model = keras.Model([one, two], keras.layers.Add()([one, two]))
    with pytest.raises(ValueError, match=r"takes a model with one input.*with 2 inputs"):
        ks.Stream(model)


def test_wrong_chunks_masks_and_states():
    stream = ks.Stream(sequential(ks.SpikingDense(3)))
    message = r"A chunk for 'net' has the shape \(batch, steps, 6\). Received: \(2, 24, 5\)"
    with pytest.raises(ValueError, match=message):
        stream(np.zeros((2, 24, 5)))
    with pytest.raises(ValueError, match=r"has the shape"):
        stream(np.zeros((24, 6)))
    stream(np.zeros((2, 3, 6)))
    with pytest.raises(ValueError, match=r"state is of 2 samples.*Received: a chunk of 3"):
        stream(np.zeros((3, 3, 6)))
    with pytest.raises(ValueError, match=r"booleans of the shape \(2,\). Received: bool of"):
        stream.reset(np.array([True]))
    state = stream.state
    with pytest.raises(ValueError, match=r"another model: this one has states of \['net/spiking_"):
        stream.state = {"dense": np.zeros((2, 4, 3))}
    (name,) = state
    with pytest.raises(ValueError, match=r"must have the shape \(1, 4, 3\). Received: \(1, 4, 2"):
        stream.state = {name: np.zeros((1, 4, 2))}


def test_layers_take_and_return_states():
    """As Keras' recurrent layers do, one by one and in a functional model."""
    recording = tf.constant(spikes(6))
    whole_layer = ks.SpikingDense(5, name="d")
    layer = ks.SpikingDense(5, return_state=True, name="d2")
    whole = whole_layer(recording)
    layer.build(recording.shape)
    layer.kernel.assign(whole_layer.kernel)
    first, state = layer(recording[:, :7])
    second, _ = layer(recording[:, 7:], initial_state=state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)

    inputs, before = keras.Input((None, 6)), keras.Input((4, 5), dtype="float64")
    outputs, after = layer(inputs, initial_state=before)
    model = keras.Model([inputs, before], [outputs, after])
    again, _ = model([recording[:, 7:], state])
    np.testing.assert_array_equal(again, second)
    assert outputs.shape == (None, None, 5) and after.dtype == "float64"
    copy = ks.SpikingDense.from_config(layer.get_config())
    assert copy.return_state and not whole_layer.return_state


@pytest.mark.parametrize(
    "layer",
    [
        ks.SpikingActivation(),
        ks.DelayLayer(3.0, delay_initializer="ones"),
        ks.TemporalFilter([1.0, 0.5]),
        ks.TemporalFilter("cuba"),
        ks.WinnerTakeAll(duration=3.0),
    ],
)
def test_every_layer_goes_on_from_its_state(layer):
    config = {**layer.get_config(), "return_state": True}
    kept = type(layer).from_config(config)
    recording = spikes(6, density=0.4)
    whole = layer(recording)
    first, state = kept(recording[:, :7])
    second, _ = kept(recording[:, 7:], initial_state=state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)
    with pytest.raises(ValueError, match="Received: a state of shape"):
        kept(recording, initial_state=tf.zeros([2, 1, 5]))
