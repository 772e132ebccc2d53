"""What the functions of the ops refuse, natively and in the reference."""

import cases
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import conv2d_layer, matmul_layer, sum_pool2d_layer

import keras_slayer as ks
from keras_slayer import ops

Z = np.zeros((2, 5, 6), np.float32)
FRAMES = np.zeros((2, 5, 6, 7, 4), np.float32)
KERNEL = np.zeros((3, 3, 4, 8), np.float32)
NEURON_FUNCTIONS = (ops.srm, ops.cuba, ops.loihi_cuba)
SERIES_FUNCTIONS = {
    "temporal_filter": lambda x: ops.temporal_filter(x, [1.0]),
    "alpha_filter": lambda x: ops.alpha_filter(x, 2.0),
    "exponential_filter": lambda x: ops.exponential_filter(x, 0.5),
    "srm": ops.srm,
    "srm_fir": lambda x: ops.srm_fir(x, [0.0, -1.0]),
    "cuba": ops.cuba,
    "loihi_cuba": ops.loihi_cuba,
    "delay": lambda x: ops.delay(x, 1.0),
    "spike_matmul": lambda x: ops.spike_matmul(x, np.zeros((6, 2), np.float32)),
    "spike_conv2d": lambda x: ops.spike_conv2d(x, KERNEL),
}


@pytest.mark.parametrize("function", SERIES_FUNCTIONS.values(), ids=SERIES_FUNCTIONS)
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_rank_and_dtype(function, backend):
    with cases.backend(backend):
        for dtype in ("int32", "int8", "complex64"):
            with pytest.raises(ValueError, match=rf"must have one of the dtypes.*dtype={dtype}"):
                function(tf.zeros((2, 5, 6), dtype))
        for shape in ((), (5,)):
            with pytest.raises(ValueError, match=r"\(batch, time, \.\.\.\)\. Received: shape="):
                function(np.zeros(shape, np.float32))


def call(function, *args, **options):
    return lambda: function(*args, **options)


def neuron_error(message, **options):
    """The same bad option for each neuron that has it."""
    return [(call(f, Z, **options), message) for f in NEURON_FUNCTIONS]


PARAMETERS = [
    *neuron_error("surrogate_tau must be a number in .0, inf.. Received: surr", surrogate_tau=0),
    *neuron_error("surrogate_scale must be .* Received: surrogate_scale=-1", surrogate_scale=-1),
    *neuron_error(
        "gradient must be one of 'slayer', 'exodus'. Received: gradient='x", gradient="x"
    ),
    *neuron_error(
        "surrogate must be one of 'exponential', 'triangle'. Received: surrogate='x", surrogate="x"
    ),
    *(
        (call(f, Z, threshold=v), f"threshold must .*Received: threshold={v}")
        for f in (ops.srm, ops.cuba)
        for v in (0, -1.0, float("nan"), float("inf"), True)
    ),
    (call(ops.srm, Z, threshold="10"), "threshold must .* Received: threshold='10'"),
    (call(ops.srm, Z, tau_response=0.0), "tau_response must be a number in .0, inf"),
    (call(ops.srm, Z, tau_refractory=-2), "tau_refractory must .* Received: tau_refractory=-2"),
    (call(ops.srm, Z, refractory_scale=-1), "refractory_scale must be a number in .0, inf"),
    (call(ops.srm, Z, kernel_cutoff=0), "kernel_cutoff must .* Received: kernel_cutoff=0"),
    (call(ops.srm_fir, Z, []), "refractory_kernel must be a vector of at least one tap"),
    (call(ops.srm_fir, Z, [[0.0, 1.0]]), r"refractory_kernel .* Received: .*\(1, 2\)"),
    (call(ops.cuba, Z, current_decay=1.5), r"current_decay must be a number in \[0, 1\]"),
    (call(ops.cuba, Z, voltage_decay=-0.1), r"voltage_decay must be a number in \[0, 1\]"),
    *(
        (
            call(ops.loihi_cuba, Z, **{name: value}),
            rf"{name} must be an integer in \[{low}, {top}\]",
        )
        for name, low, top in (
            ("threshold_mantissa", 1, 131071),
            ("current_decay", 0, 4096),
            ("voltage_decay", 0, 4096),
        )
        for value in (-1, top + 1, 0.5, True)
    ),
    (call(ops.temporal_filter, Z, []), "kernel must be a vector of at least one tap"),
    (call(ops.temporal_filter, Z, 1.0), r"Received: kernel of shape \(\)"),
    (call(ops.alpha_filter, Z, 0), "tau must be a number in .0, inf"),
    (call(ops.exponential_filter, Z, 1.1), r"decay must be a number in \[0, 1\]"),
    (call(ops.alpha_kernel, 10), "either cutoff or steps. Received: cutoff=None, steps=None"),
    (call(ops.alpha_kernel, 10, cutoff=0.1, steps=3), "either cutoff or steps"),
    (call(ops.alpha_kernel, 10, steps=-1), "steps must be an integer in"),
    (call(ops.alpha_kernel, 10, cutoff=-0.1), "cutoff must be a number"),
    (call(ops.delay, Z, np.zeros(5)), r"trailing shape of x, \(6,\).* Received: .*\(5,\)"),
    (call(ops.delay, Z, np.zeros((5, 6))), "trailing shape of x"),
    (call(ops.spike_matmul, Z, np.zeros((5, 2), np.float32)), "as many rows as the last axis"),
    (call(ops.spike_matmul, Z, np.zeros(6, np.float32)), "must be a matrix"),
    (call(ops.spike_matmul, Z, np.zeros((6, 2))), "Received: float64 weights and float32 spikes"),
    (call(ops.spike_conv2d, FRAMES, KERNEL.astype("float16")), "float16 weights and float32"),
    (call(ops.spike_conv2d, FRAMES, KERNEL[0]), "weights must have the known shape"),
    (call(ops.spike_conv2d, FRAMES, KERNEL[:, :, :3]), "for 4 channels"),
    (call(ops.spike_conv2d, FRAMES, KERNEL[:, :, :0]), "for 4 channels"),
    (call(ops.spike_conv2d, FRAMES, KERNEL[:, :, :2, :3]), "Received: filters=3, groups=2"),
    (call(ops.spike_conv2d, FRAMES[:, :, :2], KERNEL), "does not fit into the height"),
    (call(ops.spike_conv2d, FRAMES[:, :, :, :2], KERNEL), "does not fit into the width"),
    (call(ops.spike_conv2d, FRAMES[0], KERNEL), "spikes must have the axes .batch, time, height"),
    (call(ops.spike_conv2d, FRAMES, KERNEL, padding="full"), "Received: padding='full'"),
    (call(ops.spike_conv2d, FRAMES, KERNEL, padding=None), "Received: padding=None"),
    (call(ops.spike_conv2d, FRAMES, KERNEL, strides=2), "strides must be a pair"),
    (call(ops.spike_conv2d, FRAMES, KERNEL, strides=(0, 1)), "strides must be a pair of positive"),
    (call(ops.spike_conv2d, FRAMES, KERNEL, dilations=(1, 1.5)), "dilations must be a pair"),
    (call(ops.spike_conv2d, FRAMES, KERNEL, strides=(2, 2), dilations=(2, 2)), "only one of"),
]


