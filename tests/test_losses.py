"""Losses: values by hand, gradients as error signals, labels in every form, errors, Keras."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.losses import SpikeCountLoss, SpikeMaxLoss, SpikeRateLoss, SpikeTimeLoss

LOSSES = [
    SpikeTimeLoss(tau=4.0, dt=2.0),
    SpikeCountLoss(8, 2, region=(2, 12), dt=2.0),
    SpikeRateLoss(0.5, 0.125, region=(0, 4)),
    SpikeMaxLoss(scale=0.5),
]
LABEL_LOSSES = LOSSES[1:]
names = lambda loss: type(loss).__name__  # noqa: E731


def random_spikes(*shape, rate=0.3):
    return (np.random.default_rng(7).random(shape) < rate).astype("float32")


def gradient(loss, y_true, y_pred):
    y_pred = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(y_true, y_pred)
    return value.numpy(), tape.gradient(value, y_pred).numpy()


def alpha_error(difference, tau, dt):
    """The filtered difference by a plain convolution in double precision."""
    time = np.arange(difference.shape[1]) * dt
    kernel = time / tau * np.exp(1 - time / tau)
    convolve = lambda x: np.convolve(x, kernel)[: len(x)]  # noqa: E731
    return np.apply_along_axis(convolve, 1, difference.astype("float64"))


# Spike times


@pytest.mark.parametrize(("tau", "dt"), [(10.0, 1.0), (3.0, 0.5), (1.0, 2.0)])
@pytest.mark.parametrize("inner", [(5,), (2, 3, 2), ()])
def test_spike_time_loss_is_half_the_energy_of_the_filtered_difference(tau, dt, inner):
    spikes, target = random_spikes(3, 40, *inner), random_spikes(3, 40, *inner)[:, ::-1]
    error = alpha_error(spikes - target, tau, dt)
    loss = SpikeTimeLoss(tau, dt, reduction=None)
    expected = 0.5 * dt * np.sum(error**2, axis=tuple(range(1, error.ndim)))
    np.testing.assert_allclose(loss(target, spikes), expected, rtol=1e-5)
    mean = SpikeTimeLoss(tau, dt)(target, spikes)
    np.testing.assert_allclose(mean, expected.mean(), rtol=1e-5)


def test_spike_time_loss_of_one_spike_by_hand():
    # tau = dt: eps = 0, 1, 2/e, 3/e^2, so one spike against none in four steps costs half of
    # 1 + 4/e^2 + 9/e^4.
    spikes = np.zeros((1, 4, 1), "float32")
    spikes[0, 0] = 1
    loss = SpikeTimeLoss(tau=1.0)(np.zeros_like(spikes), spikes)
    np.testing.assert_allclose(loss, 0.5 * (1 + 4 * np.exp(-2) + 9 * np.exp(-4)), rtol=1e-6)


def test_spike_time_gradient_is_the_correlation_of_the_error_with_the_kernel():
    spikes, target = random_spikes(2, 30, 4), random_spikes(2, 30, 4)[:, ::-1]
    _, grad = gradient(SpikeTimeLoss(tau=5.0, reduction="sum"), target, spikes)
    error = alpha_error(spikes - target, 5.0, 1.0)
    expected = alpha_error(error[:, ::-1], 5.0, 1.0)[:, ::-1]
    np.testing.assert_allclose(grad, expected, atol=1e-5)
    assert np.abs(expected).max() > 1


def test_spike_time_loss_is_zero_only_for_the_target():
    spikes = random_spikes(2, 20, 3)
    assert SpikeTimeLoss()(spikes, spikes) == 0
    assert SpikeTimeLoss()(np.roll(spikes, 1, axis=1), spikes) > 0


@pytest.mark.parametrize("shape", [(2, 20), (2, 20, 4), (2, 19, 3), (2, 1, 3), (2, 20, 3, 1)])
def test_spike_time_loss_rejects_targets_of_another_shape(shape):
    with pytest.raises(ValueError, match="same shape") as error:
        SpikeTimeLoss()(np.zeros(shape), np.zeros((2, 20, 3)))
    assert f"y_true.shape={shape}, y_pred.shape=(2, 20, 3)" in str(error.value)


def test_spike_time_loss_does_not_broadcast_unknown_shapes():
    unknown = tf.TensorSpec([None, None, None])
    loss = tf.function(SpikeTimeLoss(), input_signature=[unknown, unknown])
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have the same shape"):
        loss(tf.zeros((2, 1, 3)), tf.zeros((2, 20, 3)))


# Spike counts


def test_spike_count_gradient_is_slayers_error_signal():
    # 10 steps of 2 ms, region 4..16 ms: steps 2..7, six of them.
    spikes = random_spikes(4, 10, 3, rate=0.6)
    labels = np.array([0, 2, 1, 2])
    loss = SpikeCountLoss(5, 1, region=(4, 16), dt=2.0, reduction="sum")
    value, grad = gradient(loss, labels, spikes)
    counts = spikes[:, 2:8].sum(axis=1)
    target = np.ones((4, 3))
    target[np.arange(4), labels] = 5
    expected = np.zeros_like(spikes)
    expected[:, 2:8] = ((counts - target) / 6)[:, None]
    np.testing.assert_allclose(grad, expected, atol=1e-6)
    np.testing.assert_allclose(value, np.sum((counts - target) ** 2) / 12, rtol=1e-6)
    mean_value, mean_grad = gradient(SpikeCountLoss(5, 1, (4, 16), 2.0), labels, spikes)
    np.testing.assert_allclose(mean_grad, expected / 4, atol=1e-6)
    np.testing.assert_allclose(mean_value, value / 4, rtol=1e-6)


def test_spike_count_loss_without_region_counts_every_step():
    spikes = np.ones((1, 300, 2), "float32")
    # 300 spikes where 60 and 10 are wanted.
    expected = (240**2 + 290**2) / (2 * 300)
    np.testing.assert_allclose(SpikeCountLoss(60, 10)([0], spikes), expected, rtol=1e-6)


def test_spike_rate_loss_has_the_same_signal_whatever_the_length():
    for steps in (8, 800):
        spikes = np.zeros((1, steps, 2), "float32")
        spikes[:, ::2, 0] = 1  # rate 0.5
        value, grad = gradient(SpikeRateLoss(0.75, 0.25), [1], spikes)
        np.testing.assert_allclose(grad[0, :, 0], 0.5 - 0.25, rtol=1e-5)
        np.testing.assert_allclose(grad[0, :, 1], 0.0 - 0.75, rtol=1e-5)
        np.testing.assert_allclose(value, steps / 2 * (0.25**2 + 0.75**2), rtol=1e-5)


def test_spike_rate_loss_is_spike_count_loss_of_rate_times_steps():
    spikes, labels = random_spikes(5, 40, 4), [0, 1, 2, 3, 0]
    rate = SpikeRateLoss(0.5, 0.1, region=(10, 30))(labels, spikes)
    count = SpikeCountLoss(10, 2, region=(10, 30))(labels, spikes)
    np.testing.assert_allclose(rate, count, rtol=1e-5)


def test_spike_max_loss_is_the_cross_entropy_of_counts():
    spikes = np.zeros((1, 6, 3), "float32")
    spikes[0, :3, 0] = spikes[0, :1, 1] = 1  # counts 3, 1, 0
    logits = 0.5 * np.array([3.0, 1.0, 0.0])
    p = np.exp(logits) / np.exp(logits).sum()
    value, grad = gradient(SpikeMaxLoss(scale=0.5), [1], spikes)
    np.testing.assert_allclose(value, -np.log(p[1]), rtol=1e-6)
    expected = np.tile(0.5 * (p - [0, 1, 0]), (6, 1))
    np.testing.assert_allclose(grad[0], expected, atol=1e-7)


def test_spike_max_loss_is_finite_with_a_gradient_when_hundreds_of_spikes_disagree():
    spikes = np.zeros((1, 2000, 2), "float32")
    spikes[..., 0] = 1
    value, grad = gradient(SpikeMaxLoss(scale=1.0), [1], spikes)
    assert value == 2000
    np.testing.assert_allclose(grad[0], np.tile([1.0, -1.0], (2000, 1)))


def test_the_default_scale_asks_for_a_lead_of_seventy_spikes():
    spikes = np.zeros((1, 100, 10), "float32")
    spikes[0, :70, 4] = 1
    np.testing.assert_allclose(np.exp(-SpikeMaxLoss()([4], spikes)), 0.99, atol=0.002)


def test_spike_max_loss_takes_rows_that_do_not_sum_to_one():
    spikes = random_spikes(2, 10, 3)
    row, labels = np.array([[0.0, 2.0, 0.0]] * 2), [1, 1]
    twice, grad_of_twice = gradient(SpikeMaxLoss(), row, spikes)
    once, grad = gradient(SpikeMaxLoss(), labels, spikes)
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)
    np.testing.assert_allclose(grad_of_twice, 2 * grad, rtol=1e-5)


# Labels


@pytest.mark.parametrize("loss", LABEL_LOSSES, ids=names)
def test_integer_and_one_hot_labels_agree(loss):
    spikes, labels = random_spikes(5, 12, 4), np.array([3, 0, 1, 1, 2])
    expected = loss(labels, spikes)
    assert expected > 0
    one_hot = np.eye(4)[labels]
    for form in (labels.astype("uint8"), labels[:, None], one_hot, one_hot.astype(bool)):
        assert loss(form, spikes) == expected
        assert loss.call(tf.constant(form), tf.constant(spikes)).shape == (5,)
    assert loss((labels + 1) % 4, spikes) != expected


def test_class_axes_of_a_convolution_are_flattened():
    spikes, labels = random_spikes(3, 12, 6), np.array([5, 0, 3])
    loss = SpikeCountLoss(4, 1)
    for inner in ((1, 1, 6), (2, 3)):
        image = spikes.reshape(3, 12, *inner)
        assert loss(labels, image) == loss(labels, spikes)
        assert loss(np.eye(6)[labels].reshape(3, *inner), image) == loss(labels, spikes)


def test_one_neuron_is_told_to_fire_or_not():
    spikes = np.ones((2, 10, 1), "float32")
    losses = SpikeCountLoss(8, 2, reduction=None)([[1], [0]], spikes)
    np.testing.assert_allclose(losses, [2**2 / 20, 8**2 / 20], rtol=1e-6)
    with pytest.raises(ValueError, match="two classes or more"):
        SpikeCountLoss(8, 2)([0, 0], spikes)


@pytest.mark.parametrize("loss", LABEL_LOSSES, ids=names)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 12, 4), (2, 4, 1), (3, 4), (3, 1)])
def test_labels_of_another_shape_are_named(loss, shape):
    with pytest.raises(ValueError, match="must be integer labels") as error:
        loss(np.zeros(shape), np.zeros((2, 12, 4)))
    assert f"Received: y_true.shape={shape}" in str(error.value)
    assert "(2,) or (2, 1)" in str(error.value) and "(2, 4)" in str(error.value)


@pytest.mark.parametrize("label", [-1, 4, 1.5])
def test_labels_that_name_no_class_are_refused(label):
    loss = SpikeMaxLoss()
    for call in (loss, tf.function(loss)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="integer class labels from 0"):
            call(tf.constant([0.0, label]), tf.zeros((2, 12, 4)))


@pytest.mark.parametrize("shape", [(12,), (2, 12)])
def test_spikes_without_a_class_axis_are_named(shape):
    with pytest.raises(ValueError, match=r"\(batch, time, classes...\)") as error:
        SpikeMaxLoss()([0, 1], np.zeros(shape))
    assert f"Received: y_pred.shape={shape}" in str(error.value)


def test_region_past_the_recording_is_refused():
    loss = SpikeCountLoss(5, 1, region=(0, 300), dt=2.0)
    assert loss([0], np.zeros((1, 150, 2))) > 0
    with pytest.raises(ValueError, match=r"149 steps of dt=2 ms.*Received: region=.0.0, 300.0."):
        loss([0], np.zeros((1, 149, 2)))
    dynamic = tf.function(loss, input_signature=[tf.TensorSpec([None]), tf.TensorSpec([None] * 3)])
    assert dynamic(tf.constant([0.0]), tf.zeros((1, 150, 2))) > 0
    with pytest.raises(tf.errors.InvalidArgumentError, match="region ends after"):
        dynamic(tf.constant([0.0]), tf.zeros((1, 149, 2)))


@pytest.mark.parametrize("loss", LABEL_LOSSES, ids=names)
def test_unknown_shapes_give_the_same_loss_and_do_not_broadcast(loss):
    spikes, labels = random_spikes(3, 12, 4), np.array([3.0, 0.0, 2.0], "float32")
    spikes_spec, expected = tf.TensorSpec([None] * 3), loss(labels, spikes)
    integers = tf.function(loss, input_signature=[tf.TensorSpec([None]), spikes_spec])
    np.testing.assert_allclose(integers(labels, spikes), expected, rtol=1e-6)
    rows = tf.function(loss, input_signature=[tf.TensorSpec([None, None]), spikes_spec])
    one_hot = np.eye(4, dtype="float32")[labels.astype(int)]
    np.testing.assert_allclose(rows(one_hot, spikes), expected, rtol=1e-6)
    for call, wrong in ((integers, labels[:1]), (rows, one_hot[:1]), (rows, one_hot[:, :1])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="same batch size and number"):
            call(wrong, spikes)


# Construction


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpikeTimeLoss(tau=0), r"tau must be a number in \(0, inf\). Received: tau=0"),
        (lambda: SpikeTimeLoss(tau=float("nan")), "Received: tau=nan"),
        (lambda: SpikeTimeLoss(dt=-1.0), r"dt must be a number in \(0, inf\). Received: dt=-1.0"),
        (lambda: SpikeTimeLoss(tau="10"), "Received: tau='10'"),
        (lambda: SpikeTimeLoss(tau=True), "Received: tau=True"),
        (lambda: SpikeCountLoss(10, -1), r"false_count must be a number in \[0, inf\). Received"),
        (lambda: SpikeCountLoss(10, 10), r"true_count must be .* in \(10, inf\).*true_count=10"),
        (lambda: SpikeCountLoss(float("inf"), 1), "Received: true_count=inf"),
        (lambda: SpikeRateLoss(1.5, 0.1), r"true_rate must be .* in \(0.1, 1\].*true_rate=1.5"),
        (lambda: SpikeRateLoss(0.1, 0.2), r"true_rate must be .* in \(0.2, 1\].*true_rate=0.1"),
        (lambda: SpikeMaxLoss(scale=0), r"scale must be a number in \(0, inf\).*scale=0"),
        (lambda: SpikeMaxLoss(region=(5, 5)), r"`region` must be .*Received: region=\(5, 5\)"),
        (lambda: SpikeMaxLoss(region=(-1, 5)), r"Received: region=\(-1, 5\)"),
        (lambda: SpikeMaxLoss(region=5), "Received: region=5"),
        (lambda: SpikeMaxLoss(region=(0, None)), r"Received: region=\(0, None\)"),
        (
            lambda: SpikeMaxLoss(region=(0, 5), dt=2),
            r"multiples of dt=2. Received: region=\(0, 5\)",
        ),
        (lambda: SpikeMaxLoss(reduction="median"), "reduction=median"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numpy_numbers_are_numbers():
    loss = SpikeCountLoss(np.int64(60), np.float32(10), region=np.array([0, 300]))
    assert json.dumps(loss.get_config()) == json.dumps(
        SpikeCountLoss(60, 10, (0, 300)).get_config()
    )


# Keras


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_config_round_trip(loss):
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    assert config["registered_name"] == f"keras_slayer>{type(loss).__name__}"
    again = keras.losses.get(config)
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    y_true = [1, 0] if loss in LABEL_LOSSES else random_spikes(2, 12, 3)[::-1]
    assert again(y_true, random_spikes(2, 12, 3)) == loss(y_true, random_spikes(2, 12, 3)) > 0
    other = type(loss).from_config({**loss.get_config(), "dtype": "float64", "reduction": "sum"})
    assert other.get_config() != loss.get_config()
    assert type(loss).from_config(other.get_config()).dtype == "float64"


def test_losses_can_be_named():
    named = keras.losses.get({"class_name": "keras_slayer>SpikeMaxLoss", "config": {"scale": 2.0}})
    assert isinstance(named, SpikeMaxLoss) and named.scale == 2.0


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_sample_weights_scale_each_sample(loss):
    spikes = random_spikes(4, 12, 3)
    y_true = [0, 1, 2, 0] if loss in LABEL_LOSSES else random_spikes(4, 12, 3)[::-1]
    each = type(loss).from_config({**loss.get_config(), "reduction": None})(y_true, spikes)
    weights = np.array([0.0, 1.0, 2.0, 0.5], "float32")
    expected = np.mean(each.numpy() * weights)
    np.testing.assert_allclose(loss(y_true, spikes, sample_weight=weights), expected, rtol=1e-6)
    assert len(set(each.numpy())) > 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_half_precision_spikes_are_counted_in_float32(loss, dtype):
    # A sum in bfloat16 stops at 256 spikes: 1001 of them tell the difference.
    spikes = np.zeros((2, 1001, 2), "float32")
    spikes[..., 0] = 1
    y_true = [0, 1] if loss in LABEL_LOSSES else spikes[:, :, ::-1]
    expected, grad = gradient(loss, y_true, spikes)
    half, half_grad = gradient(loss, y_true, tf.cast(spikes, dtype))
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, expected, rtol=1e-6)
    np.testing.assert_allclose(half_grad.astype("float32"), grad, rtol=1e-2)
    direct = loss.call(tf.constant(y_true), tf.cast(spikes, dtype))
    assert direct.dtype == tf.float32
    assert type(loss).from_config({**loss.get_config(), "dtype": dtype}).dtype == "float32"


def test_half_precision_floatx_does_not_reach_the_loss():
    keras.config.set_floatx("float16")
    try:
        assert SpikeMaxLoss().dtype == "float32"
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_empty_batch(loss):
    y_true = np.zeros((0,)) if loss in LABEL_LOSSES else np.zeros((0, 12, 3))
    each = loss.call(tf.constant(y_true), tf.zeros((0, 12, 3)))
    assert each.shape == (0,)


# XLA has no kernel for the filter of SpikeTimeLoss, nor for spiking layers, so that Keras does not
# compile their models with it; the other losses may follow standard layers that it does compile.
@pytest.mark.parametrize(
    ("loss", "options"),
    [(loss, {"run_eagerly": eager}) for loss in LOSSES for eager in (False, True)]
    + [(loss, {"jit_compile": True}) for loss in LABEL_LOSSES],
    ids=lambda value: names(value) if value in LOSSES else str(value),
)
def test_losses_train_a_model(loss, options):
    inputs, labels = random_spikes(8, 12, 5), np.arange(8) % 3
    targets = labels if loss in LABEL_LOSSES else random_spikes(8, 12, 3, rate=0.5)
    model = keras.Sequential([keras.Input((12, 5)), keras.layers.Dense(3, activation="sigmoid")])
    model.compile("adam", loss=loss, **options)
    weights = np.linspace(0.5, 2, 8)
    history = model.fit(inputs, targets, sample_weight=weights, batch_size=3, epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


# Keras' own conversion of variables to NumPy arrays is behind NumPy's.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_compiled_loss_survives_saving(loss, tmp_path):
    model = keras.Sequential([keras.Input((12, 5)), keras.layers.Dense(3, activation="sigmoid")])
    model.compile("adam", loss=loss)
    inputs, labels = random_spikes(4, 12, 5), np.array([0, 1, 2, 0])
    targets = labels if loss in LABEL_LOSSES else random_spikes(4, 12, 3)
    model.fit(inputs, targets, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == loss.get_config()
    assert again.evaluate(inputs, targets, verbose=0) == model.evaluate(inputs, targets, verbose=0)
