"""Training in chunks of time: gradients, what a loss is of, how it fits Keras."""

from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from stream_cases import STEPS, excitable, sequential, spikes

import keras_slayer as ks
from keras_slayer.layers.carry import Carry, carrying

LABELS, WEIGHTS = np.array([0, 2]), np.array([0.5, 2.0], "float32")
CUTS = [0, 10, 20, STEPS]


def network(neuron, *more):
    """Everything that has a state or draws random numbers."""
    keras.backend.clear_session()  # the same names in each
    keras.utils.set_random_seed(1)
    return excitable(
        sequential(
            ks.SpikingDense(40, neuron, kernel_regularizer="l2", use_bias=True),
            ks.DelayLayer(4.0, delay_initializer=keras.initializers.RandomUniform(0, 4)),
            *(layer() for layer in more),
            ks.SpikingActivation(neuron, activity_regularizer=keras.regularizers.L2(1e-3)),
            ks.SpikingDense(3, neuron),
            ks.TemporalFilter([0.5, 0.3, 0.2], learnable=True),
            shape=(24, 20),
        )
    )


def after_a_step(model, trained, y, loss, **options):
    metrics = [ks.SpikeCountAccuracy()] if y.ndim == 1 else []
    trained.compile(keras.optimizers.SGD(0.1), loss, metrics=metrics, **options)
    keras.utils.set_random_seed(5)
    x = spikes(20, density=0.02)
    before = [w.numpy() for w in trained.trainable_variables]
    logs = trained.train_on_batch(x, y, sample_weight=WEIGHTS, return_dict=True)
    for w, value in zip(trained.trainable_variables, before, strict=True):
        assert np.any(w.numpy() != value), w.path
    return {w.path: w.numpy() for w in model.weights}, logs


def test_one_chunk_is_plain_training_to_the_bit():
    def model():
        return network("srm", lambda: keras.layers.Dropout(0.3))

    plain = model()
    expected, logs = after_a_step(plain, plain, LABELS, ks.SpikeMaxLoss())
    for update_per in ("batch", "chunk"):
        m = model()
        trained = ks.TruncatedTime(m, 1000, update_per)
        actual, found = after_a_step(m, trained, LABELS, ks.SpikeMaxLoss())
        for path, w in expected.items():
            np.testing.assert_array_equal(actual[path], w, err_msg=path)
        assert found == pytest.approx(logs, rel=1e-6)


def in_chunks(model, x, states):
    with carrying(Carry(states)) as carry:
        for layer in model.layers:
            normalises = isinstance(layer, keras.layers.BatchNormalization)
            x = layer(x, training=True) if normalises else layer(x)
    return x, carry.after


@pytest.mark.parametrize("eagerly", [False, True])
def test_one_update_per_batch(eagerly):
    """The loss is of the whole, the state goes on, the gradient ends; the last chunk is shorter."""
    model = network("cuba", keras.layers.BatchNormalization)
    after, logs = after_a_step(
        model, ks.TruncatedTime(model, 10), LABELS, ks.SpikeMaxLoss(), run_eagerly=eagerly
    )
    model, x = network("cuba", keras.layers.BatchNormalization), spikes(20, density=0.02)
    outputs, states, added = [], {}, 0.0
    with tf.GradientTape() as tape:
        for start, stop in pairwise(CUTS):
            output, states = in_chunks(model, x[:, start:stop], states)
            outputs.append(output)
            added += model.layers[3].losses[0]
        loss = ks.SpikeMaxLoss()(LABELS, tf.concat(outputs, 1), WEIGHTS) + added
        loss += sum(model.layers[0].losses)
    assert logs["loss"] == pytest.approx(float(loss), rel=1e-5)
    check_step(model, tape.gradient(loss, [v.value for v in model.trainable_variables]), 0.1)
    for w in model.weights:
        np.testing.assert_allclose(after[w.path], w, rtol=1e-4, atol=1e-5, err_msg=w.path)


def check_step(model, gradients, rate):
    for v, gradient in zip(model.trainable_variables, gradients, strict=True):
        v.assign(v - rate * gradient)
        if v.constraint is not None:
            v.assign(v.constraint(v))


def test_one_update_per_chunk():
    """Each chunk has its part of the target, and the last one counts by its length."""
    y = (spikes(3) > 0).astype("float32")
    model = network("cuba")
    after, logs = after_a_step(model, ks.TruncatedTime(model, 10, "chunk"), y, ks.SpikeTimeLoss())
    model, x = network("cuba"), spikes(20, density=0.02)
    states, mean = {}, 0.0
    for start, stop in pairwise(CUTS):
        with tf.GradientTape() as tape:
            output, states = in_chunks(model, x[:, start:stop], states)
            loss = ks.SpikeTimeLoss()(y[:, start:stop], output, WEIGHTS)
            loss += sum(model.layers[0].losses) + model.layers[2].losses[0]
        mean += float(loss) * (stop - start) / STEPS
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        check_step(model, gradients, 0.1 * (stop - start) / 10)
    assert logs["loss"] == pytest.approx(mean, rel=1e-5)
    for w in model.weights:
        np.testing.assert_allclose(after[w.path], w, rtol=1e-4, atol=1e-5, err_msg=w.path)


