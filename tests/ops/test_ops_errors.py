"""What the ops refuse, and that nothing crashes: the functions' and the raw native ops' errors."""

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


def neuron(name, **params):
    """Arguments of a raw op that say which neuron."""
    params = {"surrogate_width": 0.7, "surrogate_height": 1.4, **params}
    return {"neuron": name, "names": list(params), "params": list(params.values())}


def spoiled(options, **bad):
    """The same with other parameters, of these names."""
    named = dict(zip(options["names"], options["params"], strict=True)) | bad
    return {"params": list(named.values()), "names": list(named)}


# What each raw op takes when all is well; the cases below spoil one thing each.
SRM = neuron(
    "srm",
    threshold=1.0,
    response_decay=0.67,
    response_gain=1.1,
    refractory_decay=0.37,
    refractory_gain=-5.4,
)
CUBA = neuron("cuba", threshold=1.0, current_decay=0.3, voltage_decay=0.1)
LOIHI = neuron("loihi_cuba", threshold_mantissa=64.0, current_decay=1200.0, voltage_decay=400.0)
SURROGATE = [1.0, 0.7, 1.4]  # threshold, width, height
I64 = {"dtype": tf.int64}
EVENTS = {
    "offsets": tf.constant([0, 1, 1, 3], **I64),
    "index": tf.constant([2, 0, 3], tf.int32),
    "value": tf.constant([1.0, 1.0, 2.0]),
}
CONV = {
    "input_size": tf.constant([2, 3, 2], **I64),
    "output_size": tf.constant([2, 3], **I64),
    "strides": [1, 1],
    "dilations": [1, 1],
    "padding_before": [0, 0],
}
GOOD = {
    "temporal_filter": {"x": Z, "kernel": [1.0]},
    "temporal_filter_kernel_grad": {"x": Z, "grad": Z, "kernel": [1.0]},
    "recursive_filter": {"x": Z, "decay": 0.9, "gain": 1.0, "filter": "alpha"},
    "neuron": {"synaptic_input": Z, **SRM},
    "neuron_grad": {"grad_spikes": Z, "membrane": Z, **SRM},
    "srm_fir": {"response": Z, "params": SURROGATE, "refractory": [0.0, -1.0]},
    "srm_fir_grad": {
        "grad_spikes": Z, "membrane": Z, "params": SURROGATE, "refractory": [0.0, -1.0],
    },
    "delay": {"x": Z, "delay": [1.0] * 6},
    "delay_grad": {"x": Z, "delay": [1.0] * 6, "grad": Z},
    "find_events": {"x": Z[0], "T": tf.float32},
    "event_matmul": {**EVENTS, "weights": Z[0]},
    "event_matmul_weights_grad": {**EVENTS, "grad": Z[0, :3], "columns": tf.constant(4, **I64)},
    "event_conv2d": {**EVENTS, "weights": KERNEL[:, :, :2], **CONV},
    "event_conv2d_weights_grad": {
        **EVENTS,
        "grad": np.zeros((3, 2, 3, 8), np.float32),
        "weights_shape": tf.constant([3, 3, 2, 8], **I64),
        **CONV,
    },
}  # fmt: skip
OUTPUT = np.zeros((1, 3, 2, 3, 8), np.float32)
POOL = {"pool_size": [2, 2], "strides": [2, 2], "padding_before": [0, 0], "weight": 1.0}
POOLED = {
    "pool_size": [2, 2], "pool_strides": [2, 2], "pool_padding_before": [0, 0], "pool_weight": 1.0,
    "grad": OUTPUT[:, :, :1, :1], "pool_membrane": OUTPUT[:, :, :1, :1], "pool_exodus": False,
    "pool_surrogate": "triangle", **{f"pool_{name}": value for name, value in CUBA.items()},
}  # fmt: skip
LAYER = {**SRM, "bias": tf.zeros([0]), "batch_and_steps": tf.constant([1, 3], **I64)}
GOOD |= {
    "matmul_layer": {**EVENTS, "weights": Z[0], **LAYER},
    "conv2d_layer": {**EVENTS, "weights": KERNEL[:, :, :2], **CONV, **LAYER},
    "sum_pool2d_layer": {
        "frames": FRAMES, "output_size": tf.constant([3, 3], **I64), "T": tf.float32,
        **POOL, **SRM,
    },
    "conv2d_layer_grad": {
        "grad": OUTPUT,
        "membrane": OUTPUT,
        "weights": KERNEL[:, :, :2],
        **EVENTS,
        **CONV,
        **SRM,
    },
    "conv2d_layer_pooled_grad": {
        "membrane": OUTPUT,
        "weights": KERNEL[:, :, :2],
        **POOLED,
        **EVENTS,
        **CONV,
        **SRM,
    },
    "sum_pool2d_layer_input_grad": {
        "grad": FRAMES[:, :, :3, :3],
        "membrane": FRAMES[:, :, :3, :3],
        "input_size": tf.constant([6, 7], **I64),
        **POOL,
        **SRM,
    },
}  # fmt: skip
LAYER_OPS = [name for name in GOOD if "layer" in name]
EVENT_OPS = [name for name in GOOD if "offsets" in GOOD[name]]
CONV_OPS = [name for name in GOOD if "dilations" in GOOD[name]]
CONV_GRADS = ["conv2d_layer_grad", "conv2d_layer_pooled_grad"]
POOL_OPS = ["sum_pool2d_layer", "sum_pool2d_layer_input_grad"]


