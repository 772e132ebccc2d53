"""Operations of every kind of layer, against a count of all connections one by one."""

import pathlib
import sys

import connections
import keras
import numpy as np
import pytest

import keras_slayer as ks

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "layers"))
from layer_cases import LIVELY, NEURONS, spikes

BATCH, STEPS = 3, 4
VECTOR, IMAGE = (STEPS, 5), (STEPS, 6, 5, 2)
layers = keras.layers


def with_zeros(layer, seed=0):
    """About a third of the weights of a layer, set to zero."""
    random = np.random.default_rng(seed)
    weights = layer.get_weights()
    layer.set_weights([w * (random.random(w.shape) < 0.7) for w in weights])


def profiled(layer, shape, x=None):
    """The profile of a model of one layer, its input and its output."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input(shape), layer])
    with_zeros(layer)
    x = spikes((BATCH, *shape), 0.4) if x is None else x
    return ks.profile(model, x, batch_size=2)[layer.name], x, model(x).numpy()


def expected(rows, inputs):
    """Per sample."""
    dense, effective = connections.count(list(rows), inputs)
    return dense / BATCH, effective / BATCH


def as_found(layer):
    return layer.dense, layer.synaptic_operations


def steps_as_calls(x):
    return x.reshape(-1, *x.shape[2:])


@pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS.keys())
def test_spiking_dense(neuron):
    layer = ks.SpikingDense(4, neuron, kernel_initializer=LIVELY)
    found, x, y = profiled(layer, VECTOR)
    kernel = np.asarray(layer.quantized_kernel())
    assert as_found(found) == expected(connections.matrix(kernel), steps_as_calls(x))
    assert (found.macs, found.acs) == (0, found.synaptic_operations)
    assert 0 < found.acs < found.dense
    assert found.connection_sparsity == np.mean(kernel == 0) > 0.1
    assert (found.neurons, found.neuron_updates) == (4, 4 * STEPS)
    assert found.spikes == y.sum() / BATCH and found.spike_rate == pytest.approx(y.mean())
    assert found.activation_sparsity == pytest.approx(1 - y.mean())
    assert (found.parameters, found.footprint) == (20, 80)


def test_loihi_layers_count_the_weights_that_the_chip_rounds_to_zero():
    neuron = ks.LoihiCUBA(weight_bits=2)
    layer = ks.SpikingDense(4, neuron, kernel_initializer=keras.initializers.RandomNormal(0, 1.5))
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(VECTOR), layer])
    x = np.ones((1, *VECTOR), "float32")
    found = ks.profile(model, x)[layer.name]
    zeros = np.count_nonzero(np.asarray(layer.quantized_kernel()) == 0)
    assert zeros > 3 and np.all(layer.kernel.numpy() != 0)
    assert (found.zero_weights, found.dense, found.acs) == (zeros, 80, 80 - STEPS * zeros)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "same"},
        {"strides": (2, 1), "padding": "same"},
        {"dilation_rate": 2, "padding": "same"},
        {"groups": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["spiking", "keras"])
def test_convolutions(options, wrapped):
    if wrapped:
        layer = ks.PerStep(layers.Conv2D(4, (3, 2), **options))
    else:
        options = {**options, "neuron": NEURONS["cuba"], "kernel_initializer": LIVELY}
        layer = ks.SpikingConv2D(4, (3, 2), **options)
    found, x, _ = profiled(layer, IMAGE)
    core = layer.layer if wrapped else layer
    window = (core.strides, core.dilation_rate, core.padding)
    rows = connections.conv(IMAGE[1:], core.kernel.numpy(), *window)
    assert as_found(found) == expected(rows, steps_as_calls(x))
    assert found.type == ("PerStep(Conv2D)" if wrapped else "SpikingConv2D")
    assert found.parameters == core.count_params()
    assert (found.neurons is None) == wrapped


@pytest.mark.parametrize("neuron", ["srm", "loihi"])
def test_pools(neuron):
    for options in ({"pool_size": (2, 3)}, {"pool_size": 3, "strides": 2, "padding": "same"}):
        layer = ks.SpikingSumPooling2D(neuron=NEURONS[neuron], **options)
        found, x, y = profiled(layer, IMAGE)
        rows = connections.pool(IMAGE[1:], layer.pool_size, layer.strides, layer.padding)
        assert as_found(found) == expected(rows, steps_as_calls(x))
        assert found.connection_sparsity is None and found.parameters == 0
        assert found.spikes == y.sum() / BATCH


@pytest.mark.parametrize("neuron", ["alif", "loihi"])
def test_recurrent_weights_meet_the_spikes_of_the_step_before(neuron):
    layer = ks.SpikingRecurrentDense(4, NEURONS[neuron], kernel_initializer=LIVELY)
    found, x, y = profiled(layer, VECTOR)
    assert y[:, :-1].any() and y[:, -1].any()
    kernel = np.asarray(layer.quantized_kernel())
    recurrent = np.asarray(layer.quantized_recurrent_kernel())
    before = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
    one = expected(connections.matrix(kernel), steps_as_calls(x))
    other = expected(connections.matrix(recurrent), steps_as_calls(before))
    assert as_found(found) == (one[0] + other[0], one[1] + other[1])
    assert found.weights == 36 and found.acs == found.synaptic_operations
    # The input of numbers takes multiplications; the spikes that come back do not.
    found, _, y = profiled(layer, VECTOR, 0.7 * x)
    before = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
    recurrent = expected(connections.matrix(recurrent), steps_as_calls(before))[1]
    assert (found.macs, found.acs) == (one[1], recurrent)


def test_recurrent_weights_of_maps():
    options = {"kernel_initializer": LIVELY, "recurrent_kernel_size": (2, 3)}
    layer = ks.SpikingRecurrentConv2D(3, 2, neuron=NEURONS["alif"], **options)
    found, x, y = profiled(layer, IMAGE)
    kernel, recurrent = (w.numpy() for w in (layer.kernel, layer.recurrent_kernel))
    before = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
    one = connections.conv(IMAGE[1:], kernel, (1, 1), (1, 1), "valid")
    other = connections.conv(y.shape[2:], recurrent, (1, 1), (1, 1), "same")
    one, other = expected(one, steps_as_calls(x)), expected(other, steps_as_calls(before))
    assert y[:, :-1].any() and as_found(found) == (one[0] + other[0], one[1] + other[1])


def test_filters_and_layers_without_synapses():
    layer = ks.TemporalFilter([0.5, 0.0, 0.25, 1.0, 2.0], learnable=True)
    found, x, _ = profiled(layer, VECTOR)
    taps = layer.kernel.numpy()
    rows = connections.filter_taps(STEPS, taps)
    assert as_found(found) == expected(rows, np.moveaxis(x, 1, 2).reshape(-1, STEPS))
    assert found.weights == 5 and found.neuron_updates is None
    found, _, _ = profiled(ks.TemporalFilter([0.5, 0.25]), VECTOR)
    assert found.dense == 5 * (2 * STEPS - 1) and found.weights is None
    found, _, _ = profiled(ks.TemporalFilter("srm"), VECTOR)
    assert (found.dense, found.neuron_updates, found.spikes) == (0, 5 * STEPS, None)
    found, _, y = profiled(ks.SpikingActivation(NEURONS["cuba"]), VECTOR)
    assert (found.dense, found.neuron_updates) == (0, 5 * STEPS)
    assert found.spikes == y.sum() / BATCH
    for layer, parameters in (
        (ks.DelayLayer(), 2),
        (ks.WinnerTakeAll(), 0),
        (ks.Flatten(), 0),
        (layers.BatchNormalization(), 8),
        (ks.PerStep(layers.MaxPooling2D(2)), 0),
        (layers.Dropout(0.5), 0),
    ):
        found, _, y = profiled(layer, IMAGE)
        assert found.counted and (found.dense, found.macs, found.acs) == (0, 0, 0)
        assert found.parameters == parameters and found.connection_sparsity is None
        assert found.activation_sparsity == pytest.approx(np.mean(y == 0))
        assert found.neuron_updates is None and not found.active


def conv_rows(shape, layer):
    window = (layer.strides, layer.dilation_rate, layer.padding)
    return connections.conv(shape, layer.kernel.numpy(), *window)


def depthwise_rows(shape, layer):
    window = (layer.strides, layer.dilation_rate, layer.padding)
    return connections.depthwise(shape, layer.kernel.numpy(), *window)


def transposed_rows(shape, layer):
    return connections.transposed(shape, layer.kernel.numpy(), layer.strides, layer.padding)


@pytest.mark.parametrize(
    ("layer", "shape", "rows"),
    [
        (layers.Conv1D(3, 3, padding="causal", dilation_rate=2), (7, 4), conv_rows),
        (layers.Conv1D(4, 2, groups=2), (6, 4), conv_rows),
        (layers.Conv3D(2, (2, 3, 2), padding="same"), (3, 4, 3, 2), conv_rows),
        (layers.DepthwiseConv1D(3, padding="same"), (6, 3), depthwise_rows),
        (layers.DepthwiseConv2D(2, strides=2, depth_multiplier=2), (5, 4, 3), depthwise_rows),
        (layers.Conv1DTranspose(2, 3, strides=2, padding="same"), (4, 3), transposed_rows),
        (layers.Conv2DTranspose(2, (3, 2), strides=2), (3, 4, 2), transposed_rows),
        (layers.Conv2DTranspose(2, 4, strides=2, padding="same"), (3, 3, 2), transposed_rows),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_standard_convolutions(layer, shape, rows):
    found, x, _ = profiled(layer, shape)
    assert as_found(found) == expected(rows(shape, layer), x)
    assert found.acs > 0 and found.macs == 0 and found.counted


@pytest.mark.parametrize("wrapper", [ks.PerStep, layers.TimeDistributed])
def test_layers_applied_to_every_step(wrapper):
    layer = wrapper(layers.DepthwiseConv2D(3, padding="same", activation="relu"))
    found, x, y = profiled(layer, IMAGE)
    assert as_found(found) == expected(depthwise_rows(IMAGE[1:], layer.layer), steps_as_calls(x))
    assert found.active and found.activation_sparsity == pytest.approx(np.mean(y == 0))
    assert found.outputs == y.size / BATCH


def test_products_of_numbers_are_macs():
    """And all of a layer's operations are, however its input is split into batches."""
    x = spikes((BATCH, *VECTOR), 0.4)
    x[0, 2, 1] = 2.0  # not in the last batch
    found, _, _ = profiled(layers.Dense(3), VECTOR, x)
    kernel = np.random.default_rng(0).random((5, 3)) < 0.7  # as with_zeros draws them
    assert as_found(found) == expected(connections.matrix(kernel), steps_as_calls(x))
    assert (found.macs, found.acs) == (found.synaptic_operations, 0)
    signed = np.where(x == 2, -1, x)
    found, _, _ = profiled(layers.Dense(3), VECTOR, signed.astype("float32"))
    assert (found.macs, found.acs) == (0, found.synaptic_operations) and found.acs > 0


