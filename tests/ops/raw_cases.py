"""What each raw op takes when all is well, and inputs that spoil one thing each."""

import numpy as np
import tensorflow as tf

Z = np.zeros((2, 5, 6), np.float32)
FRAMES = np.zeros((2, 5, 6, 7, 4), np.float32)
KERNEL = np.zeros((3, 3, 4, 8), np.float32)


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
    "recursive_filter": {"x": Z, "decay": 0.9, "gain": 1.0, "state": [], "filter": "alpha"},
    "neuron": {"synaptic_input": Z, "state": [], **SRM},
    "neuron_bytes": {"synaptic_input": Z, "state": [], **SRM},
    "neuron_grad": {"grad_spikes": Z, "membrane": Z, "later": [], **SRM},
    "neuron_params_grad": {"grad_spikes": Z, "membrane": Z, "state": [], "later": [], **SRM},
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
}  # fmt: skip
OUTPUT = np.zeros((1, 3, 2, 3, 8), np.float32)
POOL = {"pool_size": [2, 2], "strides": [2, 2], "padding_before": [0, 0], "weight": 1.0}
POOLED = {
    "pool_size": [2, 2], "pool_strides": [2, 2], "pool_padding_before": [0, 0], "pool_weight": 1.0,
    "grad": OUTPUT[:, :, :1, :1], "pool_membrane": OUTPUT[:, :, :1, :1], "pool_exodus": False,
    "pool_surrogate": "triangle", **{f"pool_{name}": value for name, value in CUBA.items()},
}  # fmt: skip
LAYER = {**SRM, "state": [], "bias": tf.zeros([0]), "batch_and_steps": tf.constant([1, 3], **I64)}
GOOD |= {
    "matmul_layer": {**EVENTS, "weights": Z[0], **LAYER},
    "conv2d_layer": {**EVENTS, "weights": KERNEL[:, :, :2], **CONV, **LAYER},
    "sum_pool2d_layer": {
        "frames": FRAMES, "output_size": tf.constant([3, 3], **I64), "T": tf.float32,
        "state": [], **POOL, **SRM,
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
FRAME, GRAD = np.zeros((3, 2, 3, 2), np.float32), np.zeros((3, 2, 3, 8), np.float32)
SHAPE = tf.constant([3, 3, 2, 8], **I64)
GOOD |= {
    "event_conv2d_weights_grad": {**EVENTS, "grad": GRAD, "weights_shape": SHAPE, **CONV},
    "frames_conv2d": {"frames": FRAME, "weights": KERNEL[:, :, :2], **CONV},
    "frames_conv2d_weights_grad": {"frames": FRAME, "grad": GRAD, "weights_shape": SHAPE, **CONV},
    "frames_conv2d_input_grad": {
        "grad": GRAD,
        "transposed": tf.transpose(KERNEL[:, :, :2], [0, 1, 3, 2]),
        **CONV,
    },
}
LAYER_OPS = [name for name in GOOD if "layer" in name]
FRAMES_OPS = ["frames_conv2d", "frames_conv2d_weights_grad"]
WEIGHT_GRADS = [name for name in GOOD if "conv2d_weights_grad" in name]
EVENT_OPS = [name for name in GOOD if "offsets" in GOOD[name]]
NO_SERIES = [*LAYER_OPS, *FRAMES_OPS, "frames_conv2d_input_grad", *EVENT_OPS, "find_events"]
CONV_OPS = [name for name in GOOD if "dilations" in GOOD[name]]
CONV_GRADS = ["conv2d_layer_grad", "conv2d_layer_pooled_grad"]
STATE_OPS = [name for name in GOOD if "state" in GOOD[name]]
POOL_OPS = ["sum_pool2d_layer", "sum_pool2d_layer_input_grad"]


def spoil(names, message, **bad):
    return [(name, bad, message) for name in names]


def first_tensor(name):
    return next(iter(GOOD[name]))


HUGE = 2**40
BAD = [
    *((n, {first_tensor(n): np.zeros(3, np.float32)}, r"\(batch, time, \.\.\.\)|same shape")
      for n in GOOD if n not in NO_SERIES),
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
    *spoil(STATE_OPS, "state must have the shape", state=[tf.zeros([2, 9, 6], tf.float64)]),
    *spoil(STATE_OPS, "state must have the shape", state=[tf.zeros([], tf.float64)]),
    *spoil(["neuron"], r"state must have the shape \[2,4,6\]. Received: 2 states",
           state=[tf.zeros([2, 4, 6], tf.float64)] * 2),
    *spoil(["recursive_filter"], "decay must lie", decay=-0.1),
    *spoil(["recursive_filter"], "decay must be finite", decay=float("nan")),
    *spoil(["recursive_filter"], "gain must be one number", gain=[1.0, 2.0]),
    *spoil(["find_events"], "max_density must lie", max_density=float("inf")),
    *spoil(["find_events"], "max_density must lie", max_density=-0.5),
    *spoil(["temporal_filter"], "at least one tap", kernel=tf.zeros([0])),
    *spoil(["temporal_filter"], "at least one tap", kernel=[[1.0]]),
    *spoil(["srm_fir", "srm_fir_grad"], "at least one tap", refractory=tf.zeros([0], tf.float64)),
    *spoil(["srm_fir", "srm_fir_grad"], "must be 0", refractory=[1.0]),
    *spoil(["neuron_grad", "neuron_params_grad", "srm_fir_grad"], "same shape", membrane=Z[:, :3]),
    *spoil(["temporal_filter_kernel_grad", "delay_grad"], "same shape", grad=Z[:1]),
    *spoil(["delay", "delay_grad"], "per channel or per neuron", delay=[1.0] * 3),
    *spoil(["delay", "delay_grad"], "per channel or per neuron", delay=tf.zeros([0])),
    *spoil(["delay", "delay_grad"], "per channel or per neuron", delay=tf.zeros([2, 5, 6])),
    *spoil(["delay", "delay_grad"], "finite and not negative", delay=[-1.0] * 6),
    *spoil(["find_events"], "must be a matrix", x=Z),
    *spoil(["find_events"], "must have the axes", earlier=True),
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
    *((n, {"columns": tf.constant(value, **I64)}, "columns must")
      for n in ("event_matmul_weights_grad",) for value in (-1, HUGE, [])),
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
    *spoil(WEIGHT_GRADS, "must be a vector", weights_shape=tf.constant(3, **I64)),
    *spoil(["event_conv2d_weights_grad"], "rank 4", weights_shape=tf.constant([3, 3], **I64)),
    *spoil(["event_conv2d_weights_grad"], "must have the shape", grad=Z),
    *spoil(["event_conv2d_weights_grad"], "heights and widths",
           weights_shape=tf.constant([HUGE, 3, 2, 8], **I64)),
    *spoil(["event_conv2d_weights_grad"], "overflow|negative|must be >= 0",
           weights_shape=tf.constant([HUGE, HUGE, 2, -8], **I64)),
    *spoil(FRAMES_OPS, r"frames must have the shape \(n, 2, 3, 2\)", frames=FRAME[:, :1]),
    *spoil(FRAMES_OPS, r"frames must have the shape \(n, 2, 3, 2\)", frames=FRAMES),
    *spoil(["frames_conv2d"], "filters must be a multiple", weights=KERNEL[:, :, :1, :3]),
    *spoil(["frames_conv2d_weights_grad"], r"grad must have the shape \(3, 2, 3, 8\)",
           grad=GRAD[:2]),
    *spoil(["frames_conv2d_input_grad"], r"grad must have the shape \(3, 2, 3, 8\)",
           grad=GRAD[:, :1]),
    *spoil(["frames_conv2d_input_grad"], "must be weights of rank 4", transposed=GRAD[0]),
    *spoil(["frames_conv2d_input_grad"], "filters must be a multiple",
           transposed=tf.ones([3, 3, 3, 1])),
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