def spoil(names, message, **bad):
    return [(name, bad, message) for name in names]


def first_tensor(name):
    return next(iter(GOOD[name]))


HUGE = 2**40
BAD = [
    *((n, {first_tensor(n): np.zeros(3, np.float32)}, r"\(batch, time, \.\.\.\)|same shape")
      for n in GOOD if "event" not in n and n not in LAYER_OPS),
    *((n, {"params": [*GOOD[n]["params"], 1.0]}, "params must be a vector of")
      for n in GOOD if "params" in GOOD[n]),
    *((n, {"params": [float("nan"), *GOOD[n]["params"][1:]]}, "params must be finite")
      for n in GOOD if "params" in GOOD[n]),
    *((n, {"params": [GOOD[n]["params"]]}, "params must be a vector of")
      for n in GOOD if "params" in GOOD[n]),
    *((n, bad, message) for n in GOOD if "names" in GOOD[n] for bad, message in (
        (spoiled(SRM, response_decay=1.1), "response_decay must lie"),
        (spoiled(SRM, refractory_decay=-1.0), "refractory_decay must lie"),
        (spoiled(SRM, surrogate_width=0.0), "surrogate_width must be positive"),
        (spoiled(SRM, tau=1.0), "params must not have tau"),
        ({"names": [*SRM["names"][:-1], "tau"]}, "params must have refractory_gain. .* tau"),
        ({"neuron": "cuba"}, r"params must have current_decay. Received: names=\[surrogate_width,"),
        ({**CUBA, **spoiled(CUBA, current_decay=2.0)}, "current_decay must lie"),
        ({**LOIHI, **spoiled(LOIHI, threshold_mantissa=0.5)}, "mantissa must be an integer in"),
        ({**LOIHI, **spoiled(LOIHI, voltage_decay=4097.0)}, "voltage_decay must be an integer in"),
        ({"neuron": "lif"}, "not in the list of allowed values"))),
    *spoil(["srm_fir_grad"], "surrogate_width must be positive", params=[1.0, 0.0, 1.0]),
    *spoil(["recursive_filter"], "decay must lie", decay=-0.1),
    *spoil(["recursive_filter"], "decay must be finite", decay=float("nan")),
    *spoil(["recursive_filter"], "gain must be one number", gain=[1.0, 2.0]),
    *spoil(["find_events"], "max_density must lie", max_density=float("inf")),
    *spoil(["find_events"], "max_density must lie", max_density=-0.5),
    *spoil(["temporal_filter"], "at least one tap", kernel=tf.zeros([0])),
    *spoil(["temporal_filter"], "at least one tap", kernel=[[1.0]]),
    *spoil(["srm_fir", "srm_fir_grad"], "at least one tap", refractory=tf.zeros([0], tf.float64)),
    *spoil(["srm_fir", "srm_fir_grad"], "must be 0", refractory=[1.0]),
    *spoil(["neuron_grad", "srm_fir_grad"], "same shape", membrane=Z[:, :3]),
    *spoil(["temporal_filter_kernel_grad", "delay_grad"], "same shape", grad=Z[:1]),
    *spoil(["delay", "delay_grad"], "per channel or per neuron", delay=[1.0] * 3),
    *spoil(["delay", "delay_grad"], "per channel or per neuron", delay=tf.zeros([0])),
    *spoil(["delay", "delay_grad"], "per channel or per neuron", delay=tf.zeros([2, 5, 6])),
    *spoil(["delay", "delay_grad"], "finite and not negative", delay=[-1.0] * 6),
    *spoil(["find_events"], "must be a matrix", x=Z),
    *spoil(["find_events", "sum_pool2d_layer"], "must be half, uint8 or bool", T=tf.float16),
    *spoil(EVENT_OPS, "indices in", index=tf.constant([2, 0, 100])),
    *spoil(EVENT_OPS, "indices in", index=tf.constant([-1, 0, 3])),
    *spoil(EVENT_OPS, "rising offsets", offsets=tf.constant([0, 2, 1, 3], **I64)),
    *spoil(EVENT_OPS, "rising offsets", offsets=tf.constant([0, 1, 1, 4], **I64)),
    *spoil(EVENT_OPS, "rising offsets", offsets=tf.constant([1, 1, 1, 3], **I64)),
    *spoil(EVENT_OPS, "rising offsets", offsets=tf.constant([0, -HUGE, HUGE, 3], **I64)),
    *spoil(EVENT_OPS, "must be vectors", offsets=tf.zeros([0], tf.int64)),
    *spoil(EVENT_OPS, "must be vectors", offsets=tf.constant(0, **I64)),
    *spoil(EVENT_OPS, "must be vectors", index=tf.constant([[2, 0, 3]])),
    *spoil(EVENT_OPS, "must be vectors", value=tf.constant([1.0, 2.0])),
    *spoil(["event_matmul"], "must be a matrix", weights=Z),
    *spoil(["event_matmul_weights_grad"], "a matrix of 3 rows", grad=Z[0, :2]),
    *spoil(["event_matmul_weights_grad"], "a matrix of 3 rows", grad=Z),
    *spoil(["event_matmul_weights_grad"], "columns must", columns=tf.constant(-1, **I64)),
    *spoil(["event_matmul_weights_grad"], "columns must", columns=tf.constant(HUGE, **I64)),
    *spoil(["event_matmul_weights_grad"], "columns must", columns=tf.zeros([0], tf.int64)),
    *spoil(CONV_OPS, "strides must be two numbers", strides=[1]),
    *spoil(CONV_OPS, "strides and dilations must lie in", strides=[0, 1]),
    *spoil(CONV_OPS, "strides and dilations must lie in", dilations=[1, HUGE]),
    *spoil(CONV_OPS, "padding_before must lie in", padding_before=[-1, 0]),
    *spoil(CONV_OPS, "padding_before must lie in", padding_before=[0, HUGE]),
    *spoil(CONV_OPS, r"input_size must be", input_size=tf.constant([2, 3], **I64)),
    *spoil(CONV_OPS, r"output_size", output_size=tf.constant([2, 3, 8], **I64)),
    *((n, {which: tf.constant(size, **I64)}, message) for n in CONV_OPS
      for which, size, message in (
          ("input_size", [-2, 3, 2], "heights and widths"),
          ("input_size", [2, HUGE, 2], "heights and widths"),
          ("input_size", [2, 3, HUGE], "elements"),
          ("input_size", [2, 3, 0], "elements"),
          ("input_size", [2, 3, 3], "channels of the weights must divide"),
          ("output_size", [2, -3], "heights and widths"),
          ("output_size", [HUGE, HUGE], "heights and widths"))),
    *spoil(["event_conv2d", "conv2d_layer", "conv2d_layer_grad"], "weights of rank 4",
           weights=Z),
    *spoil(["event_conv2d"], "filters must be a multiple", weights=KERNEL[:, :, :1, :3]),
    *spoil(["event_conv2d", "conv2d_layer", "conv2d_layer_grad"], "filters must be a multiple",
           weights=KERNEL[:, :, :2, :0]),
    *spoil(["event_conv2d_weights_grad"], "filters must be a multiple",
           weights_shape=tf.constant([3, 3, 2, 0], **I64)),
    *spoil(["event_conv2d_weights_grad"], "must be a vector", weights_shape=tf.constant(3, **I64)),
    *spoil(["event_conv2d_weights_grad"], "rank 4", weights_shape=tf.constant([3, 3], **I64)),
    *spoil(["event_conv2d_weights_grad"], "must have the shape", grad=Z),
    *spoil(["event_conv2d_weights_grad"], "heights and widths",
           weights_shape=tf.constant([HUGE, 3, 2, 8], **I64)),
    *spoil(["event_conv2d_weights_grad"], "overflow|negative|must be >= 0",
           weights_shape=tf.constant([HUGE, HUGE, 2, -8], **I64)),
    *spoil(["conv2d_layer_grad"], "filters must be a multiple", weights=KERNEL[:, :, :1, :3]),
    *spoil(["conv2d_layer_grad"], "shape of the layer's output", membrane=OUTPUT[..., :7]),
    *spoil(["conv2d_layer_grad"], "shape of the layer's output", membrane=Z),
    *spoil(["conv2d_layer_grad"], "as many frames", grad=OUTPUT[:, :2], membrane=OUTPUT[:, :2]),
    *spoil(["conv2d_layer_grad"], "same shape", grad=OUTPUT[..., :7]),
    *spoil(["conv2d_layer_grad"], "same shape", grad=OUTPUT[:, :, :1, :1]),
    *spoil(["conv2d_layer_grad"], "E must be 0 or 1",
           **{name: [EVENTS[name]] * 2 for name in EVENTS}),
    *((("conv2d_layer_pooled_grad"), *bad) for bad in (
        ({"grad": Z}, "batch, time and channels"),
        ({"grad": OUTPUT[:, :2, :1, :1]}, "batch, time and channels"),
        ({"grad": OUTPUT[:, :, :1, :1, :7]}, "batch, time and channels"),
        ({"grad": OUTPUT[:, :, :0, :1]}, "heights and widths"),
        ({"pool_weight": [1.0, 2.0]}, "weight one number"),
        ({"pool_membrane": OUTPUT[:, :, :1, :2]}, "grad and pool_membrane must have the same"),
        ({"pool_params": [1.0]}, "params must be a vector of 5"),
        ({"pool_params": spoiled(CUBA, voltage_decay=2.0)["params"]}, "voltage_decay must lie in"),
        ({"pool_size": [2]}, "pool_size must be two numbers"),
        ({"pool_strides": []}, "pool_strides must be two numbers"),
        ({"pool_size": [0, 2]}, "pool_size must lie in"),
        ({"pool_padding_before": [0, HUGE]}, "pool_padding_before must lie in"))),
    *spoil(["sum_pool2d_layer_input_grad"], "same shape", membrane=FRAMES[:, :, :3, :2]),
    *spoil(["matmul_layer"], "must be a matrix", weights=Z),
    *spoil(["matmul_layer", "conv2d_layer"], "bias must be empty or have", bias=tf.zeros([5])),
    *spoil(["matmul_layer", "conv2d_layer"], "bias must be empty or have", bias=tf.zeros([1, 0])),
    *((n, {"batch_and_steps": tf.constant(value, **I64)}, "the number of frames, 3")
      for n in ("matmul_layer", "conv2d_layer")
      for value in ([2, 2], [-1, -3], [3, HUGE], [0, 3], [3], [1, 3, 1])),
    *spoil(POOL_OPS, "pool_size must be two numbers", pool_size=[2]),
    *spoil(POOL_OPS, "pool_size must lie in", pool_size=[0, 2]),
    *spoil(POOL_OPS, "strides must lie in", strides=[2, HUGE]),
    *spoil(POOL_OPS, "padding_before must lie in", padding_before=[-1, 0]),
    *spoil(POOL_OPS, "weight one number", weight=[1.0, 2.0]),
    *spoil(["sum_pool2d_layer"], "frames must be", frames=FRAMES[0]),
    *spoil(["sum_pool2d_layer"], "output_size", output_size=tf.constant([3], **I64)),
    *spoil(["sum_pool2d_layer"], "heights and widths", output_size=tf.constant([3, HUGE], **I64)),
    *spoil(["sum_pool2d_layer"], "elements", frames=FRAMES[..., :0]),
    *spoil(["sum_pool2d_layer_input_grad"], "grad must be", grad=Z),
    *spoil(["sum_pool2d_layer_input_grad"], "input_size", input_size=tf.constant([6], **I64)),
    *spoil(["sum_pool2d_layer_input_grad"], "heights and widths|negative|overflow|must be >= 0",
           input_size=tf.constant([-6, 7], **I64)),
]  # fmt: skip


