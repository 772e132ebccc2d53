"""Every wrong argument is refused where it is given: its name, what is allowed, what came."""

import re

import keras
import numpy as np
import pytest
from layer_cases import spikes

import keras_slayer as ks


def name_of(value):
    """A test's name must not hold an address."""
    return value.__qualname__.partition(".")[0] if callable(value) else str(value)[:60]


def dense(**options):
    return lambda: ks.SpikingDense(**{"units": 3, **options})


def conv(**options):
    return lambda: ks.SpikingConv2D(**{"filters": 4, "kernel_size": 3, **options})


def pool(**options):
    return lambda: ks.SpikingSumPooling2D(**options)


def delay(**options):
    return lambda: ks.DelayLayer(**options)


def winner(**options):
    return lambda: ks.WinnerTakeAll(**options)


def taps(**options):
    return lambda: ks.TemporalFilter(**options)


# constructor, what the message says is allowed, what it says came
ARGUMENTS = [
    (dense(units=0), "units must be an integer in [1,", "units=0"),
    (dense(units=2.0), "units must be an integer", "units=2.0"),
    (dense(units=True), "units must be an integer", "units=True"),
    (dense(units="3"), "units must be an integer", "units='3'"),
    (dense(neuron="lif"), "neuron must be one of 'srm', 'cuba', 'loihi', 'alif'", "neuron='lif'"),
    (dense(neuron=None), "an instance of SRM, CUBA", "neuron=None"),
    (dense(neuron=ks.SRM), "neuron must be one of", "neuron=<class"),
    (dense(neuron={"class_name": "Dense"}), "neuron must be one of", "neuron={'class_name'"),
    (conv(filters=-1), "filters must be an integer in [1,", "filters=-1"),
    (
        conv(kernel_size=0),
        "kernel_size must be an integer in [1, 16384] or a pair",
        "kernel_size=0",
    ),
    (conv(kernel_size=(3,)), "kernel_size must be", "kernel_size=(3,)"),
    (conv(kernel_size=(3, 0)), "kernel_size must be", "kernel_size=(3, 0)"),
    (conv(kernel_size=(1, True)), "kernel_size must be", "kernel_size=(1, True)"),
    (conv(strides=1.5), "strides must be", "strides=1.5"),
    (conv(padding="causal"), "padding must be 'valid' or 'same'", "padding='causal'"),
    (conv(padding=1), "padding must be 'valid' or 'same'", "padding=1"),
    (conv(dilation_rate=(1, 2, 3)), "dilation_rate must be", "dilation_rate=(1, 2, 3)"),
    (conv(groups=0), "groups must be an integer in [1,", "groups=0"),
    (conv(groups=3), "filters must be a multiple of groups", "filters=4, groups=3"),
    (
        conv(strides=2, dilation_rate=2),
        "only one of strides and dilation_rate may differ from 1",
        "strides=(2, 2), dilation_rate=(2, 2)",
    ),
    (dense(units=2**31), "units must be an integer in [1, 2147483647]", "units=2147483648"),
    (conv(filters=2**31), "filters must be an integer in [1, 2147483647]", "filters=2147483648"),
    (conv(groups=2**31), "groups must be an integer in [1, 2147483647]", "groups=2147483648"),
    # These ended the process, in TensorFlow's convolutions and pools.
    (
        conv(kernel_size=2**14 + 1),
        "kernel_size must be an integer in [1, 16384]",
        "kernel_size=16385",
    ),
    (conv(strides=2**31), "strides must be an integer in [1, 16384]", "strides=2147483648"),
    (
        conv(dilation_rate=(1, 2**64)),
        "pair (vertical, horizontal) of them",
        "dilation_rate=(1, 184467",
    ),
    (winner(window=2**31 + 1), "window must be an integer in [1, 16384]", "window=2147483649"),
    (winner(window=3, duration=2.0**31), "number in (0, 2.14748e+09]", "duration=2147483648.0"),
    (pool(pool_size=2**31), "pool_size must be an integer in [1, 16384]", "pool_size=2147483648"),
    (
        pool(strides=(1, 2**31)),
        "strides must be an integer in [1, 16384]",
        "strides=(1, 2147483648)",
    ),
    (pool(pool_size=0), "pool_size must be", "pool_size=0"),
    (pool(strides=(2, -2)), "strides must be", "strides=(2, -2)"),
    (pool(padding="full"), "padding must be 'valid' or 'same'", "padding='full'"),
    (pool(weight=0), "weight must be a number in (0, inf)", "weight=0"),
    (pool(weight=float("nan")), "weight must be a number", "weight=nan"),
    (
        pool(neuron=ks.LoihiCUBA(threshold_mantissa=50000)),
        "the chip's go from 0.0312 to 3.97 with 8 bits: give the pool a neuron with a lower",
        "weight=1.1, neuron=LoihiCUBA(",
    ),
    (pool(neuron=ks.LoihiCUBA(80, 1024, 128, 1)), "The pool needs a weight of 0.445", "weight=1.1"),
    (pool(neuron=ks.LoihiCUBA(80, 1024, 128, 1)), "1 bit the chip has none above 0", "weight=1.1"),
    (pool(neuron=ks.LoihiCUBA(1, 742, 742)), "a neuron with a higher threshold", "weight=1.1"),
    (pool(neuron=ks.LoihiCUBA(1000, dt=0.5)), "a neuron with a lower threshold", "weight=1.1"),
    (delay(max_delay=-1), "max_delay must be a number in [0, 1.67772e+07]", "max_delay=-1"),
    (delay(max_delay=1e30, dt=0.5), "number in [0, 8.38861e+06]", "max_delay=1e+30"),
    (delay(max_delay="62"), "max_delay must be a number", "max_delay='62'"),
    (delay(dt=0), "dt must be a number in (0, inf)", "dt=0"),
    (delay(per="layer"), "per must be 'channel' or 'neuron'", "per='layer'"),
    (taps(kernel="lif"), "kernel must be", "kernel='lif'"),
    (taps(kernel=None), "kernel must be", "kernel=None"),
    (taps(kernel=[]), "vector of finite taps", "kernel=[]"),
    (taps(kernel=[[1.0]]), "vector of finite taps", "kernel=[[1.0]]"),
    (taps(kernel=[np.inf]), "vector of finite taps", "kernel=[inf]"),
    (taps(kernel="srm", learnable=True), "learnable=True needs a vector of taps", "kernel='srm'"),
]


