"""Adam with a learning rate for each kind of weight."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.optimizers import ScaledAdam


def network():
    return keras.Sequential(
        [
            keras.Input((20, 3)),
            # A layer of the name of the weight: only the weight counts.
            ks.DelayLayer(delay_initializer=keras.initializers.Constant(5.5), name="kernel"),
            ks.SpikingDense(
                2,
                name="delay",
                kernel_initializer=keras.initializers.RandomNormal(9.0, 3.0, seed=1),
            ),
        ]
    )


def steps_of(optimizer):
    """How far one training step moves (delays, kernel)."""
    model = network()
    before = model.get_weights()
    spikes = (np.random.default_rng(0).random((8, 20, 3)) < 0.3).astype("float32")
    model.compile(optimizer, loss=ks.SpikeMaxLoss())
    model.fit(spikes, np.arange(8) % 2, verbose=0)
    return [np.abs(new - old) for new, old in zip(model.get_weights(), before, strict=True)]


def test_scales_the_step_of_the_named_weights_only():
    plain = steps_of(keras.optimizers.Adam(1e-3))
    scaled = steps_of(ScaledAdam(1e-3, factors={"delay": 200.0}))
    assert plain[0].max() > 1e-4
    np.testing.assert_allclose(scaled[0], 200 * plain[0], rtol=1e-3)  # as exact as float32 at 5.5
    np.testing.assert_allclose(scaled[1], plain[1], rtol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"amsgrad": True}, {"weight_decay": 0.1, "beta_1": 0.5},
                                     {"clipnorm": 0.1}, {"use_ema": True}])  # fmt: skip
def test_is_keras_adam_to_rounding(options, dtype):
    """Over ten steps, compiled and not."""
    rng = np.random.default_rng(3)
    start, gradients = rng.normal(size=(7, 5)), rng.normal(size=(10, 7, 5))
    for wrap in (tf.function, lambda function: function):
        ends = []
        for kind in (keras.optimizers.Adam, ScaledAdam):
            weights = keras.Variable(start, dtype=dtype, name="kernel")
            optimizer = kind(0.01, **options)
            optimizer.build([weights])
            step = wrap(lambda gradient: optimizer.apply([gradient], [weights]))  # noqa: B023
            for gradient in gradients:
                step(tf.constant(gradient, dtype))
            ends.append([keras.ops.convert_to_numpy(v) for v in (weights, *optimizer.variables)])
        assert np.abs(ends[0][0] - start).mean() > 1e-2
        tolerance = {"float32": 1e-5, "float64": 1e-6}[dtype]
        for plain, fused in zip(*ends, strict=True):
            np.testing.assert_allclose(
                fused.astype("float64"), plain.astype("float64"), rtol=tolerance, atol=tolerance
            )


def test_is_one_operation_per_weight():
    weights = keras.Variable(np.ones((3, 2)), name="kernel")
    optimizer = ScaledAdam()
    optimizer.build([weights])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [weights]))
    graph = step.get_concrete_function(tf.ones((3, 2))).graph
    assert [op.type for op in graph.get_operations()].count("ResourceApplyAdam") == 1


def test_sparse_gradients_touch_the_rows_that_they_name():
    weights = keras.Variable(np.ones((4, 2)), name="kernel")
    optimizer = ScaledAdam(0.1)
    optimizer.build([weights])
    optimizer.apply([tf.IndexedSlices(tf.ones((1, 2)), [2], (4, 2))], [weights])
    moved = np.abs(keras.ops.convert_to_numpy(weights) - 1).max(axis=1)
    np.testing.assert_allclose(moved, [0, 0, 0.1, 0], atol=1e-3)


@pytest.mark.parametrize("path", ["fused", "amsgrad", "sparse", "strategy"])
def test_factors_act_on_every_path(path):
    """Also where the step is Keras' own: amsgrad, sparse gradients, distribution strategies."""
    on = slice(2, 3) if path == "sparse" else slice(None)
    gradient = (
        tf.IndexedSlices(tf.ones((1, 2)), [2], (4, 2)) if path == "sparse" else tf.ones((4, 2))
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0"]) if path == "strategy" else None
    with strategy.scope() if strategy else contextlib.nullcontext():
        weights = [keras.Variable(np.ones((4, 2)), name=name) for name in ("kernel", "delay")]
        optimizer = ScaledAdam(0.1, factors={"delay": 3.0}, amsgrad=path == "amsgrad")
        optimizer.build(weights)

    def step():
        optimizer.apply([gradient, gradient], weights)

    strategy.run(step) if strategy else step()
    kernel, delay = (np.abs(keras.ops.convert_to_numpy(weight) - 1) for weight in weights)
    np.testing.assert_allclose(kernel[on], 0.1, rtol=1e-5)
    np.testing.assert_allclose(delay[on], 0.3, rtol=1e-5)
    assert np.count_nonzero(delay) == delay[on].size


def test_scales_a_schedule():
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, 1000)
    fixed = steps_of(ScaledAdam(1e-3, factors={"delay": 200.0}))
    scheduled = steps_of(ScaledAdam(schedule, factors={"delay": 200.0}))
    for step, same in zip(scheduled, fixed, strict=True):
        np.testing.assert_array_equal(step, same)


def test_comes_back_from_its_config_and_from_a_saved_model(tmp_path):
    optimizer = ScaledAdam(1e-3, factors={"delay": 7.0}, beta_1=0.8)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is ScaledAdam
    assert again.factors == {"delay": 7.0}
    assert again.beta_1 == 0.8
    model = network()
    model.compile(optimizer, loss=ks.SpikeMaxLoss())
    model.fit(np.ones((2, 20, 3), "float32"), np.array([0, 1]), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.factors == {"delay": 7.0}


def test_knows_weights_that_are_spread_over_devices():
    class Mirrored:
        name = "sequential/layer/delay/replica_1:0"

    class Plain:
        name = "sequential/delay/kernel:0"

    optimizer = ScaledAdam(1e-3, factors={"delay": 7.0})
    assert [optimizer.factor(weight) for weight in (Mirrored(), Plain())] == [7.0, 1.0]


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (3.0, r"dict of weight names.*Received: factors=3\.0"),
        ({1: 2.0}, "dict of weight names"),
        ({"delay": 0.0}, r"factors\['delay'\] must be"),
        ({"delay": "fast"}, r"factors\['delay'\] must be"),
    ],
)
def test_refuses_factors_that_are_none(factors, message):
    with pytest.raises(ValueError, match=message):
        ScaledAdam(factors=factors)


def test_refuses_a_name_that_no_weight_has():
    with pytest.raises(ValueError, match=r"does not train: dealy. It has delay, kernel"):
        steps_of(ScaledAdam(factors={"dealy": 2.0}))