def raw(name, inputs):
    inputs = dict(inputs)
    for key in ("params", "refractory", "weight", "pool_weight", "pool_params", "decay", "gain"):
        if key in inputs:
            inputs[key] = tf.constant(inputs[key], tf.float64)
    if name in CONV_GRADS:  # a list of at most one
        for key in EVENTS:
            if not isinstance(inputs[key], list):
                inputs[key] = [inputs[key]]
    return getattr(cases.native_ops(), f"keras_slayer_{name}")(**inputs)


@pytest.mark.parametrize("name", GOOD)
def test_raw_op_takes_what_is_right(name):
    raw(name, GOOD[name])


@pytest.mark.parametrize(
    ("name", "bad", "message"), BAD, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(BAD)]
)
def test_raw_op_refuses_what_is_wrong(name, bad, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        raw(name, {**GOOD[name], **bad})


# The kernel gradient has the shape of the kernel, the delay's that of the delay.
LIKE_SERIES = [
    n
    for n in GOOD
    if "event" not in n and n not in LAYER_OPS and not n.endswith(("kernel_grad", "delay_grad"))
]


@pytest.mark.parametrize("name", LIKE_SERIES)
def test_shape_functions_refuse_series_without_time_when_tracing(name):
    inputs = {**GOOD[name], first_tensor(name): tf.zeros([3])}
    with pytest.raises(ValueError, match="must be at least rank 2"):
        tf.function(lambda: raw(name, inputs)).get_concrete_function()