@pytest.mark.parametrize(("function", "message"), PARAMETERS, ids=range(len(PARAMETERS)))
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_bad_parameters_are_value_errors(function, message, backend):
    with cases.backend(backend), pytest.raises(ValueError, match=message):
        function()


def test_layers_refuse_what_their_synapses_refuse():
    neuron = ks.SRM()
    geometry = {"strides": (1, 1), "padding": "valid", "dilations": (1, 1)}
    pool = ((2, 2), (2, 2), "valid")
    bad = [
        (call(matmul_layer, Z, np.zeros((5, 2), np.float32), None, neuron), "as many rows"),
        (call(matmul_layer, Z, np.zeros((6, 2)), None, neuron), "float64 weights and float32"),
        (call(conv2d_layer, FRAMES, KERNEL[0], None, neuron, **geometry), "weights must have"),
        (call(conv2d_layer, Z, KERNEL, None, neuron, **geometry), "spikes must have the axes"),
        (call(sum_pool2d_layer, Z, 1.0, neuron, *pool), "spikes must have the axes"),
        (call(sum_pool2d_layer, FRAMES, 1.0, neuron, 2, *pool[1:]), "pool_size must be a pair"),
        (call(sum_pool2d_layer, FRAMES, 1.0, neuron, (9, 2), *pool[1:]), "does not fit"),
        (call(sum_pool2d_layer, FRAMES, 1.0, neuron, *pool[:2], "full"), "padding must be"),
    ]
    for backend in ("native", "reference"):
        for function, message in bad:
            with cases.backend(backend), pytest.raises(ValueError, match=message):
                function()


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_refractory_kernel_must_start_at_zero(backend):
    with cases.backend(backend), pytest.raises(tf.errors.InvalidArgumentError, match="must be 0"):
        ops.srm_fir(Z, [-1.0, -1.0])


def test_sizes_unknown_until_run_are_checked_there():
    neuron = [tf.TensorSpec([None] * 3), tf.TensorSpec([None, None])]
    function = tf.function(ops.spike_matmul, input_signature=neuron)
    with cases.backend("native"):
        assert function(Z, np.zeros((6, 2))).shape == (2, 5, 2)
        with pytest.raises(tf.errors.InvalidArgumentError):
            function(Z, np.zeros((3, 2)))
