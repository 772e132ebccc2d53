"""Training in chunks of time."""

import subprocess
import sys
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from stream_cases import STEPS, excitable, sequential, spikes

import keras_slayer as ks
from keras_slayer.stream import Stream, TruncatedTime


def network():
    keras.utils.set_random_seed(1)
    layers = [
        ks.SpikingDense(12, neuron="cuba"),
        ks.DelayLayer(4.0, delay_initializer=keras.initializers.RandomUniform(0, 4)),
        keras.layers.BatchNormalization(),
        ks.SpikingActivation(),
        ks.SpikingDense(3, neuron="alif"),
    ]
    return excitable(sequential(*layers))


def weights_after(make, x, y, loss, optimizer="sgd"):
    model = network()
    trained = make(model)
    trained.compile(optimizer, loss, metrics=[ks.SpikeCountAccuracy()] if y.ndim == 1 else [])
    logs = trained.train_on_batch(x, y, return_dict=True)
    return [w.numpy() for w in model.weights], logs


TARGETS = {
    "labels": (np.array([0, 2]), ks.SpikeMaxLoss()),
    "spike trains": ((spikes(3) > 0).astype("float32"), ks.SpikeTimeLoss()),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_one_chunk_is_plain_training(kind):
    y, loss = TARGETS[kind]
    x = spikes(6, density=0.3)
    plain, expected = weights_after(lambda m: m, x, y, loss)
    for steps in (STEPS, 1000):
        chunked, logs = weights_after(lambda m, s=steps: TruncatedTime(m, steps=s), x, y, loss)
        for actual, w in zip(chunked, plain, strict=True):
            np.testing.assert_array_equal(actual, w)
        assert logs == pytest.approx(expected, rel=1e-6)
    assert any(np.any(w != n.numpy()) for w, n in zip(plain, network().weights, strict=True))


def test_gradients_are_those_of_the_chunks():
    """By hand: the state goes on, the gradient ends; the last chunk is shorter."""
    x, y, cuts = spikes(6, density=0.3), np.array([0, 2]), [0, 10, 20, STEPS]
    model, loss = network(), ks.SpikeMaxLoss()
    variables = model.trainable_variables
    before = [v.numpy() for v in variables]
    total = [0.0] * len(variables)
    from keras_slayer.layers.carry import Carry, carrying
    from keras_slayer.stream.apply import apply_to

    states = {}
    for start, stop in pairwise(cuts):
        with tf.GradientTape() as tape, carrying(Carry(states)) as carry:
            output = apply_to(model, tf.constant(x[:, start:stop]), training=True)
            value = (stop - start) / STEPS * loss(y, output)
        found = tape.gradient(value, [v.value for v in variables])
        total = [t + (0.0 if g is None else g.numpy()) for t, g in zip(total, found, strict=True)]
        states = carry.after
    chunked, _ = weights_after(lambda m: TruncatedTime(m, steps=10), x, y, loss)
    trained = network()
    TruncatedTime(trained, steps=10)
    names = [w.path for w in trained.weights]
    after = dict(zip(names, chunked, strict=True))
    for variable, value, gradient in zip(trained.trainable_variables, before, total, strict=True):
        expected = value - 0.01 * gradient
        if variable.constraint is not None:
            expected = variable.constraint(expected)
        np.testing.assert_allclose(after[variable.path], expected, rtol=1e-4, atol=1e-6)


def test_fit_learns_and_evaluates():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 32)
    rates = np.where(np.arange(8) % 2 == labels[:, None], 0.3, 0.02)
    x = (random.random((32, 60, 8)) < rates[:, None]).astype("float32")
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.Input((60, 8)), ks.SpikingDense(16), ks.SpikingDense(2)], name="net"
    )
    trained = TruncatedTime(model, steps=25)
    trained.compile(keras.optimizers.Adam(0.01), ks.SpikeMaxLoss(), [ks.SpikeCountAccuracy()])
    history = trained.fit(x, labels, epochs=8, batch_size=8, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    _, accuracy = trained.evaluate(x, labels, verbose=0)
    assert accuracy >= 0.9
    np.testing.assert_array_equal(trained.predict(x, verbose=0), Stream(model)(x))


def test_config_round_trip():
    trained = TruncatedTime(network(), steps=7)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(trained))
    assert isinstance(again, TruncatedTime) and again.steps == 7
    assert [type(x) for x in again.model.layers] == [type(x) for x in trained.model.layers]


def test_refusals():
    with pytest.raises(ValueError, match=r"g \(GRU\): it may look over"):
        TruncatedTime(sequential(keras.layers.GRU(3, return_sequences=True, name="g")))
    with pytest.raises(ValueError, match=r"steps must be an integer in \[1,"):
        TruncatedTime(network(), steps=0)


MEMORY = """
import resource, sys
import keras, numpy as np
import keras_slayer as ks
steps, chunk = int(sys.argv[1]), int(sys.argv[2])
model = keras.Sequential(
    [keras.Input((None, 100)), *(ks.SpikingDense(1000) for _ in range(3)), ks.SpikingDense(10)]
)
trained = ks.stream.TruncatedTime(model, steps=chunk) if chunk else model
trained.compile("adam", ks.SpikeMaxLoss())
x = (np.random.default_rng(0).random((4, steps, 100)) < 0.05).astype("uint8").astype("float32")
y = np.zeros(4, int)
model.predict(x[:, :1], verbose=0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(2):
    trained.train_on_batch(x, y)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_is_that_of_a_chunk():
    def kilobytes(steps, chunk):
        command = [sys.executable, "-c", MEMORY, str(steps), str(chunk)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1])

    assert kilobytes(3000, 100) < 2 * kilobytes(300, 100) + 20_000  # beside the input itself
    assert kilobytes(3000, 0) > 2 * kilobytes(3000, 100)