@pytest.mark.parametrize("make, allowed, received", ARGUMENTS, ids=name_of)
def test_argument(make, allowed, received):
    with pytest.raises(ValueError, match=re.escape(allowed)) as caught:
        make()
    assert f"Received: {received}" in str(caught.value).replace("\n", " ")


LARGEST = {
    "conv": (ks.SpikingConv2D(1, (2**14, 1), padding="same"), (1, 1, 2, 2, 1)),
    "strides": (ks.SpikingConv2D(1, 1, strides=2**14), (1, 1, 2, 2, 1)),
    "dilation": (
        ks.SpikingConv2D(1, (2, 1), dilation_rate=(2**14, 1), padding="same"),
        (1, 1, 2, 2, 1),
    ),
    "pool": (ks.SpikingSumPooling2D(2**14, padding="same"), (1, 1, 2, 2, 1)),
    "window": (ks.WinnerTakeAll(2**14 - 1, duration=2.0**31 - 1), (1, 1, 2, 2, 1)),
    "delay": (
        ks.DelayLayer(2.0**24, delay_initializer=keras.initializers.Constant(2.0**24)),
        (1, 1, 2),
    ),
}


@pytest.mark.parametrize("layer, shape", LARGEST.values(), ids=LARGEST)
def test_the_largest_sizes_work(layer, shape):
    layer = type(layer).from_config(layer.get_config())
    assert layer(spikes(shape)).shape == layer.compute_output_shape(shape)


INPUTS = [
    (ks.SpikingDense(3), (2, 34), "(batch, time, ..., inputs)"),
    (ks.SpikingDense(3), (2, 5, None), "size of the last axis"),
    (ks.SpikingConv2D(4, 3), (2, 5, 34), "(batch, time, height, width, channels)"),
    (ks.SpikingConv2D(4, 3), (2, 34, 34, 2), "(batch, time, height, width, channels)"),
    (ks.SpikingConv2D(4, 3), (2, 5, None, 34, 2), "known height, width and channels"),
    (ks.SpikingConv2D(4, 3, groups=4), (2, 5, 34, 34, 2), "multiple of groups=4"),
    (ks.SpikingConv2D(4, 5), (2, 5, 4, 9, 2), "kernel does not fit"),
    (ks.SpikingConv2D(4, 3, dilation_rate=2), (2, 5, 9, 4, 2), "kernel does not fit"),
    (ks.SpikingSumPooling2D(2), (2, 34, 34, 2), "(batch, time, height, width, channels)"),
    (ks.SpikingSumPooling2D(5), (2, 5, 4, 4, 2), "pool does not fit"),
    (ks.DelayLayer(), (2, 34), "(batch, time, ..., channels)"),
    (ks.DelayLayer(), (2, 5, None), "known size"),
    (ks.DelayLayer(per="neuron"), (2, 5, None, 3, 2), "known size"),
    (ks.Flatten(), (2, 5, None, 3), "sizes of all axes after time"),
]