def recordings(count=32, steps=60):
    """Two classes, of which either the even or the odd inputs are more active."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, count)
    rates = np.where(np.arange(8) % 2 == labels[:, None], 0.3, 0.02)
    return (random.random((count, steps, 8)) < rates[:, None]).astype("uint8"), labels


def test_fit_evaluate_and_predict():
    x, labels = recordings()
    model = sequential(ks.SpikingDense(16), ks.SpikingDense(2, name="out"), shape=(300, 8))
    trained = ks.TruncatedTime(model, 25)
    metrics = [ks.SpikeCountAccuracy()]
    trained.compile(keras.optimizers.Adam(0.05), ks.SpikeMaxLoss(), metrics=metrics)
    monitor = ks.FiringRateMonitor(x[:4])
    data = tf.data.Dataset.from_tensor_slices((x, labels)).batch(8)
    long = data.map(lambda x, y: (tf.ensure_shape(x, [None, None, 8]), y))  # of any length
    history = trained.fit(
        long, validation_data=data, epochs=6, shuffle=False, verbose=0, callbacks=[monitor]
    ).history
    assert history["loss"][-1] < history["loss"][0]
    assert max(history["val_spike_count_accuracy"]) >= 0.9
    output = ks.Stream(model)(x)
    np.testing.assert_array_equal(trained.predict(long, verbose=0), output)
    np.testing.assert_array_equal(trained(x), output)
    rate = keras.ops.mean(ks.Stream(model)(x[:4]))
    assert history["rate/out"][-1] == pytest.approx(float(rate), rel=1e-5)
    loss = trained.evaluate(x, labels, sample_weight=labels + 1, batch_size=32, verbose=0)[0]
    assert loss == pytest.approx(float(ks.SpikeMaxLoss()(labels, output, labels + 1)), rel=1e-5)


def test_two_outputs():
    inputs = keras.Input((30, 8))
    hidden = ks.SpikingDense(6, name="hidden")(inputs)
    outputs = {"class": ks.SpikingDense(2, name="class")(hidden), "hidden": hidden}
    model = keras.Model(inputs, outputs)
    trained = ks.TruncatedTime(model, 25)
    trained.compile("sgd", {"class": ks.SpikeMaxLoss(), "hidden": ks.SpikeTimeLoss()})
    x, labels = recordings(4)
    targets = {"class": labels, "hidden": np.zeros((4, 60, 6), "float32")}
    before = [w.numpy() for w in model.weights]
    assert np.isfinite(trained.train_on_batch(x, targets)).all()
    assert all(np.any(w.numpy() != b) for w, b in zip(model.weights, before, strict=True))
    found, expected = trained(x), ks.Stream(model)(x)
    assert found.keys() == {"class", "hidden"}
    for name, output in found.items():
        np.testing.assert_array_equal(output, expected[name])


def test_is_saved(tmp_path):
    trained = ks.TruncatedTime(network("srm"), 7, "chunk", name="chunks")
    trained.save(tmp_path / "trained.keras")
    again = keras.saving.load_model(tmp_path / "trained.keras")
    assert (again.steps, again.update_per, again.name) == (7, "chunk", "chunks")
    x = spikes(20, density=0.3)
    np.testing.assert_array_equal(again(x), trained(x))


def test_refusals():
    with pytest.raises(ValueError, match=r"(?s)TruncatedTime runs .* g \(GRU\): it may look over"):
        ks.TruncatedTime(sequential(keras.layers.GRU(3, return_sequences=True, name="g")))
    with pytest.raises(ValueError, match=r"A TruncatedTime takes a model with one input"):
        inputs = [keras.Input((9, 3)), keras.Input((9, 3))]
        ks.TruncatedTime(keras.Model(inputs, keras.layers.Add()(inputs)))
    model = sequential(ks.SpikingDense(3))
    with pytest.raises(ValueError, match=r"steps must be an integer in \[1, .*Received: steps=0"):
        ks.TruncatedTime(model, steps=0)
    with pytest.raises(ValueError, match=r"'batch' or 'chunk'\. Received: update_per='step'"):
        ks.TruncatedTime(model, update_per="step")
    trained = ks.TruncatedTime(model)
    trained.compile("sgd", ks.SpikeMaxLoss())
    with pytest.raises(ValueError, match=r"has the shape \(batch, time, 6\). Received: \(2, 24, 5"):
        trained.train_on_batch(spikes(5), LABELS)


@pytest.mark.parametrize(("update_per", "truncate"), [("batch", 1), ("batch", 0), ("chunk", 1)])
def test_recordings_of_no_steps(update_per, truncate):
    model = sequential(ks.SpikingDense(3))
    trained = ks.TruncatedTime(model, 10, update_per, truncate)
    trained.compile("sgd", "mse")
    nothing, before = np.zeros((2, 0, 6), np.float32), model.get_weights()
    assert trained.predict(nothing, verbose=0).shape == (2, 0, 3)
    trained.train_on_batch(nothing, np.zeros((2, 0, 3)))
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_nothing_to_train():
    trained = ks.TruncatedTime(sequential(ks.SpikingActivation()), 10)
    trained.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"no weights to train. Received: model='net'"):
        trained.train_on_batch(spikes(6), spikes(6))