def test_other_standard_layers():
    einsum = layers.EinsumDense("abc,bcd->abd", output_shape=(4, 3))
    found, x, _ = profiled(einsum, (4, 5))
    kernel = einsum.kernel.numpy()
    rows = [((b, c), kernel[b, c, d]) for b, c, d in np.ndindex(*kernel.shape)]
    assert as_found(found) == expected(rows, x)

    separable = layers.SeparableConv2D(3, 2, padding="same", use_bias=False)
    found, x, _ = profiled(separable, (4, 3, 2))
    depthwise = separable.depthwise_kernel.numpy()
    first = expected(connections.depthwise((4, 3, 2), depthwise, (1, 1), (1, 1), "same"), x)
    between = keras.ops.depthwise_conv(x, depthwise, padding="same").numpy()
    pointwise = separable.pointwise_kernel.numpy()
    second = expected(connections.conv((4, 3, 2), pointwise, (1, 1), (1, 1), "valid"), between)
    assert found.dense == first[0] + second[0]
    assert (found.acs, found.macs) == (first[1], second[1])


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_recurrent_layers_of_keras(kind):
    layer = kind(4, return_sequences=True)
    found, x, y = profiled(layer, VECTOR)
    before = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
    cell = layer.cell
    one = expected(connections.matrix(cell.kernel.numpy()), steps_as_calls(x))
    other = expected(connections.matrix(cell.recurrent_kernel.numpy()), steps_as_calls(before))
    assert found.dense == one[0] + other[0]
    assert (found.acs, found.macs) == (one[1], other[1])
    assert other[1] > 0