@pytest.mark.parametrize("layer, shape, message", INPUTS, ids=lambda v: getattr(v, "name", str(v)))
def test_input_shape(layer, shape, message):
    """The same error for a symbolic input and for data."""
    fresh = [type(layer).from_config(layer.get_config()) for _ in range(2)]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        fresh[0](keras.Input(batch_shape=shape))
    assert f"Received: input_shape={shape}" in str(caught.value)
    if None not in shape:
        with pytest.raises(ValueError, match=re.escape(message)):
            fresh[1](spikes(shape))


@pytest.mark.parametrize("layer", [ks.SpikingDense(3), ks.SpikingConv2D(4, 3), ks.DelayLayer()])
def test_a_pair_of_outputs_and_state_is_not_an_input(layer):
    pair = ks.SpikingActivation(return_state=True)(keras.Input((5, 6, 6, 2)))
    message = r"takes one tensor .* return_state=True, .* it is the first.*input_shape=\(\(None, 5,"
    with pytest.raises(ValueError, match=message):
        layer(pair)
    with pytest.raises(ValueError, match=r"takes one tensor .*Received: input_shape={'spikes'"):
        type(layer).from_config(layer.get_config())({"spikes": spikes((2, 5, 6, 6, 2))})


def test_flattened_time_is_explained():
    """keras.layers.Flatten flattens time as well: the error says so and names the remedy."""
    inputs = keras.Input((5, 34, 34, 2))
    flat = keras.layers.Flatten()(inputs)
    with pytest.raises(ValueError, match=r"keras_slayer\.Flatten") as caught:
        ks.SpikingDense(10)(flat)
    assert "input_shape=(None, 11560)" in str(caught.value)


def test_dense_on_images_needs_no_flatten_but_keras_2d_layers_need_per_step():
    """Keras' own error for a 5-D input names the rank; through PerStep it works."""
    inputs = keras.Input((5, 8, 8, 2))
    with pytest.raises(ValueError, match="Kernel shape must have the same length as input"):
        keras.layers.Conv2D(4, 3)(inputs)
    wrapped = ks.PerStep(keras.layers.Conv2D(4, 3))(inputs)
    assert ks.SpikingActivation()(wrapped).shape == (None, 5, 6, 6, 4)
    assert ks.SpikingDense(3)(inputs).shape == (None, 5, 8, 8, 3)


@pytest.mark.parametrize(
    "layer", [ks.SpikingDense(3), ks.SpikingConv2D(4, 3), ks.SpikingSumPooling2D(2)], ids=str
)
def test_other_channels_than_at_build(layer):
    layer = type(layer).from_config(layer.get_config())
    layer(spikes((1, 4, 6, 6, 2)))
    with pytest.raises(ValueError, match="axis -1"):
        layer(spikes((1, 4, 6, 6, 3)))


def test_unknown_keyword():
    with pytest.raises(ValueError, match="tau_response"):
        ks.SpikingDense(3, tau_response=4.0)


def test_pool_of_unknown_size():
    """ "valid" needs no sizes; "same" cannot pad without them, and says so."""
    inputs = keras.Input((5, None, None, 2))
    outputs = ks.SpikingSumPooling2D(2)(inputs)
    assert outputs.shape == (None, 5, None, None, 2)
    assert keras.Model(inputs, outputs)(spikes((1, 5, 7, 6, 2))).shape == (1, 5, 3, 3, 2)
    with pytest.raises(ValueError, match="known height and width"):
        ks.SpikingSumPooling2D(2, padding="same")(inputs)


def test_a_neuron_cannot_be_put_in_another_ones_place():
    """The layer would go on with the old one, and save the new one."""
    layer = ks.SpikingDense(3, name="dense")
    with pytest.raises(AttributeError, match=r"build another SpikingDense with it.*'dense'.*CUBA"):
        layer.neuron = ks.CUBA()
    assert isinstance(layer.neuron, ks.SRM)


def test_a_layer_that_is_not_built_has_nothing_to_settle():
    layer = ks.SpikingDense(3, learn="threshold", name="dense")
    with pytest.raises(ValueError, match=r"must be built.*Received: layer 'dense'"):
        layer.settled()
